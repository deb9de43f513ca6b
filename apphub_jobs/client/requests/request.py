"""A request as a value, the same for both clients."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from apphub_jobs.typed.job import Duration, Job, milliseconds


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request.

    Attributes:
        is_repeatable: whether sending it twice does what sending it once does.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True


def reading(path: str, **query: Any) -> Request:
    """Return a request that changes nothing; what is None is left out of the query."""
    given = {name: value for name, value in query.items() if value is not None}
    return Request(method="GET", path=path, query=given)


def key_header(idempotency_key: str | None) -> Mapping[str, str]:
    """Return the header by which a request can be sent again; without a key it has its own."""
    return {"Idempotency-Key": idempotency_key or f"client-{uuid4()}"}


def past(as_of: int | datetime | None) -> int | str | None:
    """Return a past position or moment as queries name it."""
    if isinstance(as_of, datetime):
        return as_of.isoformat()
    return as_of


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """What a launch says beside its parameters.

    Attributes:
        idempotency_key: repeated launches with this key lead to the first run again. Without one, a
            launch has a key of its own, so that it can be sent again when its answer is lost.
        delay: how long the run waits before it is due.
        priority: what is higher starts first.
        timeout: how long one attempt may run.
        max_attempts: how many attempts there may be.
        start_deadline: the run expires if it has not started so long after its time.
        context: kept with the run.
    """

    idempotency_key: str | None = None
    delay: Duration | None = None
    priority: int | None = None
    timeout: Duration | None = None
    max_attempts: int | None = None
    start_deadline: Duration | None = None
    context: Mapping[str, Any] | None = None

    def request(self, slug: str, parameters: Mapping[str, Any]) -> Request:
        """Return the launch."""
        body = {
            "parameters": dict(parameters),
            "delayMs": _milliseconds(self.delay),
            "priority": self.priority,
            "timeoutMs": _milliseconds(self.timeout),
            "maxAttempts": self.max_attempts,
            "startDeadlineMs": _milliseconds(self.start_deadline),
            "context": self.context,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return Request(
            method="POST",
            path=job_path(slug, "run"),
            body=given,
            headers=key_header(self.idempotency_key),
        )


def job_path(slug: str, part: str | None = None) -> str:
    """Return the path of a job, or of a part of it."""
    return _path("jobs", slug, part)


def run_path(run_id: str, part: str | None = None) -> str:
    """Return the path of a run, or of a part of it."""
    return _path("job-runs", run_id, part)


def _path(kind: str, name: str, part: str | None) -> str:
    path = f"/{kind}/{quote(name, safe='')}"
    if part is not None:
        path = f"{path}/{part}"
    return path


Launched = tuple[str, Mapping[str, Any], Callable[[Any], Any]]
"""A job's slug, the parameters as JSON, and what makes a typed result of the run's."""


def launched(
    job: Job[..., Any] | str, args: Sequence[Any], parameters: Mapping[str, Any]
) -> Launched:
    """Return what a call of `launch` means.

    Raises:
        TypeError: an argument is missing, unknown, given twice, or cannot be JSON.
    """
    if isinstance(job, Job):
        return job.slug, job.parameters(*args, **parameters), job.result
    given: dict[str, Any] = {}
    for mapping in args:
        given.update(mapping)
    return job, {**given, **parameters}, as_it_is


def as_it_is(result: Any) -> Any:
    """Return a result as the service gave it."""
    return result


def _milliseconds(duration: Duration | None) -> int | None:
    if duration is None:
        return None
    return milliseconds(duration)


def warnings_in(answer: Mapping[str, Any]) -> list[str]:
    """Return what the answer to a launch warns of."""
    meta = answer.get("meta") or {}
    return [str(warning["message"]) for warning in meta.get("warnings", ())]
