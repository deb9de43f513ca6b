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
