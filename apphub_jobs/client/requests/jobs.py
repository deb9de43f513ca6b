"""Requests about jobs; shared by both clients.

First definitions as they are sent, and compared with what is registered; then the requests.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apphub_jobs.client.requests.request import Request, job_path, past, reading
from apphub_jobs.typed.job import Job

Definition = Mapping[str, Any] | Job[..., object]
"""A job made by `@job`, or what `POST /jobs` takes."""

DEFAULTS: Mapping[str, Any] = {
    "parametersSchema": {},
    "defaultParameters": {},
    "timeoutMs": None,
    "retryPolicy": None,
    "metadata": None,
    "moduleBinding": None,
    "runtime": "python",
    "outputSchema": None,
    "priority": 0,
    "maxConcurrentRuns": None,
    "concurrencyKey": None,
    "concurrencyLimit": 1,
    "rateLimit": None,
    "fairnessKey": None,
    "unique": None,
    "startDeadlineMs": None,
    "resources": None,
    "workerLabels": {},
    "retention": None,
    "isolation": "process",
}
"""What a definition says where it says nothing."""


def every(as_of: int | datetime | None) -> Request:
    """Ask for all jobs."""
    return reading("/jobs", asOf=past(as_of))


def described(definition: Definition) -> Mapping[str, Any]:
    """Return what `POST /jobs` takes.

    Raises:
        JobDefinitionError: the job's signature or options are wrong.
    """
    if isinstance(definition, Job):
        return definition.definition
    return definition


def differences(definition: Definition, current: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return each field that a job would change by this definition: what it is, and will be.

    Args:
        definition: all that the job is to be; what it leaves out is as by default.
        current: the job as the service answered.
    """
    wanted = {**DEFAULTS, **described(definition)}
    return {
        name: (current.get(name), value)
        for name, value in wanted.items()
        if name not in _IDENTITY and value != current.get(name)
    }


_IDENTITY = frozenset({"slug", "version"})


def patch(definition: Definition, current: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `PATCH` takes for the job to become what this definition says."""
    changed = differences(definition, current)
    return {name: after for name, (_, after) in changed.items()}


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
