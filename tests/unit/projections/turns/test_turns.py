"""RoundRobin are fair however claims come, leave nothing idle, and keep each value's order."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from eventlog.runs_before import runs_before_in_past
from projections.flow.candidates import QUEUE_START, Candidate, queue_position
from projections.flow.limits import MAX_DEPTH, FairnessGroup, GroupKey, group_of
from projections.flow.selection import RoundRobin, Tally, Unlimited

MAX_CLAIMED = 5

GROUP: GroupKey = ("job", "noop", 0)

OTHER = "other"
"""Stands for runs of other jobs, which take no turns."""


def run(value: str, number: int) -> Candidate:
    """Return a run of a value that stands at a place of the queue."""
    return {
        **QUEUE_START,
        "id": f"{value}{number}",
        "job_definition_id": GROUP[0],
        "entry_point": GROUP[1],
        "priority": GROUP[2],
        "scheduled_at": f"{number:06}",
        "fair_value": None if value == OTHER else value,
        "fairness_key": "tenant",
    }


def value_of(one: Candidate) -> str:
    """Return whose run it is."""
    return one["fair_value"] or OTHER


class Limited(Unlimited):
    """Lets runs of which something is true start."""

    def __init__(self, has_capacity: Callable[[Candidate], bool]) -> None:
        self._has_capacity = has_capacity

    @override
    def has_capacity(self, run: Candidate) -> bool:
        return self._has_capacity(run)


class Saturated(Unlimited):
    """Of no job may a run start."""

    @override
    def has_job_capacity(self, run: Candidate) -> bool:
        return False


def round_robin_of(group: FairnessGroup, tally: Tally | None = None) -> RoundRobin:
    """Return the round robin of a group."""
    return RoundRobin({GROUP: group}, tally or Unlimited())


@dataclass
class Queue:
    """Due runs, and the last turn as a log would tell it."""

    waiting: list[Candidate] = field(default_factory=list)
    started: list[Candidate] = field(default_factory=list)

    def arrive(self, value: str, count: int = 1) -> None:
        for _ in range(count):
            number = len(self.waiting) + len(self.started)
            self.waiting.append(run(value, number))

    def claim(self, slots: int, tally: Tally | None = None) -> list[Candidate]:
        starting = round_robin_of(self.group(), tally).starting(self.waiting)
        picked = [*islice(starting, slots)]
        self.started += picked
        gone = {one["id"] for one in picked}
        self.waiting = [one for one in self.waiting if one["id"] not in gone]
        return picked

    def group(self) -> FairnessGroup:
        """Return the lines as they follow the last value that was started."""
        by_value: dict[str, list[Candidate]] = {}
        for one in self.waiting:
            if one["fair_value"] is not None:
                by_value.setdefault(one["fair_value"], []).append(one)
        turns = [one["fair_value"] for one in self.started if one["fair_value"]]
        last = turns[-1] if turns else ""
        ahead = sorted(value for value in by_value if value > last)
        behind = sorted(value for value in by_value if value <= last)
        return FairnessGroup([by_value[value] for value in [*ahead, *behind]])


VALUES = st.sampled_from("abcd")
ARRIVALS = st.lists(VALUES, max_size=30)
CLAIM = ""
STEPS = st.lists(st.one_of(VALUES, st.just(CLAIM)), max_size=80)


@given(STEPS)
def test_nobody_has_two_turns_while_another_waits_for_one(steps: list[str]) -> None:
    queue = Queue()
    others_turns: dict[str, Counter[str]] = {}
    for step in steps:
        if step != CLAIM:
            queue.arrive(step)
            continue
        waited = {value_of(one) for one in queue.waiting}
        turns = {value: others_turns.get(value, Counter()) for value in waited}
        for one in queue.claim(1):
            turns[value_of(one)] = Counter()
            for value in waited - {value_of(one)}:
                turns[value][value_of(one)] += 1
                assert turns[value][value_of(one)] == 1
        others_turns = turns


@given(ARRIVALS, st.lists(st.integers(1, MAX_CLAIMED), max_size=12))
def test_claims_of_any_size_start_the_same_in_the_same_order(
    arrivals: list[str], sizes: list[int]
) -> None:
    together, one_by_one = Queue(), Queue()
    for value in arrivals:
        together.arrive(value)
        one_by_one.arrive(value)
    for size in sizes:
        together.claim(size)
    for _ in range(sum(sizes)):
        one_by_one.claim(1)
    assert together.started == one_by_one.started


@given(ARRIVALS, st.integers(0, 20), st.sets(VALUES))
def test_no_place_stays_empty_that_somebody_could_take(
    arrivals: list[str], slots: int, refused: set[str]
) -> None:
    queue = Queue()
    for value in arrivals:
        queue.arrive(value)
    free = [one for one in queue.waiting if one["fair_value"] not in refused]
    picked = queue.claim(slots, Limited(lambda one: one["fair_value"] not in refused))
    assert len(picked) == min(slots, len(free))
    assert not refused & {value_of(one) for one in picked}


@given(ARRIVALS, st.integers(0, 20))
def test_the_runs_of_a_value_keep_their_order(arrivals: list[str], slots: int) -> None:
    queue = Queue()
    for value in arrivals:
        queue.arrive(value)
    picked = queue.claim(slots)
    for value in set(arrivals):
        own = [one["scheduled_at"] for one in picked if one["fair_value"] == value]
        assert own == sorted(own)


def test_a_run_that_is_refused_does_not_keep_others_of_its_value() -> None:
    queue = Queue()
    queue.arrive("a", 2)
    queue.arrive("b")
    picked = queue.claim(3, Limited(lambda one: one["id"] != "a0"))
    assert [one["id"] for one in picked] == ["a1", "b2"]


def test_who_was_away_has_one_turn_in_each_round_and_no_more() -> None:
    queue = Queue()
    queue.arrive("a", 10)
    queue.claim(4)
    queue.arrive("b", 3)
    assert [one["fair_value"] for one in queue.claim(6)] == [*"bababa"]


@given(
    st.lists(st.sampled_from(["a", "b", "c", OTHER]), max_size=30),
    st.lists(st.integers(1, MAX_CLAIMED), max_size=12),
)
def test_no_other_job_waits_longer(arrivals: list[str], sizes: list[int]) -> None:
    queue = Queue()
    for value in arrivals:
        queue.arrive(value)
    as_they_stand = [one["id"] for one in queue.waiting]
    for size in sizes:
        queue.claim(size)
    for before, one in enumerate(queue.started):
        if value_of(one) == OTHER:
            assert before <= as_they_stand.index(one["id"])


def test_what_is_not_known_is_asked_for() -> None:
    first, second = run("a", 0), run("b", 1)

    def unread(round_robin: RoundRobin) -> dict[GroupKey, Candidate]:
        [*round_robin.starting([first, second])]
        return round_robin.unread_groups

    assert unread(RoundRobin({}, Unlimited())) == {GROUP: first}
    assert unread(round_robin_of(FairnessGroup([[second]]))) == {}
    assert unread(round_robin_of(FairnessGroup([[second]], is_complete=False))) == {GROUP: first}


def test_nobody_has_a_second_turn_before_all_are_known() -> None:
    first, second, third = run("a", 0), run("b", 1), run("b", 2)
    group = FairnessGroup([[first], [second, third]], is_complete=False)
    round_robin = round_robin_of(group, Limited(lambda one: one is not first))
    assert [*round_robin.starting([first])] == [second]
    assert round_robin.unread_groups == {GROUP: first}


def test_a_line_that_may_go_on_is_asked_for_when_its_turn_comes() -> None:
    lines = [[run("a", 0)], [run("b", 1)], [run("c", 2), run("c", 3)]]
    group = FairnessGroup(lines, depth=2)
    round_robin = round_robin_of(group)
    starting = round_robin.starting([run("a", 0)])
    assert [one["id"] for one in starting] == ["a0", "b1", "c2", "c3"]
    assert round_robin.unread_groups == {GROUP: run("a", 0)}
    assert group.next_depth(10) == 8
    assert group.next_depth(4) == 16
    ended = round_robin_of(FairnessGroup(lines, depth=3))
    assert len([*ended.starting([run("a", 0)])]) == 4
    assert ended.unread_groups == {}


@pytest.mark.parametrize(("depth", "started"), [(2, ["b9"]), (MAX_DEPTH, ["b9", "c9"])])
def test_a_value_whose_runs_are_refused_is_read_on_up_to_the_depth(
    depth: int, started: list[str]
) -> None:
    refused = [run("a", number) for number in range(depth)]
    group = FairnessGroup([[run("b", 9)], refused, [run("c", 9)]], depth=depth)
    round_robin = round_robin_of(group, Limited(lambda one: one["fair_value"] != "a"))
    assert [one["id"] for one in round_robin.starting(refused[:1])] == started
    unread = {} if depth == MAX_DEPTH else {GROUP: refused[-1]}
    assert round_robin.unread_groups == unread


def test_nothing_starts_behind_the_place_up_to_which_all_is_known() -> None:
    first, second, third = run("a", 0), run("b", 1), run("a", 2)
    groups = {GROUP: FairnessGroup([[second], [first, third]])}

    def started(until: Candidate) -> list[Candidate]:
        return [*RoundRobin(groups, Unlimited(), queue_position(until)).starting([first])]

    assert started(first) == []
    assert started(second) == [second, first]
    assert started(third) == [second, first, third]


def test_a_job_without_room_is_asked_nothing_about() -> None:
    round_robin = RoundRobin({}, Saturated())
    assert [*round_robin.starting([run("a", 0)])] == []
    assert round_robin.unread_groups == {}


def test_runs_without_a_value_and_those_of_jobs_without_a_key_take_no_turns() -> None:
    one = run("a", 0)
    assert group_of(one) == GROUP
    assert group_of({**one, "fairness_key": None}) is None
    assert group_of({**one, "fair_value": None}) is None


def _starts_until_all_of(
    others: Sequence[str], flood: int, slots: int
) -> dict[tuple[str | None, int], int]:
    """Return of each run of these tenants, ten of each, how many starts came before it."""
    queue = Queue()
    queue.arrive("flood", flood)
    for _ in range(10):
        for value in others:
            queue.arrive(value)
    while any(one["fair_value"] in others for one in queue.waiting):
        queue.claim(slots)
    return {
        (one["fair_value"], int(one["scheduled_at"]) - flood): before
        for before, one in enumerate(queue.started)
        if one["fair_value"] in others
    }


@pytest.mark.parametrize("slots", [1, 3, 16])
def test_nine_tenants_hardly_notice_the_flood_of_the_tenth(slots: int) -> None:
    others = [f"tenant-{number}" for number in range(9)]
    alone = _starts_until_all_of(others, 0, slots)
    beside = _starts_until_all_of(others, 2_000, slots)
    assert alone.keys() == beside.keys()
    for one, before in beside.items():
        rounds = alone[one] // len(others) + 1
        assert before <= alone[one] + rounds, "one more start in each round, no more"


def test_of_a_past_that_is_not_known_whole_only_what_comes_before_a_run_is_named() -> None:
    runs = [run(value, index) for index, value in enumerate("aabc")]
    before = runs_before_in_past(runs[1], runs, "9", [], is_cut=True)
    assert before.next(runs[1]) == [runs[0], runs[2], runs[3]]
    before = runs_before_in_past(runs[2], runs, "9", [], is_cut=True)
    assert before.next(runs[2]) == [runs[0]]
