"""Requests about schedules; shared by both clients."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apphub_jobs.client.requests.request import (
    Request,
    as_of_parameter,
    get,
    idempotency_header,
    segment,
)

OPTIONAL = (
    "parameters",
    "cron",
    "everyMs",
    "timeZone",
    "exclude",
    "overlap",
    "catchUpMs",
    "jitterMs",
    "startAt",
    "endAt",
    "pauseOnFailure",
)
"""Fields that `patch` resets to their defaults where they are left out; the owner stays."""


def page(as_of: int | datetime | None) -> Request:
    """Read the first page of schedules."""
    return get("/schedules", asOf=as_of_parameter(as_of))


def show(schedule_id: str) -> Request:
    """Read a schedule."""
    return get(_path(schedule_id))


def create(schedule: Mapping[str, Any]) -> Request:
    """Create a schedule; not repeatable, as the id would be taken."""
    return Request(method="POST", path="/schedules", body=schedule, is_repeatable=False)


def revise(schedule_id: str, changes: Mapping[str, Any]) -> Request:
    """Change fields of a schedule; idempotent."""
    return Request(method="PATCH", path=_path(schedule_id), body=changes)


def patch(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes to this schedule; fields that it leaves out get their defaults."""
    changes: dict[str, Any] = dict.fromkeys(OPTIONAL)
    changes.update(schedule)
    changes.pop("id")
    return changes


def delete(schedule_id: str) -> Request:
    """Delete a schedule; not repeatable, as there would be none."""
    return Request(method="DELETE", path=_path(schedule_id), is_repeatable=False)


def pause(schedule_id: str, reason: str | None) -> Request:
    """Pause a schedule; idempotent."""
    path = _path(schedule_id, "pause")
    return Request(method="POST", path=path, body={"reason": reason})


def resume(schedule_id: str) -> Request:
    """Resume a schedule; idempotent."""
    return Request(method="POST", path=_path(schedule_id, "resume"))


def trigger(schedule_id: str, idempotency_key: str | None) -> Request:
    """Launch a run of a schedule now; repeatable by its idempotency key."""
    path = _path(schedule_id, "trigger")
    return Request(method="POST", path=path, headers=idempotency_header(idempotency_key))


def backfill(schedule_id: str, begin: str, end: str) -> Request:
    """Launch past ticks that have no run; idempotent."""
    body = {"from": begin, "to": end}
    return Request(method="POST", path=_path(schedule_id, "backfill"), body=body)


def preview_backfill(schedule_id: str, begin: str, end: str) -> Request:
    """Count past ticks that have no run."""
    body = {"from": begin, "to": end, "dryRun": True}
    return Request(method="POST", path=_path(schedule_id, "backfill"), body=body)


def preview(schedule_id: str, n: int) -> Request:
    """Read the next ticks."""
    return get(_path(schedule_id, "preview"), n=n)


def ticks(schedule_id: str) -> Request:
    """Read the first page of a schedule's past ticks."""
    return get(_path(schedule_id, "ticks"))


def _path(schedule_id: str, part: str | None = None) -> str:
    path = f"/schedules/{segment(schedule_id)}"
    return path if part is None else f"{path}/{part}"
