"""The table `workers`: a row for each start of a worker, with a sequence that grows while it lives.

It is no projection: a heartbeat is not worth an event. That a worker was lost is one
(`job_run.attempt_lost`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.quarantine import Quarantine
from eventlog.database.connection import borrowed
from projections.rows import Connection, read_ids, read_rows


@dataclass(frozen=True)
class Heartbeat:
    """How far a worker's sequence has come.

    Attributes:
        lease_ms: how long it may stand still before the worker counts as dead.
    """

    worker_id: str
    sequence: int
    lease_ms: int


class Heartbeats:
    """Reads and writes heartbeats.

    Attributes:
        expired: how many workers of this process gave up because their lease was over.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        quarantine: Quarantine | None = None,
    ) -> None:
        self._pool = pool
        self._quarantine = quarantine or Quarantine()
        self.expired = 0

    async def register(
        self, worker_id: str, host: str, pid: int, slots: int, lease_ms: int
    ) -> None:
        """Announce a worker under an id that nobody had before."""
        async with borrowed(self._pool) as connection:
            await connection.execute(
                "INSERT INTO workers (id, host, pid, slots, lease_ms) VALUES (%s, %s, %s, %s, %s)",
                (worker_id, host, pid, slots, lease_ms),
            )

    async def beat(self, worker_id: str) -> bool:
        """Move the worker's sequence on; return False if the worker has been declared dead."""
        async with borrowed(self._pool) as connection:
            cursor = await connection.execute(
                "UPDATE workers SET sequence = sequence + 1, beat_at = clock_timestamp()"
                " WHERE id = %s AND dead_at IS NULL",
                (worker_id,),
            )
        return cursor.rowcount == 1

    async def leave(self, worker_id: str, *, expired: bool = False) -> None:
        """Note that a worker lives no more: it stopped in good order, or its lease is over."""
        async with borrowed(self._pool) as connection:
            cursor = await connection.execute(
                "UPDATE workers SET dead_at = clock_timestamp() WHERE id = %s AND dead_at IS NULL",
                (worker_id,),
            )
        # Where others have declared it dead, they have counted it.
        if expired:
            self.expired += cursor.rowcount

    async def any_orphaned(self) -> bool:
        """Return whether any run that can be read is held by a worker that does not live."""
        async with borrowed(self._pool) as connection:
            found = await orphaned(connection, 1, self._quarantine.ids)
        return bool(found)

    async def living(self) -> list[Heartbeat]:
        """Return every worker that has not been declared dead."""
        async with borrowed(self._pool) as connection:
            rows = await read_rows(connection, _WorkerRow, _LIVING)
        return [_heartbeat(row) for row in rows]


class _WorkerRow(TypedDict):
    id: ReadOnly[str]
    sequence: ReadOnly[int]
    lease_ms: ReadOnly[int]


def _heartbeat(row: _WorkerRow) -> Heartbeat:
    return Heartbeat(row["id"], row["sequence"], row["lease_ms"])


_LIVING = "SELECT id, sequence, lease_ms FROM workers WHERE dead_at IS NULL"


async def bury(connection: Connection, worker_id: str, sequence: int) -> bool:
    """Declare a worker dead under its row's lock; False if it has beaten since `sequence`."""
    cursor = await connection.execute(
        "UPDATE workers SET dead_at = clock_timestamp()"
        " WHERE id = %s AND sequence = %s AND dead_at IS NULL",
        (worker_id, sequence),
    )
    return cursor.rowcount == 1


LIVES = "SELECT 1 FROM workers WHERE id = %s AND dead_at IS NULL FOR SHARE"
"""Whether a worker is registered and not declared dead; burials wait until the transaction's
end."""


_ORPHANED = """
    SELECT run.id FROM job_runs AS run
    WHERE run.status = 'running'
      AND NOT EXISTS (
          SELECT 1 FROM workers WHERE workers.id = run.worker_id AND workers.dead_at IS NULL
      )
      AND NOT run.id = ANY((SELECT %(bypassed)s::uuid[])::uuid[])
    LIMIT %(limit)s
"""


async def orphaned(
    connection: Connection, limit: int, bypassed: Sequence[UUID] = ()
) -> list[UUID]:
    """Return running runs, but none of these, whose worker is not among the living."""
    values = {"limit": limit, "bypassed": list(bypassed)}
    return await read_ids(connection, _ORPHANED, values)
