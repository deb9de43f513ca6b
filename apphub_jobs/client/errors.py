"""What can go wrong with a request, by the service's own codes and in its own words."""

from collections.abc import Mapping, Sequence
from typing import Any

from apphub_jobs.client.documents import RunDocument
from apphub_jobs.errors import ClientError


class UnreachableError(ClientError):
    """Nobody answers at the address, however often asked; the message says what to do.

    Attributes:
        was_sent: whether the service may have got the request, and done it.
    """

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class ApiError(ClientError):
    """The service answered with a failure; its own words are the message.

    Attributes:
        status: the HTTP status.
        code: the service's stable word for what is wrong, such as `job_not_found`.
        body: the whole answer.
        retry_after_s: how long to wait before asking again, if the service says so.
    """

    def __init__(self, status: int, code: str, message: str, body: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = body
        self.retry_after_s: float | None = None

    @property
    def issues(self) -> Sequence[Mapping[str, str]]:
        """The broken rules: of each `path` (a JSON Pointer), `message` and `keyword`."""
        issues: Sequence[Mapping[str, str]] = self.body.get("issues", ())
        return issues


class InvalidRequestError(ApiError):
    """Something that was sent breaks a rule; `issues` has each (400)."""


class AccessError(ApiError):
    """The token is missing, unknown, or not enough (401, 403)."""


class NotFoundError(ApiError):
    """There is no such thing (404)."""


class ConflictError(ApiError):
    """What is there already stands against it (409)."""


class TooManyRequestsError(ApiError):
    """The service had more to do than it could take, for as long as it was asked (429)."""


class UnavailableError(ApiError):
    """The service could not do it at the moment, for as long as it was asked (503)."""


class OutcomeUnknownError(UnavailableError):
    """The service cannot tell whether it was done: look before asking again.

    Only for what cannot be repeated safely; launches can.
    """

    @property
    def ids(self) -> Sequence[str]:
        """What to look for."""
        ids: Sequence[str] = self.body.get("ids", ())
        return ids


class WaitTimeoutError(ClientError, TimeoutError):
    """What was waited for is not over within the time; it goes on, and can be waited for again."""


class RunEndedError(ClientError):
    """The run ended without a result.

    Attributes:
        run: the run as it ended.
    """

    def __init__(self, run: RunDocument) -> None:
        why = run.error_message or run.failure_reason or "without a word"
        super().__init__(f"run {run.id} of {run.slug} {run.status}: {why}")
        self.run = run


class RunFailedError(RunEndedError):
    """The run failed for good."""


class RunCanceledError(RunEndedError):
    """Somebody canceled the run, or its handler ended it so."""


class RunExpiredError(RunEndedError):
    """The run took too long, or did not start in time."""


_BY_CODE: Mapping[str, type[ApiError]] = {"outcome_unknown": OutcomeUnknownError}

_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: InvalidRequestError,
    401: AccessError,
    403: AccessError,
    404: NotFoundError,
    409: ConflictError,
    429: TooManyRequestsError,
    503: UnavailableError,
}

_BY_RUN_STATUS: Mapping[str, type[RunEndedError]] = {
    "canceled": RunCanceledError,
    "expired": RunExpiredError,
}


def api_error(status: int, body: Any) -> ApiError:
    """Return the error that a failed answer stands for.

    Args:
        status: the answer's status.
        body: its JSON, or anything else if it was none.
    """
    if not (isinstance(body, dict) and "code" in body):
        message = f"HTTP {status}, but no answer of AppHub Jobs: is the address right?"
        return ApiError(status, "not_apphub_jobs", message, {})
    code = str(body["code"])
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, ApiError)
    return kind(status, code, _message(body), body)


def _message(body: Mapping[str, Any]) -> str:
    issues: Sequence[Mapping[str, str]] = body.get("issues", ())
    if issues:
        problems = [f"{issue['path']}: {issue['message']}" for issue in issues]
        return "; ".join(problems)
    return str(body.get("error"))


def ended_error(run: RunDocument) -> RunEndedError:
    """Return the error that a run without a result stands for."""
    kind = _BY_RUN_STATUS.get(run.status, RunFailedError)
    return kind(run)
