"""Responses of one form: successes as JSON, and every failure (contract, section 1).

First the envelope of successes (`data`, `page`), then the status and the body, of bounded size, of
each failure.
"""

import logging
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from http import HTTPMethod
from typing import Any, cast

import orjson
import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match

from api.access import ForbiddenError, UnauthenticatedError
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
from domain.json_values import Json, JsonObject, escape
from domain.schema.dialects import shortened
from eventlog.archive.files import ArchiveError
from eventlog.database.failures import is_unavailable
from worker.logs.run_logs import RunLogsUnavailableError

JSON = "application/json"

_CONTENT_TYPE = (b"content-type", JSON.encode())

NO_STORE = {"Cache-Control": "no-store"}
"""Headers of responses that grow or are private: no browser and no proxy keeps them."""


class JsonResponse(Response):
    """A response in JSON, encoded by orjson as the log is."""

    media_type = JSON

    def __init__(
        self, content: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        if headers:
            super().__init__(orjson.dumps(content), status, headers)
            return
        # Does what Starlette's constructor does, at a fraction of its cost.
        self.status_code = status
        self.background = None
        self.body = body = orjson.dumps(content)
        self.raw_headers = [(b"content-length", b"%d" % len(body)), _CONTENT_TYPE]


def data(value: Json, status: int = 200) -> JsonResponse:
    """Return a success."""
    return JsonResponse({"data": value}, status)


def stream_data(parts: AsyncIterator[Iterable[JsonObject]]) -> StreamingResponse:
    """Return a success that streams a list, part by part: one part at a time is in memory."""
    return StreamingResponse(_encode_parts(parts), media_type=JSON)


async def _encode_parts(parts: AsyncIterator[Iterable[JsonObject]]) -> AsyncIterator[bytes]:
    yield b'{"data":['
    separator = b""
    async for items in parts:
        text = b",".join(map(orjson.dumps, items))
        if text:
            yield separator + text
            separator = b","
    yield b"]}"


def page(items: object, meta: Mapping[str, object]) -> JsonResponse:
    """Return a success with one page of a list."""
    return JsonResponse({"data": items, "meta": meta})


def page_meta(count: int, total: int, limit: int | None, offset: int) -> JsonObject:
    """Return the `meta` of a page.

    Args:
        count: items on the page.
        total: items on all pages.
        limit: the request's.
        offset: items before the page.
    """
    end = offset + count
    has_more = count > 0 and end < total
    return {
        "total": total,
        "count": count,
        "limit": limit,
        "offset": offset,
        "nextOffset": end if has_more else None,
        "hasMore": has_more,
    }


MAX_ISSUES = 100
MAX_CHARACTERS = 65_536
"""A longer answer helps no client; a body of a megabyte can be wrong in a hundred thousand ways."""


def bounded_issues(issues: Sequence[Issue]) -> list[Issue]:
    """Return the first issues, shortened; if any are left out, a last one counts them."""
    kept: list[Issue] = []
    characters = 0
    for issue in issues[:MAX_ISSUES]:
        path = shortened(issue.path)
        message = shortened(issue.message)
        characters += len(path) + len(message)
        if characters > MAX_CHARACTERS:
            break
        kept.append(Issue(path, message, issue.keyword))
    omitted = len(issues) - len(kept)
    if omitted:
        kept.append(Issue("", f"and {omitted} more", "maxIssues"))
    return kept


logger = logging.getLogger(__name__)


class UnsupportedMediaTypeError(Exception):
    """The body is not JSON, or encoded; the message says what to send."""


def install(app: FastAPI) -> None:
    """Add the handlers of all exceptions to the application."""
    for error_class, handler in _HANDLERS.items():
        app.add_exception_handler(error_class, handler)


def failure(
    status: int, code: str, message: str, headers: dict[str, str] | None = None, **fields: Any
) -> JsonResponse:
    """Return the response to a failure that is no validation; `fields` are added to its body."""
    return JsonResponse({"error": message, "code": code, **fields}, status, headers)


def validation_failure(
    issues: Sequence[Issue], *, of_shape: bool = False, code: str = "validation_failed"
) -> JsonResponse:
    """Return a 400 with the issues by field, for forms, and by JSON Pointer, for programs.

    Args:
        issues: the broken rules.
        of_shape: whether the rules are those of the body's own shape: then a top-level
            `additionalProperties` is an unknown field of the body. Else the rules are those of a
            client's schema, and it belongs to a field of the body.
        code: the error's code.
    """
    issues = bounded_issues(issues)
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
        name = field.replace("~1", "/").replace("~0", "~")
        field_errors.setdefault(name, []).append(message)
    body = {
        "error": {"formErrors": form_errors, "fieldErrors": field_errors},
        "code": code,
        "issues": [
            {"path": issue.path, "message": issue.message, "keyword": issue.keyword}
            for issue in issues
        ],
    }
    return JsonResponse(body, 400)


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
    "too_short": "minItems",
    "value_error": "format",
    "too_many_fields": "maxProperties",
    "int_parsing": "type",
    "int_parsing_size": "maximum",
    "bool_parsing": "type",
}


def shape_issue(error: Mapping[str, Any], *, is_of_request: bool = False) -> Issue:
    """Return an error of pydantic as an issue.

    Args:
        error: one of `ValidationError.errors()`.
        is_of_request: whether FastAPI has put `body`, `query` or the like before its location.
    """
    location = cast("tuple[int | str, ...]", error["loc"])
    if is_of_request:
        location = location[1:]
    kind = cast("str", error["type"])
    is_of_name = location[-1:] == (_NAME_OF_MEMBER,) and kind != "extra_forbidden"
    if is_of_name:
        location = location[:-1]
    parts = [escape(str(part)) for part in location]
    pointer = "".join(f"/{part}" for part in parts)
    if kind == "extra_forbidden":
        message = f"unknown field {location[-1]!r}"
    elif kind in {"dict_type", "model_type", "model_attributes_type"}:
        message = "must be an object"
    elif kind == "missing":
        message = "required" if location else "a body is required: send an object as JSON"
    elif kind == "bool_parsing":
        message = "must be true or false"
    elif kind == "int_parsing_size":
        message = "has too many digits"
    elif kind == "string_pattern_mismatch":
        context = error["ctx"]
        message = f"must match {context['pattern']}"
    else:
        message = _reworded(error["msg"])
    if is_of_name:
        message = f"this name {message}"
    return Issue(pointer, message, _keyword(kind))


_NAME_OF_MEMBER = "[key]"
"""Pydantic's last part of a location where a member's name is wrong, not its value."""


def _keyword(kind: str) -> str:
    if kind in _KEYWORDS:
        return _KEYWORDS[kind]
    if kind.endswith("_type"):
        return "type"
    return kind


def _reworded(message: str) -> str:
    message = message.removeprefix("Value error, ")
    message = message.replace("Input should be", "must be")
    message = message.replace(" after validation, not", ", not")
    return _SHOULD_HAVE.sub("must have", message)


_SHOULD_HAVE = re.compile(r"^(String|List|Dictionary) should have")


async def _request_invalid(_: Request, error: Exception) -> JsonResponse:
    errors = cast("RequestValidationError", error).errors()
    issues = [shape_issue(details, is_of_request=True) for details in errors]
    return validation_failure(issues, of_shape=True)


async def _input_invalid(_: Request, error: Exception) -> JsonResponse:
    return validation_failure(cast("InvalidInputError", error).issues)


async def _too_costly(_: Request, error: Exception) -> JsonResponse:
    too_costly = cast("TooCostlyError", error)
    return validation_failure(too_costly.issues, code=too_costly.code)


async def _not_found(_: Request, error: Exception) -> JsonResponse:
    return _domain_failure(404, error)


async def _conflict(_: Request, error: Exception) -> JsonResponse:
    return _domain_failure(409, error)


def _domain_failure(status: int, error: Exception) -> JsonResponse:
    domain_error = cast("DomainError", error)
    return failure(status, domain_error.code, domain_error.message)


async def _version_conflict(_: Request, error: Exception) -> JsonResponse:
    message = f"others kept changing the same thing; try again ({error})"
    return failure(409, "version_conflict", message)


async def _log_unavailable(_: Request, error: Exception) -> JsonResponse:
    logger.warning("answered 503: %s", error)
    message = "the database is not reachable at the moment; nothing was written, try again"
    return failure(503, "log_unavailable", message, {"Retry-After": "1"})


async def _database_failed(request: Request, error: Exception) -> JsonResponse:
    if is_unavailable(cast("psycopg.Error", error)):
        return await _log_unavailable(request, error)
    return await _internal(request, error)


async def _archive_unavailable(_: Request, error: Exception) -> JsonResponse:
    logger.error("answered 503: %s", error)
    file = cast("ArchiveError", error).file
    message = f"this needs archived events, and {file} cannot be read at the moment"
    return failure(503, "archive_unavailable", message, {"Retry-After": "60"})


async def _subject_keys_unavailable(_: Request, error: Exception) -> JsonResponse:
    logger.error("answered 503: %s", error)
    message = (
        "personal data cannot be read or written at the moment;"
        " nothing was written, see the service's own log"
    )
    return failure(503, "subject_keys_unavailable", message, {"Retry-After": "1"})


async def _run_logs_unavailable(_: Request, error: Exception) -> JsonResponse:
    logger.warning("answered 503: the store of run logs: %s", error)
    message = "the store of run logs is not reachable at the moment, try again"
    return failure(503, "run_logs_unavailable", message, {"Retry-After": "1"})


async def _outcome_unknown(_: Request, error: Exception) -> JsonResponse:
    message = (
        "the connection to the database was lost during the commit;"
        " check whether this id exists before you try again"
    )
    return outcome_unknown(message, cast("OutcomeUnknownError", error).ids)


def outcome_unknown(message: str, ids: Sequence[str]) -> JsonResponse:
    """Return the response to a failure after which something may have been written.

    Args:
        message: for people.
        ids: of the aggregates that may have been written; the first one is also the field `id`.
    """
    return failure(503, "outcome_unknown", message, id=next(iter(ids), None), ids=[*ids])


async def _overloaded(_: Request, error: Exception) -> JsonResponse:
    message = f"too many requests at the moment, nothing was written: {error}"
    return failure(429, "too_many_requests", message, {"Retry-After": "1"})


async def _unsupported(_: Request, error: Exception) -> JsonResponse:
    return failure(415, "unsupported_media_type", str(error))


async def _unauthenticated(_: Request, error: Exception) -> JsonResponse:
    return failure(401, "token_missing", str(error), {"WWW-Authenticate": "Bearer"})


async def _forbidden(_: Request, error: Exception) -> JsonResponse:
    return failure(403, "token_insufficient", str(error))


async def _client_left(_: Request, error: Exception) -> JsonResponse:
    # The client left before its body was complete: nothing was done, and this is not read.
    del error
    return failure(400, "body_incomplete", "the body ended early")


_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


async def _http(request: Request, error: Exception) -> JsonResponse:
    exception = cast("HTTPException", error)
    code = _HTTP_CODES.get(exception.status_code, "http_error")
    headers = dict(exception.headers or {})
    if code == "method_not_allowed":
        headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
    return failure(exception.status_code, code, str(exception.detail).lower(), headers)


def _allowed_methods(request: Request) -> set[str]:
    """Return the methods of all routes of the path; Starlette names only those of the first."""
    methods = {method.value for method in HTTPMethod if _has_route(request, method)}
    if HTTPMethod.GET in methods:
        methods.add(HTTPMethod.HEAD.value)
    return methods


def _has_route(request: Request, method: HTTPMethod) -> bool:
    scope = {key: request.scope[key] for key in ("type", "path", "root_path")}
    scope["method"] = method.value
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


REQUEST_ID = "request_id"
"""Key in a request's state: its `X-Request-Id`."""


async def _internal(request: Request, error: Exception) -> JsonResponse:
    logger.error("unexpected failure", exc_info=error)
    # This response passes through no middleware but Starlette's own.
    headers = {"X-Request-Id": request.scope["state"][REQUEST_ID]}
    message = "an unexpected failure; the service's own log says more"
    return failure(500, "internal_error", message, headers)


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
