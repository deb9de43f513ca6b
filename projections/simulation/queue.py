"""The queue in which turns wait while a history is played again."""

from collections import Counter
from dataclasses import dataclass
from heapq import heappop, heappush

from projections.simulation.recorded import RecordedRun, Turn

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
