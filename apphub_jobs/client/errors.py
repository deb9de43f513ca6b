"""The errors of clients, by the service's codes and with its messages."""

from collections.abc import Mapping, Sequence
from typing import Any

from apphub_jobs.client.documents import RunDocument
from apphub_jobs.errors import ClientError


class UnreachableError(ClientError):
    """The service did not answer, despite retries; the message says what to do.

    Attributes:
        was_sent: whether the service may have received and executed the request.
    """

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class ApiError(ClientError):
    """The service answered with a failure, and with this message.

    Attributes:
        status: the HTTP status.
        code: the service's stable identifier of the failure, such as `job_not_found`.
        body: the JSON of the answer.
        retry_after_s: how long to wait before a retry, if the service says so.
        request_id: by which the service's own log names the request.
    """

    def __init__(self, status: int, code: str, message: str, body: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = body
        self.retry_after_s: float | None = None
        self.request_id: str | None = None

    @property
    def issues(self) -> Sequence[Mapping[str, str]]:
        """The broken rules, each with `path` (a JSON Pointer), `message` and `keyword`."""
        issues: Sequence[Mapping[str, str]] = self.body.get("issues", ())
        return issues


class InvalidRequestError(ApiError):
    """The request breaks rules, which `issues` lists (400)."""


class AccessError(ApiError):
    """The token is missing, invalid or insufficient (401, 403)."""


class NotFoundError(ApiError):
    """The subject of the request does not exist (404)."""


class ConflictError(ApiError):
    """The request conflicts with the present state (409)."""


class TooManyRequestsError(ApiError):
    """The service was overloaded until the retries ended (429)."""


class UnavailableError(ApiError):
    """The service was unavailable until the retries ended (503)."""


class OutcomeUnknownError(UnavailableError):
    """The service does not know whether it executed the request: check before you send it again.

    Only for requests that cannot be repeated safely; launches can.
    """

    @property
    def ids(self) -> Sequence[str]:
        """The ids of what the request would have created or changed."""
        ids: Sequence[str] = self.body.get("ids", ())
        return ids


class WaitTimeoutError(ClientError, TimeoutError):
    """The wait timed out; the run or operation continues, and can be waited for again."""


class RunEndedError(ClientError):
    """The run ended without a result.

    Attributes:
        run: the run as it ended.
    """

    def __init__(self, run: RunDocument) -> None:
        reason = run.error_message or run.failure_reason or "without a word"
        super().__init__(f"run {run.id} of {run.slug} {run.status}: {reason}")
        self.run = run


class RunFailedError(RunEndedError):
    """The run failed."""


class RunCanceledError(RunEndedError):
    """The run was canceled, by a request or by its handler."""


class RunExpiredError(RunEndedError):
    """The run exceeded its timeout, or did not start by its deadline."""


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
        body: its JSON; None or any other value if it has none.
    """
    if not (isinstance(body, dict) and "code" in body):
        message = f"HTTP {status}, but no answer of AppHub Jobs: is the address right?"
        return ApiError(status, "not_apphub_jobs", message, {})
    code = str(body["code"])
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, ApiError)
    return kind(status, code, _message(body), body)


def _message(body: Mapping[str, Any]) -> str:
    issues = body.get("issues")
    problems = [
        f"{issue['path']}: {issue['message']}"
        for issue in (issues if isinstance(issues, list) else ())
        if isinstance(issue, dict) and {"path", "message"} <= issue.keys()
    ]
    return "; ".join(problems) or str(body.get("error"))


def ended_error(run: RunDocument) -> RunEndedError:
    """Return the error that a run without a result stands for."""
    kind = _BY_RUN_STATUS.get(run.status, RunFailedError)
    return kind(run)
