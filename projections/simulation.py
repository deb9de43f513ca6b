"""What would have been: recorded arrivals and durations, played again under another limit.

First a number over time (`Steps`); then a job's recorded past (`History`); then the queue, and the
history played again (`played`); then the capacity that workers had; last the answer.

Pure functions over what was read of the log; nothing here does input or output. It may use the
tables' folds, and only who asks what if uses it.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count, groupby
from math import ceil
from statistics import median_low

from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso, ms_between, to_iso
from domain.json_values import Json, JsonObject
from domain.state import Id, Integer, Text, Time
from projections.envelope import Envelope

MOST_AT_A_TIME = 1_000_000
"""The highest limit that can be supposed."""

FARTHEST_BACK = timedelta(days=3_650)


class Steps:
    """What a number was at any time; before the first change it was none.

    Attributes:
        moments: when it changes.
    """

    def __init__(self, changes: Iterable[tuple[int, int | None]] = ()) -> None:
        self.moments: list[int] = []
        self._values: list[int | None] = [None]
        for at, value in changes:
            self.change(at, value)

    def change(self, at: int, value: int | None) -> None:
        """Let it be this from a time on that is not before the last change."""
        if self.moments and self.moments[-1] == at:
            self.moments.pop()
            self._values.pop()
        last = self._values[-1]
        if value != last:
            self.moments.append(at)
            self._values.append(value)

    def at(self, moment: int) -> int | None:
        """Return the number at a time."""
        changes = bisect_right(self.moments, moment)
        return self._values[changes]

    def within(self, since: int, until: int) -> Sequence[tuple[int, int | None]]:
        """Return what it was at the first time, and each change up to before the second."""
        at_first = self.at(since)
        found = [(since, at_first)]
        values = self._values[1:]
        for at, value in zip(self.moments, values, strict=True):
            if since < at < until:
                change = (at, value)
                found.append(change)
        return found


# A job's recorded past: its runs, each with its turns, and its limits. Times are whole milliseconds
# since 1970.

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One time that a run waits and, if it comes to that, is executed.

    Attributes:
        due_at: from when on it may start.
        started_at: when it started, None if it did not.
        ended_at: when it was over, None if it was not.
        given_up_at: when it waits no longer where it has not started by then; None for never.
        was_handed_back: whether a stopping worker gave the run back: it keeps its place then.
    """

    due_at: int
    started_at: int | None = None
    ended_at: int | None = None
    given_up_at: int | None = None
    was_handed_back: bool = False


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run, in the order of its turns; few runs with the same key are under way at a time."""

    id: str
    priority: int
    key: str | None
    turns: Sequence[Turn]


@dataclass(frozen=True)
class History:
    """A range of a job's past.

    Attributes:
        since: where it begins.
        until: where it ends; nothing is known beyond.
        runs: all that waited or were under way in it.
        limits: how many of them might be under way at a time.
        key_limits: how many of those with the same key; where none is told, one.
    """

    since: int
    until: int
    runs: Sequence[RecordedRun]
    limits: Steps
    key_limits: Steps = field(default_factory=Steps)

    def key_limit_at(self, moment: int) -> int:
        """Return how many runs with the same key might be under way at a time."""
        return self.key_limits.at(moment) or 1


class RecordedRow(TypedDict):
    """A run's row, as far as it tells of its turns."""

    id: ReadOnly[Id]
    priority: ReadOnly[Integer]
    concurrency_value: ReadOnly[Text | None]
    status: ReadOnly[Text]
    execution: ReadOnly[Integer]
    scheduled_at: ReadOnly[Time]
    start_deadline_at: ReadOnly[Time | None]
    started_at: ReadOnly[Time | None]
    completed_at: ReadOnly[Time | None]


def ms_of(text: str) -> int:
    """Return a time in ISO 8601 as milliseconds since 1970."""
    return ms_between(_EPOCH, from_iso(text))


def tells_all(row: RecordedRow) -> bool:
    """Return whether the row tells of all turns: of one, at most."""
    if row["execution"] == 0:
        return True
    return row["execution"] == 1 and row["started_at"] is not None


def run_of_row(row: RecordedRow) -> RecordedRun:
    """Return the run whose row tells all."""
    started_at = _ms_or_none(row["started_at"])
    ended_at = _ms_or_none(row["completed_at"])
    given_up_at = _ms_or_none(row["start_deadline_at"])
    if started_at is None:
        given_up_at = least_known(given_up_at, ended_at)
        ended_at = None
    turn = Turn(
        due_at=ms_of(row["scheduled_at"]),
        started_at=started_at,
        ended_at=ended_at,
        given_up_at=given_up_at,
    )
    return _run(row, [turn])


def run_of_history(row: RecordedRow, history: Iterable[Envelope]) -> RecordedRun:
    """Return the run whose events tell of its turns."""
    turns: list[Turn] = []
    for event in history:
        if event.unreadable is None:
            _take(turns, event)
    return _run(row, turns)


def _run(row: RecordedRow, turns: Sequence[Turn]) -> RecordedRun:
    return RecordedRun(row["id"], row["priority"], row["concurrency_value"], turns)


def _take(turns: list[Turn], event: Envelope) -> None:
    """Change the last turn by an event of the run, or begin the next one."""
    data = event.data
    at = ms_of(event.at)
    match event.topic:
        case "job_run.requested":
            due_at = _ms_of_json(data["scheduled_at"])
            deadline = _ms_of_json(data["start_deadline_at"])
            turn = Turn(due_at=due_at or at, given_up_at=deadline)
            turns.append(turn)
        case "job_run.started":
            turns[-1] = replace(turns[-1], started_at=at)
        case "job_run.handed_back":
            turns[-1] = replace(turns[-1], ended_at=at)
            turns.append(Turn(due_at=at, was_handed_back=True))
        case "job_run.attempt_failed" | "job_run.attempt_timed_out" | "job_run.attempt_lost":
            turns[-1] = replace(turns[-1], ended_at=at)
            retry_at = _ms_of_json(data["retry_at"])
            if retry_at is not None:
                turns.append(Turn(due_at=retry_at))
        case "job_run.succeeded" | "job_run.canceled" | "job_run.start_deadline_passed":
            turns[-1] = _over(turns[-1], at)


def _over(turn: Turn, at: int) -> Turn:
    if turn.started_at is not None:
        return replace(turn, ended_at=at)
    given_up_at = least_known(turn.given_up_at, at)
    return replace(turn, given_up_at=given_up_at)


def _ms_of_json(value: Json) -> int | None:
    if isinstance(value, str):
        return ms_of(value)
    return None


def _ms_or_none(text: str | None) -> int | None:
    if text is None:
        return None
    return ms_of(text)


def least_known(one: int | None, other: int | None) -> int | None:
    """Return the lesser of two numbers, as far as they are known."""
    if one is None:
        return other
    if other is None:
        return one
    return min(one, other)


Place = tuple[str, int]
"""A run's id, and which of its turns."""

Rank = tuple[int, int, str]
"""Where a turn stands in the queue: the highest priority first, then by time."""


@dataclass(frozen=True)
class Entry:
    """A turn that waits or is under way.

    Attributes:
        run: whose.
        index: which of its turns.
        due_at: since when it is due here.
        place_at: since when it is in the queue, by which its place there goes.
    """

    run: RecordedRun
    index: int
    due_at: int
    place_at: int

    @property
    def turn(self) -> Turn:
        """What is recorded of it."""
        return self.run.turns[self.index]

    @property
    def place(self) -> Place:
        """Which turn it is."""
        return self.run.id, self.index

    @property
    def rank(self) -> Rank:
        """Where it stands in the queue."""
        return -self.run.priority, self.place_at, self.run.id


_Ranked = tuple[Rank, Entry]


def recorded_entry(run: RecordedRun, index: int) -> Entry:
    """Return a turn as it really was due."""
    due_at = run.turns[index].due_at
    first = index
    while run.turns[first].was_handed_back:
        first -= 1
    place_at = run.turns[first].due_at
    return Entry(run, index, due_at, place_at)


class Queue:
    """Turns that wait. Those whose key is held stand aside until it is released."""

    def __init__(self) -> None:
        self._free: list[_Ranked] = []
        self._aside: dict[str, list[_Ranked]] = {}
        self._held: Counter[str] = Counter()
        self._most_of_key = 1
        self._gone: set[Place] = set()

    def add(self, entry: Entry) -> None:
        """Let a turn wait that is due."""
        ranked = (entry.rank, entry)
        heappush(self._free, ranked)

    def leave(self, place: Place) -> None:
        """Let a turn wait no longer, wherever it stands."""
        self._gone.add(place)

    def pop(self) -> Entry | None:
        """Return the first that may start, and hold its key."""
        while self._free:
            ranked = heappop(self._free)
            _, entry = ranked
            key = entry.run.key
            if entry.place in self._gone:
                self._let_next(key)
            elif key is None:
                return entry
            elif self._held[key] >= self._most_of_key:
                aside = self._aside.setdefault(key, [])
                heappush(aside, ranked)
            else:
                self._held[key] += 1
                return entry
        return None

    def hold(self, key: str | None) -> None:
        """Note that a run with this key is under way."""
        if key is not None:
            self._held[key] += 1

    def release(self, key: str | None) -> None:
        """Note that a run with this key is not under way any more."""
        if key is not None:
            self._held[key] -= 1
            self._let_next(key)

    def share(self, most_of_key: int) -> None:
        """Let so many runs hold a key from now on; all stand in the queue again."""
        if most_of_key == self._most_of_key:
            return
        self._most_of_key = most_of_key
        for aside in self._aside.values():
            for ranked in aside:
                heappush(self._free, ranked)
        self._aside.clear()

    def _let_next(self, key: str | None) -> None:
        """Let the first of those aside stand with the others again."""
        if key is None:
            return
        aside = self._aside.get(key)
        if aside:
            ranked = heappop(aside)
            heappush(self._free, ranked)


# Playing a history again: the same arrivals and durations, and perhaps another limit.
#
# The rules are those of claims: by priority, then by the time at which a run is due; no more than
# the limit and the workers' capacity allow, nor of a key than its limit. A retry is due as long
# after the end of the attempt before as it really was.


@dataclass(frozen=True, slots=True)
class Played:
    """When a turn was due, and when it started."""

    due_at: int
    started_at: int

    @property
    def wait_ms(self) -> int:
        """How long it waited."""
        return self.started_at - self.due_at


class _What(IntEnum):
    """What happens, in the order in which it counts within a millisecond."""

    ENDS = 0
    GIVES_UP = 1
    IS_DUE = 2
    CHANGES = 3


class _Play:
    """One way in which it goes."""

    def __init__(self, history: History, limits: Steps, room: Steps) -> None:
        self._history = history
        self._limits = limits
        self._room = room
        self._typical_ms = typical_ms(history)
        self._coming: list[tuple[int, _What, int, Entry | None]] = []
        self._numbers = count()
        self._queue = Queue()
        self._running = 0
        self.played: dict[Place, Played] = {}

    def prepare(self) -> None:
        """Take in what is under way at the beginning, and all that is to come from outside."""
        for run in self._history.runs:
            self._begin(run)
        moments = {*self._limits.moments, *self._room.moments, *self._history.key_limits.moments}
        for at in sorted(moments):
            self._expect(at, _What.CHANGES, None)

    def go(self) -> None:
        """Let everything happen, moment by moment."""
        while self._coming:
            at, *_ = self._coming[0]
            self._let_happen(at)
            self._admit(at)

    def _let_happen(self, moment: int) -> None:
        """Let happen all that happens at this moment, which is the next one."""
        while self._coming:
            at, what, _, entry = self._coming[0]
            if at != moment:
                return
            heappop(self._coming)
            if entry is not None:
                self._happen(at, what, entry)

    def _begin(self, run: RecordedRun) -> None:
        """Take in the first turn that was not over when the range began."""
        since = self._history.since
        for index, turn in enumerate(run.turns):
            if turn.ended_at is not None and turn.ended_at < since:
                continue
            entry = recorded_entry(run, index)
            if turn.started_at is not None and turn.started_at < since:
                self._queue.hold(run.key)
                self._start(entry, turn.started_at)
            else:
                self._wait(entry)
            return

    def _happen(self, at: int, what: _What, entry: Entry) -> None:
        match what:
            case _What.IS_DUE:
                self._queue.add(entry)
            case _What.GIVES_UP:
                self._queue.leave(entry.place)
            case _What.ENDS:
                self._running -= 1
                self._queue.release(entry.run.key)
                self._go_on(entry, at)

    def _go_on(self, entry: Entry, at: int) -> None:
        """Let the run's next turn be due, as long after this one as it was."""
        following = entry.index + 1
        turns = entry.run.turns
        ended_at = entry.turn.ended_at
        if ended_at is None or following == len(turns):
            return
        turn = turns[following]
        pause_ms = turn.due_at - ended_at
        due_at = at + pause_ms
        place_at = due_at
        if turn.was_handed_back:
            place_at = entry.place_at
        after = Entry(entry.run, following, due_at, place_at)
        self._wait(after)

    def _wait(self, entry: Entry) -> None:
        given_up_at = entry.turn.given_up_at
        if given_up_at is not None:
            if given_up_at <= entry.due_at:
                return
            self._expect(given_up_at, _What.GIVES_UP, entry)
        comes_at = max(entry.due_at, self._history.since)
        self._expect(comes_at, _What.IS_DUE, entry)

    def _admit(self, at: int) -> None:
        """Start what may start."""
        key_limit = self._history.key_limit_at(at)
        self._queue.share(key_limit)
        limit = self._limits.at(at)
        room = self._room.at(at)
        most = least_known(limit, room)
        while most is None or self._running < most:
            entry = self._queue.pop()
            if entry is None:
                return
            self._start(entry, at)

    def _start(self, entry: Entry, at: int) -> None:
        self._running += 1
        self.played[entry.place] = Played(entry.due_at, at)
        duration_ms = self._duration_ms(entry.turn)
        self._expect(at + duration_ms, _What.ENDS, entry)

    def _duration_ms(self, turn: Turn) -> int:
        """Return how long the turn takes: what it took, or the usual, where that is not known."""
        if turn.started_at is None:
            return self._typical_ms
        if turn.ended_at is not None:
            return turn.ended_at - turn.started_at
        so_far_ms = self._history.until - turn.started_at
        return max(so_far_ms, self._typical_ms)

    def _expect(self, at: int, what: _What, entry: Entry | None) -> None:
        # By its number nothing else of what is to happen is ever compared.
        number = next(self._numbers)
        coming = (at, what, number, entry)
        heappush(self._coming, coming)


def played(history: History, limits: Steps, room: Steps) -> Mapping[Place, Played]:
    """Return when each turn of a history would have started; those that would not are left out.

    It goes on beyond the range until nothing waits any more, but nothing new arrives then.

    Args:
        history: what really happened.
        limits: how many runs of the job may be under way at a time.
        room: for how many of them the workers have room.
    """
    play = _Play(history, limits, room)
    play.prepare()
    play.go()
    return play.played


def typical_ms(history: History) -> int:
    """Return how long an execution usually takes, 0 where none is known."""
    known: list[int] = []
    for run in history.runs:
        for turn in run.turns:
            if turn.started_at is not None and turn.ended_at is not None:
                took_ms = turn.ended_at - turn.started_at
                known.append(took_ms)
    if not known:
        return 0
    return median_low(known)


# The workers' capacity for a job, as far as its history tells.
#
# Whenever a run waited that its job's limits would have let start, there was no capacity for more
# than were running: all slots were in use, no worker lived, the job was paused, or a worker was
# about to claim it. At all other times no worker claimed more, and so the capacity is unknown.


class _Change(IntEnum):
    """What happens, in the order in which it counts within a millisecond."""

    ENDED = 0
    GIVEN_UP = 1
    DUE = 2
    STARTED = 3
    CHANGED = 4


_Happening = tuple[int, _Change, str | None]


class _Tally:
    """How many of a job wait and how many are under way, in all and by their keys."""

    def __init__(self) -> None:
        self.running = 0
        self._most_of_key = 1
        self._held: Counter[str | None] = Counter()
        self._waiting: Counter[str | None] = Counter()
        self._free = 0

    def take(self, what: _Change, key: str | None) -> None:
        """Count what happens to a run with a key."""
        match what:
            case _Change.DUE:
                self._wait(key, 1)
            case _Change.GIVEN_UP:
                self._wait(key, -1)
            case _Change.STARTED:
                self._wait(key, -1)
                self._run(key, 1)
            case _Change.ENDED:
                self._run(key, -1)

    def share(self, most_of_key: int) -> None:
        """Let so many runs hold a key from now on."""
        if most_of_key == self._most_of_key:
            return
        self._most_of_key = most_of_key
        self._free = 0
        for key, waiting in self._waiting.items():
            if not self._is_held(key):
                self._free += waiting

    def could_start(self, limit: int | None) -> bool:
        """Return whether a run waits that neither its key nor this limit keeps."""
        if self._free <= 0:
            return False
        return limit is None or self.running < limit

    def _wait(self, key: str | None, more: int) -> None:
        self._waiting[key] += more
        if not self._is_held(key):
            self._free += more

    def _run(self, key: str | None, more: int) -> None:
        was_held = self._is_held(key)
        self.running += more
        self._held[key] += more
        is_held = self._is_held(key)
        if is_held and not was_held:
            self._free -= self._waiting[key]
        elif was_held and not is_held:
            self._free += self._waiting[key]

    def _is_held(self, key: str | None) -> bool:
        if key is None:
            return False
        return self._held[key] >= self._most_of_key


def room_of(history: History) -> Steps:
    """Return how many runs of the job the workers had room for; none where that is not known."""
    tally = _Tally()
    room = Steps()
    happenings = _happenings(history)
    for at, together in groupby(happenings, key=_moment_of):
        for _, what, key in together:
            tally.take(what, key)
        key_limit = history.key_limit_at(at)
        tally.share(key_limit)
        limit = history.limits.at(at)
        most: int | None = None
        if tally.could_start(limit):
            most = tally.running
        room.change(at, most)
    room.change(history.until, None)
    return room


def most_at_a_time(history: History) -> int:
    """Return how many runs of the job were under way at a time, at most."""
    tally = _Tally()
    most = 0
    for _, what, key in _happenings(history):
        tally.take(what, key)
        most = max(most, tally.running)
    return most


def _happenings(history: History) -> list[_Happening]:
    """Return all that happened in the range, in order."""
    found: list[_Happening] = []
    for one in _all_happenings(history):
        at = _moment_of(one)
        if at <= history.until:
            found.append(one)
    found.sort(key=_place_of)
    return found


def _moment_of(happening: _Happening) -> int:
    at, _, _ = happening
    return at


def _place_of(happening: _Happening) -> tuple[int, _Change]:
    at, what, _ = happening
    return at, what


def _all_happenings(history: History) -> Iterator[_Happening]:
    limits_change_at = [*history.limits.moments, *history.key_limits.moments]
    for at in limits_change_at:
        yield at, _Change.CHANGED, None
    for run in history.runs:
        for turn in run.turns:
            for at, what in _of_turn(turn):
                yield at, what, run.key


def _of_turn(turn: Turn) -> Iterator[tuple[int, _Change]]:
    """Yield what happened; what was given up before it was due never waited."""
    due_at = turn.due_at
    began_at = turn.started_at
    left_at = turn.given_up_at
    if began_at is not None:
        # A claim may come a moment before the time at which the run says that it is due.
        yield min(due_at, began_at), _Change.DUE
        yield began_at, _Change.STARTED
        if turn.ended_at is not None:
            yield turn.ended_at, _Change.ENDED
    elif left_at is None:
        yield due_at, _Change.DUE
    elif left_at > due_at:
        yield due_at, _Change.DUE
        yield left_at, _Change.GIVEN_UP


# The answer to "what if": waits as they really were, and as they would have been.


@dataclass(frozen=True)
class Waits:
    """How long executions waited from the moment at which they were due, in milliseconds.

    Attributes:
        starts: how many there were; without any, the others are 0.
    """

    starts: int
    median_ms: int
    p95_ms: int
    worst_ms: int
    mean_ms: int

    def present(self) -> JsonObject:
        """Return them as programs see them."""
        return {
            "starts": self.starts,
            "medianMs": self.median_ms,
            "p95Ms": self.p95_ms,
            "worstMs": self.worst_ms,
            "meanMs": self.mean_ms,
        }


@dataclass(frozen=True)
class Answer:
    """What would have been, beside what was. All waits are those of the same executions.

    Attributes:
        runs: how many runs these are of.
        really: their waits as recorded.
        again: the same simulated, with nothing changed.
        supposed: the same simulated with the other limit; those that would have been given up, by
            their start deadlines or because they were canceled, are left out.
        given_up: how many these are.
        deviation: by how much `again` differs from `really`, as a part of all waits together; None
            where nothing waited. Differences do not make up for each other.
        limits: how many runs might really be under way at a time: since when, and how many.
        most_at_a_time: how many were, at most.
    """

    runs: int
    really: Waits
    again: Waits
    supposed: Waits
    given_up: int
    deviation: float | None
    limits: Sequence[tuple[int, int | None]]
    most_at_a_time: int

    def present(self) -> JsonObject:
        """Return it as programs see it."""
        limits: list[Json] = [
            {"since": _iso_of(at), "maxConcurrentRuns": most} for at, most in self.limits
        ]
        return {
            "runs": self.runs,
            "limits": limits,
            "mostAtATime": self.most_at_a_time,
            "recorded": self.really.present(),
            "simulated": self.again.present(),
            "deviation": self.deviation,
            "supposed": self.supposed.present(),
            "givenUp": self.given_up,
        }


def present(slug: str, limit: int | None, history: History) -> JsonObject:
    """Return what a job's history would have been with another limit, as programs see it."""
    return {
        "job": slug,
        "since": _iso_of(history.since),
        "until": _iso_of(history.until),
        "maxConcurrentRuns": limit,
        **answer(history, limit).present(),
    }


def _iso_of(at: int) -> str:
    return to_iso(datetime.fromtimestamp(at / 1_000, UTC))


def answer(history: History, limit: int | None) -> Answer:
    """Return what a history would have been with another limit all the time.

    Args:
        history: what happened.
        limit: how many runs of the job might have been under way at a time; None for any number.
    """
    room = room_of(history)
    again = played(history, history.limits, room)
    always = Steps([(0, limit)])
    supposed = played(history, always, room)
    really = _recorded(history)
    run_ids = {run_id for run_id, _ in really}
    given_up = really.keys() - supposed.keys()
    return Answer(
        runs=len(run_ids),
        really=_waits_of(really, really),
        again=_waits_of(again, really),
        supposed=_waits_of(supposed, really),
        given_up=len(given_up),
        deviation=_deviation(really, again),
        limits=history.limits.within(history.since, history.until),
        most_at_a_time=most_at_a_time(history),
    )


def _recorded(history: History) -> dict[Place, Played]:
    """Return the starts that are compared: of what became due in the range."""
    found: dict[Place, Played] = {}
    for run in history.runs:
        for index, turn in enumerate(run.turns):
            if turn.started_at is None or turn.due_at < history.since:
                continue
            place = (run.id, index)
            found[place] = Played(turn.due_at, turn.started_at)
    return found


def _waits_of(starts: Mapping[Place, Played], measured: Mapping[Place, Played]) -> Waits:
    waits = [starts[place].wait_ms for place in measured if place in starts]
    waits.sort()
    if not waits:
        return Waits(0, 0, 0, 0, 0)
    count = len(waits)
    return Waits(
        starts=count,
        median_ms=_rank(waits, 50),
        p95_ms=_rank(waits, 95),
        worst_ms=waits[-1],
        mean_ms=round(sum(waits) / count),
    )


def _rank(waits: Sequence[int], percent: int) -> int:
    """Return the least wait that so many percent of them do not exceed."""
    count = len(waits)
    share = count * percent / 100
    place = ceil(share)
    return waits[max(place, 1) - 1]


def _deviation(really: Mapping[Place, Played], again: Mapping[Place, Played]) -> float | None:
    waited_ms = sum(start.wait_ms for start in really.values())
    if waited_ms <= 0:
        return None
    differs_ms = 0
    for place, start in really.items():
        simulated = again.get(place)
        # What is not simulated to start at all has waited for nothing.
        wait_ms = 0
        if simulated is not None:
            wait_ms = simulated.wait_ms
        differs_ms += abs(wait_ms - start.wait_ms)
    return differs_ms / waited_ms
