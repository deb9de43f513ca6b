"""What the ticker asks of the tables: whose ticks are due, and when the next one fires."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso, to_iso
from domain.quarantine import Quarantine
from eventlog.database.connection import borrowed
from projections.rows import Connection, read_one
from projections.schedules import due

_LIVING = "SELECT count(*) AS workers FROM workers WHERE dead_at IS NULL"


class _Living(TypedDict):
    workers: ReadOnly[int]


class Ticks:
    """Implements `worker.lifecycle.ports.Ticks`."""

    def __init__(
        self, pool: AsyncConnectionPool[Connection], quarantine: Quarantine
    ) -> None:
        self._pool = pool
        self._quarantine = quarantine

    async def due(self, now: datetime, limit: int) -> list[UUID]:
        """Return schedules, the longest due first, of which a tick is to be decided by now."""
        now_text = to_iso(now)
        bypassed = self._quarantine.ids
        async with borrowed(self._pool) as connection:
            return await due.due_ids(connection, now_text, limit, bypassed)

    async def awaiting(self, limit: int) -> list[UUID]:
        """Return schedules for which it matters that a run of theirs has ended."""
        bypassed = self._quarantine.ids
        async with borrowed(self._pool) as connection:
            return await due.awaiting_ids(connection, limit, bypassed)

    async def next_at(self, now: datetime) -> datetime | None:
        """Return when the first tick fires after now; None where none is known."""
        now_text = to_iso(now)
        async with borrowed(self._pool) as connection:
            next_at = await due.next_after(connection, now_text)
        if next_at is None:
            return None
        return from_iso(next_at)

    async def crowded_at(
        self, now: datetime, until: datetime, least: int
    ) -> datetime | None:
        """Return the first moment after now, and until then, at which so many ticks fire."""
        async with borrowed(self._pool) as connection:
            found = await due.crowded_at(connection, to_iso(now), to_iso(until), least)
        if found is None:
            return None
        return from_iso(found)

    async def workers(self) -> int:
        """Return how many live."""
        async with borrowed(self._pool) as connection:
            found = await read_one(connection, _Living, _LIVING)
        return found["workers"]

    async def still_due(self, now: datetime, ids: Sequence[UUID]) -> list[UUID]:
        """Return those of these schedules of which a tick is to be decided by now."""
        async with borrowed(self._pool) as connection:
            return await due.still_due(connection, to_iso(now), ids)
