"""Workers in the database: their list, their orphaned runs, their heartbeats.

First the list for clients, and draining; then running runs whose worker is lost (`orphaned`); then
how workers write the table `workers` (`Heartbeats`), and how a worker is declared lost
(`declare_lost`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.errors import ConflictError, NotFoundError
from domain.json_values import JsonObject
from domain.ports import WorkerState
from domain.quarantine import Quarantine
from domain.workers import Python, Registration
from eventlog.database.connection import borrowed
from projections.job_runs import IS_RUNNING
from projections.rows import Connection, presented, read_first, read_ids, read_rows, read_value

LOST_SHOWN_FOR = "1 day"
"""How long a lost worker is listed."""

MARGIN = "2 seconds"
"""A worker without a heartbeat for its lease and this margin is shown as lost."""


class WorkerRow(TypedDict):
    """A worker, with its fields in the order of the API."""

    id: ReadOnly[str]
    state: ReadOnly[WorkerState]
    host: ReadOnly[str]
    pid: ReadOnly[int]
    version: ReadOnly[str | None]
    slots: ReadOnly[int]
    shared_slots: ReadOnly[int]
    busy: ReadOnly[int]
    shared_busy: ReadOnly[int]
    labels: ReadOnly[JsonObject]
    entry_points: ReadOnly[list[str] | None]
    pythons: ReadOnly[list[JsonObject]]
    started_at: ReadOnly[str]
    last_beat_at: ReadOnly[str]


SHOWN = {
    "id": "id",
    "state": "state",
    "host": "host",
    "pid": "pid",
    "version": "version",
    "slots": "slots",
    "sharedSlots": "shared_slots",
    "busy": "busy",
    "sharedBusy": "shared_busy",
    "labels": "labels",
    "entryPoints": "entry_points",
    "pythons": "pythons",
    "startedAt": "started_at",
    "lastBeatAt": "last_beat_at",
}

_STATE = f"""
    CASE
        WHEN dead_at IS NOT NULL THEN 'lost'
        WHEN beat_at + lease_ms * interval '1 ms' + interval '{MARGIN}' < clock_timestamp()
            THEN 'lost'
        WHEN draining_at IS NOT NULL THEN 'draining'
        ELSE 'alive'
    END AS state
"""

_IS_LISTED = f"""
    left_at IS NULL
    AND (dead_at IS NULL OR dead_at > clock_timestamp() - interval '{LOST_SHOWN_FOR}')
"""

_WORKER = f"""
    SELECT id, host, pid, version, slots, shared_slots, labels, entry_points, pythons,
        started_at, beat_at AS last_beat_at,
        running.busy, running.shared_busy, {_STATE}
    FROM workers CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE job.isolation <> 'shared') AS busy,
            count(*) FILTER (WHERE job.isolation = 'shared') AS shared_busy
        FROM job_runs AS run JOIN job_definitions AS job ON job.id = run.job_definition_id
        WHERE {IS_RUNNING} AND run.worker_id = workers.id
    ) AS running
"""

_PAGE = f"""
    {_WORKER} WHERE id > %(after)s AND {_IS_LISTED} ORDER BY id LIMIT %(limit)s
"""

_COUNTS = f"""
    SELECT state, count(*) AS number
    FROM (SELECT {_STATE} FROM workers WHERE {_IS_LISTED}) AS listed GROUP BY state
"""

_ONE = f"{_WORKER} WHERE id = %(id)s AND left_at IS NULL"

_DRAIN = """
    UPDATE workers SET draining_at = coalesce(draining_at, clock_timestamp())
    WHERE id = %(id)s AND dead_at IS NULL
"""


async def page_of_workers(connection: Connection, after: str, limit: int) -> list[WorkerRow]:
    """Return the next workers after an id, by id, without those that have stopped cleanly."""
    return await read_rows(connection, WorkerRow, _PAGE, {"after": after, "limit": limit})


class _Count(TypedDict):
    state: ReadOnly[WorkerState]
    number: ReadOnly[int]


async def count_by_state(connection: Connection) -> dict[WorkerState, int]:
    """Return the number of listed workers by state."""
    counts: dict[WorkerState, int] = {"alive": 0, "draining": 0, "lost": 0}
    for row in await read_rows(connection, _Count, _COUNTS):
        counts[row["state"]] = row["number"]
    return counts


async def drain(connection: Connection, worker_id: str) -> WorkerRow:
    """Let a worker claim no more runs, and stop when its last attempt has ended; return its row.

    It waits for claims under way; no claim begins after it has returned.

    Raises:
        NotFoundError: `worker_not_found`.
        ConflictError: `worker_lost`.
    """
    values = {"id": worker_id}
    cursor = await connection.execute(_DRAIN, values)
    worker = await read_first(connection, WorkerRow, _ONE, values)
    if worker is None:
        raise NotFoundError("worker_not_found", "worker not found")
    if not cursor.rowcount:
        raise ConflictError("worker_lost", f"worker {worker_id} counts as dead already")
    return worker


def present(row: WorkerRow) -> JsonObject:
    """Return a worker as clients see it (contract, section 10)."""
    return presented(row, SHOWN)


# Orphaned runs: running runs whose worker is lost (`dead_at`) or unknown.
#
# A lost worker claims no more runs. Once it holds none, that is recorded (`recovered_at`), and
# later searches skip it. Runs whose worker is unknown, for example after tables were restored by
# hand, are only searched every `FULL_SEARCH_EVERY_S`.

_NOT_BYPASSED = "NOT run.id = ANY((SELECT %(bypassed)s::uuid[])::uuid[])"

_WORKER_IS_LOST_OR_UNKNOWN = """NOT EXISTS (
    SELECT 1 FROM workers WHERE workers.id = run.worker_id AND workers.dead_at IS NULL
)"""

ANY_UNRECOVERED = """
    SELECT EXISTS (
        SELECT 1 FROM workers WHERE dead_at IS NOT NULL AND recovered_at IS NULL
    ) AS is_any_unrecovered
"""

OF_LOST_WORKERS = f"""
    SELECT run.id FROM workers CROSS JOIN LATERAL (
        SELECT id FROM job_runs AS run
        WHERE {IS_RUNNING} AND worker_id = workers.id AND {_NOT_BYPASSED}
        LIMIT %(limit)s
    ) AS run
    WHERE workers.dead_at IS NOT NULL AND workers.recovered_at IS NULL
    LIMIT %(limit)s
"""

OF_UNKNOWN_WORKERS = f"""
    SELECT run.id FROM job_runs AS run
    WHERE {IS_RUNNING} AND {_NOT_BYPASSED} AND {_WORKER_IS_LOST_OR_UNKNOWN}
    LIMIT %(limit)s
"""

OF_UNKNOWN_WORKERS_AFTER = f"""
    WITH passed AS (
        SELECT coalesce(max(worker_id), '') AS worker_id FROM job_runs WHERE id = %(after)s
    )
    SELECT run.id FROM job_runs AS run
    WHERE {IS_RUNNING} AND run.worker_id >= (SELECT worker_id FROM passed)
      AND (run.worker_id > (SELECT worker_id FROM passed) OR run.id > %(after)s)
      AND {_NOT_BYPASSED} AND {_WORKER_IS_LOST_OR_UNKNOWN}
    ORDER BY run.worker_id, run.id LIMIT %(limit)s
"""

RECORD_RECOVERED = f"""
    UPDATE workers SET recovered_at = clock_timestamp()
    WHERE dead_at IS NOT NULL AND recovered_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM job_runs WHERE {IS_RUNNING} AND worker_id = workers.id
    )
"""


async def orphaned(
    connection: Connection, limit: int, bypassed: Sequence[UUID] = (), after: UUID | None = None
) -> list[UUID]:
    """Return running runs whose worker is lost or unknown.

    Args:
        connection: to the database.
        limit: number of runs.
        bypassed: runs to leave out.
        after: the run after which to continue, in the order of workers and ids; None returns runs
            of lost workers first, for which there is an index.
    """
    values = {"limit": limit, "bypassed": list(bypassed), "after": after}
    if after is not None:
        return await read_ids(connection, OF_UNKNOWN_WORKERS_AFTER, values)
    if await read_value(connection, bool, ANY_UNRECOVERED):
        ids = await read_ids(connection, OF_LOST_WORKERS, values)
        if ids:
            return ids
    return await read_ids(connection, OF_UNKNOWN_WORKERS, values)


async def any_of_lost_workers(connection: Connection, bypassed: Sequence[UUID]) -> bool:
    """Return whether a lost worker still holds a run; record which lost workers hold none."""
    if not await read_value(connection, bool, ANY_UNRECOVERED):
        return False
    await connection.execute(RECORD_RECOVERED)
    return bool(
        await read_ids(connection, OF_LOST_WORKERS, {"limit": 1, "bypassed": list(bypassed)})
    )


async def any_of_unknown_workers(connection: Connection, bypassed: Sequence[UUID]) -> bool:
    """Return whether a lost or unknown worker holds a run; this scans all running runs."""
    return bool(
        await read_ids(connection, OF_UNKNOWN_WORKERS, {"limit": 1, "bypassed": list(bypassed)})
    )


# The table `workers`: a row for each session of a worker, with a sequence number that grows with
# each heartbeat.
#
# It is not a projection, since heartbeats are no events. The loss of a worker is recorded by events
# of its runs (`job_run.attempt_lost`).

FULL_SEARCH_EVERY_S = 60.0
"""How often to search for runs of unknown workers."""


@dataclass(frozen=True)
class Heartbeat:
    """A worker's sequence number.

    Attributes:
        worker_id: the id of the worker's session.
        sequence: the number, which grows with each heartbeat.
        lease_ms: how long it may stay the same before the worker counts as lost.
    """

    worker_id: str
    sequence: int
    lease_ms: int


class Heartbeats:
    """Reads and writes heartbeats.

    Attributes:
        expired: number of sessions of this process that have ended because their lease expired.
        on_registered: called with the id of each session that this process has registered.
    """

    def __init__(
        self, pool: AsyncConnectionPool[Connection], quarantine: Quarantine, logs_at: str | None
    ) -> None:
        """Write heartbeats of this process's workers.

        Args:
            pool: connections.
            quarantine: runs that this process cannot read.
            logs_at: the identity of the store to which the workers write run logs; None if it is
                unknown.
        """
        self._pool = pool
        self._quarantine = quarantine
        self._logs_at = logs_at
        self.expired = 0
        self._full_search_at = -FULL_SEARCH_EVERY_S
        self.on_registered: Callable[[str], None] = lambda _: None

    async def register(self, worker_id: str, registration: Registration) -> None:
        """Register a session of a worker, under a new id."""
        entry_points = registration.entry_points
        values = {
            "id": worker_id,
            "host": registration.host,
            "pid": registration.pid,
            "slots": registration.slots,
            "shared_slots": registration.shared_slots,
            "lease_ms": registration.lease_ms,
            "logs_at": self._logs_at,
            "version": registration.version,
            "entry_points": None if entry_points is None else sorted(entry_points),
            "labels": Jsonb(dict(registration.labels)),
            "pythons": _as_json(registration.pythons),
        }
        async with borrowed(self._pool) as connection:
            await connection.execute(_REGISTER, values)
        self.on_registered(worker_id)

    async def offer(
        self, worker_id: str, entry_points: Iterable[str], pythons: Iterable[Python] = ()
    ) -> None:
        """Record the entry points that a worker offers from now on, and the Pythons they run on."""
        values = {
            "id": worker_id,
            "entry_points": sorted(entry_points),
            "pythons": _as_json(pythons),
        }
        async with borrowed(self._pool) as connection:
            await connection.execute(_OFFER, values)

    async def beat(self, worker_id: str, slots: int | None = None) -> WorkerState:
        """Advance the worker's sequence number; return the worker's state.

        Args:
            worker_id: the session's id.
            slots: its present number of slots; None if that never changes.
        """
        values = {"id": worker_id, "slots": slots}
        async with borrowed(self._pool) as connection:
            row = await read_first(connection, _HeartbeatRow, _BEAT, values)
        if row is None:
            return "lost"
        return "draining" if row["is_draining"] else "alive"

    async def drain(self, worker_id: str) -> None:
        """Record that a session claims no more runs, and ends with its last attempt."""
        async with borrowed(self._pool) as connection:
            await connection.execute(_DRAIN, {"id": worker_id})

    async def leave(self, worker_id: str, *, expired: bool = False) -> None:
        """Record that a session has ended: the worker has stopped, or its lease has expired."""
        values = {"id": worker_id, "in_order": not expired}
        async with borrowed(self._pool) as connection:
            cursor = await connection.execute(_LEAVE, values)
        if expired:  # A process that has declared it lost meanwhile has counted it.
            self.expired += cursor.rowcount

    async def writer_of_logs(self, worker_id: str) -> "LogWriter | None":
        """Return where a worker has written its logs, even if its session has ended."""
        values = {"id": worker_id}
        async with borrowed(self._pool) as connection:
            return await read_first(connection, LogWriter, _LOG_WRITER, values)

    async def has_orphaned_runs(self) -> bool:
        """Return whether a lost or unknown worker holds a readable run."""
        is_full = monotonic() - self._full_search_at > FULL_SEARCH_EVERY_S
        search = any_of_unknown_workers if is_full else any_of_lost_workers
        async with borrowed(self._pool) as connection:
            is_any = await search(connection, self._quarantine.ids)
        if is_full and not is_any:
            self._full_search_at = monotonic()
        return is_any

    async def living(self) -> list[Heartbeat]:
        """Return every worker that has not been declared lost."""
        async with borrowed(self._pool) as connection:
            rows = await read_rows(connection, _WorkerRow, _LIVING)
        return [Heartbeat(row["id"], row["sequence"], row["lease_ms"]) for row in rows]


_REGISTER = """
    INSERT INTO workers
        (id, host, pid, slots, shared_slots, lease_ms, logs_at, version, entry_points, labels,
        pythons)
    VALUES (%(id)s, %(host)s, %(pid)s, %(slots)s, %(shared_slots)s, %(lease_ms)s, %(logs_at)s,
        %(version)s, %(entry_points)s, %(labels)s, %(pythons)s)
"""


class _HeartbeatRow(TypedDict):
    is_draining: ReadOnly[bool]


_BEAT = """
    UPDATE workers SET sequence = sequence + 1, beat_at = clock_timestamp(),
        slots = coalesce(%(slots)s::integer, slots)
    WHERE id = %(id)s AND dead_at IS NULL
    RETURNING draining_at IS NOT NULL AS is_draining
"""

_OFFER = """
    UPDATE workers SET entry_points = %(entry_points)s, pythons = %(pythons)s WHERE id = %(id)s
"""

_LEAVE = """
    UPDATE workers
    SET dead_at = clock_timestamp(), left_at = CASE WHEN %(in_order)s THEN clock_timestamp() END
    WHERE id = %(id)s AND dead_at IS NULL
"""


def _as_json(pythons: Iterable[Python]) -> Jsonb:
    return Jsonb(
        [
            {
                "path": python.path,
                "version": python.version,
                "entryPoints": list(python.entry_points),
            }
            for python in pythons
        ]
    )


class LogWriter(TypedDict):
    """A worker's host, and the identity of the store of its run logs."""

    host: ReadOnly[str]
    logs_at: ReadOnly[str | None]


_LOG_WRITER = "SELECT host, logs_at FROM workers WHERE id = %(id)s"


class _WorkerRow(TypedDict):
    id: ReadOnly[str]
    sequence: ReadOnly[int]
    lease_ms: ReadOnly[int]


_LIVING = "SELECT id, sequence, lease_ms FROM workers WHERE dead_at IS NULL"


async def declare_lost(connection: Connection, worker_id: str, sequence: int) -> bool:
    """Declare a worker lost; return False if a heartbeat has advanced its sequence meanwhile."""
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
"""Returns a row if the worker is registered and not lost. The lock makes a drain of the worker, and
its declaration as lost, wait for the end of the transaction."""
