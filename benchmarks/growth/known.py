"""What questions are about: a job, a run and a place in a log, looked up beforehand."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from eventlog.database.sql import HEAD
from projections import job_definitions
from projections.rows import Connection, read_one, read_value


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


class _Middle(TypedDict):
    id: ReadOnly[str]
    created_position: ReadOnly[int]
    created_at: ReadOnly[str]
    correlation_id: ReadOnly[str]


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
    head = await read_value(connection, int, HEAD)
    runs = await read_value(connection, int, "SELECT count(*) FROM job_runs")
    middle = await read_one(connection, _Middle, _MIDDLE, {"position": head // 2, "slug": slug})
    return Known(
        UUID(job["id"]),
        slug,
        UUID(middle["id"]),
        UUID(middle["correlation_id"]),
        runs,
        middle["created_position"],
        head,
        from_iso(middle["created_at"]),
    )
