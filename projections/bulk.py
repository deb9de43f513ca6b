"""The table `bulk_operations`: each operation with its order and its progress.

First its columns and its JSON for clients (`present`), then queries: one operation, lists, and
unfinished operations. `domain/bulk.py` says what events do to an operation.
"""

from collections.abc import Sequence
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.bulk import BulkOperation, BulkState
from domain.json_values import JsonObject
from domain.ports import Row
from projections.rows import Connection, columns_of, presented, read_first, read_rows, within_page
from projections.table import DecisiveRow, TableOf, shown_columns


class BulkRow(DecisiveRow, BulkState):
    """A bulk operation's state, and the last event that it includes."""


COLUMNS = columns_of(BulkRow)

SHOWN = shown_columns(BulkRow, {"as_of", "left_before", "created_position"})


TABLE: TableOf[BulkRow] = TableOf(
    "bulk_operations", "bulk_operation", "id", COLUMNS, BulkOperation.fold()
)


def present(row: Row) -> JsonObject:
    """Return the operation as clients see it (contract, section 10)."""
    return {**presented(row, SHOWN), "position": TABLE.own(row)["as_of"]}


_BY_ID = f"SELECT {', '.join(COLUMNS)} FROM bulk_operations WHERE id = %(id)s"

_PAGE = within_page(
    f"""
    SELECT {", ".join(COLUMNS)} FROM bulk_operations WHERE created_position < %(before)s
    ORDER BY created_position DESC LIMIT %(limit)s
    """,
    [name for name, kind in COLUMNS.items() if kind == "jsonb"],
    "created_position DESC",
)


class _BulkOfPage(BulkRow):
    """An operation, and the number of operations of the whole page."""

    in_page: ReadOnly[int]


class Open(TypedDict):
    """An unfinished operation, and the number of its events."""

    id: ReadOnly[str]
    aggregate_version: ReadOnly[int]


OPEN = """
    SELECT id, aggregate_version FROM bulk_operations
    WHERE status = 'running' AND NOT id = ANY(%(bypassed)s)
    ORDER BY created_position LIMIT %(limit)s
"""


async def by_id(connection: Connection, operation_id: UUID) -> BulkRow | None:
    """Return the operation, None if there is none."""
    return await read_first(connection, BulkRow, _BY_ID, {"id": operation_id})


async def newest(
    connection: Connection, before: int, limit: int
) -> tuple[list[BulkRow], int | None]:
    """Return operations that were requested before a position, newest first.

    They are fewer than the limit if they are large. The second value is the position before which
    the next page begins, None if there is none.
    """
    values = {"before": before, "limit": limit + 1}
    with_next = await read_rows(connection, _BulkOfPage, _PAGE, values)
    rows: list[BulkRow] = [*with_next[:limit]]
    if not with_next or with_next[0]["in_page"] == len(rows):
        return rows, None
    return rows, rows[-1]["created_position"]


async def unfinished(connection: Connection, limit: int, bypassed: Sequence[UUID]) -> list[Open]:
    """Return unfinished operations except the bypassed ones, oldest first."""
    values = {"limit": limit, "bypassed": list(bypassed)}
    return await read_rows(connection, Open, OPEN, values)
