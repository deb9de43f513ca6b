"""What questions are about: a job, a run and a place in a log, looked up beforehand."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.clock import from_iso
from projections import job_definitions
from projections.rows import Connection, fetch_rows


@dataclass(frozen=True)
class Known:
    """What questions are about: the most frequent job; a run and a place in the log's middle."""

    job_id: UUID
    slug: str
    run_id: UUID
    correlation_id: UUID
    runs: int
    cursor: int
    head: int
    at: datetime


_SIZE = (
    "SELECT max(notification_id) AS head, (SELECT count(*) FROM job_runs) AS runs FROM jobs_events"
)

_MIDDLE = """
    SELECT run.id, run.created_position, run.created_at, event.correlation_id
    FROM job_runs AS run
    JOIN jobs_events AS event ON event.originator_id = run.id AND event.originator_version = 1
    WHERE run.created_position >= %(position)s AND run.slug = %(slug)s
    ORDER BY run.created_position LIMIT 1
"""


async def look_around(connection: Connection) -> Known:
    """Find what to ask about."""
    slug = "job-000"
    job = await job_definitions.by_slug(connection, slug)
    assert job is not None
    [size] = await fetch_rows(connection, _SIZE, {})
    head = int(str(size["head"]))
    [middle] = await fetch_rows(connection, _MIDDLE, {"position": head // 2, "slug": slug})
    return Known(
        UUID(str(job["id"])),
        slug,
        UUID(str(middle["id"])),
        UUID(str(middle["correlation_id"])),
        int(str(size["runs"])),
        int(str(middle["created_position"])),
        head,
        from_iso(str(middle["created_at"])),
    )
