"""What workers read of the tables between commands: open operations, due and canceled runs, ticks.

First the bulk operations that are not finished, then the runs (`Work`), then which schedules' ticks
are due and when the next one fires (`Ticks`).
"""

from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from uuid import UUID

from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso, to_iso
from domain.ports import Offer, Row
from domain.quarantine import Quarantine
from eventlog.archive.retention import SCAN_EVERY_S, Retainer
from eventlog.claims import ANY_SHARED, Prospect, unoffered
from eventlog.database.connection import borrowed
from eventlog.database.listener import Announcement, Listener
from eventlog.history.run_changes import Checkpoints
from eventlog.keys import LogFiles
from eventlog.pending_queue import Queue
from projections import bulk, schedules
from projections.flow import claims
from projections.rows import Connection, read_one, read_value


class OpenOperations:
    """Implements `worker.ports.OpenOperations`."""

    def __init__(self, pool: AsyncConnectionPool[Connection], quarantine: Quarantine) -> None:
        self._pool = pool
        self._quarantine = quarantine

    async def open_ones(self, limit: int) -> dict[UUID, int]:
        """Return operations that are not over, the oldest first, with the version of each."""
        bypassed = self._quarantine.ids
        async with borrowed(self._pool) as connection:
            found = await bulk.open_ones(connection, limit, bypassed)
        versions: dict[UUID, int] = {}
        for one in found:
            versions[UUID(one["id"])] = one["aggregate_version"]
        return versions


EVERYWHERE_EVERY_S = 60.0
"""How often to look for deadlines however old they are."""


class Work:
    """Implements `worker.ports.Work`."""

    def __init__(  # noqa: PLR0913 - what the process has of its own
        self,
        pool: AsyncConnectionPool[Connection],
        files: LogFiles,
        listener: Listener,
        quarantine: Quarantine,
        queue: Queue,
        retainer: Retainer | None = None,
    ) -> None:
        """Take the process's own: whoever forgets what it remembers must find all of it.

        Args:
            pool: connections.
            files: the log's, to keep checkpoints.
            listener: hears of what is appended.
            quarantine: runs that do not count.
            queue: what the process knows of the runs that wait; its claims begin there.
            retainer: archives what jobs keep no longer; None leaves that to others.
        """
        self._pool = pool
        self._quarantine = quarantine
        self._queue = queue
        self._retainer = retainer
        self._signal = listener.signal()
        self._checkpoints = Checkpoints(pool, files)
        self._overdue_since: str | None = None
        self._looked_everywhere_at = -EVERYWHERE_EVERY_S

    async def wait(self, timeout_s: float, *, only_pending: bool = False) -> Announcement:
        """Wait for news of the log or for `wake`, but no longer than this.

        Args:
            timeout_s: how long.
            only_pending: whether to sleep through news of anything but pending runs.
        """
        return await self._signal.wait(timeout_s, only_urgent=only_pending)

    def wake(self) -> None:
        """End the wait, or the next one."""
        self._signal.set()

    async def look(self, offer: Offer | None = None) -> Prospect:
        """Return when a run of this offer may start, as far as can be told without the lock."""
        async with borrowed(self._pool) as connection:
            return await self._queue.look(connection, self._quarantine.ids, offer)

    async def any_shared(self) -> bool:
        """Return whether there is a job whose attempts share processes."""
        async with borrowed(self._pool) as connection:
            return await read_value(connection, bool, ANY_SHARED)

    async def unoffered(self) -> frozenset[str]:
        """Return the entry points of runs that may wait, and that no living worker offers."""
        async with borrowed(self._pool) as connection:
            foreign = await self._queue.unserved_entry_points(connection)
            return await unoffered(connection, foreign)

    async def any_overdue(self) -> bool:
        """Return whether a run has not started by its deadline.

        Those whose deadline was over long before the last look are looked for now and then: no
        look walks over all that were consumed.
        """
        not_looked_s = monotonic() - self._looked_everywhere_at
        is_time = not_looked_s > EVERYWHERE_EVERY_S
        since: str | None = None
        if not is_time:
            since = self._overdue_since
        bypassed = self._quarantine.ids
        async with borrowed(self._pool) as connection:
            found = await claims.any_overdue(connection, since, bypassed)
        if found["is_overdue"]:
            return True
        self._overdue_since = found["before"]
        if is_time:
            self._looked_everywhere_at = monotonic()
        return False

    async def cancel_requested(self, worker_id: str) -> list[UUID]:
        """Return the worker's running runs that somebody asked to cancel."""
        async with borrowed(self._pool) as connection:
            return await claims.cancel_requested(connection, worker_id)

    async def keep_checkpoints(self) -> None:
        """Write the next checkpoint of time travel if it is due."""
        await self._checkpoints.keep_up()

    async def keep_archives(self) -> float:
        """Archive what jobs keep no longer; return after how many seconds to go on."""
        if self._retainer is None:
            return SCAN_EVERY_S
        return await self._retainer.keep_up()


async def waiting_s(connection: Connection, quarantine: Quarantine) -> float:
    """Return for how long the run that has waited longest is due; 0 where none is."""
    row = await claims.next_due(connection, quarantine.ids)
    until_s = _seconds_until(row["next_at"], row)
    if until_s is None or until_s >= 0:
        return 0.0
    return -until_s


def _seconds_until(moment: object, row: Row) -> float | None:
    if moment is None:
        return None
    left = from_iso(str(moment)) - from_iso(str(row["now"]))
    return left.total_seconds()


_LIVING = "SELECT count(*) AS workers FROM workers WHERE dead_at IS NULL"


class _Living(TypedDict):
    workers: ReadOnly[int]


class Ticks:
    """Implements `worker.ports.Ticks`."""

    def __init__(self, pool: AsyncConnectionPool[Connection], quarantine: Quarantine) -> None:
        self._pool = pool
        self._quarantine = quarantine

    async def due(self, now: datetime, limit: int) -> list[UUID]:
        """Return schedules, the longest due first, of which a tick is to be decided by now."""
        now_text = to_iso(now)
        bypassed = self._quarantine.ids
        async with borrowed(self._pool) as connection:
            return await schedules.due_ids(connection, now_text, limit, bypassed)

    async def awaiting(self, limit: int) -> list[UUID]:
        """Return schedules for which it matters that a run of theirs has ended."""
        bypassed = self._quarantine.ids
        async with borrowed(self._pool) as connection:
            return await schedules.awaiting_ids(connection, limit, bypassed)

    async def decided_ahead(
        self, now: datetime, after: UUID, limit: int, *, whole: bool
    ) -> list[UUID]:
        """Return schedules, by id after one, that decided ticks which are still to come.

        That is so where the clock was set back. Unless `whole`, those are left out that know it.
        """
        async with borrowed(self._pool) as connection:
            return await schedules.decided_ahead(connection, to_iso(now), after, limit, whole=whole)

    async def next_at(self, now: datetime) -> datetime | None:
        """Return when the first tick fires after now; None where none is known."""
        now_text = to_iso(now)
        async with borrowed(self._pool) as connection:
            next_at = await schedules.next_after(connection, now_text)
        if next_at is None:
            return None
        return from_iso(next_at)

    async def crowded_at(self, now: datetime, until: datetime, least: int) -> datetime | None:
        """Return the first moment after now, and until then, at which so many ticks fire."""
        async with borrowed(self._pool) as connection:
            found = await schedules.crowded_at(connection, to_iso(now), to_iso(until), least)
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
            return await schedules.still_due(connection, to_iso(now), ids)
