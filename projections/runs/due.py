"""What workers ask of runs: which are due, which must end."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from projections.rows import Connection, read_ids, read_one

LEVELS = """
    WITH RECURSIVE level AS (
        (SELECT priority FROM job_runs WHERE status = 'pending' ORDER BY priority DESC LIMIT 1)
        UNION ALL
        SELECT lower.priority FROM level CROSS JOIN LATERAL (
            SELECT priority FROM job_runs WHERE status = 'pending' AND priority < level.priority
            ORDER BY priority DESC LIMIT 1
        ) AS lower
    )
"""
"""The priorities that wait, a few of two hundred."""

_NOT_BYPASSED = "NOT id = ANY((SELECT %(bypassed)s::uuid[])::uuid[])"

NEXT_DUE = f"""
    {LEVELS}
    SELECT min(first.scheduled_at) AS next_at, clock_timestamp() AS now,
        (SELECT min(start_deadline_at) FROM job_runs
         WHERE status = 'pending' AND execution = 0 AND start_deadline_at IS NOT NULL
           AND {_NOT_BYPASSED}) AS next_deadline_at
    FROM level CROSS JOIN LATERAL (
        SELECT scheduled_at FROM job_runs WHERE status = 'pending' AND priority = level.priority
          AND {_NOT_BYPASSED}
        ORDER BY scheduled_at LIMIT 1
    ) AS first
"""


class NextDue(TypedDict):
    """What is due next, None for nothing: a run's start, and the end of a start deadline."""

    next_at: ReadOnly[str | None]
    next_deadline_at: ReadOnly[str | None]
    now: ReadOnly[str]


async def next_due(connection: Connection, bypassed: Sequence[UUID] = ()) -> NextDue:
    """Return when the next pending run is due, and when the next start deadline is over.

    Some runs may be passed over.
    """
    values = {"bypassed": list(bypassed)}
    return await read_one(connection, NextDue, NEXT_DUE, values)


OVERDUE = f"""
    SELECT id FROM job_runs
    WHERE status = 'pending' AND execution = 0 AND start_deadline_at <= %(now)s
      AND {_NOT_BYPASSED}
    ORDER BY start_deadline_at LIMIT %(limit)s
"""


CANCEL_REQUESTED = """
    SELECT id FROM job_runs
    WHERE status = 'running' AND worker_id = %(worker_id)s AND cancel_requested_at IS NOT NULL
"""


async def overdue(
    connection: Connection, now: datetime, limit: int, bypassed: Sequence[UUID] = ()
) -> list[UUID]:
    """Return pending runs, but none of these, that never started and no longer may."""
    values = {"now": now, "limit": limit, "bypassed": list(bypassed)}
    return await read_ids(connection, OVERDUE, values)


async def cancel_requested(connection: Connection, worker_id: str) -> list[UUID]:
    """Return the runs that this worker holds and that somebody asked to cancel."""
    return await read_ids(connection, CANCEL_REQUESTED, {"worker_id": worker_id})
