"""Requests about failure groups; shared by both clients."""

from collections.abc import Mapping
from datetime import datetime

from apphub_jobs.client.documents import FailureStatus
from apphub_jobs.client.requests.request import (
    Request,
    as_of_parameter,
    get,
    idempotency_header,
    patch_body,
    segment,
)
from apphub_jobs.contract import Json


def page(status: FailureStatus | None, job: str | None, as_of: int | datetime | None) -> Request:
    """Read the first page of groups."""
    return get("/failures", status=status, job=job, asOf=as_of_parameter(as_of))


def show(fingerprint: str) -> Request:
    """Read a group."""
    return get(_path(fingerprint))


def resolve(fingerprint: str, in_version: int | None) -> Request:
    """Resolve a group; idempotent."""
    path = f"{_path(fingerprint)}/resolve"
    return Request(method="POST", path=path, body={"inVersion": in_version})


def ignore(fingerprint: str) -> Request:
    """Ignore a group; idempotent."""
    return Request(method="POST", path=f"{_path(fingerprint)}/ignore")


def reopen(fingerprint: str) -> Request:
    """Reopen a group; idempotent."""
    return Request(method="POST", path=f"{_path(fingerprint)}/reopen")


def retry(
    fingerprint: str,
    reason: str,
    parameters: Mapping[str, Json] | None,
    idempotency_key: str | None,
) -> Request:
    """Retry the failed runs of a group; repeatable by its idempotency key."""
    body = {**patch_body(parameters), "reason": reason}
    headers = idempotency_header(idempotency_key)
    path = f"{_path(fingerprint)}/retry"
    return Request(method="POST", path=path, body=body, headers=headers)


def preview_retry(fingerprint: str, parameters: Mapping[str, Json] | None) -> Request:
    """Preview a retry of the failed runs of a group."""
    body = {**patch_body(parameters), "dryRun": True}
    return Request(method="POST", path=f"{_path(fingerprint)}/retry", body=body)


def _path(fingerprint: str) -> str:
    return f"/failures/{segment(fingerprint)}"
