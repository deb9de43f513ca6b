"""Bulk operations as their rows say: what decisions need of them, and nothing else."""

from typing import cast

from typing_extensions import ReadOnly

from domain.bulk.operation import BulkOperation, BulkState, BulkStatus
from domain.bulk.order import Action
from domain.json_values import JsonObject
from domain.ports import Row
from domain.restoring import Standing, restored


class BulkFacts(Standing):
    """What decisions need of an operation's row."""

    id: ReadOnly[str]
    action: ReadOnly[Action]
    filter: ReadOnly[list[str]]
    reason: ReadOnly[str]
    patch: ReadOnly[JsonObject | None]
    as_of: ReadOnly[int]
    total: ReadOnly[int]
    requested_by: ReadOnly[str]
    status: ReadOnly[BulkStatus]
    left_before: ReadOnly[int | None]


def bulk_of_row(row: Row) -> BulkOperation:
    """Return an operation that decides as the one does that its events make."""
    facts = cast("BulkFacts", row)
    operation = restored(BulkOperation, facts["id"], facts)
    BulkState.__init__(
        operation,
        order={
            "action": facts["action"],
            "filter": facts["filter"],
            "reason": facts["reason"],
            "patch": facts["patch"],
        },
        as_of=facts["as_of"],
        total=facts["total"],
        requested_by=facts["requested_by"],
    )
    operation.status = facts["status"]
    operation.before = facts["left_before"]
    return operation
