"""What a worker asks of the tables between its commands: what is due, and what was canceled."""

from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from domain.clock import from_iso
from domain.ports import Row
from domain.quarantine import Quarantine
from eventlog.database.connection import borrowed
from eventlog.database.listener import Listener
from eventlog.history.checkpoints import Checkpoints
from eventlog.keys.log_files import LogFiles
from projections.rows import Connection
from projections.runs import due


class Work:
    """Implements `worker.lifecycle.ports.Work`."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        files: LogFiles,
        listener: Listener,
        quarantine: Quarantine | None = None,
    ) -> None:
        self._pool = pool
        self._quarantine = quarantine or Quarantine()
        self._signal = listener.signal()
        self._checkpoints = Checkpoints(pool, files)

    async def wait(self, timeout_s: float) -> bool:
        """Wait for news of the log or for `wake`, but no longer than this.

        Returns:
            Whether the news tells of pending runs.
        """
        return await self._signal.wait(timeout_s)

    def wake(self) -> None:
        """End the wait, or the next one."""
        self._signal.set()

    async def due_in_s(self) -> float | None:
        """Return how long until a pending run is due (0 or less: now), None if none is pending."""
        row = await self._next_due()
        return _seconds_until(row["next_at"], row)

    async def deadline_in_s(self) -> float | None:
        """Return how long until a pending run's start deadline is over, None where none has one."""
        row = await self._next_due()
        return _seconds_until(row["next_deadline_at"], row)

    async def cancel_requested(self, worker_id: str) -> list[UUID]:
        """Return the worker's running runs that somebody asked to cancel."""
        async with borrowed(self._pool) as connection:
            return await due.cancel_requested(connection, worker_id)

    async def keep_checkpoints(self) -> None:
        """Write the next checkpoint of time travel if it is due."""
        await self._checkpoints.keep_up()

    async def _next_due(self) -> Row:
        async with borrowed(self._pool) as connection:
            return await due.next_due(connection, self._quarantine.ids)


async def waiting_s(connection: Connection, quarantine: Quarantine) -> float:
    """Return for how long the run that has waited longest is due; 0 where none is."""
    row = await due.next_due(connection, quarantine.ids)
    until_s = _seconds_until(row["next_at"], row)
    return max(0.0, -(until_s or 0.0))


def _seconds_until(moment: object, row: Row) -> float | None:
    if moment is None:
        return None
    left = from_iso(str(moment)) - from_iso(str(row["now"]))
    return left.total_seconds()
