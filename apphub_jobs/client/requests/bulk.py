"""Requests about bulk operations; shared by both clients."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apphub_jobs.client.documents import BulkAction, BulkDocument
from apphub_jobs.client.requests.request import (
    Request,
    as_of_parameter,
    get,
    idempotency_header,
    patch_body,
    reason_body,
    segment,
)
from apphub_jobs.contract import Json

POLL_INTERVAL_S = 0.5
"""How often `wait` reads an operation."""


def start(
    action: BulkAction,
    where: Sequence[str],
    reason: str,
    parameters: Mapping[str, Json] | None,
    idempotency_key: str | None,
) -> Request:
    """Start an operation; repeatable by its idempotency key."""
    body = {**_operation_body(action, where, parameters), "reason": reason}
    headers = idempotency_header(idempotency_key)
    return Request(method="POST", path="/bulk", body=body, headers=headers)


def dry_run(
    action: BulkAction, where: Sequence[str], parameters: Mapping[str, Json] | None
) -> Request:
    """Preview an operation."""
    body = {**_operation_body(action, where, parameters), "dryRun": True}
    return Request(method="POST", path="/bulk", body=body)


def page(as_of: int | datetime | None) -> Request:
    """Read the first page of operations."""
    return get("/bulk", asOf=as_of_parameter(as_of))


def show(operation_id: str, as_of: int | datetime | None) -> Request:
    """Read an operation."""
    return get(_path(operation_id), asOf=as_of_parameter(as_of))


def runs(operation_id: str) -> Request:
    """Read the first page of the runs that an operation launched."""
    return get(f"{_path(operation_id)}/runs")


def abort(operation_id: str, reason: str | None) -> Request:
    """Abort an operation; idempotent."""
    path = f"{_path(operation_id)}/abort"
    return Request(method="POST", path=path, body=reason_body(reason))


def wait_timeout_message(operation: BulkDocument, timeout_s: float) -> str:
    """Return the message of the error that ends a `wait` in time."""
    return (
        f"bulk operation {operation.id} has gone through {operation.done + operation.refused} of"
        f" {operation.total} runs after {timeout_s:g} s; it goes on, wait again or abort it"
    )


def _operation_body(
    action: BulkAction, where: Sequence[str], parameters: Mapping[str, Json] | None
) -> dict[str, Any]:
    return {"action": action, "filter": [*where], **patch_body(parameters)}


def _path(operation_id: str) -> str:
    return f"/bulk/{segment(operation_id)}"
