"""Schedules to be shown; those that are deleted are not."""

from uuid import UUID

from projections.rows import Connection, read_rows
from projections.schedules.row import TABLE, ScheduleRow
from projections.table import rows_by_id

NEXT_BY_ID = """
    SELECT * FROM schedules WHERE deleted_at IS NULL AND id COLLATE "C" > %(after)s
    ORDER BY id COLLATE "C" LIMIT %(limit)s
"""

ANY_BY_ID = """
    SELECT * FROM schedules WHERE id COLLATE "C" > %(after)s
    ORDER BY id COLLATE "C" LIMIT %(limit)s
"""


async def next_by_id(
    connection: Connection, after: str, limit: int
) -> list[ScheduleRow]:
    """Return the schedules that come next after an id, in bytewise order."""
    values = {"after": after, "limit": limit}
    return await read_rows(connection, ScheduleRow, NEXT_BY_ID, values)


async def any_by_id(
    connection: Connection, after: str, limit: int
) -> list[ScheduleRow]:
    """Return the same, and those that are deleted as well."""
    values = {"after": after, "limit": limit}
    return await read_rows(connection, ScheduleRow, ANY_BY_ID, values)


async def by_id(connection: Connection, aggregate_id: UUID) -> ScheduleRow | None:
    """Return a schedule, None where there is none, or it is deleted."""
    found = await rows_by_id(connection, TABLE, [aggregate_id])
    row = found.get(aggregate_id)
    if row is None or row["deleted_at"] is not None:
        return None
    return row
