"""What workers ask of runs: which are due, which must end."""

from datetime import datetime
from uuid import UUID

from domain.ports import Row
from projections.rows import Connection, fetch_rows
from projections.runs.claims import LEVELS

NEXT_DUE = f"""
    {LEVELS}
    SELECT min(first.scheduled_at) AS next_at, clock_timestamp() AS now,
        (SELECT min(start_deadline_at) FROM job_runs
         WHERE status = 'pending' AND execution = 0 AND start_deadline_at IS NOT NULL) AS next_deadline_at
    FROM level CROSS JOIN LATERAL (
        SELECT scheduled_at FROM job_runs WHERE status = 'pending' AND priority = level.priority
        ORDER BY scheduled_at LIMIT 1
    ) AS first
"""


async def next_due(connection: Connection) -> Row:
    """Return `now`, and when the next pending run is due (`next_at`) or expires (`next_deadline_at`), or null."""
    return (await fetch_rows(connection, NEXT_DUE, {}))[0]


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
    return [
        UUID(str(row["id"]))
        for row in await fetch_rows(connection, OVERDUE, {"now": now, "limit": limit})
    ]


async def cancel_requested(connection: Connection, worker_id: str) -> list[UUID]:
    """Return the runs that this worker holds and that somebody asked to cancel."""
    return [
        UUID(str(row["id"]))
        for row in await fetch_rows(connection, CANCEL_REQUESTED, {"worker_id": worker_id})
    ]
