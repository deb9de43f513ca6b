"""The log and its tables as a command sees them that holds the append lock."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from eventlog import heartbeats, personal_data, schema
from eventlog.archived import resolved
from eventlog.decryption import plain_states
from projections import run_claims, run_queries
from projections.table import Connection, fetch_rows


async def read_histories(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, list[StoredEvent]]:
    """Return the events of each of these aggregates in order, decrypted; the ids keep the order they were asked in."""
    asked = list(ids)
    histories: dict[UUID, list[StoredEvent]] = {aggregate_id: [] for aggregate_id in asked}
    for row in await resolved(connection, await fetch_rows(connection, schema.READ_SUBJECTS, {"ids": asked})):
        aggregate_id = UUID(row["originator_id"])
        event = StoredEvent(aggregate_id, row["originator_version"], row["topic"], bytes(row["state"]))
        histories[aggregate_id].append(event)
    firsts = ((key, history[0].originator_version, history[0].state) for key, history in histories.items() if history)
    for aggregate_id, state in (await plain_states(connection, firsts)).items():
        histories[aggregate_id][0] = replace(histories[aggregate_id][0], state=state)
    return {aggregate_id: history for aggregate_id, history in histories.items() if history}


class LockedLog:
    """Implements `domain.ports.Locked` inside the writer's transaction."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    @property
    def now(self) -> datetime:
        """The database's present."""
        return self._now

    async def events_of(self, ids: Iterable[UUID]) -> dict[UUID, list[StoredEvent]]:
        """See the port."""
        return await read_histories(self._connection, ids)

    async def due_run_ids(self, limit: int) -> list[UUID]:
        """See the port."""
        return await run_claims.claim_candidates(self._connection, self._now, limit)

    async def overdue_run_ids(self, limit: int) -> list[UUID]:
        """See the port."""
        return await run_queries.overdue(self._connection, self._now, limit)

    async def orphaned_run_ids(self, limit: int) -> list[UUID]:
        """See the port."""
        return await heartbeats.orphaned(self._connection, limit)

    async def worker_lives(self, worker_id: str) -> bool:
        """See the port."""
        return await heartbeats.lives(self._connection, worker_id)

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
