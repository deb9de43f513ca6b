"""Simulates a job's past under another limit: the same arrivals and durations. Pure.

First the job's state at one moment, and which turn a claim would start then; then the simulation
(`simulate`); last the capacity that the workers had (`capacity_of`). `what_if.py` compares them.
"""

from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count, groupby
from statistics import median_low
from typing import Literal

from projections.flow.candidates import (
    NO_LIMITS,
    Candidate,
    JobLimits,
    Key,
    QueuePosition,
    queue_position,
)
from projections.flow.limits import GroupKey, LimitState, RateWindow, group_of
from projections.flow.selection import refusals
from projections.job_history import History, RecordedRun, Timeline, Turn

TurnKey = tuple[str, int]
"""A run's id, and which of its turns."""


@dataclass(frozen=True)
class Entry:
    """A turn that waits or is under way.

    Attributes:
        run: the run that it belongs to.
        index: which of the run's turns it is.
        due_at: when it is due in the simulation.
        queued_at: the time that decides its queue position.
    """

    run: RecordedRun
    index: int
    due_at: int
    queued_at: int

    @property
    def turn(self) -> Turn:
        """What the history says of it."""
        return self.run.turns[self.index]

    @property
    def key(self) -> TurnKey:
        """Which turn it is."""
        return self.run.id, self.index

    @property
    def position(self) -> QueuePosition:
        """Its queue position."""
        # With its leading zeros the text sorts as the time does.
        return -self.run.priority, f"{self.queued_at:015}", self.run.id


def recorded_entry(run: RecordedRun, index: int) -> Entry:
    """Return a turn with the times at which it was really due."""
    first = index
    while run.turns[first].was_handed_back:
        first -= 1
    return Entry(run, index, run.turns[index].due_at, run.turns[first].due_at)


# The state of a job at one moment. A claim starts the first turn, in the queue's order, of those
# that are next in their groups or in none, and that no limit refuses (`selection.refusals`).

_JOB = "job"
"""Stands for the id of the one job of a history."""

_Queue = tuple[GroupKey, str] | None
"""A fairness group and a value of it; None for all turns that are in no group."""

_Item = tuple[QueuePosition, int, str]
"""A turn's queue position, which of the run's turns it is, and the run's id."""

_Block = tuple[Literal["key", "rate"], str]
"""What blocks turns: a saturated concurrency key, or a full rate window."""


class _Waiting:
    """The turns that wait: a queue for each value of a fairness group, and one for all others.

    A turn that a key or a rate blocks is set aside, so that no selection looks at it twice. When
    the block ends, the first turn of each queue that was set aside for it is queued again.

    Attributes:
        limits: the job's.
        last_values: by fairness group, the value that was started last.
    """

    def __init__(self) -> None:
        self.limits: JobLimits = NO_LIMITS
        self.last_values: dict[GroupKey, str] = {}
        self._entries: dict[str, Entry] = {}
        self._candidates: dict[str, Candidate] = {}
        self._queues: dict[_Queue, list[_Item]] = {}
        self._values: dict[GroupKey, list[str]] = {}
        self._aside: defaultdict[_Block, dict[_Queue, list[_Item]]] = defaultdict(dict)
        self._released_by: dict[str, _Block] = {}

    def add(self, entry: Entry) -> None:
        """Add a turn that is due."""
        self._entries[entry.run.id] = entry
        self._candidates[entry.run.id] = self._candidate(entry)
        self._enqueue(entry)

    def remove(self, entry: Entry) -> None:
        """Remove a turn; if it had been released, release the next one instead."""
        waiting = self._entries.get(entry.run.id)
        if waiting is not None and waiting.key == entry.key:
            del self._entries[entry.run.id]
            released_by = self._released_by.pop(entry.run.id, None)
            if released_by is not None:
                self._release_first(released_by, self._queue_of(self._candidate(entry)))

    def started(self, entry: Entry) -> None:
        """Remove a turn that starts."""
        self._entries.pop(entry.run.id, None)
        self._released_by.pop(entry.run.id, None)
        group = group_of(self._candidate(entry))
        if group is not None:
            self.last_values[group] = entry.run.fair_value or ""

    def change_limits(self, limits: JobLimits) -> None:
        """Change the limits, and queue all turns again."""
        if limits == self.limits:
            return
        self.limits = limits
        self._queues.clear()
        self._values.clear()
        self._aside.clear()
        self._released_by.clear()
        for entry in self._entries.values():
            self._candidates[entry.run.id] = self._candidate(entry)
            self._enqueue(entry)

    def release(self, block: _Block) -> None:
        """Queue the first turn of each queue again that is set aside for this block."""
        for queue in self._aside.get(block, ()):
            self._release_first(block, queue)

    def _release_first(self, block: _Block, queue: _Queue) -> None:
        aside = self._aside[block].get(queue, [])
        while aside:
            entry = self._entry_of(heappop(aside))
            if entry is not None:
                self._released_by[entry.run.id] = block
                self._enqueue(entry)
                return

    def next(self, limits: LimitState) -> Entry | None:
        """Return the turn that starts next, without removing it; None if none may start."""
        while True:
            heads = self._heads()
            blocked = [run for run in heads if refusals(run, limits)]
            if not heads or not all(self._set_aside(run, limits) for run in blocked):
                return None
            if not blocked:
                return self._entries[min(heads, key=queue_position)["id"]]

    def _set_aside(self, run: Candidate, limits: LimitState) -> bool:
        """Set a turn aside; return False if its job has no capacity, which blocks all turns."""
        match refusals(run, limits):
            case ["key_limit", *_]:
                block: _Block = ("key", run["concurrency_value"] or "")
            case ["rate_limited"]:
                block = ("rate", run["rate_value"] or "")
            case _:
                return False
        entry = self._entries[run["id"]]
        queue = self._queue_of(run)
        heappop(self._queues[queue])
        heappush(self._aside[block].setdefault(queue, []), _item_of(entry))
        released_by = self._released_by.pop(run["id"], None)
        if released_by is not None and released_by != block:
            self._release_first(released_by, queue)
        return True

    def _enqueue(self, entry: Entry) -> None:
        queue = self._queue_of(self._candidates[entry.run.id])
        if queue is not None:
            group, value = queue
            values = self._values.setdefault(group, [])
            index = bisect_left(values, value)
            if values[index : index + 1] != [value]:
                values.insert(index, value)
        heappush(self._queues.setdefault(queue, []), _item_of(entry))

    def _queue_of(self, run: Candidate) -> _Queue:
        group = group_of(run)
        return None if group is None else (group, run["fair_value"] or "")

    def _heads(self) -> list[Candidate]:
        """Return the first turn without a group, and of each group the one that starts next."""
        heads = [self._head(None)]
        heads += [self._head_of_group(group) for group in self._values]
        return [run for run in heads if run is not None]

    def _head_of_group(self, group: GroupKey) -> Candidate | None:
        values = self._values[group]
        while values:
            last = self.last_values.get(group)
            index = 0 if last is None else bisect_right(values, last) % len(values)
            head = self._head((group, values[index]))
            if head is not None:
                return head
            del values[index]
        return None

    def _head(self, queue: _Queue) -> Candidate | None:
        items = self._queues.get(queue, [])
        while items:
            entry = self._entry_of(items[0])
            if entry is not None:
                return self._candidates[entry.run.id]
            heappop(items)
        return None

    def _entry_of(self, item: _Item) -> Entry | None:
        """Return the turn of a queued item; None if it waits no longer."""
        _, index, run_id = item
        entry = self._entries.get(run_id)
        return entry if entry is not None and entry.index == index else None

    def _candidate(self, entry: Entry) -> Candidate:
        """Return a turn as claims see it, with the present limits."""
        run, limits = entry.run, self.limits
        priority, scheduled_at, run_id = entry.position
        return {
            "id": run_id,
            "job_definition_id": _JOB,
            "concurrency_value": run.key,
            "entry_point": run.entry_point,
            "priority": -priority,
            "scheduled_at": scheduled_at,
            "start_by": None,
            "rate_value": run.rate_value,
            "fair_value": run.fair_value,
            **limits,
        }


def _item_of(entry: Entry) -> _Item:
    return entry.position, entry.index, entry.run.id


class _Kind(IntEnum):
    """Kinds of events, in the order in which they take effect within a millisecond."""

    ENDS = 0
    EXPIRES = 1
    REOPENS = 2
    IS_DUE = 3
    STARTS = 4
    CHANGES = 5


class _JobState:
    """A job at one moment: the turns that wait, those under way, and the recent starts.

    Attributes:
        running: the number of turns under way.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self.running = 0
        self._held: Counter[Key] = Counter()
        self._starts: defaultdict[str, list[int]] = defaultdict(list)
        self.waiting = _Waiting()

    def change_limits(self, at: int, max_concurrent_runs: int | None) -> None:
        """Apply the limits of a moment."""
        history = self._history
        rate = history.rates.at(at)
        self.waiting.change_limits(
            {
                "max_concurrent_runs": max_concurrent_runs,
                "concurrency_limit": history.key_limits.at(at) or 1,
                "rate_limit": (
                    None if rate is None else {"limit": rate.limit, "periodMs": rate.period_ms}
                ),
                "fairness_key": history.fairness_keys.at(at),
            }
        )

    def start(self, entry: Entry, at: int) -> None:
        """Count a turn that starts."""
        self.waiting.started(entry)
        run = entry.run
        self.running += 1
        if run.key is not None:
            self._held[_JOB, run.key] += 1
        if run.rate_value is not None:
            insort(self._starts[run.rate_value], at)

    def end(self, entry: Entry) -> None:
        """Count a turn that ends."""
        self.running -= 1
        key = entry.run.key
        if key is not None:
            self._held[_JOB, key] -= 1
            self.waiting.release(("key", key))

    def apply(
        self, at: int, kind: _Kind, subject: Entry | str | None, limits: Timeline[int]
    ) -> None:
        """Apply an event of a turn or of a rate value, or a change of the limits."""
        match kind, subject:
            case _Kind.IS_DUE, Entry():
                self.waiting.add(subject)
            case _Kind.EXPIRES, Entry():
                self.waiting.remove(subject)
            case _Kind.STARTS, Entry():
                self.start(subject, at)
            case _Kind.ENDS, Entry():
                self.end(subject)
            case _Kind.REOPENS, str():
                self.waiting.release(("rate", subject))
            case _:
                self.change_limits(at, limits.at(at))

    def reopens_at(self, at: int) -> list[tuple[int, str]]:
        """Return when each start within the period of a moment leaves it, and its rate value."""
        rate = self._history.rates.at(at)
        if rate is None:
            return []
        return [
            (start + rate.period_ms, value)
            for value, starts in self._starts.items()
            for start in starts[bisect_right(starts, at - rate.period_ms) :]
        ]

    def next(self, at: int) -> Entry | None:
        """Return the turn that a claim at this moment starts next; None if none may start."""
        most = self.waiting.limits["max_concurrent_runs"]
        if most is not None and self.running >= most:
            return None  # Else each call would look at what waits in vain.
        return self.waiting.next(
            LimitState({_JOB: self.running}, self._held, _Windows(self._history, self._starts, at))
        )


class _Windows(Mapping[Key, RateWindow]):
    """The rate windows at a moment, each counted when a decision looks at it."""

    def __init__(self, history: History, starts: Mapping[str, Sequence[int]], at: int) -> None:
        self._rate = history.rates.at(at)
        self._starts = starts
        self._at = at

    def __getitem__(self, key: Key) -> RateWindow:
        if self._rate is None:
            raise KeyError(key)
        _, value = key
        starts = self._starts.get(value, ())
        since = self._at - self._rate.period_ms
        return RateWindow(max(self._rate.limit - len(starts) + bisect_right(starts, since), 0))

    def __iter__(self) -> Iterator[Key]:
        return ((_JOB, value) for value in self._starts)

    def __len__(self) -> int:
        return len(self._starts)


# The simulation: the same arrivals and durations, and perhaps another limit.
#
# The rules are those of claims, for the same limits decide. A retry is due as long after the end
# of the attempt before as it really was.


@dataclass(frozen=True, slots=True)
class Start:
    """When a turn was due, and when it started."""

    due_at: int
    started_at: int

    @property
    def wait_ms(self) -> int:
        """How long it waited."""
        return self.started_at - self.due_at


class _Simulation:
    """One simulation: a queue of events, the next one first."""

    def __init__(self, history: History, limits: Timeline[int], capacity: Timeline[int]) -> None:
        self._history = history
        self._limits = limits
        self._capacity = capacity
        self._typical_ms = typical_ms(history)
        self._events: list[tuple[int, _Kind, int, Entry | str | None]] = []
        self._numbers = count()
        self._state = _JobState(history)
        self.starts: dict[TurnKey, Start] = {}

    def prepare(self) -> None:
        """Plan arrivals and changes of limits, and start what is under way at the beginning."""
        history = self._history
        self._state.change_limits(history.since, self._limits.at(history.since))
        under_way: list[Entry] = []
        for run in history.runs:
            entry = _first_entry(run, history.since)
            if entry is None:
                continue
            started_at = entry.turn.started_at
            if started_at is not None and started_at < history.since:
                under_way.append(entry)
            else:
                self._wait(entry)
        for entry in sorted(under_way, key=lambda one: one.turn.started_at or 0):
            self._start(entry, entry.turn.started_at or 0)
        for at in {*self._limits.moments, *self._capacity.moments, *history.changes()}:
            self._plan(at, _Kind.CHANGES, None)

    def run(self) -> None:
        """Apply all events, moment by moment; after each moment start what may start."""
        while self._events:
            at, *_ = self._events[0]
            while self._events and self._events[0][0] == at:
                _, kind, _, subject = heappop(self._events)
                self._apply(at, kind, subject)
            self._claim(at)

    def _apply(self, at: int, kind: _Kind, subject: Entry | str | None) -> None:
        self._state.apply(at, kind, subject, self._limits)
        if kind is _Kind.ENDS and isinstance(subject, Entry):
            self._continue(subject, at)
        elif kind is _Kind.CHANGES:
            for reopens_at, value in self._state.reopens_at(at):
                self._plan(reopens_at, _Kind.REOPENS, value)

    def _continue(self, entry: Entry, at: int) -> None:
        """Plan the run's next turn, due as long after this one as it really was."""
        following = entry.index + 1
        turns = entry.run.turns
        ended_at = entry.turn.ended_at
        if ended_at is None or following == len(turns):
            return
        due_at = at + turns[following].due_at - ended_at
        queued_at = entry.queued_at if turns[following].was_handed_back else due_at
        self._wait(Entry(entry.run, following, due_at, queued_at))

    def _wait(self, entry: Entry) -> None:
        waits_from = max(entry.due_at, self._history.since)
        waits_until = entry.turn.waits_until
        if waits_until is not None:
            if waits_until <= waits_from:
                return
            self._plan(waits_until, _Kind.EXPIRES, entry)
        self._plan(waits_from, _Kind.IS_DUE, entry)

    def _claim(self, at: int) -> None:
        """Start what may start."""
        capacity = self._capacity.at(at)
        while capacity is None or self._state.running < capacity:
            entry = self._state.next(at)
            if entry is None:
                return
            self._start(entry, at)

    def _start(self, entry: Entry, at: int) -> None:
        self._state.start(entry, at)
        self.starts[entry.key] = Start(entry.due_at, at)
        self._plan(at + self._duration_ms(entry.turn), _Kind.ENDS, entry)
        rate = self._history.rates.at(at)
        if rate is not None and entry.run.rate_value is not None:
            self._plan(at + rate.period_ms, _Kind.REOPENS, entry.run.rate_value)

    def _duration_ms(self, turn: Turn) -> int:
        """Return how long a turn really took, or usually takes where that is not known."""
        if turn.started_at is None:
            return self._typical_ms
        if turn.ended_at is not None:
            return turn.ended_at - turn.started_at
        return max(self._history.until - turn.started_at, self._typical_ms)

    def _plan(self, at: int, kind: _Kind, subject: Entry | str | None) -> None:
        # The number keeps subjects from being compared.
        heappush(self._events, (at, kind, next(self._numbers), subject))


def _first_entry(run: RecordedRun, since: int) -> Entry | None:
    """Return the run's first turn that was not over at a time; None if all were."""
    for index, turn in enumerate(run.turns):
        if turn.ended_at is None or turn.ended_at >= since:
            return recorded_entry(run, index)
    return None


def simulate(
    history: History, limits: Timeline[int], capacity: Timeline[int]
) -> Mapping[TurnKey, Start]:
    """Return when each turn of a history would have started; those that would not are left out.

    It continues beyond the range until nothing waits any more, but nothing new arrives then.

    Args:
        history: what really happened.
        limits: how many runs of the job may be under way at a time.
        capacity: how many of them the workers can execute at a time.
    """
    simulation = _Simulation(history, limits, capacity)
    simulation.prepare()
    simulation.run()
    return simulation.starts


def typical_ms(history: History) -> int:
    """Return how long an execution usually takes, 0 where none is known."""
    durations_ms = [
        turn.ended_at - turn.started_at
        for run in history.runs
        for turn in run.turns
        if turn.started_at is not None and turn.ended_at is not None
    ]
    return median_low(durations_ms) if durations_ms else 0


# The workers' capacity for a job, as far as its history tells.
#
# Whenever a run waited although its job's limits would have let it start, the workers had capacity
# for no more than were running: all slots were in use, no worker lived, the job was paused, or a
# worker was about to claim it. At all other times the capacity is unknown.


_Event = tuple[int, _Kind, Entry | str | None]


def capacity_of(history: History) -> Timeline[int]:
    """Return how many runs of the job the workers could execute; none where it is not known."""
    state = _JobState(history)
    state.change_limits(history.since, history.limits.at(history.since))
    capacity: Timeline[int] = Timeline()
    for at, together in groupby(_recorded_events(history), key=_moment_of):
        for _, kind, subject in together:
            state.apply(at, kind, subject, history.limits)
        capacity.change(at, None if state.next(at) is None else state.running)
    capacity.change(history.until, None)
    return capacity


def most_at_a_time(history: History) -> int:
    """Return how many runs of the job were under way at a time, at most."""
    running = most = 0
    for _, kind, _ in _recorded_events(history):
        running += (kind is _Kind.STARTS) - (kind is _Kind.ENDS)
        most = max(most, running)
    return most


def _recorded_events(history: History) -> list[_Event]:
    """Return the events up to the end of the range, in order."""
    events = (one for one in _all_events(history) if _moment_of(one) <= history.until)
    return sorted(events, key=lambda one: one[:2])


def _moment_of(event: _Event) -> int:
    at, _, _ = event
    return at


def _all_events(history: History) -> Iterator[_Event]:
    changes = history.changes()
    for at in changes:
        yield at, _Kind.CHANGES, None
    rates = map(history.rates.at, changes)
    periods = {rate.period_ms for rate in rates if rate is not None}
    for run in history.runs:
        for index, turn in enumerate(run.turns):
            entry = recorded_entry(run, index)
            for at, kind in _of_turn(turn):
                yield at, kind, entry
                if kind is _Kind.STARTS and run.rate_value is not None:
                    for period_ms in periods:
                        yield at + period_ms, _Kind.REOPENS, run.rate_value


def _of_turn(turn: Turn) -> Iterator[tuple[int, _Kind]]:
    """Yield the events of a turn; one that was given up before it was due never waited."""
    if turn.started_at is not None:
        # A claim may come a moment before the time at which the run says that it is due.
        yield min(turn.due_at, turn.started_at), _Kind.IS_DUE
        yield turn.started_at, _Kind.STARTS
        if turn.ended_at is not None:
            yield turn.ended_at, _Kind.ENDS
    elif turn.waits_until is None:
        yield turn.due_at, _Kind.IS_DUE
    elif turn.waits_until > turn.due_at:
        yield turn.due_at, _Kind.IS_DUE
        yield turn.waits_until, _Kind.EXPIRES
