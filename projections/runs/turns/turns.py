"""Which of a job's runs goes next, where the values of a parameter take turns.

The values stand in a circle, in the order of their bytes. The next turn belongs to the first one
after whoever was started last, of which a run is due that nothing keeps. So while a value waits, no
other one is started twice, however many of its runs wait.

All of these runs together stand in the queue where the one stands whose turn it is. So whatever was
due before it comes first, and no run of another job waits longer because of turns. Pure.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from projections.runs.candidates.candidate import Candidate, Place, order

Group = tuple[str, str, int]
"""A job's id, an entry point and a priority: runs that have them in common take turns."""

MOST_VALUES = 2_000
"""Values that are walked over, to find as many with a due run as a claim has places; each costs
some ten microseconds."""

DEPTH = 64
"""Runs of a value that are looked past: where limits keep them all, others have its turn."""

Asked = Callable[[Candidate], bool]


@dataclass(frozen=True)
class Circle:
    """The due runs of a group, as far as they are known.

    Attributes:
        lines: of each value the first runs in the queue's order; the values come as they stand in
            the circle, and whoever was started last comes last.
        is_whole: whether no other value has a run that may start.
        each: how many runs of a value are known at most; a line that is so long may go on. None
            where all lines are known to their ends.
    """

    lines: Sequence[Sequence[Candidate]]
    is_whole: bool = True
    each: int | None = None

    def enough_for(self, slots: int) -> int:
        """Return how many runs of each value to ask for next, to fill so many places."""
        each = self.each or 0
        lengths = [len(line) for line in self.lines]
        longest = lengths.count(each)
        going_on = max(1, longest)
        missing = slots - sum(lengths)
        return each + max(1, each, -(-missing // going_on))


def group_of(run: Candidate) -> Group | None:
    """Return with which others a run takes turns; None where it takes none."""
    if run["fair_value"] is None or run["fairness_key"] is None:
        return None
    return run["job_definition_id"], run["entry_point"], run["priority"]


class Turns:
    """Puts due runs into the order in which they start.

    Attributes:
        wanted: the groups of which more must be known before anything is sure, each with a run that
            stands in the queue.
    """

    def __init__(
        self, circles: Mapping[Group, Circle], until: Place | None = None
    ) -> None:
        """Begin with what is known.

        Args:
            circles: of the groups; runs of others keep their own places.
            until: behind which place of the queue nothing is known, and so nothing starts.
        """
        self._circles = circles
        self._until = until
        self._rounds: dict[Group, _Round] = {}
        self._heads: list[tuple[Place, Group]] = []
        self.wanted: dict[Group, Candidate] = {}

    def starting(
        self, runs: Iterable[Candidate], has_room: Asked, admit: Asked
    ) -> Iterator[Candidate]:
        """Yield the runs that start, in their order.

        Args:
            runs: in the queue's order. Of a group that takes turns, one run stands for all.
            has_room: whether the job of a run lets any run start after those before.
            admit: whether other limits let a run start after those before; then it counts it in.
        """
        for run in runs:
            group = group_of(run)
            if group is not None and self._takes_turns(group, run, has_room):
                continue
            if self._heads:
                yield from self._in_turn(order(run), has_room, admit)
            if has_room(run) and admit(run):
                yield run
        yield from self._in_turn(self._until, has_room, admit)

    def _takes_turns(self, group: Group, run: Candidate, has_room: Asked) -> bool:
        if group in self._rounds:
            return self._rounds[group].goes_on_for(run)
        if not has_room(run):
            return True
        circle = self._circles.get(group)
        if circle is None:
            self.wanted[group] = run
            circle = Circle(())
        turns = _Round(circle, run)
        self._rounds[group] = turns
        self._stand_up(group)
        return turns.goes_on_for(run)

    def _stand_up(self, group: Group) -> None:
        """Let a group stand where the run stands whose turn it is."""
        turns = self._rounds[group]
        head = turns.head
        if head is not None:
            heappush(self._heads, (order(head), group))
        elif turns.goes_on_unknown:
            self.wanted[group] = turns.place

    def _in_turn(
        self, until: Place | None, has_room: Asked, admit: Asked
    ) -> Iterator[Candidate]:
        """Yield the runs whose turn comes before a place of the queue; None for all."""
        while self._heads:
            place, group = self._heads[0]
            if until is not None and place > until:
                return
            heappop(self._heads)
            turns = self._rounds[group]
            head = turns.head
            if head is None or not has_room(head):
                continue
            if admit(head):
                turns.has_its_turn()
                yield head
            else:
                turns.passes_over()
            self._stand_up(group)


class _Round:
    """The lines of a group that are not at their end, as a claim goes along."""

    def __init__(self, circle: Circle, place: Candidate) -> None:
        self.circle = circle
        self.place = place
        self._lines = deque(deque(line) for line in circle.lines)
        self._over: set[str] = set()
        self._going_on = {
            line[0]["fair_value"] for line in circle.lines if len(line) == circle.each
        }

    @property
    def head(self) -> Candidate | None:
        """The run whose turn it is, None where there is none, or none is known."""
        if not self._lines or not self._lines[0]:
            return None
        return self._lines[0][0]

    @property
    def goes_on_unknown(self) -> bool:
        """Whether it is a turn of which nothing is known, where there is no head."""
        return bool(self._lines) or not self.circle.is_whole

    def goes_on_for(self, run: Candidate) -> bool:
        """Return whether a run starts by turns, or has been looked at: all that are known."""
        return self.head is not None or run["id"] in self._over

    def has_its_turn(self) -> None:
        """Let all others come before the next run of the value whose turn it was.

        Where others are not known, that is all that is known of the value.
        """
        line = self._lines.popleft()
        run = line.popleft()
        self._over.add(run["id"])
        goes_on = bool(line) or run["fair_value"] in self._going_on
        if goes_on and self.circle.is_whole:
            self._lines.append(line)

    def passes_over(self) -> None:
        """Leave out a run that limits keep: the turn goes to the next one of its value."""
        line = self._lines[0]
        run = line.popleft()
        self._over.add(run["id"])
        if not line:
            self._lines.popleft()


def circle_of(runs: Iterable[Candidate], last: str | None) -> Circle:
    """Return the circle of a group.

    Args:
        runs: its due runs, in the queue's order.
        last: the value that was started last; None where none was.
    """
    lines: dict[str, list[Candidate]] = {}
    for run in runs:
        line = lines.setdefault(run["fair_value"] or "", [])
        line.append(run)

    def place(value: str) -> tuple[bool, str]:
        has_passed = last is not None and value <= last
        return has_passed, value

    in_order = sorted(lines, key=place)
    return Circle([lines[value] for value in in_order])


def in_turn(
    runs: Iterable[Candidate], circles: Mapping[Group, Circle]
) -> list[Candidate]:
    """Return the runs in the order in which they start if no limit keeps any."""
    return [*Turns(circles).starting(runs, lambda _: True, lambda _: True)]


def without_turns() -> Turns:
    """Return turns for whoever has to know nothing of them: each run keeps its own place."""
    return Turns({})
