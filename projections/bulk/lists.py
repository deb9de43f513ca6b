"""Reading `bulk_operations`: one, lists, and which ones are still to be gone on with."""

from collections.abc import Sequence
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from projections.bulk.row import BulkRow
from projections.rows import Connection, read_first, read_rows

_BY_ID = "SELECT * FROM bulk_operations WHERE id = %(id)s"

_PAGE = """
    SELECT * FROM bulk_operations WHERE created_position < %(before)s
    ORDER BY created_position DESC LIMIT %(limit)s
"""


class Open(TypedDict):
    """An operation that is not over, and how many events it has."""

    id: ReadOnly[str]
    aggregate_version: ReadOnly[int]


OPEN = """
    SELECT id, aggregate_version FROM bulk_operations
    WHERE status = 'running' AND NOT id = ANY(%(bypassed)s)
    ORDER BY created_position LIMIT %(limit)s
"""


async def by_id(connection: Connection, operation_id: UUID) -> BulkRow | None:
    """Return the operation, or None."""
    return await read_first(connection, BulkRow, _BY_ID, {"id": operation_id})


async def newest(connection: Connection, before: int, limit: int) -> list[BulkRow]:
    """Return operations that were requested before a position, the newest first."""
    values = {"before": before, "limit": limit}
    return await read_rows(connection, BulkRow, _PAGE, values)


async def open_ones(
    connection: Connection, limit: int, bypassed: Sequence[UUID]
) -> list[Open]:
    """Return operations that are not over, but none of these, the oldest first."""
    values = {"limit": limit, "bypassed": list(bypassed)}
    return await read_rows(connection, Open, OPEN, values)
