"""Every failure of the API, in one place: which status it has and what its body says (contract, section 1)."""

import logging
from collections.abc import Iterable, Sequence
from http import HTTPMethod
from typing import Any, cast

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from api.access.principals import ForbiddenError, UnauthenticatedError
from api.http.bounded_issues import bounded
from api.http.json_answer import JsonAnswer
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
    VersionConflictError,
)
from domain.json_values import escape
from eventlog.archive.files import ArchiveError
from worker.logs.run_logs import RunLogsUnavailableError

logger = logging.getLogger(__name__)


class UnsupportedMediaTypeError(Exception):
    """The body is not said to be JSON."""

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"send JSON with the header Content-Type: application/json, not {content_type or 'none'!r}"
        )


def install(app: FastAPI) -> None:
    """Let every error be answered as the contract says."""
    for error_class, handler in _HANDLERS.items():
        app.add_exception_handler(error_class, handler)


def failure(
    status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: Any
) -> JsonAnswer:
    """Return the body of a failure that is no validation."""
    return JsonAnswer({"error": message, "code": code, **more}, status, headers)


def validation_failure(issues: Sequence[Issue]) -> JsonAnswer:
    """Return the body of a 400: by field for forms, by JSON Pointer for programs."""
    issues = bounded(issues)
    form_errors: list[str] = []
    field_errors: dict[str, list[str]] = {}
    for issue in issues:
        field, _, below = issue.path.removeprefix("/").partition("/")
        top_level_unknown = issue.keyword == "additionalProperties" and not below
        if field and not top_level_unknown:
            message = f"{below}: {issue.message}" if below else issue.message
            field_errors.setdefault(_unescape(field), []).append(message)
        else:
            form_errors.append(issue.message)
    error = {"formErrors": form_errors, "fieldErrors": field_errors}
    body = {
        "error": error,
        "code": "validation_failed",
        "issues": [vars(issue) for issue in issues],
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
    location = cast("tuple[int | str, ...]", error["loc"])[1:]
    kind = cast("str", error["type"])
    keyword = _KEYWORDS.get(kind, "type" if kind.endswith("_type") else kind)
    message = (
        cast("str", error["msg"])
        .removeprefix("Value error, ")
        .replace("Input should be", "must be")
        .replace("String should have", "must have")
    )
    if kind == "extra_forbidden":
        message = f"unknown field {location[-1]!r}"
    elif kind in {"dict_type", "model_type", "model_attributes_type"}:
        message = "must be an object"
    elif kind == "missing":
        message = "required"
    elif kind == "string_pattern_mismatch":
        message = f"must match {error['ctx']['pattern']}"
    return Issue("".join(f"/{escape(str(part))}" for part in location), message, keyword)


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


async def _request_invalid(_: Request, error: Exception) -> JsonAnswer:
    errors: Iterable[Any] = cast("RequestValidationError", error).errors()
    return validation_failure([_issue(one) for one in errors])


async def _input_invalid(_: Request, error: Exception) -> JsonAnswer:
    return validation_failure(cast("InvalidInputError", error).issues)


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
    message = "the database is not reachable at the moment; nothing was written, ask again"
    return failure(503, "log_unavailable", message, {"Retry-After": "1"})


async def _archive_unavailable(_: Request, error: Exception) -> JsonAnswer:
    logger.error("answered 503: %s", error)
    message = f"this needs archived events, and {cast('ArchiveError', error).file} cannot be read at the moment"
    return failure(503, "archive_unavailable", message, {"Retry-After": "60"})


async def _subject_keys_unavailable(_: Request, error: Exception) -> JsonAnswer:
    logger.error("answered 503: %s", error)
    message = "personal data cannot be read or written at the moment; nothing was written, see the service's own log"
    return failure(503, "subject_keys_unavailable", message, {"Retry-After": "1"})


async def _run_logs_unavailable(_: Request, error: Exception) -> JsonAnswer:
    logger.warning("answered 503: the store of run logs: %s", error)
    message = "the store of run logs is not reachable at the moment, ask again"
    return failure(503, "run_logs_unavailable", message, {"Retry-After": "1"})


async def _outcome_unknown(_: Request, error: Exception) -> JsonAnswer:
    ids = [str(aggregate_id) for aggregate_id in cast("OutcomeUnknownError", error).aggregate_ids]
    message = "the database went away while it committed; look whether this id exists before you ask again"
    return failure(503, "outcome_unknown", message, id=ids[0] if ids else None, ids=ids)


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
    code = _HTTP_CODES.get(known.status_code, "http_error")
    headers = dict(known.headers or {})
    if code == "method_not_allowed":
        headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
    return failure(known.status_code, code, str(known.detail).lower(), headers)


def _allowed_methods(request: Request) -> set[str]:
    """Return the methods that some route of the path takes; the framework names those of the first route only."""
    place = {key: request.scope[key] for key in ("type", "path", "root_path")}
    return {
        method.value
        for method in HTTPMethod
        if any(
            route.matches({**place, "method": method.value})[0] is Match.FULL
            for route in request.app.routes
        )
    }


async def _internal(_: Request, error: Exception) -> JsonAnswer:
    logger.error("unexpected failure", exc_info=error)
    return failure(500, "internal_error", "an unexpected failure; the service's own log says more")


_HANDLERS: dict[type[Exception], Any] = {
    RequestValidationError: _request_invalid,
    InvalidInputError: _input_invalid,
    NotFoundError: _not_found,
    ConflictError: _conflict,
    VersionConflictError: _version_conflict,
    ArchiveError: _archive_unavailable,
    LogUnavailableError: _log_unavailable,
    SubjectKeysUnavailableError: _subject_keys_unavailable,
    psycopg.OperationalError: _log_unavailable,
    psycopg.InterfaceError: _log_unavailable,
    PoolTimeout: _log_unavailable,
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
