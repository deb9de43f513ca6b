"""The table `bulk_operations`: what was ordered, and how far each has got."""

from typing import Annotated, cast

from typing_extensions import ReadOnly

from domain.bulk.operation import BulkStatus
from domain.bulk.order import Action
from domain.json_values import Json, JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import (
    BigInt,
    Document,
    Documents,
    Id,
    Text,
    Texts,
    Time,
    columns_of,
    presented,
    shown_columns,
)
from projections.table import STATES, Changes, DecisiveRow, TableOf

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

_HIDDEN = {
    "as_of",
    "left_before",
    "created_position",
    "aggregate_version",
    "position",
    *STATES,
}

SHOWN = shown_columns(BulkRow, hidden=_HIDDEN)


def evolve(row: BulkRow | None, event: Envelope) -> Changes:
    """Return the columns that the event changes."""
    changed = _requested(event) if row is None else _changed(row, event)
    changed["updated_at"] = event.at
    return changed


TABLE: TableOf[BulkRow] = TableOf(
    "bulk_operations", "bulk_operation", "id", COLUMNS, evolve
)


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
            return {
                "status": "aborted",
                "completed_at": event.at,
                "abort_reason": data["reason"],
            }
        case _:
            msg = f"bulk_operations does not know {event.topic} here"
            raise ValueError(msg)


def present(row: Row) -> JsonObject:
    """Return the operation as clients see it (contract, section 10)."""
    return {**presented(row, SHOWN), "position": TABLE.own(row)["as_of"]}
