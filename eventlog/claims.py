"""What a claim reads of limits, and how it selects runs by them: `LimitReader`.

A limit is read only where a candidate needs it, and mostly in the round trip that takes the lock:

    before the lock    what the queue in memory shows to be unread is requested
        foresee                 as if fairness groups had no other runs than those in memory
        request                 the limits themselves; or, where the last claim was foreseen,
        request_confirmation    only what shows whether the foreseen runs start
    under the lock     an answer counts only if this claim would request the same
        take_pipelined, confirm    the foreseen runs start; if that is not certain:
        select                     select, request, take, until nothing is unread

docs/claims.md explains and counts this; docs/performance.md has the figures, under "Who waits for
whom in a backlog". Last come the reads of a claim as a whole (`ClaimReads`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from types import MappingProxyType
from uuid import UUID

from domain.jobs.policies import RateLimit
from domain.ports import Offer
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.database.sql import text_array
from eventlog.entry_points import unoffered
from eventlog.queue_reads import FrontRead
from projections.flow.candidates import ANY_PLAN, Candidate, Key, QueuePosition
from projections.flow.fairness import (
    GROUP_RUNS_AT_PRESENT,
    NEXT_VALUES,
    ONE_PLAN,
    ExpectedValues,
    FairnessGroupReader,
    GroupQuery,
)
from projections.flow.limits import GroupKey, LimitState, group_of, next_read_size
from projections.flow.pending_queue import PendingQueue
from projections.flow.rates import STARTED, RateWindowReader, StartedRow, rate_limits, window_query
from projections.flow.selection import Selection, select_candidates
from projections.rows import Connection, as_rows

LOOK_AHEAD = 64
"""Due runs at the front of the queue that are looked at beyond those that are needed: their rate
windows are read with one that is needed, and a claim is foreseen by them."""


@dataclass(frozen=True)
class LimitReads:
    """Reads of limits that travel with a round trip; the answers are there once it is over.

    Attributes:
        rate_limits: the limits of the rate windows that are read, by rate key.
        windows: the answer for all of them.
        groups: the answer for each fairness group.
        next_values: the values that groups are expected to start, each with its answer.
    """

    rate_limits: Mapping[Key, RateLimit] = field(default_factory=dict)
    windows: Answer = field(default_factory=Answer)
    groups: Mapping[GroupQuery, Answer] = field(default_factory=dict)
    next_values: Sequence[tuple[ExpectedValues, Answer]] = ()


NO_LIMIT_READS = LimitReads()


class LimitReader:
    """Reads the limits of one claim, and selects by them: one before the lock, another under it."""

    def __init__(
        self,
        queue: PendingQueue,
        now: str,
        slots: int,
        *,
        in_order: bool,
        pipelined: LimitReads = NO_LIMIT_READS,
    ) -> None:
        """Begin a claim.

        Args:
            queue: the pending queue in memory.
            now: the moment.
            slots: the number of runs needed.
            in_order: whether each run keeps its own queue position, in a fairness group or not. A
                process that cannot remember all runs that it cannot read has to advance in the
                queue.
            pipelined: what has been read together with the lock.
        """
        executed = None if queue.offer is None else queue.offer.entry_points
        self.windows = RateWindowReader(now, queue.full_windows)
        self.groups = FairnessGroupReader(slots, frozenset() if in_order else executed)
        self._queue = queue
        self._slots = slots
        self._looks_at = LOOK_AHEAD + slots
        self._pipelined = pipelined

    def limits(self, known_until: QueuePosition | None) -> LimitState:
        """Return the limits as far as they have been read; see `LimitState`."""
        return self._queue.limits(self.windows.windows, self.groups.groups, known_until)

    def foresee(
        self,
        selection: Selection,
        limits: LimitState,
        due: Iterable[Candidate],
        last_values: Mapping[GroupKey, str | None],
    ) -> Selection:
        """Select anew, as if the unread groups had no other runs than those in memory.

        Args:
            selection: of these runs; the groups stay unread.
            limits: by which it was made.
            due: runs in memory.
            last_values: the values that were started last of groups, as far as they are known.
        """
        first = [*islice(due, self._looks_at)]
        groups = self.groups.groups_in_memory(selection.unread_groups, first, last_values)
        foreseen = select_candidates(first, replace(limits, groups=groups), self._slots)
        unread = {**selection.unread_groups, **foreseen.unread_groups}
        return replace(foreseen, unread_groups=unread)

    def request(
        self,
        trip: RoundTrip,
        selection: Selection,
        limits: LimitState,
        candidates: Iterable[Candidate],
        recent: Mapping[Key, RateLimit] = MappingProxyType({}),
    ) -> LimitReads:
        """Request the limits that a selection has found unread, unless they were pipelined.

        Args:
            trip: takes the statements.
            selection: of these candidates.
            limits: by which it was made.
            candidates: in the queue's order; the windows of the first ones are read as well if
                any are.
            recent: rate limits whose windows are read as well if any are.
        """
        if selection.is_final:
            return NO_LIMIT_READS
        queries = self.groups.queries(selection.unread_groups, limits, selection)
        groups = self._request_groups(trip, queries.values())
        # The runs of a group are not there yet, but their starts count if those of one run do.
        needed = rate_limits(chain(selection.unread_windows, selection.unread_groups.values()))
        windows = self._windows_to_read(needed, candidates, recent) if needed else {}
        if not windows:
            return LimitReads(groups=groups)
        return LimitReads(windows, trip.add(STARTED, window_query(windows)), groups)

    def _request_groups(
        self, trip: RoundTrip, queries: Collection[GroupQuery]
    ) -> dict[GroupQuery, Answer]:
        pipelined = self._pipelined.groups
        answers = {query: pipelined[query] for query in queries if query in pipelined}
        missing = [query for query in queries if query not in answers]
        if missing:
            trip.add(ONE_PLAN)
            for query in missing:
                arrays = {
                    "saturated_keys": text_array(query.saturated_keys),
                    "full_values": text_array(query.full_values),
                    "heads": text_array(query.heads),
                }
                answers[query] = trip.add(GROUP_RUNS_AT_PRESENT, {**query.parameters, **arrays})
            trip.add(ANY_PLAN)
        return answers

    def _windows_to_read(
        self,
        needed: Mapping[Key, RateLimit],
        candidates: Iterable[Candidate],
        recent: Mapping[Key, RateLimit],
    ) -> dict[Key, RateLimit]:
        """Return the needed windows and others to read with them; none if these were pipelined."""
        together = {**recent, **rate_limits(islice(candidates, LOOK_AHEAD)), **needed}
        self._take_pipelined_windows(together)
        if not self.windows.unread(needed):
            return {}
        return {**self._windows_behind_full_ones(candidates), **self.windows.unread(together)}

    def _windows_behind_full_ones(self, candidates: Iterable[Candidate]) -> dict[Key, RateLimit]:
        """Return the first unread windows, more of them the more windows turned out to be full."""
        full = self.windows.count_full()
        if not full:
            return {}
        runs = chain(candidates, self.groups.runs())
        unread = self.windows.unread(rate_limits(runs))
        return dict(islice(unread.items(), next_read_size(full)))

    def request_confirmation(
        self, trip: RoundTrip, foreseen: Selection, last_values: Mapping[GroupKey, str | None]
    ) -> LimitReads:
        """Request no more than shows whether the foreseen runs start.

        Args:
            trip: takes the statements.
            foreseen: see `foresee`.
            last_values: by which it was made.
        """
        if foreseen.is_final:
            return NO_LIMIT_READS
        needed = self.windows.unread(rate_limits(foreseen.unread_windows))
        windows = trip.add(STARTED, window_query(needed)) if needed else Answer()
        next_values: list[tuple[ExpectedValues, Answer]] = []
        for group in filter(self.groups.is_served_by_value, foreseen.unread_groups):
            values = [run["fair_value"] for run in foreseen.runs if group_of(run) == group]
            expected = ExpectedValues(group, last_values.get(group), values)
            next_values.append((expected, trip.add(NEXT_VALUES, expected.parameters)))
        return LimitReads(needed, windows, next_values=next_values)

    def take_pipelined(self, expected: Iterable[Candidate]) -> None:
        """Take what was pipelined for these runs, where they still wait and would need the same."""
        if self._pipelined is NO_LIMIT_READS:
            return
        runs = self._queue.still_pending(expected)
        if self._pipelined.groups:
            # One run of each group stands for it.
            groups = {group: run for run in runs if (group := group_of(run)) is not None}
            for query in self.groups.queries(groups, self.limits(None)).values():
                answer = self._pipelined.groups.get(query)
                if answer is not None:
                    self.groups.take(query, answer.rows)
        self._take_pipelined_windows(rate_limits(runs))

    def _take_pipelined_windows(self, needed: Mapping[Key, RateLimit]) -> None:
        """Take the windows that were pipelined with the limits that hold now."""
        same = dict(needed.items() & self._pipelined.rate_limits.items())
        self.windows.take(same, as_rows(StartedRow, self._pipelined.windows.rows))

    def confirm(
        self,
        expected: Sequence[Candidate],
        due: Iterable[Candidate],
        known_until: QueuePosition | None,
    ) -> list[Candidate] | None:
        """Return the runs that start, if they are certainly the expected ones, else None.

        They are selected as if groups had no other runs than the first due ones, which are in
        memory. This selects what a claim does that has read the groups. For suppose that these
        differ first where a group's next run is one that is not in memory. That run is behind all
        that are: it would come after the selected runs of others, and before those of its own
        group only if its value were next. But then runs wait with this value, and between those
        that were selected no value comes with which any run waits (`ExpectedValues.are_next`).

        Args:
            expected: runs whose values were pipelined.
            due: the due runs in memory, in the queue's order.
            known_until: the queue position behind which due runs may not be in memory.
        """
        next_values = self._pipelined.next_values
        if not next_values or not all(one.are_next(answer.rows) for one, answer in next_values):
            return None
        first = [*islice(due, self._looks_at)]
        if self._pipelined.rate_limits:
            self._take_pipelined_windows(rate_limits(first))
        limits = self.limits(known_until)
        last_values = {one.group: one.last_value for one, _ in next_values}
        groups = self.groups.groups_in_memory(last_values, first, last_values)
        selection = select_candidates(first, replace(limits, groups=groups), self._slots)
        has_all_due = known_until is None and len(first) < self._looks_at
        is_full = len(selection.runs) == self._slots or has_all_due
        is_expected = [run["id"] for run in selection.runs] == [run["id"] for run in expected]
        return selection.runs if is_full and is_expected and selection.is_final else None

    async def select(
        self,
        connection: Connection,
        candidates: Iterable[Candidate],
        known_until: QueuePosition | None = None,
    ) -> list[Candidate]:
        """Return the runs that start, once every limit that counts has been read.

        Args:
            connection: which has the lock.
            candidates: in the queue's order; they can be iterated over again.
            known_until: the queue position behind which due runs may be missing among them.
        """
        while True:
            limits = self.limits(known_until)
            selection = select_candidates(candidates, limits, self._slots)
            if selection.is_final:
                return selection.runs
            trip = RoundTrip(connection)
            reads = self.request(trip, selection, limits, candidates)
            await trip.send()
            self.take(reads)

    def take(self, reads: LimitReads) -> None:
        """Take in what was requested."""
        self.windows.take(reads.rate_limits, as_rows(StartedRow, reads.windows.rows))
        for query, answer in reads.groups.items():
            self.groups.take(query, answer.rows)


# The reads of a claim as a whole.


@dataclass(frozen=True)
class ClaimReads:
    """The reads of a claim that travel with the lock.

    Attributes:
        after: the position of the log after which events are read.
        touched: the answer to `TOUCHED`.
        front: where the runs in memory will not fill the slots.
        limits: those that the claim will probably need.
        expected: the runs that it will probably get, if these are all in memory.
    """

    after: int
    touched: Answer
    front: FrontRead | None
    limits: LimitReads = NO_LIMIT_READS
    expected: Sequence[Candidate] = ()

    @property
    def expected_ids(self) -> list[UUID]:
        """The ids of the expected runs."""
        return [UUID(run["id"]) for run in self.expected]


async def without_offered_again(
    connection: Connection, offer: Offer | None, runs: Sequence[Candidate]
) -> list[Candidate]:
    """Leave out runs of abandoned entry points that a worker offers by now."""
    if offer is None or not offer.abandoned:
        return list(runs)
    abandoned = {run["entry_point"] for run in runs if run["entry_point"] in offer.abandoned}
    unserved = await unoffered(connection, abandoned)
    return [
        run for run in runs if run["entry_point"] not in abandoned or run["entry_point"] in unserved
    ]
