"""Workers as people see them, and how one of them is told to come to its end."""

from typing_extensions import ReadOnly, TypedDict

from domain.errors import ConflictError, NotFoundError
from domain.json_values import JsonObject
from domain.ports import Standing
from projections.job_runs import IS_RUNNING
from projections.rows import Connection, presented, read_first, read_rows

SHOWN_FOR = "1 day"
"""How long a worker is shown that was lost."""

MARGIN = "2 seconds"
"""How much longer than its lease a worker may be silent before it is shown as lost."""


class WorkerRow(TypedDict):
    """A worker, in the order in which clients see it."""

    id: ReadOnly[str]
    state: ReadOnly[Standing]
    host: ReadOnly[str]
    pid: ReadOnly[int]
    version: ReadOnly[str | None]
    slots: ReadOnly[int]
    shared_slots: ReadOnly[int]
    busy: ReadOnly[int]
    shared_busy: ReadOnly[int]
    labels: ReadOnly[JsonObject]
    entry_points: ReadOnly[list[str] | None]
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

_IS_SHOWN = f"""
    left_at IS NULL
    AND (dead_at IS NULL OR dead_at > clock_timestamp() - interval '{SHOWN_FOR}')
"""

_WORKER = f"""
    SELECT id, host, pid, version, slots, shared_slots, labels, entry_points, started_at,
        beat_at AS last_beat_at,
        running.busy, running.shared_busy, {_STATE}
    FROM workers CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE job.isolation <> 'shared') AS busy,
            count(*) FILTER (WHERE job.isolation = 'shared') AS shared_busy
        FROM job_runs AS run JOIN job_definitions AS job ON job.id = run.job_definition_id
        WHERE {IS_RUNNING} AND run.worker_id = workers.id
    ) AS running
"""

_PAGE = f"""
    {_WORKER} WHERE id > %(after)s AND {_IS_SHOWN} ORDER BY id LIMIT %(limit)s
"""

_COUNTS = f"""
    SELECT state, count(*) AS number FROM (SELECT {_STATE} FROM workers WHERE {_IS_SHOWN}) AS one
    GROUP BY state
"""

_ONE = f"{_WORKER} WHERE id = %(id)s AND left_at IS NULL"

_DRAIN = """
    UPDATE workers SET draining_at = coalesce(draining_at, clock_timestamp())
    WHERE id = %(id)s AND dead_at IS NULL
"""


async def page_of_workers(
    connection: Connection, after: str, limit: int
) -> list[WorkerRow]:
    """Return the next workers behind an id, in the order of their ids.

    Those that have left in good order are not among them.
    """
    values = {"after": after, "limit": limit}
    return await read_rows(connection, WorkerRow, _PAGE, values)


class _Count(TypedDict):
    state: ReadOnly[Standing]
    number: ReadOnly[int]


async def count_by_state(connection: Connection) -> dict[Standing, int]:
    """Return how many workers there are in each state, of those that are shown."""
    counts: dict[Standing, int] = {"alive": 0, "draining": 0, "lost": 0}
    for row in await read_rows(connection, _Count, _COUNTS):
        counts[row["state"]] = row["number"]
    return counts


async def drain(connection: Connection, worker_id: str) -> WorkerRow:
    """Let a worker claim nothing more, and end once what it runs has ended.

    Claims that are under way are waited for: after this returns, none begins.

    Raises:
        NotFoundError: `worker_not_found`.
        ConflictError: `worker_lost`, it counts as dead already.
    """
    values = {"id": worker_id}
    cursor = await connection.execute(_DRAIN, values)
    found = await read_first(connection, WorkerRow, _ONE, values)
    if found is None:
        raise NotFoundError("worker_not_found", "worker not found")
    if not cursor.rowcount:
        raise ConflictError("worker_lost", f"worker {worker_id} counts as dead already")
    return found


def present(row: WorkerRow) -> JsonObject:
    """Return a worker as clients see it (contract, section 10)."""
    return presented(row, SHOWN)
