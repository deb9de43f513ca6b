"""The log and its tables as a command sees them that holds the append lock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.ports import Claimant, Row
from eventlog import heartbeats, personal_data, schema
from eventlog.archived import resolved
from eventlog.decryption import plain_states
from eventlog.finding import Finder, Needs
from eventlog.round_trip import Answer, RoundTrip
from projections import run_claims, run_queries
from projections.table import Connection, fetch_rows


async def read_histories(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, list[StoredEvent]]:
    """Return the events of each of these aggregates in order, decrypted; the ids keep the order they were asked in."""
    wanted = list(ids)
    return await _histories(connection, wanted, await fetch_rows(connection, schema.READ_SUBJECTS, {"ids": wanted}))


async def _histories(connection: Connection, ids: Iterable[UUID], rows: Sequence[Row]) -> dict[UUID, list[StoredEvent]]:
    histories: dict[UUID, list[StoredEvent]] = {aggregate_id: [] for aggregate_id in ids}
    for row in await resolved(connection, rows):
        aggregate_id = UUID(row["originator_id"])
        event = StoredEvent(aggregate_id, row["originator_version"], row["topic"], bytes(row["state"]))
        histories[aggregate_id].append(event)
    firsts = ((key, history[0].originator_version, history[0].state) for key, history in histories.items() if history)
    for aggregate_id, state in (await plain_states(connection, firsts)).items():
        histories[aggregate_id][0] = replace(histories[aggregate_id][0], state=state)
    return {aggregate_id: history for aggregate_id, history in histories.items() if history}


@dataclass(frozen=True)
class Claim:
    """What a claimant needs to know first; the answers are on their way."""

    lives: Answer
    limits: Answer
    front: Answer
    limit: int

    @classmethod
    def ask(cls, trip: RoundTrip, claimant: Claimant) -> "Claim":
        """Ask, after `run_claims.PRESENT`."""
        lives = trip.ask(heartbeats.LIVES, (claimant.worker_id,))
        limits, front = (trip.ask(query) for query in run_claims.first_questions(claimant.slots))
        return cls(lives, limits, front, claimant.slots)


class LockedLog:
    """Implements `domain.ports.Locked` inside the writer's transaction."""

    def __init__(self, connection: Connection, now: datetime, finder: Finder, claim: Claim | None) -> None:
        self._connection = connection
        self._now = now
        self._finder = finder
        self._claim = claim
        self._sought: Needs | None = None  # What claimed runs will need, to be asked together with their histories.

    @property
    def now(self) -> datetime:
        """The database's present."""
        return self._now

    async def events_of(self, ids: Iterable[UUID]) -> dict[UUID, list[StoredEvent]]:
        """See the port."""
        if self._sought is None:
            return await read_histories(self._connection, ids)
        sought, self._sought, wanted = self._sought, None, list(ids)
        if not wanted:  # Nobody can be claimed: the lock need not be held for an answer that is known.
            return {}
        trip = RoundTrip(self._connection)
        asked = trip.ask(schema.READ_SUBJECTS, {"ids": wanted})
        self._finder.ask(trip, sought)
        await trip.go()
        self._finder.take()
        return await _histories(self._connection, wanted, asked.rows)

    async def claimable_run_ids(self) -> list[UUID] | None:
        """See the port."""
        claim = self._claim
        if claim is None or not claim.lives.rows:
            return None
        limits, front = claim.limits.rows, claim.front.rows
        run_ids = await run_claims.candidates(self._connection, self._now, claim.limit, limits, front)
        self._sought = Needs(run_ids, {"job_run": run_ids} if run_ids else {}, len(run_ids))
        return run_ids

    async def overdue_run_ids(self, limit: int) -> list[UUID]:
        """See the port."""
        return await run_queries.overdue(self._connection, self._now, limit)

    async def orphaned_run_ids(self, limit: int) -> list[UUID]:
        """See the port."""
        return await heartbeats.orphaned(self._connection, limit)

    async def subject_key(self, subject: str) -> UUID | None:
        """See the port."""
        return await personal_data.key_id_of(self._connection, subject)

    async def unfinished_runs_of(self, key_id: UUID) -> list[UUID]:
        """See the port."""
        return await personal_data.unfinished_runs(self._connection, key_id)

    async def erase_subject(self, key_id: UUID) -> int:
        """See the port."""
        return await personal_data.erase(self._connection, key_id)

    async def bury_worker(self, worker_id: str, sequence: int) -> bool:
        """See the port."""
        return await heartbeats.bury(self._connection, worker_id, sequence)
