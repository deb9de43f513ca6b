"""Which of some runs may start: this decides on a claim, and says what keeps a run waiting.

First which of a job's runs starts next, where a parameter's values are served round-robin
(`Turns`); then how much of each job's and key's concurrency is left (`Limits`). Claims call these
functions for the first runs that nothing keeps; an explanation calls the same ones for what keeps a
single run. So the two cannot disagree.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from heapq import heappop, heappush
from itertools import islice
from typing import Literal
from uuid import UUID

from domain.clock import from_iso, to_iso
from domain.ports import Offer
from projections.flow.candidates import Candidate, Key, Place, key_of, order, rate_key_of

# Round-robin: which of a job's runs starts next, where it is fair between a parameter's values.
# Pure.
#
# The values are in a fixed cycle, in the order of their bytes. The next one is the first after the
# value that was started last, if a run of it is due that nothing keeps. So while a value waits, no
# other value is started twice, however many of its runs wait.
#
# All of these runs together stand in the queue where the next of them stands. So whatever was due
# before it comes first, and no run of another job waits longer because of fairness.

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

    def __init__(self, circles: Mapping[Group, Circle], until: Place | None = None) -> None:
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

    def _in_turn(self, until: Place | None, has_room: Asked, admit: Asked) -> Iterator[Candidate]:
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


def in_turn(runs: Iterable[Candidate], circles: Mapping[Group, Circle]) -> list[Candidate]:
    """Return the runs in the order in which they start if no limit keeps any."""
    return [*Turns(circles).starting(runs, lambda _: True, lambda _: True)]


def without_turns() -> Turns:
    """Return turns for whoever has to know nothing of them: each run keeps its own place."""
    return Turns({})


def takes(offered: Collection[str] | None, entry_point: str) -> bool:
    """Return whether who offers these entry points takes runs of this one; None offers all."""
    return offered is None or entry_point in offered


def without_hopeful(runs: Iterable[Candidate], offer: Offer, now: str) -> list[Candidate]:
    """Leave out those whose entry point nobody offers, but may yet, before they are given up."""
    grace = timedelta(seconds=offer.grace_s)
    moment = from_iso(now) - grace
    long_ago = to_iso(moment)
    return [
        run
        for run in runs
        if run["entry_point"] in offer.entry_points or run["scheduled_at"] <= long_ago
    ]


@dataclass(frozen=True)
class Room:
    """How many more of the runs that count together may start now.

    `reopens_at` tells when the next one may where none may now.
    """

    left: int
    reopens_at: str | None = None


Rooms = Mapping[Key, Room]
"""By a job's id and a value of its rate's key."""


def key_limit(run: Candidate) -> int:
    """Return how many runs may hold the run's key at a time."""
    return run["concurrency_limit"] or 1


Refusal = Literal["job_paused", "job_limit", "key_limit", "rate_limited", "behind_others"]
"""What keeps a due run from starting: its job's pause, runs of its job or of its key that are under
way, starts within the period, or runs that come before it and start first."""


class Limits:
    """How much of each job's concurrency is left, as the claim goes along.

    Args:
        running: how many runs of each job are under way; those left out have none.
        held: how many runs under way hold each key.
        rooms: of limited starts, as far as they are known.
        shut: jobs of which nothing starts here.

    Attributes:
        unknown: runs that were taken for free to start, since their rooms are not known.
    """

    def __init__(
        self,
        running: Mapping[str, int],
        held: Mapping[Key, int],
        rooms: Rooms,
        shut: Container[str] = (),
    ) -> None:
        self._running = running
        self._held = held
        self._rooms = rooms
        self._picked_of_rate: Counter[Key] = Counter()
        self.unknown: list[Candidate] = []
        self._shut = shut
        self._picked_of_job: Counter[str] = Counter()
        self._picked_of_key: Counter[Key] = Counter()

    def is_full(self, job_id: str, most: int | None) -> bool:
        """Return whether no run of the job may start any more, if so many may at a time."""
        if job_id in self._shut:
            return True
        if most is None:
            return False
        picked = self._picked_of_job[job_id]
        return self._running.get(job_id, 0) + picked >= most

    def is_held(self, run: Candidate) -> bool:
        """Return whether runs that are under way leave none of the run's key."""
        return self.left_of_key(run) == 0

    def left_of_key(self, run: Candidate) -> int | None:
        """Return how many more runs may hold the run's key; None where it has none."""
        key = key_of(run)
        if key is None:
            return None
        most = key_limit(run)
        held = self._held.get(key, 0)
        return max(most - held, 0)

    def held_values(self, job_id: str, most: int) -> list[str]:
        """Return the values of the job's key of which runs under way leave none."""
        values: list[str] = []
        for (job, value), held in self._held.items():
            if job == job_id and held >= most:
                values.append(value)
        return values

    def keys_held(self, run: Candidate) -> list[str]:
        """Return the values of the run's key of which runs under way leave none."""
        if run["concurrency_value"] is None:
            return []
        return self.held_values(run["job_definition_id"], key_limit(run))

    def rates_full(self, run: Candidate) -> list[str]:
        """Return by which values no run of the run's job may start, as far as that is known."""
        if run["rate_limit"] is None:
            return []
        job_id = run["job_definition_id"]
        rooms = self._rooms.items()
        return [value for (job, value), room in rooms if job == job_id and not room.left]

    def used_up(self, runs: Iterable[Candidate]) -> list[str]:
        """Return the keys of which these runs of a job would leave none."""
        wanting: Counter[str] = Counter()
        used_up: dict[str, None] = {}
        for run in runs:
            key = run["concurrency_value"]
            left = self.left_of_key(run)
            if key is None or left is None:
                continue
            wanting[key] += 1
            if wanting[key] >= left:
                used_up[key] = None
        return list(used_up)

    def room_in_job(self, job_id: str, most: int | None, limit: int) -> int:
        """Return how many more runs of the job may run, if so many may, up to a limit."""
        if most is None:
            return limit
        left = most - self._running.get(job_id, 0)
        return max(min(left, limit), 0)

    def used_up_rates(self, runs: Iterable[Candidate]) -> list[str]:
        """Return by which values of a job as many of these would start as may, or none may."""
        wanting = Counter(rate_key_of(run) for run in runs)
        values: list[str] = []
        for key, number in wanting.items():
            room = None if key is None else self._rooms.get(key)
            if key is not None and room is not None and number >= room.left:
                values.append(key[1])
        return values

    def admitted(self, runs: Iterable[Candidate]) -> int:
        """Return how many of a job's runs could start beside those under way, and no others."""
        alone = Limits(self._running, self._held, self._rooms)
        in_order = sorted(runs, key=order)
        return len(alone.pick(in_order, len(in_order)))

    def startable(self, runs: Iterable[Candidate]) -> int:
        """Return how many of a job's runs could start at the same time, as far as keys go."""
        startable: Counter[str | None] = Counter()
        for run in runs:
            key = run["concurrency_value"]
            left = self.left_of_key(run)
            if left is None or startable[key] < left:
                startable[key] += 1
        return startable.total()

    def pick(self, runs: Iterable[Candidate], limit: int, turns: Turns | None = None) -> list[UUID]:
        """Admit the first runs that have room, up to the limit.

        Args:
            runs: in the queue's order.
            limit: how many at most.
            turns: by which some of them start in another order; None where that does not matter.
        """
        turns = turns or without_turns()
        starting = turns.starting(runs, self._has_room, self._admit)
        return [UUID(run["id"]) for run in islice(starting, limit)]

    def _has_room(self, run: Candidate) -> bool:
        return self._by_job(run) is None

    def refusals(self, run: Candidate) -> list[Refusal]:
        """Return all that keeps the run from starting beside those under way and those picked."""
        found = (self._by_job(run), self._by_key(run), self._by_rate(run))
        told = [one for one in found if one is not None]
        return list(dict.fromkeys(told))

    def _by_job(self, run: Candidate) -> Refusal | None:
        most = run["max_concurrent_runs"]
        if most is None:
            return None
        job = run["job_definition_id"]
        running = self._running.get(job, 0)
        if not most:
            return "job_paused"
        if running >= most:
            return "job_limit"
        if running + self._picked_of_job[job] >= most:
            return "behind_others"
        return None

    def _by_key(self, run: Candidate) -> Refusal | None:
        key = key_of(run)
        left = self.left_of_key(run)
        if key is None or left is None:
            return None
        if not left:
            return "key_limit"
        if self._picked_of_key[key] >= left:
            return "behind_others"
        return None

    def _by_rate(self, run: Candidate) -> Refusal | None:
        key = rate_key_of(run)
        if key is None:
            return None
        room = self._rooms.get(key)
        if room is None:
            self.unknown.append(run)
            return None
        if room.left <= 0:
            return "rate_limited"
        if self._picked_of_rate[key] >= room.left:
            return "behind_others"
        return None

    def _admit(self, run: Candidate) -> bool:
        """Count a run of a job that has room in, if nothing else keeps it."""
        if self._by_key(run) is not None or self._by_rate(run) is not None:
            return False
        rate_key = rate_key_of(run)
        if rate_key is not None:
            self._picked_of_rate[rate_key] += 1
        key = key_of(run)
        if key is not None:
            self._picked_of_key[key] += 1
        self._picked_of_job[run["job_definition_id"]] += 1
        return True


def keyed_by_job(runs: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    """Return by job those that have a key."""
    keyed: dict[str, list[Candidate]] = {}
    for run in runs:
        if run["concurrency_value"] is None:
            continue
        job = run["job_definition_id"]
        of_job = keyed.setdefault(job, [])
        of_job.append(run)
    return keyed
