"""Requests about schedules; shared by both clients."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from apphub_jobs.client.requests.request import Request, key_header, past, reading

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
"""Fields that have a default."""


def page(cursor: str | None, as_of: int | datetime | None) -> Request:
    """Ask for a page of schedules."""
    return reading("/schedules", cursor=cursor, asOf=past(as_of))


def shown(schedule_id: str) -> Request:
    """Ask for a schedule."""
    return reading(_path(schedule_id))


def created(schedule: Mapping[str, Any]) -> Request:
    """Ask for a new schedule; asked again, it would be there already."""
    return Request(method="POST", path="/schedules", body=schedule, is_repeatable=False)


def revised(schedule_id: str, changes: Mapping[str, Any]) -> Request:
    """Ask for changes of a schedule; asked again, they change nothing more."""
    return Request(method="PATCH", path=_path(schedule_id), body=changes)


def patch(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes that make a schedule what is given; what is left out gets its default."""
    changes: dict[str, Any] = dict.fromkeys(OPTIONAL)
    changes.update(schedule)
    changes.pop("id")
    return changes


def deleted(schedule_id: str) -> Request:
    """Ask for the end of a schedule; asked again, there is none."""
    return Request(method="DELETE", path=_path(schedule_id), is_repeatable=False)


def paused(schedule_id: str, reason: str | None) -> Request:
    """Ask for a pause; asked again, it is the same."""
    path = _path(schedule_id, "pause")
    return Request(method="POST", path=path, body={"reason": reason})


def resumed(schedule_id: str) -> Request:
    """Ask for the end of a pause; asked again, it is the same."""
    return Request(method="POST", path=_path(schedule_id, "resume"))


def triggered(schedule_id: str, idempotency_key: str | None) -> Request:
    """Ask for a run at once; asked again under the same key, it is the same one."""
    path = _path(schedule_id, "trigger")
    return Request(method="POST", path=path, headers=key_header(idempotency_key))


def backfilled(schedule_id: str, begin: str, end: str) -> Request:
    """Ask for past ticks without a run to be launched; asked again, they have one."""
    body = {"from": begin, "to": end}
    return Request(method="POST", path=_path(schedule_id, "backfill"), body=body)


def previewed(schedule_id: str, n: int) -> Request:
    """Ask for the next ticks."""
    return reading(_path(schedule_id, "preview"), n=n)


def ticks(schedule_id: str, cursor: str | None) -> Request:
    """Ask for a page of what became of its ticks."""
    return reading(_path(schedule_id, "ticks"), cursor=cursor)


def _path(schedule_id: str, part: str | None = None) -> str:
    path = f"/schedules/{quote(schedule_id, safe='')}"
    if part is not None:
        path = f"{path}/{part}"
    return path
