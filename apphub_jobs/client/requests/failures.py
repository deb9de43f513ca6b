"""Requests about failure groups; shared by both clients."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from apphub_jobs.client.documents import FailureStatus
from apphub_jobs.client.requests.request import Request, key_header, past, reading
from apphub_jobs.contract import Json


def page(
    cursor: str | None, status: FailureStatus | None, job: str | None, as_of: int | datetime | None
) -> Request:
    """Ask for a page of groups."""
    return reading("/failures", cursor=cursor, status=status, job=job, asOf=past(as_of))


def shown(fingerprint: str) -> Request:
    """Ask for a group."""
    return reading(_path(fingerprint))


def resolved(fingerprint: str, in_version: int | None) -> Request:
    """Ask for a group to be resolved; asked again, it is the same."""
    path = f"{_path(fingerprint)}/resolve"
    return Request(method="POST", path=path, body={"inVersion": in_version})


def ignored(fingerprint: str) -> Request:
    """Ask for a group to be ignored; asked again, it is the same."""
    return Request(method="POST", path=f"{_path(fingerprint)}/ignore")


def reopened(fingerprint: str) -> Request:
    """Ask for a group to be open again; asked again, it is the same."""
    return Request(method="POST", path=f"{_path(fingerprint)}/reopen")


def retried(
    fingerprint: str,
    reason: str,
    parameters: Mapping[str, Json] | None,
    idempotency_key: str | None,
) -> Request:
    """Order what failed so to be launched anew; asked again, it is the same, for it has a key."""
    body = {**_patched(parameters), "reason": reason}
    headers = key_header(idempotency_key)
    path = f"{_path(fingerprint)}/retry"
    return Request(method="POST", path=path, body=body, headers=headers)


def retry_previewed(fingerprint: str, parameters: Mapping[str, Json] | None) -> Request:
    """Ask what launching anew what failed so would come to."""
    body = {**_patched(parameters), "dryRun": True}
    return Request(method="POST", path=f"{_path(fingerprint)}/retry", body=body)


def _patched(parameters: Mapping[str, Json] | None) -> dict[str, Any]:
    if parameters is None:
        return {}
    return {"patch": {"parameters": {**parameters}}}


def _path(fingerprint: str) -> str:
    return f"/failures/{quote(fingerprint, safe='')}"
