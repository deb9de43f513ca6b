"""The domain's log on PostgreSQL."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from psycopg_pool import AsyncConnectionPool
from typing_extensions import override

from domain.identifiers import Slot
from domain.ports import Claimant, Log, Origin, Row, Saved, State, Unit
from eventlog.append.batch import DecideEvents
from eventlog.append.writer import Writer
from eventlog.database.connection import borrowed
from eventlog.keys.log_files import LogFiles
from eventlog.personal.writing import encrypted_unit
from eventlog.recall.pages import next_events
from eventlog.recall.states import read_states
from projections.job_runs import FIRST_STATUS
from projections.rows import Connection, read_rows
from projections.run_rows.holders import HOLDERS, HolderRow, asked, slot_of
from projections.schedules.due import statuses_of, watch_clock


class PostgresLog(Log):
    """The log, written through the writer and read through the pool."""

    def __init__(
        self, writer: Writer, pool: AsyncConnectionPool[Connection], files: LogFiles
    ) -> None:
        self._writer = writer
        self._pool = pool
        self._files = files

    @override
    async def append(self, unit: Unit) -> Saved:
        if unit.personal:
            async with borrowed(self._pool) as connection:
                unit = await encrypted_unit(connection, self._files.master_keys, unit)
        return await self._writer.append(unit)

    @override
    async def append_under_lock(
        self, decide: DecideEvents, origin: Origin, claimant: Claimant | None = None
    ) -> Saved:
        if claimant is not None:
            await self._follow_queue(claimant)
        return await self._writer.append_under_lock(decide, origin, claimant)

    @override
    async def states_of(self, kind: str, ids: Iterable[UUID]) -> dict[UUID, State]:
        async with borrowed(self._pool) as connection:
            return await read_states(connection, kind, ids)

    @override
    async def holders_of(self, slots: Iterable[Slot]) -> dict[Slot, tuple[UUID, bool]]:
        async with borrowed(self._pool) as connection:
            rows = await read_rows(connection, HolderRow, HOLDERS, asked(slots))
        return {
            slot_of(row): (UUID(row["id"]), row["status"] == FIRST_STATUS)
            for row in rows
        }

    @override
    async def run_statuses(self, run_ids: Iterable[UUID]) -> dict[UUID, str]:
        async with borrowed(self._pool) as connection:
            return await statuses_of(connection, list(run_ids))

    @override
    async def watch_clock(self, begun: datetime, now: datetime) -> datetime:
        async with borrowed(self._pool) as connection:
            return await watch_clock(connection, begun, now)

    @override
    def kept_run(self, run_id: UUID) -> Row | None:
        return self._writer.remembered.running.decisive(run_id)

    @override
    async def events_after(self, aggregate_id: UUID, version: int) -> list[StoredEvent]:
        async with borrowed(self._pool) as connection:
            return await next_events(connection, self._files, aggregate_id, version)

    async def _follow_queue(self, claimant: Claimant) -> None:
        """Leave little to be read under the lock."""
        queue = self._writer.remembered.queue_of(claimant)
        if queue.is_stale(claimant.offer):
            async with borrowed(self._pool) as connection:
                await queue.follow(connection, claimant.offer)
