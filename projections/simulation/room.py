"""What room the workers had for a job, as far as its history tells.

Whenever a run waited that its job's limits would have let start, there was no room for more than
were under way: all slots were taken, no worker lived, the job was paused, or a worker was about to
claim it. At all other times nobody asked for more, and so nobody knows.
"""

from collections import Counter
from collections.abc import Iterator
from enum import IntEnum
from itertools import groupby

from projections.simulation.recorded import History, Turn
from projections.simulation.steps import Steps


class _What(IntEnum):
    """What happens, in the order in which it counts within a millisecond."""

    ENDED = 0
    GIVEN_UP = 1
    DUE = 2
    STARTED = 3
    CHANGED = 4


_Happening = tuple[int, _What, str | None]


class _Tally:
    """How many of a job wait and how many are under way, in all and by their keys."""

    def __init__(self) -> None:
        self.running = 0
        self._most_of_key = 1
        self._held: Counter[str | None] = Counter()
        self._waiting: Counter[str | None] = Counter()
        self._free = 0

    def take(self, what: _What, key: str | None) -> None:
        """Count what happens to a run with a key."""
        match what:
            case _What.DUE:
                self._wait(key, 1)
            case _What.GIVEN_UP:
                self._wait(key, -1)
            case _What.STARTED:
                self._wait(key, -1)
                self._run(key, 1)
            case _What.ENDED:
                self._run(key, -1)

    def share(self, most_of_key: int) -> None:
        """Let so many runs hold a key from now on."""
        if most_of_key == self._most_of_key:
            return
        self._most_of_key = most_of_key
        self._free = 0
        for key, count in self._waiting.items():
            if not self._is_held(key):
                self._free += count

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


def _place_of(happening: _Happening) -> tuple[int, _What]:
    at, what, _ = happening
    return at, what


def _all_happenings(history: History) -> Iterator[_Happening]:
    limits_change_at = [
        *history.limits.moments,
        *history.key_limits.moments,
    ]
    for at in limits_change_at:
        yield at, _What.CHANGED, None
    for run in history.runs:
        for turn in run.turns:
            for at, what in _of_turn(turn):
                yield at, what, run.key


def _of_turn(turn: Turn) -> Iterator[tuple[int, _What]]:
    """Yield what happened; what was given up before it was due never waited."""
    due_at = turn.due_at
    began_at = turn.started_at
    left_at = turn.given_up_at
    if began_at is not None:
        # A claim may come a moment before the time at which the run says that it is due.
        yield min(due_at, began_at), _What.DUE
        yield began_at, _What.STARTED
        if turn.ended_at is not None:
            yield turn.ended_at, _What.ENDED
    elif left_at is None:
        yield due_at, _What.DUE
    elif left_at > due_at:
        yield due_at, _What.DUE
        yield left_at, _What.GIVEN_UP
