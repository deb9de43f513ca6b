"""What is asked of runs, and what is made of the answers; shared by both clients."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from apphub_jobs.client.documents import FINAL, RunDocument
from apphub_jobs.client.requests import Request, reading, run_path

T = TypeVar("T")

MOST_ON_A_PAGE = 50


def shown(run_id: str, part: str | None = None) -> Request:
    """Ask for a run, or for a part of it."""
    return reading(run_path(run_id, part))


def page(
    job: str | None,
    status: str | Sequence[str] | None,
    search: str | None,
    cursor: str | None,
) -> Request:
    """Ask for a page of runs."""
    statuses = status
    if status is not None and not isinstance(status, str):
        statuses = ",".join(status)
    return reading(
        "/job-runs",
        job=job,
        status=statuses,
        search=search,
        cursor=cursor,
        limit=MOST_ON_A_PAGE,
    )


def canceled(run_id: str, reason: str | None) -> Request:
    """Ask to cancel a run; asking again is the same."""
    body = {}
    if reason is not None:
        body["reason"] = reason
    return Request(method="POST", path=run_path(run_id, "cancel"), body=body)


def retried(run_id: str) -> Request:
    """Ask for a new run; asking again would be another one."""
    return Request(method="POST", path=run_path(run_id, "retry"), is_repeatable=False)


def ends_of(slug: str) -> Mapping[str, str]:
    """Return the query of a stream of the ends of a job's runs."""
    types = [f"job.run.{status}" for status in sorted(FINAL)]
    return {"types": ",".join(types), "job": slug}


def not_ended(run: RunDocument, timeout_s: float | None) -> str:
    """Return what to say of a run that takes longer than somebody waits."""
    return (
        f"run {run.id} of {run.slug} is {run.status} after {timeout_s:g} s; it goes on,"
        " wait again or cancel it"
    )


def validated(result: Any, model: type[T]) -> T:
    """Return a result as a type says.

    Raises:
        pydantic.ValidationError: it does not fit.
    """
    # Here, for it takes long to import.
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(model).validate_json(json.dumps(result))
