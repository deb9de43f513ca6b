"""Keeps the pending queue in memory up with the log, and selects the runs of a claim by it.

Without the lock, everything is read in one snapshot; under the lock, nothing changes meanwhile. So
the memory is always the state at a position of the log, never what this process is about to append:
a claimed run is pending until its event is read from the log. A commit that fails has nothing to
undo.

    follow     before the lock, where there may be much to read: the events since the last time
    request    adds to the round trip that takes the lock: events since then, the queue's front or
               limits where the runs in memory will not do, by what they show (`eventlog.claims`)
    select     under the lock: follow those events, select; where slots are left, read more of the
               front, then the first runs of each job with capacity (docs/claims.md)
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from time import monotonic
from typing import TypeVar
from uuid import UUID

from domain.clock import from_iso, to_iso
from domain.jobs.policies import RateLimit
from domain.ports import Claimant, Offer
from domain.quarantine import SkipCursor
from eventlog.claims import NO_LIMIT_READS, ClaimReads, LimitReader, without_offered_again
from eventlog.database.connection import snapshot
from eventlog.database.pipeline import RoundTrip
from eventlog.database.sql import text_array
from eventlog.queue_reads import (
    FrontRead,
    TouchedRow,
    changes_in,
    marks_as_json,
    read_queue,
    request_front,
    request_touched,
)
from projections.flow import candidates, claims
from projections.flow.candidates import QUEUE_START, Candidate, Key, UnservedJobs, queue_position
from projections.flow.limits import GroupKey, group_of
from projections.flow.pending_queue import MAX_UNSERVED, FirstOfPriority, PendingQueue
from projections.flow.selection import select_candidates
from projections.job_runs import IS_PENDING
from projections.rows import Connection, as_rows, read_texts

UNSERVED_ENTRY_POINTS = f"""
    SELECT DISTINCT entry_point FROM job_runs
    WHERE {IS_PENDING} AND NOT entry_point = ANY(%(offered)s) LIMIT {MAX_UNSERVED}
"""
"""The entry points that pending runs need and that the worker does not offer. This scans all
pending runs: when a process begins, once a minute while no worker offers one of them, and never
under the lock."""

FIRST_PLANNED = f"""
    SELECT first.* FROM json_to_recordset((SELECT %(marks)s::json)) AS mark (priority integer)
    CROSS JOIN LATERAL (
        SELECT priority, scheduled_at, id FROM job_runs
        WHERE {IS_PENDING} AND priority = mark.priority
          AND scheduled_at > (SELECT current_setting('apphub.now')::timestamptz)
        ORDER BY scheduled_at, id LIMIT 1
    ) AS first
"""
"""The first pending run that is not due yet, of each of some priorities."""

Load = Callable[[Connection], Awaitable[PendingQueue]]

K = TypeVar("K")

V = TypeVar("V")

STALE_S = 1.0
"""After this many seconds without a read there may be many events, so `follow` reads them before
the lock."""

MAX_REMEMBERED = 64
"""Rate limits, and fairness groups with their last values, that are remembered of recent claims."""


@dataclass(frozen=True)
class NextDue:
    """When a worker with free slots can expect a run.

    Attributes:
        in_s: when a run may start, in seconds; 0 for now, None where none is planned.
        is_at_capacity: whether due runs wait for others to end.
    """

    in_s: float | None
    is_at_capacity: bool


class FollowedQueue:
    """The pending queue as this process follows it by the log, for one isolation of attempts."""

    def __init__(self) -> None:
        self._pending: PendingQueue | None = None
        self._offer: Offer | None = None
        self._unserved = UnservedJobs()
        self._repairs = 0
        self._followed_at = 0.0
        # The moment of the last read: what was due then is due.
        self._now = ""
        self._bypassed: set[str] = set()
        # Of runs that are read by job, which the low-water marks do not help with.
        self._skip_cursor = SkipCursor[Candidate](lambda run: run["id"] in self._bypassed)
        self._bypasses_more = False
        # The last claim's runs; and of recent claims, the last one first, the rate limits that they
        # read and the values that they started last of fairness groups.
        self._selected: Sequence[Candidate] = ()
        self._rate_limits: Mapping[Key, RateLimit] = {}
        self._last_values: Mapping[GroupKey, str | None] = {}
        # Whether the last claim got the runs that were expected. With other workers it rarely does.
        self.foresaw_last_claim = False

    def clear(self) -> None:
        """Forget everything: the log may be another one."""
        self._pending = None
        self._bypassed = set()
        self._skip_cursor.restart()
        self._selected = ()
        self._rate_limits = {}
        self._last_values = {}

    def is_stale(self, offer: Offer | None) -> bool:
        """Return whether there may be so many events to read that `follow` should come first."""
        is_old = monotonic() - self._followed_at > STALE_S
        return self._pending is None or is_old or offer != self._offer

    async def follow(self, connection: Connection, offer: Offer | None) -> None:
        """Read without the lock what has changed, for a worker with this offer.

        Where this begins anew, it also reads the front: until it reaches a run that the worker
        executes, it scans all others.
        """
        self._serve(offer)
        is_new = self._pending is None
        pending = await self._read_on(connection, load=self._load_snapshot)
        if is_new and pending.unread_marks:
            await self._read_front(connection, pending, ())

    async def next_due(
        self, connection: Connection, bypassed: Collection[UUID], offer: Offer | None = None
    ) -> NextDue:
        """Return, without the lock, when a run may start: mostly by one statement.

        Args:
            connection: any.
            bypassed: runs that do not count.
            offer: what the worker executes; other runs do not count either.
        """
        self._serve(offer)
        self._bypass(bypassed)
        pending = await self._read_on(connection, load=self._load_snapshot)
        startable = self._first_startable(pending)
        if not startable and not pending.is_complete(self._now):
            await self._read_front(connection, pending, bypassed)
            startable = self._first_startable(pending)
        is_at_capacity = bool(pending.due(self._now))
        if startable or not pending.is_complete(self._now):
            return NextDue(0.0, is_at_capacity)
        next_at = pending.next_after(self._now)
        if next_at is None:
            return NextDue(None, is_at_capacity)
        return NextDue((from_iso(next_at) - from_iso(self._now)).total_seconds(), is_at_capacity)

    def _first_startable(self, pending: PendingQueue) -> list[Candidate]:
        """Return the first run in memory that may start, as far as limits have been read."""
        limits = pending.limits(pending.full_windows.windows(self._now))
        return select_candidates(pending.due(self._now), limits, 1).runs

    def request(self, trip: RoundTrip, claimant: Claimant) -> ClaimReads | None:
        """Request, after `candidates.PRESENT`, what a claim needs; None to read everything anew.

        Which runs of the queue and which limits the claim needs is decided as the claim itself is,
        by what is in memory.

        Args:
            trip: takes the statements.
            claimant: who wants runs, how many, and which.
        """
        slots = claimant.slots
        self._serve(claimant.offer)
        if claimant.bypassed:
            trip.add(candidates.BYPASS, (list(claimant.bypassed),))
        self._bypass(claimant.bypassed)
        self._bypasses_more = claimant.bypasses_more
        pending = self._pending
        if pending is None:
            return None
        touched = request_touched(trip, pending)
        # The last claim's runs are pending in memory until their events have been read. Where the
        # runs in memory do not fill the slots, they stand in for those behind the low-water mark,
        # which are probably of the same jobs.
        started = {run["id"]: run for run in pending.still_pending(self._selected)}
        due = pending.due(self._now, without=started.keys())
        reader = LimitReader(pending, self._now, slots, in_order=self._bypasses_more)
        limits = reader.limits(pending.known_until(self._now)).with_started(started.values())
        selection = select_candidates(chain(due, started.values()), limits, slots)
        expected = [run for run in selection.runs if run["id"] not in started]
        front = request_front(trip, pending, slots) if len(expected) < slots else None
        if front is not None:
            # Runs that are not in memory yet are probably counted by the same limits.
            limit_reads = reader.request(trip, selection, limits, due, self._rate_limits)
            return ClaimReads(pending.position, touched, front, limit_reads)
        if selection.unread_groups:
            selection = reader.foresee(selection, limits, due, self._last_values)
            expected = selection.runs
        if self.foresaw_last_claim:
            limit_reads = reader.request_confirmation(trip, selection, self._last_values)
        else:
            limit_reads = reader.request(trip, selection, limits, due)
        return ClaimReads(pending.position, touched, None, limit_reads, expected)

    async def select(
        self, connection: Connection, reads: ClaimReads | None, now: datetime, slots: int
    ) -> list[UUID]:
        """Return the due runs to start now, the most urgent first. Call it under the lock.

        Args:
            connection: which has the lock.
            reads: what `request` returned, answered.
            now: the database's present.
            slots: the number of runs at most.
        """
        present = to_iso(now)
        pending = await self._catch_up(connection, reads, present)
        limit_reads = NO_LIMIT_READS if reads is None else reads.limits
        reader = LimitReader(
            pending, present, slots, in_order=self._bypasses_more, pipelined=limit_reads
        )
        expected = () if reads is None else reads.expected
        runs = self._confirm(pending, reader, expected) if expected else None
        if runs is None:
            runs = await self._select_pending(connection, pending, reader)
        if len(runs) < slots and not pending.is_complete(present):
            runs = await self._select_beyond_memory(connection, pending, slots, reader)
        self._remember(runs, reader.windows.limits)
        claimed = await without_offered_again(connection, pending.offer, runs)
        run_ids = [UUID(run["id"]) for run in claimed]
        if reads is not None and expected:
            self.foresaw_last_claim = run_ids == reads.expected_ids
        return run_ids

    async def _catch_up(
        self, connection: Connection, reads: ClaimReads | None, now: str
    ) -> PendingQueue:
        """Return the queue as of the lock: by what was read with it, or by further reads."""
        pending = self._pending
        if pending is None or reads is None or not self._take(reads):
            return await self._read_on(connection, load=self._load)
        if reads.front is not None:
            self._take_front(reads.front, now)
        return pending

    @staticmethod
    def _confirm(
        pending: PendingQueue, reader: LimitReader, expected: Sequence[Candidate]
    ) -> list[Candidate] | None:
        """Return the expected runs if it is certain that they start; see `LimitReader.confirm`."""
        now = reader.windows.now
        reader.take_pipelined(expected)
        return reader.confirm(expected, pending.due(now), pending.known_until(now))

    def _remember(self, runs: Sequence[Candidate], read: Mapping[Key, RateLimit]) -> None:
        self._selected = runs
        self._rate_limits = _newest(read, self._rate_limits)
        values = {group: run["fair_value"] for run in runs if (group := group_of(run)) is not None}
        self._last_values = _newest(values, self._last_values)

    async def unserved_entry_points(self, connection: Connection) -> frozenset[str]:
        """Return the entry points of runs that may wait, and that the worker does not execute."""
        pending = self._pending
        if pending is None or pending.offer is None:
            return frozenset()
        offer = pending.offer
        if not pending.has_all_unserved:
            # Those of runs that have entered the queue since then are in memory already.
            values = {"offered": [*offer.entry_points, *offer.abandoned]}
            waiting = await read_texts(connection, UNSERVED_ENTRY_POINTS, values)
            pending.unserved_entry_points.update(waiting)
            pending.has_all_unserved = True
        return offer.abandoned.union(pending.unserved_entry_points)

    def forget_unserved(self) -> None:
        """Let these entry points be read anew: perhaps no run waits for some of them any more."""
        if self._pending is not None:
            self._pending.unserved_entry_points.clear()
            self._pending.has_all_unserved = False

    def _serve(self, offer: Offer | None) -> None:
        """Begin anew where the worker's offer has changed."""
        if offer != self._offer:
            self._offer = offer
            self._pending = None
            self._skip_cursor.restart()

    def _bypass(self, run_ids: Collection[UUID]) -> None:
        """Leave these runs out. Runs left out before stay out of memory, also if not among them.

        No process can remember any number of runs that it cannot read; the low-water marks advance
        past them.
        """
        self._bypassed = {str(run_id) for run_id in run_ids}
        if self._pending is not None:
            self._pending.bypass(self._bypassed)

    async def _select_pending(
        self, connection: Connection, pending: PendingQueue, reader: LimitReader
    ) -> list[Candidate]:
        """Select among the runs in memory."""
        now = reader.windows.now
        return await reader.select(connection, pending.due(now), pending.known_until(now))

    async def _select_beyond_memory(
        self, connection: Connection, pending: PendingQueue, slots: int, reader: LimitReader
    ) -> list[Candidate]:
        """Select where the runs in memory do not fill the slots, and are not all that are due."""
        now = reader.windows.now
        # Where a fairness group is served, more of the queue's front says little.
        if not reader.groups.groups:
            await self._read_more(connection, pending, slots, now)
            runs = await self._select_pending(connection, pending, reader)
            if len(runs) == slots or pending.is_complete(now):
                return runs
        return await self._select_by_job(connection, pending, slots, reader)

    async def _select_by_job(
        self, connection: Connection, pending: PendingQueue, slots: int, reader: LimitReader
    ) -> list[Candidate]:
        """Select among the first runs of each job that has capacity."""
        after: Candidate | None = None
        if self._bypasses_more:
            after = self._skip_cursor.after(monotonic()) or QUEUE_START
        else:
            self._skip_cursor.restart()
        limits = reader.limits(None)
        offered = "" if self._offer is None else text_array(self._offer.entry_points)
        runs = await claims.first_by_job(connection, reader.windows, slots, limits, after, offered)
        free = [run for run in runs if not limits.is_key_saturated(run)]
        self._skip_cursor.scanned(free[:slots])
        if after is not None:
            # Some of the runs that have entered the queue before that position are in memory.
            in_memory = pending.due(reader.windows.now)
            by_id = {run["id"]: run for run in [*in_memory, *runs]}
            runs = sorted(by_id.values(), key=queue_position)
        return await reader.select(connection, runs)

    async def _read_front(
        self, connection: Connection, pending: PendingQueue, bypassed: Collection[UUID]
    ) -> None:
        """Read the front, and what is planned beyond it, as of one moment."""
        marks = pending.unread_marks
        trip = RoundTrip(connection)
        async with snapshot(connection):
            present = trip.add(candidates.PRESENT)
            if bypassed:
                trip.add(candidates.BYPASS, (list(bypassed),))
            touched = request_touched(trip, pending)
            front = request_front(trip, pending, 1)
            planned = trip.add(FIRST_PLANNED, {"marks": marks_as_json(marks)})
            await trip.send()
        if front is None or not self._take(ClaimReads(pending.position, touched, front)):
            return
        self._now = present.rows[0]["now"]
        self._take_front(front, self._now)
        pending.extend_to_planned(marks, as_rows(FirstOfPriority, planned.rows), self._now)

    async def _read_on(self, connection: Connection, load: Load) -> PendingQueue:
        """Read what has changed since the last time, in steps, or everything anew."""
        while True:
            pending = self._pending
            if pending is None:
                return await load(connection)
            trip = RoundTrip(connection)
            touched = request_touched(trip, pending)
            await trip.send()
            if self._take(ClaimReads(pending.position, touched, None)):
                return pending

    async def _read_more(
        self, connection: Connection, pending: PendingQueue, slots: int, now: str
    ) -> None:
        """Read more of the queue's front."""
        trip = RoundTrip(connection)
        front = request_front(trip, pending, slots)
        await trip.send()
        if front is not None:
            self._take_front(front, now)

    def _take(self, reads: ClaimReads) -> bool:
        """Take in the events since the last position; return whether there are no more."""
        pending = self._pending
        rows = as_rows(TouchedRow, reads.touched.rows)
        state = rows[0]
        if pending is None or not reads.after <= pending.position <= state["position"]:
            # Forgotten, or further ahead than the answer.
            return False
        if state["repairs"] != self._repairs or state["archived_to"] > reads.after:
            self.clear()
            return False
        changes = changes_in(rows)
        if self._unserved.update(changes.requirements):
            self.clear()
            return False
        pending.follow(state["position"], changes.runs, changes.limits)
        self._now = state["now"]
        self._followed_at = monotonic()
        return not state["is_cut"]

    def _take_front(self, front: FrontRead, now: str) -> None:
        if self._pending is not None:
            runs = as_rows(Candidate, front.answer.rows)
            self._pending.extend(front.marks, runs, front.limit, now)

    async def _load_snapshot(self, connection: Connection) -> PendingQueue:
        async with snapshot(connection):
            return await self._load(connection)

    async def _load(self, connection: Connection) -> PendingQueue:
        """Read everything anew. This scans consumed rows once."""
        state, pending = await read_queue(connection, self._offer)
        self._unserved = pending.unserved_jobs
        pending.bypass(self._bypassed)
        self._pending = pending
        self._now = state["now"]
        self._repairs = state["repairs"]
        self._followed_at = monotonic()
        return pending


def _newest(new: Mapping[K, V], old: Mapping[K, V]) -> Mapping[K, V]:
    """Return the newest entries, the new ones first."""
    if not new:
        return old
    others = {key: value for key, value in old.items() if key not in new}
    return dict(islice(chain(new.items(), others.items()), MAX_REMEMBERED))
