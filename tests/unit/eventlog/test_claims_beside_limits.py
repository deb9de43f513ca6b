"""Claims start what claims of one run would, whatever of the limits was read, and how far ahead.

Here runs share concurrency keys and rates across the values that are served round-robin.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from eventlog.claims import LimitReader, LimitReads
from eventlog.database.pipeline import Answer
from projections.flow.candidates import (
    QUEUE_START,
    Candidate,
    Contender,
    Key,
    key_of,
    queue_position,
    rate_key_of,
)
from projections.flow.fairness import FairnessGroupReader, ForeseenTurns, GroupQuery
from projections.flow.pending_queue import END, PendingQueue, TouchedRun, mark_of
from projections.flow.rates import rate_limits
from projections.flow.selection import GroupKey, RateWindow, group_of, select_candidates

NOW = "2026-12-01T12:00:00.000Z"

FAIR, PLAIN = "fair", "plain"
"""A job with a `fairnessKey`, and one without."""

RATE = {"limit": 3, "periodMs": 1_000}

READS = 40
"""Reads of limits by one claim, at most: each reads twice as many runs as the one before."""


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

    def window(self, key: Key) -> RateWindow:
        """Return what `STARTED` would say of a rate key."""
        return RateWindow(max(RATE["limit"] - self.starts[key], 0))

    def rows_of(self, query: GroupQuery) -> list[dict[str, Any]]:
        """Return what `GROUP_RUNS` would read."""
        of_group = [run for run in self.waiting if group_of(run) == query.group]
        free = [
            run
            for run in of_group
            if run["concurrency_value"] not in query.saturated_keys
            and run["rate_value"] not in query.full_values
        ]
        values = _in_turn(free, self.last_values.get(query.group))[: query.values]
        depth = max(query.depth, -(-query.values // max(len(values), 1)))
        return [
            {**run, "lap": 0, "depth": depth}
            for value in values
            for run in [run for run in free if run["fair_value"] == value][:depth]
        ]

    def next_values(self, turns: ForeseenTurns) -> list[dict[str, Any]]:
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


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Make up a scene."""
    of_key, most = draw(st.integers(1, 2)), draw(st.sampled_from([None, None, 4]))
    waiting: list[TouchedRun] = []
    for number, fields in enumerate(draw(st.lists(RUNS, max_size=16))):
        run: Any = {**QUEUE_START, **fields, "id": f"{number:02}", "entry_point": "noop"}
        run |= {"status": "pending", "scheduled_at": f"2026-12-01T11:00:{number:02}.000Z"}
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
    known_until, due = queue.known_until(NOW), queue.due(NOW)
    windows: dict[Key, RateWindow] = {}
    reader = FairnessGroupReader(slots)
    for _ in range(READS):
        limits = queue.limits(windows, reader.groups, known_until)
        selection = select_candidates(due, limits, slots)
        if selection.is_final:
            break
        for query in reader.queries(selection.unread_groups, limits).values():
            reader.take(query, scene.rows_of(query))
        for key in rate_limits(selection.unread_windows):
            windows[key] = scene.window(key)
    assert selection.is_final
    started, expected = [run["id"] for run in selection.runs], scene.one_by_one(slots)
    assert started == (expected if known_until is None else expected[: len(started)])


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
    counted = [
        {"job_id": job_id, "value": value, "number": scene.starts[job_id, value], "first_at": NOW}
        for job_id, value in limits
    ]
    turns: list[tuple[ForeseenTurns, Answer]] = []
    for group in groups:
        values = [run["fair_value"] for run in expected if group_of(run) == group]
        expected_turns = ForeseenTurns(group, scene.last_values.get(group), values)
        turns.append((expected_turns, Answer(scene.next_values(expected_turns))))
    return LimitReads(limits, Answer(counted), turns=turns)
