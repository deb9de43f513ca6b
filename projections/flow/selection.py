"""Which candidates start now: the pure decision of claims, explanations and simulations.

`select_candidates` takes candidates in the order of the queue, and what is known of all limits
(`LimitState` in `limits.py`). It returns which candidates start, or which limits must be read first
(`Selection`). `refusals` returns what keeps a single run from starting. docs/claims.md says what is
guaranteed.

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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from projections.flow.limits import (
    IN_QUEUE_ORDER,
    MAX_DEPTH,
    FairnessGroup,
    GroupKey,
    LimitState,
    group_of,
)

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
        certain: the first of the runs, which start whatever else is read. What cannot start beside
            them need not be read (`fairness.FairnessGroupReader.queries`).
        heads: the runs that were next in their fairness groups at some time of the selection. They
            are read again, also where a run that was selected since keeps them.
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


def count_startable(runs: Iterable[Candidate], limits: LimitState) -> int:
    """Return how many of these runs could start together if no others waited."""
    in_order = sorted(runs, key=queue_position)
    alone = replace(limits, groups={}, unserved_jobs=(), known_until=None)
    return len(select_candidates(in_order, alone, len(in_order)).runs)


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
        self._upcoming: list[tuple[QueuePosition, GroupKey]] = []
        """A heap of groups by the queue positions of their heads, and of heads that they had."""
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
            if self._upcoming:
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
            fairness_group = IN_QUEUE_ORDER
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
            heappush(self._upcoming, (queue_position(head), group))
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
        while self._upcoming:
            position, group = self._upcoming[0]
            if until is not None and position > until:
                return
            heappop(self._upcoming)
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
        may_have_more = value in self._may_have_more and self._skipped[value] < MAX_DEPTH
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
