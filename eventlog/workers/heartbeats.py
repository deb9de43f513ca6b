"""The table `workers`: a row for each start of a worker, with a sequence that grows while it lives.

It is no projection: a heartbeat is not worth an event. That a worker was lost is one
(`job_run.attempt_lost`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.ports import Standing
from domain.quarantine import Quarantine
from domain.workers.presence import Presence
from eventlog.database.connection import borrowed
from eventlog.workers import orphans
from projections.rows import Connection, read_first, read_rows

EVERYWHERE_EVERY_S = 60.0
"""How often to look for runs whose holder nobody knows."""


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
        on_registered: hears the id of each worker that this process has announced.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        quarantine: Quarantine,
        logs_at: str | None,
    ) -> None:
        """Take what a worker says of itself beside its id.

        Args:
            pool: connections to borrow.
            quarantine: which runs cannot be read.
            logs_at: what tells the place of its run logs from others; None where nothing does.
        """
        self._pool = pool
        self._quarantine = quarantine
        self._logs_at = logs_at
        self.expired = 0
        self._looked_everywhere_at = -EVERYWHERE_EVERY_S
        self.on_registered: Callable[[str], None] = _tell_nobody

    async def register(self, worker_id: str, presence: Presence) -> None:
        """Announce a worker under an id that nobody had before."""
        values = {
            "id": worker_id,
            "host": presence.host,
            "pid": presence.pid,
            "slots": presence.slots,
            "shared_slots": presence.shared_slots,
            "lease_ms": presence.lease_ms,
            "logs_at": self._logs_at,
            "version": presence.version,
            "entry_points": _listed(presence.entry_points),
            "labels": Jsonb(dict(presence.labels)),
        }
        async with borrowed(self._pool) as connection:
            await connection.execute(_REGISTER, values)
        self.on_registered(worker_id)

    async def offer(self, worker_id: str, entry_points: Iterable[str]) -> None:
        """Say that a worker offers other entry points from now on."""
        values = {"id": worker_id, "entry_points": sorted(entry_points)}
        async with borrowed(self._pool) as connection:
            await connection.execute(_OFFER, values)

    async def beat(self, worker_id: str, slots: int | None = None) -> Standing:
        """Move the worker's sequence on; return what others have made of the worker meanwhile.

        Args:
            worker_id: which one.
            slots: how many it has now, if that can have changed.
        """
        values = {"id": worker_id, "slots": slots}
        async with borrowed(self._pool) as connection:
            row = await read_first(connection, _Beat, _BEAT, values)
        if row is None:
            return "lost"
        if row["is_draining"]:
            return "draining"
        return "alive"

    async def leave(self, worker_id: str, *, expired: bool = False) -> None:
        """Note that a worker lives no more: it stopped in good order, or its lease is over."""
        values = {"id": worker_id, "in_order": not expired}
        async with borrowed(self._pool) as connection:
            cursor = await connection.execute(_LEAVE, values)
        # Where others have declared it dead, they have counted it.
        if expired:
            self.expired += cursor.rowcount

    async def writer_of_logs(self, worker_id: str) -> "LogWriter | None":
        """Return where a worker's logs were written, also of one that has ended long ago."""
        values = {"id": worker_id}
        async with borrowed(self._pool) as connection:
            return await read_first(connection, LogWriter, _LOG_WRITER, values)

    async def any_orphaned(self) -> bool:
        """Return whether any run that can be read is held by a worker that does not live."""
        is_time = monotonic() - self._looked_everywhere_at > EVERYWHERE_EVERY_S
        look = orphans.any_of_anybody if is_time else orphans.any_of_the_dead
        async with borrowed(self._pool) as connection:
            is_any = await look(connection, self._quarantine.ids)
        if is_time and not is_any:
            self._looked_everywhere_at = monotonic()
        return is_any

    async def living(self) -> list[Heartbeat]:
        """Return every worker that has not been declared dead."""
        async with borrowed(self._pool) as connection:
            rows = await read_rows(connection, _WorkerRow, _LIVING)
        return [_heartbeat(row) for row in rows]


_REGISTER = """
    INSERT INTO workers
        (id, host, pid, slots, shared_slots, lease_ms, logs_at, version, entry_points, labels)
    VALUES (%(id)s, %(host)s, %(pid)s, %(slots)s, %(shared_slots)s, %(lease_ms)s, %(logs_at)s,
        %(version)s, %(entry_points)s, %(labels)s)
"""


class _Beat(TypedDict):
    is_draining: ReadOnly[bool]


_BEAT = """
    UPDATE workers SET sequence = sequence + 1, beat_at = clock_timestamp(),
        slots = coalesce(%(slots)s::integer, slots)
    WHERE id = %(id)s AND dead_at IS NULL
    RETURNING draining_at IS NOT NULL AS is_draining
"""

_OFFER = "UPDATE workers SET entry_points = %(entry_points)s WHERE id = %(id)s"

_LEAVE = """
    UPDATE workers
    SET dead_at = clock_timestamp(), left_at = CASE WHEN %(in_order)s THEN clock_timestamp() END
    WHERE id = %(id)s AND dead_at IS NULL
"""


def _listed(names: Iterable[str] | None) -> list[str] | None:
    if names is None:
        return None
    return sorted(names)


def _tell_nobody(worker_id: str) -> None:
    del worker_id


class LogWriter(TypedDict):
    """Where a worker ran, and what tells the place of its run logs from others."""

    host: ReadOnly[str]
    logs_at: ReadOnly[str | None]


_LOG_WRITER = "SELECT host, logs_at FROM workers WHERE id = %(id)s"


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


LIVES = """
    SELECT draining_at IS NOT NULL AS is_draining FROM workers
    WHERE id = %s AND dead_at IS NULL FOR SHARE
"""
"""Whether a worker is registered and not declared dead, and if so, whether it is to claim nothing
more; burials and drains wait until the transaction's end."""
