"""Requests about bulk operations; shared by both clients."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from apphub_jobs.client.documents import BulkAction, BulkDocument
from apphub_jobs.client.requests.request import Request, key_header, past, reading
from apphub_jobs.contract import Json

LOOK_EVERY_S = 0.5
"""How often is asked whether an operation is over."""


def ordered(
    action: BulkAction,
    where: Sequence[str],
    reason: str,
    parameters: Mapping[str, Json] | None,
    idempotency_key: str | None,
) -> Request:
    """Order something; asked again, it is the same order, for it has a key."""
    body = {**_order(action, where, parameters), "reason": reason}
    return Request(method="POST", path="/bulk", body=body, headers=key_header(idempotency_key))


def previewed(
    action: BulkAction, where: Sequence[str], parameters: Mapping[str, Json] | None
) -> Request:
    """Ask what an order would come to."""
    body = {**_order(action, where, parameters), "dryRun": True}
    return Request(method="POST", path="/bulk", body=body)


def page(cursor: str | None, as_of: int | datetime | None) -> Request:
    """Ask for a page of operations."""
    return reading("/bulk", cursor=cursor, asOf=past(as_of))


def shown(operation_id: str, as_of: int | datetime | None) -> Request:
    """Ask for an operation."""
    return reading(_path(operation_id), asOf=past(as_of))


def aborted(operation_id: str, reason: str | None) -> Request:
    """Ask for an operation to go no further; asked again, it is the same."""
    body = {}
    if reason is not None:
        body["reason"] = reason
    return Request(method="POST", path=f"{_path(operation_id)}/abort", body=body)


def not_over(found: BulkDocument, timeout_s: float) -> str:
    """Return what to say of an operation that takes longer than somebody waits."""
    return (
        f"bulk operation {found.id} has gone through {found.done + found.refused} of"
        f" {found.total} runs after {timeout_s:g} s; it goes on, wait again or abort it"
    )


def _order(
    action: BulkAction, where: Sequence[str], parameters: Mapping[str, Json] | None
) -> dict[str, Any]:
    order: dict[str, Any] = {"action": action, "filter": [*where]}
    if parameters is not None:
        order["patch"] = {"parameters": {**parameters}}
    return order


def _path(operation_id: str) -> str:
    return f"/bulk/{quote(operation_id, safe='')}"
