"""What is asked of jobs; shared by both clients."""

from collections.abc import Mapping
from typing import Any

from apphub_jobs.client.requests import Request, job_path, reading


def shown(slug: str) -> Request:
    """Ask for a job, and no runs beyond what the service always adds."""
    return reading(job_path(slug), limit=1)


def registered(definition: Mapping[str, Any]) -> Request:
    """Ask for a new job; asked again, it would be there already."""
    return Request(method="POST", path="/jobs", body=definition, is_repeatable=False)


def revised(slug: str, changes: Mapping[str, Any]) -> Request:
    """Ask for changes of a job; asked again, they change nothing more."""
    return Request(method="PATCH", path=job_path(slug), body=changes)


def paused(slug: str, reason: str | None) -> Request:
    """Ask for nothing of a job to start; asked again, it is the same."""
    body: dict[str, str] = {}
    if reason is not None:
        body["reason"] = reason
    return Request(method="POST", path=job_path(slug, "pause"), body=body)


def resumed(slug: str) -> Request:
    """Ask for what waits of a job to start again; asked again, it is the same."""
    return Request(method="POST", path=job_path(slug, "resume"))


def deleted(slug: str) -> Request:
    """Ask for a job to be deleted; asked again, there would be none."""
    return Request(method="DELETE", path=job_path(slug), is_repeatable=False)
