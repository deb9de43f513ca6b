"""Requests about jobs; shared by both clients.

First definitions, and how they differ from what is registered; then the requests.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apphub_jobs.client.requests.request import Request, as_of_parameter, get, job_path, reason_body
from apphub_jobs.typed.job import Job

Definition = Mapping[str, Any] | Job[..., object]
"""A job made by `@job`, or the body of `POST /jobs`."""

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
"""The values of fields that a definition leaves out."""


def definition_body(definition: Definition) -> Mapping[str, Any]:
    """Return the body of `POST /jobs`.

    Raises:
        JobDefinitionError: the job's signature or options are wrong.
    """
    if isinstance(definition, Job):
        return definition.definition
    return definition


def differences(definition: Definition, current: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return each field that this definition would change, with its values before and after.

    Args:
        definition: the whole definition; fields that it leaves out take their defaults.
        current: the job as the service returned it.
    """
    desired = {**DEFAULTS, **definition_body(definition)}
    return {
        name: (current.get(name), value)
        for name, value in desired.items()
        if name not in _IDENTITY and value != current.get(name)
    }


_IDENTITY = frozenset({"slug", "version"})


def patch(definition: Definition, current: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the `PATCH` that gives the job this definition; empty if it has it."""
    return {name: after for name, (_, after) in differences(definition, current).items()}


def all_jobs(as_of: int | datetime | None) -> Request:
    """Read all jobs."""
    return get("/jobs", asOf=as_of_parameter(as_of))


def show(slug: str) -> Request:
    """Read a job, with one run: the service always adds runs."""
    return get(job_path(slug), limit=1)


def register(definition: Mapping[str, Any]) -> Request:
    """Register a job; not repeatable, as the slug would be taken."""
    return Request(method="POST", path="/jobs", body=definition, is_repeatable=False)


def revise(slug: str, changes: Mapping[str, Any]) -> Request:
    """Change fields of a job; idempotent."""
    return Request(method="PATCH", path=job_path(slug), body=changes)


def pause(slug: str, reason: str | None) -> Request:
    """Pause a job; idempotent."""
    return Request(method="POST", path=job_path(slug, "pause"), body=reason_body(reason))


def resume(slug: str) -> Request:
    """Resume a job; idempotent."""
    return Request(method="POST", path=job_path(slug, "resume"))


def delete(slug: str) -> Request:
    """Delete a job; not repeatable, as there would be none."""
    return Request(method="DELETE", path=job_path(slug), is_repeatable=False)
