"""What the bulk worker asks of the tables: which operations are to be gone on with."""

from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from domain.quarantine import Quarantine
from eventlog.database.connection import borrowed
from projections.bulk import lists
from projections.rows import Connection


class OpenOperations:
    """Implements `worker.lifecycle.ports.OpenOperations`."""

    def __init__(
        self, pool: AsyncConnectionPool[Connection], quarantine: Quarantine
    ) -> None:
        self._pool = pool
        self._quarantine = quarantine

    async def open_ones(self, limit: int) -> dict[UUID, int]:
        """Return operations that are not over, the oldest first, with the version of each."""
        bypassed = self._quarantine.ids
        async with borrowed(self._pool) as connection:
            found = await lists.open_ones(connection, limit, bypassed)
        versions: dict[UUID, int] = {}
        for one in found:
            operation_id = UUID(one["id"])
            versions[operation_id] = one["aggregate_version"]
        return versions
