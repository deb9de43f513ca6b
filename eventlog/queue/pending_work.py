"""What a worker asks of the tables between its commands: what is due, and what was canceled."""

from time import monotonic
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from domain.clock import from_iso
from domain.ports import Offer, Row
from domain.quarantine import Quarantine
from eventlog.archive.retention import LOOK_EVERY_S, Retainer
from eventlog.database.connection import borrowed
from eventlog.database.listener import Listener, Told
from eventlog.history.checkpoints import Checkpoints
from eventlog.keys.log_files import LogFiles
from eventlog.queue.following import Queue
from eventlog.queue.questions import Prospect
from eventlog.queue.statements import ANY_SHARED
from eventlog.workers.offers import unoffered
from projections.rows import Connection, read_value
from projections.runs import due

EVERYWHERE_EVERY_S = 60.0
"""How often to look for deadlines however old they are."""


class Work:
    """Implements `worker.lifecycle.ports.Work`."""

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

    async def wait(self, timeout_s: float, *, only_pending: bool = False) -> Told:
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
            foreign = await self._queue.foreign(connection)
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
            found = await due.any_overdue(connection, since, bypassed)
        if found["is_overdue"]:
            return True
        self._overdue_since = found["before"]
        if is_time:
            self._looked_everywhere_at = monotonic()
        return False

    async def cancel_requested(self, worker_id: str) -> list[UUID]:
        """Return the worker's running runs that somebody asked to cancel."""
        async with borrowed(self._pool) as connection:
            return await due.cancel_requested(connection, worker_id)

    async def keep_checkpoints(self) -> None:
        """Write the next checkpoint of time travel if it is due."""
        await self._checkpoints.keep_up()

    async def keep_archives(self) -> float:
        """Archive what jobs keep no longer; return after how many seconds to go on."""
        if self._retainer is None:
            return LOOK_EVERY_S
        return await self._retainer.keep_up()


async def waiting_s(connection: Connection, quarantine: Quarantine) -> float:
    """Return for how long the run that has waited longest is due; 0 where none is."""
    row = await due.next_due(connection, quarantine.ids)
    until_s = _seconds_until(row["next_at"], row)
    if until_s is None or until_s >= 0:
        return 0.0
    return -until_s


def _seconds_until(moment: object, row: Row) -> float | None:
    if moment is None:
        return None
    now = from_iso(str(row["now"]))
    left = from_iso(str(moment)) - now
    return left.total_seconds()
