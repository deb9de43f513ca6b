"""Queries about unfinished runs: long waits, passed start deadlines, requested cancels."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from projections.job_runs import IS_PENDING, IS_RUNNING, RunRow
from projections.rows import Connection, read_ids, read_one, read_rows, read_value

LEVELS = f"""
    WITH RECURSIVE level AS (
        (SELECT priority FROM job_runs WHERE {IS_PENDING} ORDER BY priority DESC LIMIT 1)
        UNION ALL
        SELECT lower.priority FROM level CROSS JOIN LATERAL (
            SELECT priority FROM job_runs WHERE {IS_PENDING} AND priority < level.priority
            ORDER BY priority DESC LIMIT 1
        ) AS lower
    )
"""
"""The priorities of pending runs: a few, of two hundred possible ones."""

_NOT_BYPASSED = "NOT id = ANY((SELECT %(bypassed)s::uuid[])::uuid[])"

WAITING_LONGEST = f"""
    {LEVELS}
    SELECT waiting.* FROM level CROSS JOIN LATERAL (
        SELECT * FROM job_runs WHERE {IS_PENDING} AND priority = level.priority
          AND scheduled_at <= clock_timestamp()
        ORDER BY scheduled_at, id LIMIT %(limit)s
    ) AS waiting
    ORDER BY scheduled_at, id LIMIT %(limit)s
"""


async def waiting_longest(connection: Connection, limit: int) -> list[RunRow]:
    """Return due runs, those that have waited longest first."""
    return await read_rows(connection, RunRow, WAITING_LONGEST, {"limit": limit})


MARGIN = "1 minute"
"""How long after its start deadline a run may be launched and still be found by the next search."""

ANY_OVERDUE = f"""
    SELECT present.now - interval '{MARGIN}' AS before, EXISTS (
        SELECT 1 FROM job_runs
        WHERE {IS_PENDING} AND execution = 0 AND start_deadline_at <= present.now
          AND start_deadline_at >= coalesce(%(since)s::timestamptz, '-infinity')
          AND {_NOT_BYPASSED}
    ) AS is_overdue
    FROM (SELECT clock_timestamp() AS now) AS present
"""


class AnyOverdue(TypedDict):
    """Whether a start deadline has passed, and where the next search begins."""

    before: ReadOnly[str]
    is_overdue: ReadOnly[bool]


async def any_overdue(
    connection: Connection, since: str | None = None, bypassed: Sequence[UUID] = ()
) -> AnyOverdue:
    """Return whether a start deadline of a pending run has passed, among deadlines since a time."""
    values = {"since": since, "bypassed": list(bypassed)}
    return await read_one(connection, AnyOverdue, ANY_OVERDUE, values)


OVERDUE = f"""
    WITH passed AS (
        SELECT coalesce(max(start_deadline_at), '-infinity') AS deadline_at
        FROM job_runs WHERE id = %(after)s
    )
    SELECT id FROM job_runs
    WHERE {IS_PENDING} AND execution = 0 AND start_deadline_at <= %(now)s
      AND start_deadline_at >= (SELECT deadline_at FROM passed)
      AND (start_deadline_at > (SELECT deadline_at FROM passed) OR id > %(after)s)
      AND {_NOT_BYPASSED}
    ORDER BY start_deadline_at, id LIMIT %(limit)s
"""


async def overdue(
    connection: Connection,
    now: datetime,
    limit: int,
    bypassed: Sequence[UUID] = (),
    after: UUID | None = None,
) -> list[UUID]:
    """Return pending runs whose start deadline has passed, in the order of their deadlines.

    Args:
        connection: with the lock.
        now: the database's present.
        limit: the number of runs, at most.
        bypassed: runs that are left out.
        after: begin after this run; None to begin with the first.
    """
    values = {"now": now, "limit": limit, "bypassed": list(bypassed), "after": after}
    return await read_ids(connection, OVERDUE, values)


CANCEL_REQUESTED = f"""
    SELECT id FROM job_runs
    WHERE {IS_RUNNING} AND worker_id = %(worker_id)s AND cancel_requested_at IS NOT NULL
"""


async def cancel_requested(connection: Connection, worker_id: str) -> list[UUID]:
    """Return the worker's running runs that are to be canceled."""
    return await read_ids(connection, CANCEL_REQUESTED, {"worker_id": worker_id})


ANY_UNFINISHED = f"""
    SELECT EXISTS (
        SELECT 1 FROM job_runs WHERE job_definition_id = %(id)s AND {IS_PENDING}
    ) OR EXISTS (
        SELECT 1 FROM job_runs WHERE job_definition_id = %(id)s AND {IS_RUNNING}
    )
"""


async def has_unfinished(connection: Connection, definition_id: UUID) -> bool:
    """Return whether any run of this job is pending or running."""
    return await read_value(connection, bool, ANY_UNFINISHED, {"id": definition_id})
