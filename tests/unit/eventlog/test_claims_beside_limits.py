"""Claims start what claims of one run would, whatever of the limits was read, and how far ahead.

Here runs share concurrency keys and rates across the values that are served round-robin.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from eventlog.claims import LimitReader, LimitReads
from eventlog.database.pipeline import Answer, RoundTrip
from projections.flow.candidates import (
    QUEUE_START,
    Candidate,
    Contender,
    Key,
    key_of,
    queue_position,
    rate_key_of,
)
from projections.flow.fairness import ExpectedValues, GroupQuery
from projections.flow.limits import MAX_DEPTH, GroupKey, group_of
from projections.flow.pending_queue import END, PendingQueue, TouchedRun, mark_of
from projections.flow.rates import rate_limits
from projections.flow.selection import select_candidates
from projections.rows import Connection

NOW = "2026-12-01T12:00:00.000Z"

FAIR, PLAIN = "fair", "plain"
"""A job with a `fairnessKey`, and one without."""

RATE = {"limit": 3, "periodMs": 1_000}

LIMITED: dict[str, Any] = {"fairness_key": "t", "concurrency_limit": 1}

READS = 6
"""Reads of limits by one claim, at most: each reads four times as many runs as the one before."""


@dataclass(frozen=True)
class Scene:
    """Due runs, and what their limits leave.

    Attributes:
        waiting: the due runs, in the order of the queue.
        held: the runs under way by concurrency key.
        starts: the recent starts by rate key.
        last_values: the values that were started last.
    """

    waiting: list[TouchedRun]
    held: Counter[Key]
    starts: Counter[Key]
    last_values: dict[GroupKey, str]

    def one_by_one(self, slots: int) -> list[str]:
        """Return what claims of a single run start, each after the start of the one before."""
        waiting: list[Candidate] = [*self.waiting]
        held, starts, last_values = self.held.copy(), self.starts.copy(), {**self.last_values}
        of_job: Counter[str] = Counter(job_id for job_id, _ in held.elements())
        started: list[str] = []
        while len(started) < slots:
            free = [run for run in waiting if _is_free(run, of_job, held, starts)]
            groups = {group for run in free if (group := group_of(run)) is not None}
            heads = [run for run in free if group_of(run) is None]
            heads += [_head(free, group, last_values.get(group)) for group in groups]
            if not heads:
                break
            run = min(heads, key=queue_position)
            waiting.remove(run)
            started.append(run["id"])
            of_job[run["job_definition_id"]] += 1
            held.update(filter(None, [key_of(run)]))
            starts.update(filter(None, [rate_key_of(run)]))
            group = group_of(run)
            if group is not None:
                last_values[group] = run["fair_value"] or ""
        return started

    def answer(self, reads: LimitReads) -> None:
        """Fill the answers to what a claim reads."""
        reads.windows.rows = self.windows_of(reads.rate_limits)
        for query, answer in reads.groups.items():
            answer.rows = self.rows_of(query)

    def windows_of(self, keys: Iterable[Key]) -> list[dict[str, Any]]:
        """Return what `STARTED` would read."""
        return [
            {"job_id": key[0], "value": key[1], "number": self.starts[key], "first_at": NOW}
            for key in keys
        ]

    def rows_of(self, query: GroupQuery) -> list[dict[str, Any]]:
        """Return what `GROUP_RUNS` would read."""

        def is_free(run: Candidate) -> bool:
            is_full = run["rate_value"] in query.full_values
            is_kept = is_full or run["concurrency_value"] in query.saturated_keys
            return not is_kept or run["id"] in query.heads

        of_group = [run for run in self.waiting if group_of(run) == query.group]
        queues = [
            queue
            for value in _in_turn(of_group, self.last_values.get(query.group))
            if any(map(is_free, (queue := _of_value(of_group, value))[:MAX_DEPTH]))
        ][: query.values]
        depth = max(query.depth, query.least_depth, -(-query.values // max(len(queues), 1)))
        return [
            {**run, "lap": 0, "depth": depth}
            for queue in queues
            for run in [*filter(is_free, queue[: depth + MAX_DEPTH])][:depth]
        ]

    def next_values(self, turns: ExpectedValues) -> list[dict[str, Any]]:
        """Return what `NEXT_VALUES` would read."""
        of_group = [run for run in self.waiting if group_of(run) == turns.group]
        steps = [turns.last_value, *turns.values[:-1]]
        rows: list[dict[str, Any]] = []
        for step in steps:
            values = _in_turn(of_group, step)
            row = {"last_value": self.last_values.get(turns.group)}
            rows.append({**row, "next_value": values[0] if values else None})
        return rows


def _is_free(
    run: Candidate, of_job: Counter[str], held: Counter[Key], starts: Counter[Key]
) -> bool:
    most, key, rate_key = run["max_concurrent_runs"], key_of(run), rate_key_of(run)
    return (
        (most is None or of_job[run["job_definition_id"]] < most)
        and (key is None or held[key] < (run["concurrency_limit"] or 1))
        and (rate_key is None or starts[rate_key] < RATE["limit"])
    )


def _head(free: Sequence[Candidate], group: GroupKey, last: str | None) -> Candidate:
    of_group = [run for run in free if group_of(run) == group]
    value = _in_turn(of_group, last)[0]
    return next(run for run in of_group if run["fair_value"] == value)


def _of_value(runs: Iterable[TouchedRun], value: str) -> list[TouchedRun]:
    return [run for run in runs if run["fair_value"] == value]


def _in_turn(runs: Sequence[Candidate], last: str | None) -> list[str]:
    values = sorted({run["fair_value"] or "" for run in runs})
    return [
        *(value for value in values if last is None or value > last),
        *(value for value in values if last is not None and value <= last),
    ]


RUNS = st.fixed_dictionaries(
    {
        "job_definition_id": st.sampled_from([FAIR, FAIR, PLAIN]),
        "priority": st.sampled_from([0, 0, 1]),
        "fair_value": st.sampled_from(["a", "b", "c", None]),
        "concurrency_value": st.sampled_from(["x", "x", "y", None]),
        "rate_value": st.sampled_from(["p", "p", None]),
    }
)

KEYS = st.lists(st.tuples(st.just(FAIR), st.sampled_from("xy")), max_size=2).map(Counter)
RATE_KEYS = st.lists(st.tuples(st.just(FAIR), st.just("p")), max_size=3).map(Counter)


def _run(number: int, **fields: Any) -> TouchedRun:
    """Return a due run of a position in the queue."""
    run: Any = {**QUEUE_START, "job_definition_id": FAIR, "priority": 0, "entry_point": "noop"}
    run |= {"status": "pending", "scheduled_at": f"2026-12-01T11:00:00.{number:03}Z"}
    return cast("TouchedRun", run | {"id": f"{number:03}"} | fields)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Make up a scene."""
    of_key, most = draw(st.integers(1, 2)), draw(st.sampled_from([None, None, 4]))
    waiting: list[TouchedRun] = []
    for number, fields in enumerate(draw(st.lists(RUNS, max_size=16))):
        run: Any = _run(number, **fields)
        if run["job_definition_id"] == PLAIN:
            run |= {"fair_value": None, "concurrency_value": None, "rate_value": None}
        else:
            run |= {"fairness_key": "t", "concurrency_limit": of_key, "max_concurrent_runs": most}
            run["rate_limit"] = None if run["rate_value"] is None else RATE
        waiting.append(run)
    last_values = {
        (FAIR, "noop", priority): value
        for priority in (0, 1)
        if (value := draw(st.sampled_from([None, *"abc"]))) is not None
    }
    return Scene(sorted(waiting, key=queue_position), draw(KEYS), draw(RATE_KEYS), last_values)


@given(scenes(), st.integers(1, 6), st.integers(1, 16))
def test_a_claim_that_reads_what_it_needs_starts_what_claims_of_one_would(
    scene: Scene, slots: int, in_memory: int
) -> None:
    queue = _queue_with_first(scene, in_memory)
    started = [run["id"] for run in _claim(scene, queue, slots)]
    expected = scene.one_by_one(slots)
    assert started == (expected if queue.is_complete(NOW) else expected[: len(started)])


HOSTILE: dict[str, Callable[[int], tuple[str | None, str | None, str | None]]] = {
    "a key": lambda _: ("a", "x", None),
    "keys one after the other": lambda number: ("a", str(number // 20), None),
    "a key of many values": lambda number: (str(number % 100), "x", None),
    "a key of a run of each value": lambda number: (str(number), "x", None),
    "a rate": lambda _: ("a", None, "p"),
    "a full rate of each run": lambda number: (None, None, f"full {number}"),
}
"""The value, the key and the rate's value of each of many runs, by what is used up."""


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("slots", [2, 8, 32])
def test_few_reads_suffice_whatever_keeps_many_runs(name: str, slots: int) -> None:
    waiting: list[TouchedRun] = []
    for number in range(500):
        value, key, rate = HOSTILE[name](number)
        fields = {"fair_value": value, "concurrency_value": key, "rate_value": rate}
        rate_limit = None if rate is None else RATE
        waiting.append(_run(number, **LIMITED, **fields, rate_limit=rate_limit))
    starts = Counter({(FAIR, f"full {number}"): 3 for number in range(500)})
    scene = Scene(waiting, Counter(), starts, {})
    started = [run["id"] for run in _claim(scene, _queue_with_first(scene, 500), slots, 4)]
    assert started == scene.one_by_one(slots)[: len(started)]


def _claim(
    scene: Scene, queue: PendingQueue, slots: int, most_reads: int = READS
) -> list[Candidate]:
    """Return what a claim starts, which reads limits until its selection is final."""
    known_until, due = queue.known_until(NOW), queue.due(NOW)
    reader = LimitReader(queue, NOW, slots, in_order=False)
    for _ in range(most_reads + 1):
        limits = reader.limits(known_until)
        selection = select_candidates(due, limits, slots)
        if selection.is_final:
            return selection.runs
        unsent = RoundTrip(cast("Connection", None))
        reads = reader.request(unsent, selection, limits, due)
        scene.answer(reads)
        reader.take(reads)
    pytest.fail(f"{most_reads} reads were not enough")


@given(scenes(), st.integers(1, 6), st.integers(1, 16))
def test_foreseen_runs_that_are_confirmed_are_those_that_claims_of_one_would_start(
    scene: Scene, slots: int, in_memory: int
) -> None:
    queue = _queue_with_first(scene, in_memory)
    known_until, due = queue.known_until(NOW), queue.due(NOW)
    limits = LimitReader(queue, NOW, slots, in_order=False).limits(known_until)
    selection = select_candidates(due, limits, slots)
    foreseen = LimitReader(queue, NOW, slots, in_order=False).foresee(
        selection, limits, due, scene.last_values
    )
    pipelined = _reads(scene, foreseen.runs, foreseen.unread_groups)
    reader = LimitReader(queue, NOW, slots, in_order=False, pipelined=pipelined)
    confirmed = reader.confirm(foreseen.runs, due, known_until)
    event("not confirmed" if confirmed is None else "confirmed")
    if confirmed is not None:
        assert [run["id"] for run in confirmed] == scene.one_by_one(slots)


def _queue_with_first(scene: Scene, number: int) -> PendingQueue:
    """Return the pending queue of a process that has the first runs in memory."""
    held = [*scene.held.elements()]
    running: list[Contender] = [
        {"id": f"running {number}", "job_definition_id": job_id, "concurrency_value": value}
        for number, (job_id, value) in enumerate(held)
    ]
    queue = PendingQueue(1, running)
    queue.follow(2, scene.waiting[:number], {})
    queue.low_water_marks = {run["priority"]: END for run in scene.waiting}
    for run in reversed(scene.waiting[number:]):
        queue.low_water_marks[run["priority"]] = mark_of(run)
    return queue


def _reads(scene: Scene, expected: Sequence[Candidate], groups: Iterable[GroupKey]) -> LimitReads:
    """Return what is read together with the lock to confirm these runs."""
    limits = rate_limits(scene.waiting)
    turns: list[tuple[ExpectedValues, Answer]] = []
    for group in groups:
        values = [run["fair_value"] for run in expected if group_of(run) == group]
        expected_turns = ExpectedValues(group, scene.last_values.get(group), values)
        turns.append((expected_turns, Answer(scene.next_values(expected_turns))))
    return LimitReads(limits, Answer(scene.windows_of(limits)), next_values=turns)
