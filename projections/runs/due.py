"""What workers ask of runs: which are due, which must end."""

from datetime import datetime
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from projections.rows import Connection, read_ids, read_one
from projections.runs.claims import LEVELS

NEXT_DUE = f"""
    {LEVELS}
    SELECT min(first.scheduled_at) AS next_at, clock_timestamp() AS now,
        (SELECT min(start_deadline_at) FROM job_runs
         WHERE status = 'pending' AND execution = 0 AND start_deadline_at IS NOT NULL)
            AS next_deadline_at
    FROM level CROSS JOIN LATERAL (
        SELECT scheduled_at FROM job_runs WHERE status = 'pending' AND priority = level.priority
        ORDER BY scheduled_at LIMIT 1
    ) AS first
"""


class NextDue(TypedDict):
    """What is due next, None for nothing: a run's start, and the end of a start deadline."""

    next_at: ReadOnly[str | None]
    next_deadline_at: ReadOnly[str | None]
    now: ReadOnly[str]


async def next_due(connection: Connection) -> NextDue:
    """Return when the next pending run is due, and when the next start deadline is over."""
    return await read_one(connection, NextDue, NEXT_DUE)


OVERDUE = """
    SELECT id FROM job_runs
    WHERE status = 'pending' AND execution = 0 AND start_deadline_at <= %(now)s
    ORDER BY start_deadline_at LIMIT %(limit)s
"""


CANCEL_REQUESTED = """
    SELECT id FROM job_runs
    WHERE status = 'running' AND worker_id = %(worker_id)s AND cancel_requested_at IS NOT NULL
"""


async def overdue(connection: Connection, now: datetime, limit: int) -> list[UUID]:
    """Return pending runs that never started and whose start deadline is over."""
    return await read_ids(connection, OVERDUE, {"now": now, "limit": limit})


async def cancel_requested(connection: Connection, worker_id: str) -> list[UUID]:
    """Return the runs that this worker holds and that somebody asked to cancel."""
    return await read_ids(connection, CANCEL_REQUESTED, {"worker_id": worker_id})
