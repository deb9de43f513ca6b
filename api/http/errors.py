"""Every failure of the API: which status it has, and what its body says (contract, section 1)."""

import logging
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.access.principals import ForbiddenError, UnauthenticatedError
from api.http.around.heads import allowed_methods
from api.http.json_answer import JsonAnswer, bounded
from domain.errors import (
    ConflictError,
    DomainError,
    InvalidInputError,
    Issue,
    LogUnavailableError,
    NotFoundError,
    OutcomeUnknownError,
    OverloadedError,
    SubjectKeysUnavailableError,
    TooCostlyError,
    VersionConflictError,
)
from domain.json_values import escape
from eventlog.archive.files import ArchiveError
from eventlog.database.failures import is_unavailable
from worker.logs.run_logs import RunLogsUnavailableError

logger = logging.getLogger(__name__)


class UnsupportedMediaTypeError(Exception):
    """The body is not said to be JSON."""

    def __init__(self, content_type: str) -> None:
        sent = content_type or "none"
        super().__init__(
            f"send JSON with the header Content-Type: application/json, not {sent!r}"
        )


def install(app: FastAPI) -> None:
    """Let every error be answered as the contract says."""
    for error_class, handler in _HANDLERS.items():
        app.add_exception_handler(error_class, handler)


def failure(
    status: int,
    code: str,
    message: str,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> JsonAnswer:
    """Return the body of a failure that is no validation."""
    body = {"error": message, "code": code, **more}
    return JsonAnswer(body, status, headers)


def validation_failure(
    issues: Sequence[Issue],
    *,
    of_shape: bool = False,
    code: str = "validation_failed",
) -> JsonAnswer:
    """Return the body of a 400: by field for forms, by JSON Pointer for programs.

    Args:
        issues: what is wrong.
        of_shape: whether the body's own shape is: then an additional property of it is an unknown
            field, else one inside of a field that a client's schema describes.
        code: for programs.
    """
    issues = bounded(issues)
    form_errors: list[str] = []
    field_errors: dict[str, list[str]] = {}
    for issue in issues:
        path = issue.path.removeprefix("/")
        field, _, below = path.partition("/")
        is_additional = issue.keyword == "additionalProperties"
        is_unknown_field = of_shape and is_additional and not below
        if not field or is_unknown_field:
            form_errors.append(issue.message)
            continue
        message = issue.message
        if below:
            message = f"{below}: {message}"
        of_field = field_errors.setdefault(_unescape(field), [])
        of_field.append(message)
    body = {
        "error": {"formErrors": form_errors, "fieldErrors": field_errors},
        "code": code,
        "issues": [
            {"path": one.path, "message": one.message, "keyword": one.keyword}
            for one in issues
        ],
    }
    return JsonAnswer(body, 400)


_KEYWORDS = {
    "missing": "required",
    "extra_forbidden": "additionalProperties",
    "literal_error": "enum",
    "greater_than_equal": "minimum",
    "greater_than": "exclusiveMinimum",
    "less_than_equal": "maximum",
    "string_too_short": "minLength",
    "string_too_long": "maxLength",
    "string_pattern_mismatch": "pattern",
    "too_long": "maxItems",
    "too_many_fields": "maxProperties",
    "int_parsing": "type",
}


def _issue(error: dict[str, Any]) -> Issue:
    _, *location = cast("tuple[int | str, ...]", error["loc"])
    kind = cast("str", error["type"])
    parts = [escape(str(part)) for part in location]
    pointer = "".join(f"/{part}" for part in parts)
    if kind == "extra_forbidden":
        message = f"unknown field {location[-1]!r}"
    elif kind in {"dict_type", "model_type", "model_attributes_type"}:
        message = "must be an object"
    elif kind == "missing":
        message = "required"
    elif kind == "string_pattern_mismatch":
        context = error["ctx"]
        message = f"must match {context['pattern']}"
    else:
        message = _reworded(error["msg"])
    return Issue(pointer, message, _keyword(kind))


def _keyword(kind: str) -> str:
    if kind in _KEYWORDS:
        return _KEYWORDS[kind]
    if kind.endswith("_type"):
        return "type"
    return kind


def _reworded(message: str) -> str:
    message = message.removeprefix("Value error, ")
    message = message.replace("Input should be", "must be")
    return message.replace("String should have", "must have")


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


async def _request_invalid(_: Request, error: Exception) -> JsonAnswer:
    known = cast("RequestValidationError", error)
    issues = [_issue(one) for one in known.errors()]
    return validation_failure(issues, of_shape=True)


async def _input_invalid(_: Request, error: Exception) -> JsonAnswer:
    return validation_failure(cast("InvalidInputError", error).issues)


async def _too_costly(_: Request, error: Exception) -> JsonAnswer:
    known = cast("TooCostlyError", error)
    return validation_failure(known.issues, code=known.code)


async def _not_found(_: Request, error: Exception) -> JsonAnswer:
    return _domain_failure(404, error)


async def _conflict(_: Request, error: Exception) -> JsonAnswer:
    return _domain_failure(409, error)


def _domain_failure(status: int, error: Exception) -> JsonAnswer:
    known = cast("DomainError", error)
    return failure(status, known.code, known.message)


async def _version_conflict(_: Request, error: Exception) -> JsonAnswer:
    message = f"others kept changing the same thing; ask again ({error})"
    return failure(409, "version_conflict", message)


async def _log_unavailable(_: Request, error: Exception) -> JsonAnswer:
    logger.warning("answered 503: %s", error)
    message = (
        "the database is not reachable at the moment; nothing was written, ask again"
    )
    return failure(503, "log_unavailable", message, {"Retry-After": "1"})


async def _database_failed(request: Request, error: Exception) -> JsonAnswer:
    if is_unavailable(cast("psycopg.Error", error)):
        return await _log_unavailable(request, error)
    return await _internal(request, error)


async def _archive_unavailable(_: Request, error: Exception) -> JsonAnswer:
    logger.error("answered 503: %s", error)
    file = cast("ArchiveError", error).file
    message = f"this needs archived events, and {file} cannot be read at the moment"
    return failure(503, "archive_unavailable", message, {"Retry-After": "60"})


async def _subject_keys_unavailable(_: Request, error: Exception) -> JsonAnswer:
    logger.error("answered 503: %s", error)
    message = (
        "personal data cannot be read or written at the moment;"
        " nothing was written, see the service's own log"
    )
    return failure(503, "subject_keys_unavailable", message, {"Retry-After": "1"})


async def _run_logs_unavailable(_: Request, error: Exception) -> JsonAnswer:
    logger.warning("answered 503: the store of run logs: %s", error)
    message = "the store of run logs is not reachable at the moment, ask again"
    return failure(503, "run_logs_unavailable", message, {"Retry-After": "1"})


async def _outcome_unknown(_: Request, error: Exception) -> JsonAnswer:
    known = cast("OutcomeUnknownError", error)
    message = (
        "the database went away while it committed;"
        " look whether this id exists before you ask again"
    )
    return outcome_unknown(message, known.aggregate_ids)


def outcome_unknown(message: str, aggregate_ids: Sequence[UUID]) -> JsonAnswer:
    """Return the body of a failure after which something may have been written."""
    ids = [str(aggregate_id) for aggregate_id in aggregate_ids]
    asked_for = next(iter(ids), None)
    return failure(503, "outcome_unknown", message, id=asked_for, ids=ids)


async def _overloaded(_: Request, error: Exception) -> JsonAnswer:
    message = f"too many requests at the moment, nothing was written: {error}"
    return failure(429, "too_many_requests", message, {"Retry-After": "1"})


async def _unsupported(_: Request, error: Exception) -> JsonAnswer:
    return failure(415, "unsupported_media_type", str(error))


async def _unauthenticated(_: Request, error: Exception) -> JsonAnswer:
    return failure(401, "token_missing", str(error), {"WWW-Authenticate": "Bearer"})


async def _forbidden(_: Request, error: Exception) -> JsonAnswer:
    return failure(403, "token_insufficient", str(error))


async def _client_left(_: Request, error: Exception) -> JsonAnswer:
    """Answer nobody: the client left before its body was complete, and nothing was done."""
    del error
    return failure(400, "body_incomplete", "the body ended early")


_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


async def _http(request: Request, error: Exception) -> JsonAnswer:
    known = cast("HTTPException", error)
    status = known.status_code
    code = _HTTP_CODES.get(status, "http_error")
    headers = dict(known.headers or {})
    if code == "method_not_allowed":
        methods = allowed_methods(request)
        headers["Allow"] = ", ".join(sorted(methods))
    message = str(known.detail).lower()
    return failure(status, code, message, headers)


async def _internal(_: Request, error: Exception) -> JsonAnswer:
    logger.error("unexpected failure", exc_info=error)
    return failure(
        500, "internal_error", "an unexpected failure; the service's own log says more"
    )


_HANDLERS: dict[type[Exception], Any] = {
    RequestValidationError: _request_invalid,
    InvalidInputError: _input_invalid,
    TooCostlyError: _too_costly,
    NotFoundError: _not_found,
    ConflictError: _conflict,
    VersionConflictError: _version_conflict,
    ArchiveError: _archive_unavailable,
    LogUnavailableError: _log_unavailable,
    SubjectKeysUnavailableError: _subject_keys_unavailable,
    psycopg.Error: _database_failed,
    RunLogsUnavailableError: _run_logs_unavailable,
    OutcomeUnknownError: _outcome_unknown,
    OverloadedError: _overloaded,
    UnsupportedMediaTypeError: _unsupported,
    UnauthenticatedError: _unauthenticated,
    ForbiddenError: _forbidden,
    ClientDisconnect: _client_left,
    HTTPException: _http,
    Exception: _internal,
}
