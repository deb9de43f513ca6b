"""Failure groups to be shown, those first that failed last."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from projections.failures.groups import TABLE, FailureGroupRow
from projections.rows import Connection, read_rows
from projections.table import rows_by_id

_FIRST = "infinity"

PAGE = """
    SELECT * FROM failure_groups
    WHERE status = ANY(%(statuses)s)
        AND (%(job)s::text IS NULL OR lower(job) = lower(%(job)s))
        AND (last_at, fingerprint COLLATE "C") < (%(at)s::timestamptz, %(fingerprint)s)
    ORDER BY last_at DESC, fingerprint COLLATE "C" DESC LIMIT %(limit)s
"""


OLDEST = """
    SELECT * FROM failure_groups WHERE %(job)s::text IS NULL OR lower(job) = lower(%(job)s)
    ORDER BY created_at, aggregate_id LIMIT %(limit)s
"""


@dataclass(frozen=True, order=True)
class Place:
    """Where a page ended: when its last group failed last, and which it was."""

    at: str
    fingerprint: str


BEGINNING = Place(_FIRST, "")


async def page_of_groups(
    connection: Connection,
    statuses: Sequence[str],
    job: str | None,
    after: Place,
    limit: int,
) -> list[FailureGroupRow]:
    """Return the groups that come next, of one job or of all."""
    values = {
        "statuses": list(statuses),
        "job": job,
        "at": after.at,
        "fingerprint": after.fingerprint,
        "limit": limit,
    }
    return await read_rows(connection, FailureGroupRow, PAGE, values)


async def by_id(connection: Connection, group_id: UUID) -> FailureGroupRow | None:
    """Return a group, None where there is none."""
    found = await rows_by_id(connection, TABLE, [group_id])
    return found.get(group_id)


async def oldest(
    connection: Connection, job: str | None, limit: int
) -> list[FailureGroupRow]:
    """Return the groups that were opened first, of one job or of all."""
    values = {"job": job, "limit": limit}
    return await read_rows(connection, FailureGroupRow, OLDEST, values)


def place_of(row: FailureGroupRow) -> Place:
    """Return where a group stands in lists; times as text are in order."""
    return Place(row["last_at"], row["fingerprint"])
