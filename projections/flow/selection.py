"""Which candidates start now: the pure decision of claims, explanations and simulations.

`select_candidates` takes candidates in the order of the queue, and what is known of all limits
(`LimitState`). It returns which candidates start, or which limits must be read first (`Selection`).
`refusals` returns what keeps a single run from starting. docs/claims.md says what is guaranteed.

If a job has a `fairnessKey`, the values of this parameter are served round-robin (`RoundRobin`), in
the order of their bytes. The next value is the first one after the value that was started last that
has a due run which may start. So while a value waits, no other value is started twice, however many
of its runs wait. All runs of such a group share the queue position of its next run: whatever was
due before that comes first, and no run of another job waits longer because of fairness.

The next run of a group is the one that a claim of a single run would start: where a limit refuses
the run whose turn it is, also because of a run selected just before, the group stands where the run
after it stands. So a claim of thirty runs starts what thirty claims of one would start.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from heapq import heappop, heappush
from itertools import islice
from typing import Literal, Protocol
from uuid import UUID

from typing_extensions import override

from domain.clock import from_iso, to_iso
from domain.ports import Offer
from projections.flow.candidates import (
    Candidate,
    Key,
    QueuePosition,
    key_of,
    queue_position,
    rate_key_of,
)

# The limits, as far as they have been read.

GroupKey = tuple[str, str, int]
"""A job's id, an entry point and a priority, which the runs of a fairness group share."""

MAX_VALUES = 2_000
"""Values of a group that are read to fill the slots of a claim, at most; each costs some ten
microseconds."""

DEPTH = 64
"""Runs of a value that are skipped because limits keep them, at most; then the next value is
served."""


def grown(number: int) -> int:
    """Return how many to read where limits refuse this number that was read: few reads suffice."""
    return max(4 * number, 16)


@dataclass(frozen=True)
class RateWindow:
    """How many more runs may start within the period of a rate limit.

    Attributes:
        remaining: the number of starts left.
        reopens_at: when the next run may start, if none may start now.
    """

    remaining: int
    reopens_at: str | None = None


RateWindows = Mapping[Key, RateWindow]
"""By a job's id and a value of its rate limit's key."""


@dataclass(frozen=True)
class FairnessGroup:
    """The due runs of a group, as far as they have been read.

    Attributes:
        queues: the first runs of each value in the order of the queue; the values in the order in
            which they are served, the one that was started last at the end.
        is_complete: whether no other value has a run that may start.
        depth: how many runs of a value were read at most; a queue of that length may have more.
            None if all queues are complete.
    """

    queues: Sequence[Sequence[Candidate]]
    is_complete: bool = True
    depth: int | None = None

    def next_depth(self, slots: int) -> int:
        """Return how many runs of each value to read next to fill this number of slots."""
        depth = self.depth or 0
        lengths = [len(queue) for queue in self.queues]
        incomplete = max(1, lengths.count(depth))
        missing = slots - sum(lengths)
        if missing > 0:
            return max(2 * depth, depth - (-missing // incomplete))
        return grown(depth)


def group_of(run: Candidate) -> GroupKey | None:
    """Return the fairness group of a run, None if it is in none."""
    if run["fair_value"] is None or run["fairness_key"] is None:
        return None
    return run["job_definition_id"], run["entry_point"], run["priority"]


def fairness_group(runs: Iterable[Candidate], last_value: str | None) -> FairnessGroup:
    """Return the fairness group of all its due runs.

    Args:
        runs: its due runs, in the order of the queue.
        last_value: the value that was started last, None if none was.
    """
    queues: defaultdict[str, list[Candidate]] = defaultdict(list)
    for run in runs:
        queues[run["fair_value"] or ""].append(run)

    def turn(value: str) -> tuple[bool, str]:
        return last_value is not None and value <= last_value, value

    return FairnessGroup([queues[value] for value in sorted(queues, key=turn)])


@dataclass(frozen=True)
class LimitState:
    """What limits leave to candidates at one time, as far as it has been read.

    Attributes:
        running: the number of runs under way by job; jobs left out have none.
        held: the number of runs under way by concurrency key.
        windows: the rate windows; those left out have not been read.
        groups: the fairness groups; those left out have not been read.
        unserved_jobs: jobs whose runs the worker cannot execute.
        known_until: the queue position up to which all due runs are known; None if all are known.
    """

    running: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[Key, int] = field(default_factory=dict)
    windows: RateWindows = field(default_factory=dict)
    groups: Mapping[GroupKey, FairnessGroup] = field(default_factory=dict)
    unserved_jobs: Container[str] = ()
    known_until: QueuePosition | None = None

    def with_started(self, runs: Collection[Candidate]) -> "LimitState":
        """Return the state after some runs have started, without changing rate windows."""
        if not runs:
            return self
        running, held = dict(self.running), dict(self.held)
        for run in runs:
            job_id, key = run["job_definition_id"], key_of(run)
            running[job_id] = running.get(job_id, 0) + 1
            if key is not None:
                held[key] = held.get(key, 0) + 1
        return replace(self, running=running, held=held)

    def is_job_at_capacity(self, job_id: str, most: int | None) -> bool:
        """Return whether no run of the job may start if `most` may be under way."""
        if job_id in self.unserved_jobs:
            return True
        return most is not None and self.running.get(job_id, 0) >= most

    def remaining_in_job(self, job_id: str, most: int | None, limit: int) -> int:
        """Return how many more runs of the job may start, up to `limit`, if `most` may run."""
        if most is None:
            return limit
        return max(min(most - self.running.get(job_id, 0), limit), 0)

    def remaining_of_key(self, run: Candidate) -> int | None:
        """Return how many more runs may hold the run's concurrency key, None if it has none."""
        key = key_of(run)
        if key is None:
            return None
        return max(key_limit(run) - self.held.get(key, 0), 0)

    def is_key_saturated(self, run: Candidate) -> bool:
        """Return whether the runs under way use all of the limit of the run's concurrency key."""
        return self.remaining_of_key(run) == 0

    def saturated_keys(self, job_id: str, most: int) -> list[str]:
        """Return the job's concurrency keys that at least `most` runs under way hold."""
        return [key for (job, key), held in self.held.items() if job == job_id and held >= most]

    def saturated_keys_beside(self, run: Candidate) -> list[str]:
        """Return the concurrency keys of the run's job that are saturated by runs under way."""
        if run["concurrency_value"] is None:
            return []
        return self.saturated_keys(run["job_definition_id"], key_limit(run))

    def full_rate_values(self, job_id: str) -> list[str]:
        """Return the values of a job's rate limit whose windows have been read and are full."""
        windows = self.windows.items()
        return [value for (job, value), window in windows if job == job_id and not window.remaining]

    def keys_saturated_by(self, runs: Iterable[Candidate]) -> list[str]:
        """Return the concurrency keys of a job that would be saturated if these runs started."""
        holders: Counter[str] = Counter()
        saturated: dict[str, None] = {}
        for run in runs:
            key, remaining = run["concurrency_value"], self.remaining_of_key(run)
            if key is None or remaining is None:
                continue
            holders[key] += 1
            if holders[key] >= remaining:
                saturated[key] = None
        return list(saturated)

    def rate_values_filled_by(self, runs: Iterable[Candidate]) -> list[str]:
        """Return the values of a job's rate limit that would be full if these runs started."""
        starts = Counter(rate_key_of(run) for run in runs)
        values: list[str] = []
        for key, number in starts.items():
            window = None if key is None else self.windows.get(key)
            if key is not None and window is not None and number >= window.remaining:
                values.append(key[1])
        return values

    def count_by_keys(self, runs: Iterable[Candidate]) -> int:
        """Return how many of a job's runs could start together by their concurrency keys."""
        startable: Counter[str | None] = Counter()
        for run in runs:
            remaining = self.remaining_of_key(run)
            key = run["concurrency_value"]
            if remaining is None or startable[key] < remaining:
                startable[key] += 1
        return startable.total()

    def count_startable(self, runs: Iterable[Candidate]) -> int:
        """Return how many of these runs could start together if no others waited."""
        in_order = sorted(runs, key=queue_position)
        alone = replace(self, groups={}, unserved_jobs=(), known_until=None)
        return len(select_candidates(in_order, alone, len(in_order)).runs)


def key_limit(run: Candidate) -> int:
    """Return how many runs may hold the run's concurrency key at a time."""
    return run["concurrency_limit"] or 1


# The decision.

Refusal = Literal["job_paused", "job_limit", "key_limit", "rate_limited", "behind_others"]
"""What keeps a due run from starting: the pause of its job, runs under way of its job or with its
key, starts within the period, or runs that are selected before it."""


@dataclass(frozen=True)
class Selection:
    """The candidates that start, in their order.

    Attributes:
        runs: those that start. Unread limits count as unlimited, so these runs are certain only if
            the selection is final.
        unread_windows: runs that were selected, or next in their group, although their rate window
            has not been read.
        unread_groups: fairness groups of which more must be read, each with one of its runs.
        certain: the first of the runs, which start whatever else is read.
        heads: the runs that were next in their fairness groups when others were selected.
    """

    runs: list[Candidate]
    unread_windows: list[Candidate]
    unread_groups: Mapping[GroupKey, Candidate]
    certain: Sequence[Candidate]
    heads: Sequence[Candidate]
    _tally: "_Tally"

    @property
    def is_final(self) -> bool:
        """Whether everything that the decision depends on was read."""
        return not self.unread_windows and not self.unread_groups

    @property
    def run_ids(self) -> list[UUID]:
        """The ids of the runs that start."""
        return [UUID(run["id"]) for run in self.runs]

    def refusals(self, run: Candidate) -> list[Refusal]:
        """Return all that keeps a run from starting after the selected ones."""
        return self._tally.refusals(run)


def select_candidates(candidates: Iterable[Candidate], limits: LimitState, slots: int) -> Selection:
    """Decide which due runs start.

    It takes no more candidates than it needs to fill the slots.

    Args:
        candidates: due runs in the order of the queue; one run of a fairness group stands for all.
        limits: what is known of limits and fairness groups.
        slots: the number of runs at most.
    """
    tally = _Tally(limits)
    round_robin = RoundRobin(limits.groups, tally, limits.known_until)
    runs: list[Candidate] = []
    certain = 0
    for run in islice(round_robin.starting(candidates), slots):
        runs.append(run)
        if not (round_robin.unread_groups or tally.unread_windows):
            certain += 1
    unread_windows = list(tally.unread_windows.values())
    return Selection(
        runs, unread_windows, round_robin.unread_groups, runs[:certain], round_robin.heads, tally
    )


def refusals(run: Candidate, limits: LimitState) -> list[Refusal]:
    """Return all that keeps a due run from starting, apart from other candidates."""
    return _Tally(limits).refusals(run)


def starting_order(
    runs: Iterable[Candidate], groups: Mapping[GroupKey, FairnessGroup]
) -> list[Candidate]:
    """Return the runs in the order in which they would start without limits."""
    return [*RoundRobin(groups, Unlimited()).starting(runs)]


class Tally(Protocol):
    """Says which runs limits leave, and counts those that are selected."""

    def has_job_capacity(self, run: Candidate) -> bool:
        """Return whether the run's job has capacity left."""

    def has_capacity(self, run: Candidate) -> bool:
        """Return whether other limits have capacity left for the run."""

    def count(self, run: Candidate) -> None:
        """Count a run that is selected."""


class Unlimited(Tally):
    """Lets all runs start."""

    @override
    def has_job_capacity(self, run: Candidate) -> bool:
        return True

    @override
    def has_capacity(self, run: Candidate) -> bool:
        return True

    @override
    def count(self, run: Candidate) -> None:
        pass


class _Tally(Tally):
    """Counts the use of each limit by the runs selected so far."""

    def __init__(self, limits: LimitState) -> None:
        self._limits = limits
        self._of_job: defaultdict[str, int] = defaultdict(int)
        self._of_key: defaultdict[Key, int] = defaultdict(int)
        self._of_window: defaultdict[Key, int] = defaultdict(int)
        self.unread_windows: dict[Key, Candidate] = {}

    @override
    def has_job_capacity(self, run: Candidate) -> bool:
        return self._by_job(run) is None

    @override
    def has_capacity(self, run: Candidate) -> bool:
        """Return whether the run's key and rate have capacity left; note an unread window."""
        if run["concurrency_value"] is not None and self._by_key(run) is not None:
            return False
        rate_key = rate_key_of(run)
        if rate_key is None:
            return True
        if rate_key not in self._limits.windows:
            self.unread_windows[rate_key] = run
            return True
        return self._by_rate(run) is None

    @override
    def count(self, run: Candidate) -> None:
        job_id = run["job_definition_id"]
        self._of_job[job_id] += 1
        if run["concurrency_value"] is not None:
            self._of_key[job_id, run["concurrency_value"]] += 1
        if run["rate_value"] is not None:
            self._of_window[job_id, run["rate_value"]] += 1

    def refusals(self, run: Candidate) -> list[Refusal]:
        refusals = (self._by_job(run), self._by_key(run), self._by_rate(run))
        return list(dict.fromkeys(refusal for refusal in refusals if refusal is not None))

    def _by_job(self, run: Candidate) -> Refusal | None:
        most = run["max_concurrent_runs"]
        if most is None:
            return None
        if not most:
            return "job_paused"
        job_id = run["job_definition_id"]
        running = self._limits.running.get(job_id, 0)
        if running >= most:
            return "job_limit"
        if running + self._of_job[job_id] >= most:
            return "behind_others"
        return None

    def _by_key(self, run: Candidate) -> Refusal | None:
        key = key_of(run)
        remaining = self._limits.remaining_of_key(run)
        if key is None or remaining is None:
            return None
        if not remaining:
            return "key_limit"
        if self._of_key[key] >= remaining:
            return "behind_others"
        return None

    def _by_rate(self, run: Candidate) -> Refusal | None:
        key = rate_key_of(run)
        if key is None:
            return None
        window = self._limits.windows.get(key)
        if window is None:
            return None
        if window.remaining <= 0:
            return "rate_limited"
        if self._of_window[key] >= window.remaining:
            return "behind_others"
        return None


# Round-robin between the values of a fairness group.


class RoundRobin:
    """Orders due runs as they start.

    Attributes:
        unread_groups: the groups of which more must be read before the order is certain, each with
            one of its runs.
        heads: the runs that were next in their groups at some time.
    """

    def __init__(
        self,
        groups: Mapping[GroupKey, FairnessGroup],
        tally: Tally,
        known_until: QueuePosition | None = None,
    ) -> None:
        """Begin with what has been read.

        Args:
            groups: those that have been read.
            tally: of the runs that start.
            known_until: nothing starts after this queue position, as due runs there may be unknown.
        """
        self._groups = groups
        self._tally = tally
        self._known_until = known_until
        self._rounds: dict[GroupKey, _Round] = {}
        self._heads: list[tuple[QueuePosition, GroupKey]] = []
        self.unread_groups: dict[GroupKey, Candidate] = {}
        self.heads: list[Candidate] = []

    def starting(self, runs: Iterable[Candidate]) -> Iterator[Candidate]:
        """Yield the runs that start, in their order.

        Args:
            runs: in the order of the queue; one run of a fairness group stands for all.
        """
        tally = self._tally
        for run in runs:
            group = group_of(run)
            if group is not None and self._is_served_by_round(group, run):
                continue
            if self._heads:
                yield from self._heads_until(queue_position(run))
            if tally.has_job_capacity(run) and tally.has_capacity(run):
                tally.count(run)
                yield run
                if self._rounds:
                    self._move_refused_heads(run)
        yield from self._heads_until(self._known_until)

    def _is_served_by_round(self, group: GroupKey, run: Candidate) -> bool:
        if group in self._rounds:
            return self._rounds[group].serves(run)
        if not self._tally.has_job_capacity(run):
            return True
        fairness_group = self._groups.get(group)
        if fairness_group is None:
            self.unread_groups[group] = run
            fairness_group = FairnessGroup(())
        round_ = _Round(fairness_group, run)
        self._rounds[group] = round_
        self._queue_head(group)
        return round_.serves(run)

    def _queue_head(self, group: GroupKey) -> None:
        """Give a group the queue position of its next run that may start."""
        round_ = self._rounds[group]
        head = round_.head
        while head is not None and not self._tally.has_capacity(head):
            round_.skip()
            head = round_.head
        if head is not None:
            heappush(self._heads, (queue_position(head), group))
            self.heads.append(head)
        elif round_.is_next_unread:
            self.unread_groups[group] = round_.sample

    def _move_refused_heads(self, selected: Candidate) -> None:
        """Move groups whose next run may not start any more since a run was selected."""
        if selected["concurrency_value"] is None and selected["rate_value"] is None:
            return
        job_id = selected["job_definition_id"]
        for group, round_ in self._rounds.items():
            head = round_.head
            if group[0] == job_id and head is not None and not self._tally.has_capacity(head):
                self._queue_head(group)

    def _heads_until(self, until: QueuePosition | None) -> Iterator[Candidate]:
        """Yield the next runs of groups up to a queue position, or all."""
        while self._heads:
            position, group = self._heads[0]
            if until is not None and position > until:
                return
            heappop(self._heads)
            round_ = self._rounds[group]
            head = round_.head
            if head is None or queue_position(head) != position:
                continue  # The group has moved.
            if not self._tally.has_job_capacity(head):
                continue
            self._tally.count(head)
            round_.serve()
            yield head
            if self._tally.has_job_capacity(head):
                self._queue_head(group)
                if len(self._rounds) > 1:
                    self._move_refused_heads(head)


class _Round:
    """The remaining queues of a group's values during a selection.

    Attributes:
        sample: a run of the group, the last that a limit has refused if there is one.
    """

    def __init__(self, group: FairnessGroup, sample: Candidate) -> None:
        self.group = group
        self.sample = sample
        self._queues = deque(deque(queue) for queue in group.queues)
        self._looked_at: set[str] = set()
        self._skipped: Counter[str | None] = Counter()
        self._may_have_more = {
            queue[0]["fair_value"] for queue in group.queues if len(queue) == group.depth
        }

    @property
    def head(self) -> Candidate | None:
        """The next run, None if there is none, or if it was not read."""
        if not self._queues or not self._queues[0]:
            return None
        return self._queues[0][0]

    @property
    def is_next_unread(self) -> bool:
        """Whether, without a head, there may be a next run that was not read."""
        return bool(self._queues) or not self.group.is_complete

    def serves(self, run: Candidate) -> bool:
        """Return whether a run is left to this round: it has a head, or has had this run."""
        return self.head is not None or run["id"] in self._looked_at

    def serve(self) -> None:
        """Start the head, and move its value behind all others.

        If not all values were read, it is not known when this value is next.
        """
        queue = self._queues.popleft()
        run = queue.popleft()
        self._looked_at.add(run["id"])
        may_have_more = bool(queue) or run["fair_value"] in self._may_have_more
        if may_have_more and self.group.is_complete:
            self._queues.append(queue)

    def skip(self) -> None:
        """Skip the head, which a limit refuses; the next run of its value becomes the head.

        If that run was not read, nothing is, unless the depth is reached: then the next value's.
        """
        queue = self._queues[0]
        run = queue.popleft()
        value = run["fair_value"]
        self._looked_at.add(run["id"])
        self._skipped[value] += 1
        self.sample = run
        may_have_more = value in self._may_have_more and self._skipped[value] < DEPTH
        if not queue and not may_have_more:
            self._queues.popleft()


# The runs that a worker takes, by their entry points.


def serves_entry_point(entry_points: Collection[str] | None, entry_point: str) -> bool:
    """Return whether a worker with these entry points executes one; None stands for all."""
    return entry_points is None or entry_point in entry_points


def claimable(runs: Iterable[Candidate], offer: Offer, now: str) -> list[Candidate]:
    """Return the runs without those of abandoned entry points that have not waited long enough."""
    long_ago = to_iso(from_iso(now) - timedelta(seconds=offer.grace_s))
    return [
        run
        for run in runs
        if run["entry_point"] in offer.entry_points or run["scheduled_at"] <= long_ago
    ]
