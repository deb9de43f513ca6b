"""The log and its tables as a command sees them that holds the append lock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from typing_extensions import override

from domain.jobs.run_events import RUN_TOPIC
from domain.ports import Claimant, Locked, State
from eventlog import personal, workers
from eventlog.append.lookups import LockedReader, request_states
from eventlog.claims import ClaimReads
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.pending_queue import FollowedQueue
from projections import saved_views
from projections.flow import unfinished
from projections.rows import Connection


@dataclass(frozen=True)
class PipelinedClaim:
    """What a claim reads in the round trip that takes the lock.

    Attributes:
        expected: the runs that the claimant will probably get, with their states; None if these are
            read under the lock.
    """

    queue: FollowedQueue
    registrations: Answer
    reads: ClaimReads | None
    slots: int
    expected: "ExpectedRuns | None"

    @classmethod
    def request(cls, trip: RoundTrip, queue: FollowedQueue, claimant: Claimant) -> "PipelinedClaim":
        """Add the queries to a round trip, after `candidates.PRESENT`."""
        registrations = trip.add(workers.LIVES, (claimant.worker_id,))
        reads = queue.request(trip, claimant)
        run_ids: Sequence[UUID] = ()
        if claimant.expected_run is not None:
            run_ids = [claimant.expected_run]
        elif reads is not None and queue.foresaw_last_claim:
            run_ids = reads.expected_ids
        expected: ExpectedRuns | None = None
        if run_ids:
            expected = ExpectedRuns(run_ids, request_states(trip, RUN_TOPIC, run_ids))
        return cls(queue, registrations, reads, claimant.slots, expected)


@dataclass(frozen=True)
class ExpectedRuns:
    """Runs whose states are read before it is decided whether they will be claimed."""

    run_ids: Sequence[UUID]
    states: Answer


class LockedLog(Locked):
    """The log inside the writer's transaction."""

    def __init__(
        self,
        connection: Connection,
        now: datetime,
        reader: LockedReader,
        claim: PipelinedClaim | None,
    ) -> None:
        self._connection = connection
        self._now = now
        self._reader = reader
        self._files = reader.files
        self._claim = claim
        # Positions for the decision's events, drawn in the same round trip as the states it reads.
        self._to_draw = 0

    @property
    @override
    def now(self) -> datetime:
        return self._now

    @override
    async def states_of(self, kind: str, ids: Iterable[UUID]) -> dict[UUID, State]:
        run_ids = list(ids)
        # No run can be claimed: save the round trip under the lock.
        if not run_ids:
            return {}
        positions, self._to_draw = self._to_draw, 0
        prefetched = self._prefetched(run_ids)
        if prefetched is not None:
            return self._reader.read_states(kind, prefetched)
        return await self._reader.states(kind, run_ids, positions)

    def _prefetched(self, run_ids: Sequence[UUID]) -> Answer | None:
        """Return the states that were read with the lock, if they are those of exactly these runs.

        Positions were drawn with them.
        """
        expected = None if self._claim is None else self._claim.expected
        if expected is None or run_ids != expected.run_ids:
            return None
        return expected.states

    @override
    async def claimable_run_ids(self) -> list[UUID] | None:
        claim = self._claim
        if claim is None or not claim.registrations.rows:
            return None
        [registration] = claim.registrations.rows
        if registration["is_draining"]:
            return []
        run_ids = await claim.queue.select(self._connection, claim.reads, self._now, claim.slots)
        self._to_draw = len(run_ids)
        return run_ids

    @override
    async def overdue_run_ids(
        self, limit: int, bypassed: Sequence[UUID] = (), after: UUID | None = None
    ) -> list[UUID]:
        return await unfinished.overdue(self._connection, self._now, limit, bypassed, after)

    @override
    async def orphaned_run_ids(
        self, limit: int, bypassed: Sequence[UUID] = (), after: UUID | None = None
    ) -> list[UUID]:
        return await workers.orphaned(self._connection, limit, bypassed, after)

    @override
    async def has_unfinished_runs(self, definition_id: UUID) -> bool:
        return await unfinished.has_unfinished(self._connection, definition_id)

    @override
    async def count_saved_views(self) -> int:
        return await saved_views.count(self._connection)

    @override
    async def subject_key(self, subject: str) -> UUID | None:
        return await personal.key_id_of(self._connection, self._files.master_keys, subject)

    @override
    async def unfinished_runs_of(self, key_id: UUID) -> list[UUID]:
        return await personal.unfinished_runs(self._connection, key_id)

    @override
    async def schedules_of_subject(self, subject: str) -> dict[UUID, list[str]]:
        return await personal.schedules_of(self._connection, subject)

    @override
    async def erase_subject(self, key_id: UUID) -> int:
        return await personal.erase(self._connection, key_id)

    @override
    async def declare_lost(self, worker_id: str, sequence: int) -> bool:
        return await workers.declare_lost(self._connection, worker_id, sequence)
