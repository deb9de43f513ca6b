"""Playing a history again: the same arrivals and durations, and perhaps another limit.

The rules are those of claims: by priority, then by the time at which a run is due; no more than the
limit and the workers' room allow, nor of a key than its limit. A retry is due as long after the end
of the attempt before as it really was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count
from statistics import median_low

from projections.simulation.queue import Entry, Place, Queue, recorded_entry
from projections.simulation.recorded import History, RecordedRun, Turn, least_known
from projections.simulation.steps import Steps


@dataclass(frozen=True)
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
        moments = {
            *self._limits.moments,
            *self._room.moments,
            *self._history.key_limits.moments,
        }
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
