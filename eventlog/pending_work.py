"""The queries of workers between commands.

First unfinished bulk operations, then runs (`Work`), then due ticks of schedules (`Ticks`).
"""

from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from domain.clock import from_iso, to_iso
from domain.ports import Offer
from domain.quarantine import Quarantine
from eventlog.archive.retention import SCAN_EVERY_S, RetentionArchiver
from eventlog.database.connection import borrowed
from eventlog.database.listener import Announcement, Listener
from eventlog.entry_points import unoffered
from eventlog.history.run_changes import Checkpoints
from eventlog.keys import LogFiles
from eventlog.pending_queue import FollowedQueue, NextDue
from projections import bulk, schedules
from projections.flow import unfinished
from projections.rows import Connection, read_value


class OpenOperations:
    """Implements `worker.ports.OpenOperations`."""

    def __init__(self, pool: AsyncConnectionPool[Connection], quarantine: Quarantine) -> None:
        self._pool = pool
        self._quarantine = quarantine

    async def unfinished(self, limit: int) -> dict[UUID, int]:
        """Return the versions of unfinished operations by id, the oldest first."""
        bypassed = self._quarantine.ids
        async with borrowed(self._pool) as connection:
            operations = await bulk.unfinished(connection, limit, bypassed)
        versions: dict[UUID, int] = {}
        for operation in operations:
            versions[UUID(operation["id"])] = operation["aggregate_version"]
        return versions


ANY_SHARED = """
    SELECT EXISTS (
        SELECT FROM job_definitions WHERE isolation = 'shared' AND deleted_at IS NULL)
"""

FULL_SEARCH_EVERY_S = 60.0
"""How often to search all passed deadlines, however old; and how often to search all pending runs
for entry points that no worker offers, while there are any."""


class Work:
    """Implements `worker.ports.Work`."""

    def __init__(  # noqa: PLR0913 - what the process has of its own
        self,
        pool: AsyncConnectionPool[Connection],
        files: LogFiles,
        listener: Listener,
        quarantine: Quarantine,
        queue: FollowedQueue,
        retention_archiver: RetentionArchiver | None = None,
    ) -> None:
        """Read for one process.

        Args:
            pool: connections for reading.
            files: the log's files, to write checkpoints.
            listener: receives notifications of appended events.
            quarantine: aggregates that this process cannot read, and skips.
            queue: the process's pending queue.
            retention_archiver: archives runs by retention; None leaves that to other processes.
        """
        self._pool = pool
        self._quarantine = quarantine
        self._queue = queue
        self._retention_archiver = retention_archiver
        self._signal = listener.signal()
        self._checkpoints = Checkpoints(pool, files)
        self._overdue_since: str | None = None
        self._full_search_at = -FULL_SEARCH_EVERY_S
        self._unserved_at = -FULL_SEARCH_EVERY_S

    async def wait(self, timeout_s: float, *, only_pending: bool = False) -> Announcement:
        """Wait for an announcement or for `wake`.

        Args:
            timeout_s: longest wait.
            only_pending: whether to ignore announcements without pending runs.
        """
        return await self._signal.wait(timeout_s, only_urgent=only_pending)

    def wake(self) -> None:
        """End the wait, or the next one."""
        self._signal.set()

    async def next_due(self, offer: Offer | None = None) -> NextDue:
        """Return when a run that a worker with this offer can execute may start: an estimate."""
        async with borrowed(self._pool) as connection:
            return await self._queue.next_due(connection, self._quarantine.ids, offer)

    async def has_shared_jobs(self) -> bool:
        """Return whether there is a job whose attempts share processes."""
        async with borrowed(self._pool) as connection:
            return await read_value(connection, bool, ANY_SHARED)

    async def unoffered_entry_points(self) -> frozenset[str]:
        """Return the entry points of pending runs that no living worker offers."""
        async with borrowed(self._pool) as connection:
            unserved = await self._queue.unserved_entry_points(connection)
            names = await unoffered(connection, unserved)
        if names and monotonic() - self._unserved_at > FULL_SEARCH_EVERY_S:
            self._queue.forget_unserved()
            self._unserved_at = monotonic()
        return names

    async def has_overdue_runs(self) -> bool:
        """Return whether a run has not started by its deadline.

        Deadlines from before the last search are only searched every `FULL_SEARCH_EVERY_S`, so that
        most searches skip the ended runs.
        """
        is_full = monotonic() - self._full_search_at > FULL_SEARCH_EVERY_S
        since = None if is_full else self._overdue_since
        bypassed = self._quarantine.ids
        async with borrowed(self._pool) as connection:
            overdue = await unfinished.any_overdue(connection, since, bypassed)
        if overdue["is_overdue"]:
            return True
        self._overdue_since = overdue["before"]
        if is_full:
            self._full_search_at = monotonic()
        return False

    async def runs_to_cancel(self, worker_id: str) -> list[UUID]:
        """Return the worker's running runs whose cancellation was requested."""
        async with borrowed(self._pool) as connection:
            return await unfinished.cancel_requested(connection, worker_id)

    async def write_checkpoint_if_due(self) -> None:
        """Write the next checkpoint of time travel if it is due."""
        await self._checkpoints.write_if_due()

    async def archive_ended_runs(self) -> float:
        """Archive runs by retention; return the seconds until the next call."""
        if self._retention_archiver is None:
            return SCAN_EVERY_S
        return await self._retention_archiver.archive_due_runs()


_LIVING = "SELECT count(*) FROM workers WHERE dead_at IS NULL"


class Ticks:
    """Implements `worker.ports.Ticks`."""

    def __init__(self, pool: AsyncConnectionPool[Connection], quarantine: Quarantine) -> None:
        self._pool = pool
        self._quarantine = quarantine

    async def due(self, now: datetime, limit: int) -> list[UUID]:
        """Return the schedules with a due tick, the longest due first."""
        bypassed = self._quarantine.ids
        async with borrowed(self._pool) as connection:
            return await schedules.due_ids(connection, to_iso(now), limit, bypassed)

    async def awaiting(self, limit: int) -> list[UUID]:
        """Return schedules that wait for a run of theirs to end."""
        bypassed = self._quarantine.ids
        async with borrowed(self._pool) as connection:
            return await schedules.awaiting_ids(connection, limit, bypassed)

    async def decided_ahead(
        self, now: datetime, after: UUID, limit: int, *, whole: bool
    ) -> list[UUID]:
        """Return schedules that have decided ticks later than now: the clock was set back.

        Args:
            now: the present time.
            after: the id after which to continue; they come by id.
            limit: number of schedules.
            whole: whether to include schedules that have recorded that the clock was set back.
        """
        async with borrowed(self._pool) as connection:
            return await schedules.decided_ahead(connection, to_iso(now), after, limit, whole=whole)

    async def next_at(self, now: datetime) -> datetime | None:
        """Return when the first tick fires after now; None if none is known."""
        async with borrowed(self._pool) as connection:
            next_at = await schedules.next_after(connection, to_iso(now))
        return None if next_at is None else from_iso(next_at)

    async def first_peak(self, now: datetime, until: datetime, least: int) -> datetime | None:
        """Return the first moment after now, up to `until`, with at least `least` ticks."""
        async with borrowed(self._pool) as connection:
            peak = await schedules.first_peak(connection, to_iso(now), to_iso(until), least)
        return None if peak is None else from_iso(peak)

    async def count_workers(self) -> int:
        """Return the number of living workers."""
        async with borrowed(self._pool) as connection:
            return await read_value(connection, int, _LIVING)

    async def still_due(self, now: datetime, ids: Sequence[UUID]) -> list[UUID]:
        """Return those of these schedules that have a tick to decide by now."""
        async with borrowed(self._pool) as connection:
            return await schedules.still_due(connection, to_iso(now), ids)
