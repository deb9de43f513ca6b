"""Strict requests: bodies are limited, parsed and normalised, or refused, before pydantic.

First the limit of their length (`BodyLimit`), then routes that parse them (`StrictJsonRoute`), then
the parsing itself.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import header
from api.http.dependencies import MayRead, conditions, origin_of, reader_of, refuse_unknown_names
from api.http.errors import MAX_ISSUES, UnsupportedMediaTypeError, failure
from api.http.limits import MAX_BODY_BYTES
from domain.errors import InvalidInputError, Issue, refuse
from domain.json_values import InvalidJsonError, Json, parse


class BodyLimit:
    """Middleware that answers 413 to bodies that are too long, before or while they are read.

    FastAPI's own limit answers in plain text. A client that continues to send after the answer is
    handled by its connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on, or answer 413."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        declared = _declared_length(scope)
        if declared is None:
            return self._app(scope, _counting(receive), send)
        if declared <= MAX_BODY_BYTES:  # Servers pass on no more than was declared.
            return self._app(scope, receive, send)
        return failure(413, "body_too_large", _TOO_LARGE, _CLOSE)(scope, receive, send)


def _declared_length(scope: Scope) -> int | None:
    """Return the body's `Content-Length`; None without one, or with a transfer encoding."""
    content_length = b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            content_length = value
        elif name == b"transfer-encoding":
            return None
    if not content_length.isdigit():
        return None
    return int(content_length)


def _counting(receive: Receive) -> Receive:
    received_bytes = 0

    async def receive_counting() -> Message:
        nonlocal received_bytes
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE, _CLOSE)
        return message

    return receive_counting


_CLOSE = {"Connection": "close"}

_TOO_LARGE = f"the body is larger than {MAX_BODY_BYTES} bytes"


class StrictJsonRoute(APIRoute):
    """A route whose body is parsed by `domain.json_values`.

    Unknown query parameters are refused, and so are the fields of a body where none is taken.
    """

    takes_any_body = False
    """Whether a body is ignored where none is taken."""

    def _query_names(self) -> frozenset[str] | None:
        """Return the names of query parameters, None if they are checked elsewhere."""
        if any(dependency.call is conditions for dependency in self.dependant.dependencies):
            return None
        parameters = get_flat_params(self.dependant)
        return frozenset(
            parameter.alias for parameter in parameters if isinstance(parameter.field_info, Query)
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, which gets parsed bodies."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None
        is_command = not _WITHOUT_BODY.issuperset(self.methods or ())
        refuses_body = is_command and not (takes_body or self.takes_any_body)
        names = self._query_names()
        integers = _integer_names(self.dependant)
        # Some routes take a body and write nothing.
        only_reads = any(
            dependency.call is MayRead.dependency for dependency in self.dependant.dependencies
        )
        authorize = reader_of if only_reads else origin_of

        async def handle_parsed(request: Request) -> Response:
            if names is not None and request.scope["query_string"]:
                # First, so that clients without a token do not learn the names of parameters.
                authorize(request)
                refuse_unknown_names(request, names)
            if integers and request.scope["query_string"]:
                authorize(request)
                _refuse_odd_integers(request, integers)
            if refuses_body:
                authorize(request)
                await _refuse_body(request)
            if takes_body:
                # First, so that the body of a client without the right to do this is not read.
                authorize(request)
                request = _ParsedRequest(request.scope, request.receive)
                await request.parse()
            return await handle(request)

        return handle_parsed


_WITHOUT_BODY = {"GET", "HEAD"}
"""Methods whose bodies nobody reads."""


def _integer_names(dependant: Dependant) -> frozenset[str]:
    """Return the names of query parameters that are integers."""
    return frozenset(
        parameter.alias
        for parameter in get_flat_params(dependant)
        if isinstance(parameter.field_info, Query)
        and parameter.field_info.annotation in (int, int | None)
    )


_INTEGER = re.compile(r"-?[0-9]+")


def _refuse_odd_integers(request: Request, names: Collection[str]) -> None:
    """Raise InvalidInputError for `1_0`, `+1` and `1.0`, which pydantic would read as numbers."""
    message = "must be a whole number in digits, such as 25"
    issues = [
        Issue(f"/{name}", message, "type")
        for name, value in request.query_params.items()
        if name in names and not _INTEGER.fullmatch(value)
    ]
    refuse(issues)


async def _refuse_body(request: Request) -> None:
    """Raise an error for a body that says something; `{}` says nothing.

    A client that sends fields expects them to have an effect.
    """
    document = await parsed_body(request, await request.body())
    if document is None or document == {}:
        return
    if not isinstance(document, dict) or len(document) > MAX_ISSUES:
        raise InvalidInputError([Issue("", "no body is taken here; leave it out", "maxProperties")])
    raise RequestValidationError(
        [{"type": "extra_forbidden", "loc": ("body", name)} for name in document]
    )


class PlatformRoute(StrictJsonRoute):
    """A route for the platform's own clients.

    It ignores query parameters that it does not know, and a body where it takes none.
    """

    takes_any_body = True

    def _query_names(self) -> None:
        return None


class _ParsedRequest(Request):
    async def parse(self) -> None:
        raw = await self.body()
        self._parsed = await parsed_body(self, raw)
        if not raw.strip():
            self._body = b""

    async def json(self) -> Any:
        """Return the parsed body to FastAPI."""
        return self._parsed


async def read_body(receive: Receive) -> bytes:
    """Return a request's body.

    Raises:
        ClientDisconnect: the client left before the end.
    """
    pieces: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


async def parsed_body(request: HTTPConnection, raw: bytes) -> Json:
    """Return the parsed and normalised body; None if it is empty.

    Raises:
        UnsupportedMediaTypeError: its content type is not JSON, or it is compressed.
        InvalidInputError: it is not JSON, or holds values that cannot be stored.
    """
    if not raw.strip():
        return None
    content_type = header(request, b"content-type") or ""
    if content_type != _JSON and not _JSON_TYPE.match(content_type):
        sent = content_type or "none"
        message = f"send JSON with the header Content-Type: application/json, not {sent!r}"
        raise UnsupportedMediaTypeError(message)
    try:
        if len(raw) <= _SMALL_BYTES:
            return parse(raw)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_PARSER, parse, raw)
    except InvalidJsonError as error:
        encoding = header(request, b"content-encoding")
        if encoding is not None:
            message = f"send the body as it is, without the header Content-Encoding: {encoding}"
            raise UnsupportedMediaTypeError(message) from None
        raise InvalidInputError([Issue(error.pointer, error.message, "json")]) from None


_JSON = "application/json"

_JSON_TYPE = re.compile(r"\s*application/([^\s;,]+\+)?json\s*(;|$)", re.ASCII | re.IGNORECASE)
"""FastAPI reads no others as JSON."""

_PARSER = ThreadPoolExecutor(1, "json")
"""One thread: with several the event loop would wait longer for the interpreter's lock."""

_SMALL_BYTES = 65_536
"""Larger bodies are parsed in a thread: a megabyte may take a tenth of a second."""
