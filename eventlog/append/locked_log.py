"""The log and its tables as a command sees them that holds the append lock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from typing_extensions import override

from domain.jobs.run_events import RUN_TOPIC
from domain.ports import Claimant, Locked, State
from eventlog import personal, workers
from eventlog.append.lookups import Finder, ask_states
from eventlog.claims import News
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.pending_queue import Queue
from projections.flow import claims
from projections.rows import Connection


@dataclass(frozen=True)
class Claim:
    """What a claimant needs to know first; the answers are on their way.

    Attributes:
        likely: where the run stands that it will probably be given, and no other.
    """

    queue: Queue
    lives: Answer
    news: News | None
    slots: int
    likely: "Likely | None"

    @classmethod
    def ask(cls, trip: RoundTrip, queue: Queue, claimant: Claimant) -> "Claim":
        """Ask, after `candidates.PRESENT`."""
        lives = trip.ask(workers.LIVES, (claimant.worker_id,))
        news = queue.ask(trip, claimant)
        likely: Likely | None = None
        if claimant.likely is not None:
            likely = Likely(claimant.likely, ask_states(trip, RUN_TOPIC, [claimant.likely]))
        return cls(queue, lives, news, claimant.slots, likely)


@dataclass(frozen=True)
class Likely:
    """A run of which is asked before it is known whether it will be claimed."""

    run_id: UUID
    asked: Answer


class LockedLog(Locked):
    """The log inside the writer's transaction."""

    def __init__(
        self, connection: Connection, now: datetime, finder: Finder, claim: Claim | None
    ) -> None:
        self._connection = connection
        self._now = now
        self._finder = finder
        self._files = finder.files
        self._claim = claim
        # Places that the decision's events will need, to be drawn together with what it asks.
        self._to_draw = 0

    @property
    @override
    def now(self) -> datetime:
        return self._now

    @override
    async def states_of(self, kind: str, ids: Iterable[UUID]) -> dict[UUID, State]:
        wanted = list(ids)
        # Nobody can be claimed: the lock need not be held for an answer that is known.
        if not wanted:
            return {}
        positions, self._to_draw = self._to_draw, 0
        likely = self._foreseen(wanted)
        if likely is not None:
            return self._finder.take_states(kind, likely)
        return await self._finder.states(kind, wanted, positions)

    def _foreseen(self, wanted: Sequence[UUID]) -> Answer | None:
        """Return what has been asked already, if it is all that is wanted."""
        if self._claim is None or self._claim.likely is None:
            return None
        likely = self._claim.likely
        if wanted != [likely.run_id]:
            return None
        return likely.asked

    @override
    async def claimable_run_ids(self) -> list[UUID] | None:
        claim = self._claim
        if claim is None or not claim.lives.rows:
            return None
        [standing] = claim.lives.rows
        if standing["is_draining"]:
            return []
        run_ids = await claim.queue.pick(self._connection, claim.news, self._now, claim.slots)
        self._to_draw = len(run_ids)
        return run_ids

    @override
    async def overdue_run_ids(
        self, limit: int, bypassed: Sequence[UUID] = (), after: UUID | None = None
    ) -> list[UUID]:
        return await claims.overdue(self._connection, self._now, limit, bypassed, after)

    @override
    async def orphaned_run_ids(
        self, limit: int, bypassed: Sequence[UUID] = (), after: UUID | None = None
    ) -> list[UUID]:
        return await workers.orphaned(self._connection, limit, bypassed, after)

    @override
    async def has_unfinished_runs(self, definition_id: UUID) -> bool:
        return await claims.has_unfinished(self._connection, definition_id)

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
    async def bury_worker(self, worker_id: str, sequence: int) -> bool:
        return await workers.bury(self._connection, worker_id, sequence)
