"""The table `bulk_operations`: its row and fold, and how it is read.

First what was ordered, and how far each operation has got (`BulkRow`, `evolve`, `present`); then
reading: one operation, lists, and operations that are not finished.
"""

from collections.abc import Sequence
from typing import Annotated, cast
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.bulk import Action, BulkStatus
from domain.json_values import Json, JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import (
    BigInt,
    Connection,
    Document,
    Documents,
    Id,
    Text,
    Texts,
    Time,
    columns_of,
    presented,
    read_first,
    read_rows,
    shown_columns,
    within_page,
)
from projections.table import STATES, Changes, DecisiveRow, TableOf

# The table `bulk_operations`: what was ordered, and how far each operation has got.

MOST_REFUSALS = 20
"""Refusals that the row keeps; its events have all."""


class BulkRow(DecisiveRow):
    """A bulk operation, in the order in which clients see it.

    `refusals` are the first refused runs, each with `run`, `code` and `why`.
    """

    id: ReadOnly[Id]
    action: ReadOnly[Annotated[Action, "text"]]
    filter: ReadOnly[Texts]
    reason: ReadOnly[Text]
    patch: ReadOnly[Document | None]
    status: ReadOnly[Annotated[BulkStatus, "text"]]
    total: ReadOnly[BigInt]
    done: ReadOnly[BigInt]
    refused: ReadOnly[BigInt]
    refusals: ReadOnly[Documents]
    requested_by: ReadOnly[Text]
    abort_reason: ReadOnly[Text | None]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]
    completed_at: ReadOnly[Time | None]
    as_of: ReadOnly[BigInt]
    left_before: ReadOnly[BigInt | None]
    created_position: ReadOnly[BigInt]


COLUMNS = columns_of(BulkRow)

_HIDDEN = {"as_of", "left_before", "created_position", "aggregate_version", "position", *STATES}

SHOWN = shown_columns(BulkRow, hidden=_HIDDEN)


def evolve(row: BulkRow | None, event: Envelope) -> Changes:
    """Return the columns that the event changes."""
    changed = _requested(event) if row is None else _changed(row, event)
    changed["updated_at"] = event.at
    return changed


TABLE: TableOf[BulkRow] = TableOf("bulk_operations", "bulk_operation", "id", COLUMNS, evolve)


def _requested(event: Envelope) -> Changes:
    if event.topic != "bulk_operation.requested":
        msg = f"bulk_operations does not know {event.topic} of what is not there"
        raise ValueError(msg)
    data = event.data
    order = cast("JsonObject", data["order"])
    return {
        **order,
        "status": "running",
        "total": data["total"],
        "done": 0,
        "refused": 0,
        "refusals": [],
        "requested_by": data["requested_by"],
        "as_of": data["as_of"],
        "created_position": event.position,
        "created_at": event.at,
    }


def _changed(row: BulkRow, event: Envelope) -> Changes:
    data = event.data
    match event.topic:
        case "bulk_operation.advanced":
            refused = cast("list[Json]", data["refused"])
            refusals: list[Json] = [*row["refusals"], *refused]
            return {
                "done": row["done"] + cast("int", data["done"]),
                "refused": row["refused"] + len(refused),
                "refusals": refusals[:MOST_REFUSALS],
                "left_before": data["before"],
            }
        case "bulk_operation.completed":
            return {"status": "completed", "completed_at": event.at}
        case "bulk_operation.aborted":
            return {"status": "aborted", "completed_at": event.at, "abort_reason": data["reason"]}
        case _:
            msg = f"bulk_operations does not know {event.topic} here"
            raise ValueError(msg)


def present(row: Row) -> JsonObject:
    """Return the operation as clients see it (contract, section 10)."""
    return {**presented(row, SHOWN), "position": TABLE.own(row)["as_of"]}


_BY_ID = "SELECT * FROM bulk_operations WHERE id = %(id)s"

_PAGE = within_page(
    """
    SELECT * FROM bulk_operations WHERE created_position < %(before)s
    ORDER BY created_position DESC LIMIT %(limit)s
    """,
    [name for name, kind in COLUMNS.items() if kind == "jsonb"],
    "created_position DESC",
)


class _BulkOfPage(BulkRow):
    """An operation, and of how many the page would be if all were small."""

    in_page: ReadOnly[int]


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


async def newest(
    connection: Connection, before: int, limit: int
) -> tuple[list[BulkRow], int | None]:
    """Return operations that were requested before a position, the newest first.

    They are fewer than the limit where they are large. With them comes the position before which
    others were requested, None where none were.
    """
    values = {"before": before, "limit": limit + 1}
    found = await read_rows(connection, _BulkOfPage, _PAGE, values)
    rows: list[BulkRow] = [*found[:limit]]
    if not found or found[0]["in_page"] == len(rows):
        return rows, None
    return rows, rows[-1]["created_position"]


async def open_ones(connection: Connection, limit: int, bypassed: Sequence[UUID]) -> list[Open]:
    """Return operations that are not over, but none of these, the oldest first."""
    values = {"limit": limit, "bypassed": list(bypassed)}
    return await read_rows(connection, Open, OPEN, values)
