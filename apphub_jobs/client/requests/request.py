"""An API request as a value, and what the requests of several subjects share; for both clients."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from apphub_jobs.typed.job import Duration, Job, milliseconds


@dataclass(frozen=True, kw_only=True)
class Request:
    """An HTTP request.

    Attributes:
        is_repeatable: whether it may be sent twice and still takes effect once.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True


def get(path: str, **query: Any) -> Request:
    """Return a GET request; the query leaves out parameters that are None."""
    return Request(method="GET", path=path, query=_without_none(query))


def next_page(request: Request, meta: Mapping[str, Any]) -> Request | None:
    """Return the request of the page after this one; None at the list's end.

    With `asOf`, all pages show the list at the log position of the first one.
    """
    if meta["nextCursor"] is None:
        return None
    changes = {"cursor": meta["nextCursor"], "asOf": meta.get("asOf")}
    return replace(request, query={**request.query, **_without_none(changes)})


def idempotency_header(idempotency_key: str | None) -> Mapping[str, str]:
    """Return the header that makes a request repeatable, with this key or a new one."""
    return {"Idempotency-Key": idempotency_key or f"client-{uuid4()}"}


def as_of_parameter(as_of: int | datetime | None) -> int | str | None:
    """Return the query parameter for a position or a past time."""
    return as_of.isoformat() if isinstance(as_of, datetime) else as_of


def list_parameter(values: str | Sequence[str] | None) -> str | None:
    """Return the query parameter for one value, or for several."""
    return values if values is None or isinstance(values, str) else ",".join(values)


def ms_parameter(duration: Duration | None) -> int | None:
    """Return the parameter for an optional duration: whole milliseconds."""
    return None if duration is None else milliseconds(duration)


def reason_body(reason: str | None) -> dict[str, str]:
    """Return the body of a request that takes an optional reason."""
    return {} if reason is None else {"reason": reason}


def patch_body(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the part of a body that overrides parameters of repeated runs, if there are any."""
    return {} if parameters is None else {"patch": {"parameters": {**parameters}}}


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """The options of a launch, beside its parameters.

    Attributes:
        idempotency_key: repeated launches with this key return the first run. Without one, each
            launch gets a new key, so that it can be sent again when its answer is lost.
        delay: how long after the launch the run is due.
        priority: runs of higher priority start first.
        timeout: how long one attempt may run.
        max_attempts: the maximum number of attempts.
        start_deadline: how long after it is due the run may start; then it expires.
        context: stored with the run.
        traceparent: the span that the run continues.
    """

    idempotency_key: str | None = None
    delay: Duration | None = None
    priority: int | None = None
    timeout: Duration | None = None
    max_attempts: int | None = None
    start_deadline: Duration | None = None
    context: Mapping[str, Any] | None = None
    traceparent: str | None = None

    def request(self, slug: str, parameters: Mapping[str, Any]) -> Request:
        """Return the request that launches a run."""
        body = {
            "parameters": dict(parameters),
            "delayMs": ms_parameter(self.delay),
            "priority": self.priority,
            "timeoutMs": ms_parameter(self.timeout),
            "maxAttempts": self.max_attempts,
            "startDeadlineMs": ms_parameter(self.start_deadline),
            "context": self.context,
        }
        headers = idempotency_header(self.idempotency_key)
        if self.traceparent is not None:
            headers = {**headers, "traceparent": self.traceparent}
        return Request(
            method="POST", path=job_path(slug, "run"), body=_without_none(body), headers=headers
        )


def job_path(slug: str, part: str | None = None) -> str:
    """Return the path of a job, or of one of its subresources."""
    return _path("jobs", slug, part)


def run_path(run_id: str, part: str | None = None) -> str:
    """Return the path of a run, or of one of its subresources."""
    return _path("job-runs", run_id, part)


def segment(name: str) -> str:
    """Return a name as a segment of a path; `.` and `..` are escaped, as they mean other paths."""
    quoted = quote(name, safe="")
    return quoted.replace(".", "%2E") if name in {".", ".."} else quoted


def _path(kind: str, name: str, part: str | None) -> str:
    path = f"/{kind}/{segment(name)}"
    return path if part is None else f"{path}/{part}"


LaunchCall = tuple[str, Mapping[str, Any], Callable[[Any], Any]]
"""A job's slug, the parameters as JSON, and the function that converts the run's result."""


def resolve_launch(
    job: Job[..., Any] | str, args: Sequence[Any], parameters: Mapping[str, Any]
) -> LaunchCall:
    """Return what a call of `launch` with these arguments sends, and how its result is converted.

    Raises:
        TypeError: an argument is missing, unknown, passed twice, or cannot be JSON.
    """
    if isinstance(job, Job):
        return job.slug, job.parameters(*args, **parameters), job.result
    merged: dict[str, Any] = {}
    for mapping in args:
        merged.update(mapping)
    return job, {**merged, **parameters}, untyped


def untyped(result: Any) -> Any:
    """Return a result as it is."""
    return result


def launch_warnings(answer: Mapping[str, Any]) -> list[str]:
    """Return the messages of the warnings in the answer to a launch."""
    meta = answer.get("meta") or {}
    return [str(warning["message"]) for warning in meta.get("warnings", ())]
