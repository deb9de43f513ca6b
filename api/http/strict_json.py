"""JSON bodies as the contract wants them: normalised or refused before any model sees them."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import header
from api.http.dependencies import conditions, origin_of, reader_of
from api.http.errors import UnsupportedMediaTypeError, failure
from api.http.limits import MAX_BODY_BYTES
from api.http.query_names import refuse_unknown_names
from domain.errors import InvalidInputError, Issue
from domain.json_values import InvalidJsonError, Json, parse


class BodyLimit:
    """Refuses longer bodies as the contract words it, before they are read or while they come.

    FastAPI's own limit answers a declared length with plain text. Whoever sends on although it was
    answered is the connection's business, which closes gently.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = _declared_length(scope)
        if declared is None:
            await self._app(scope, _counting(receive), send)
        elif declared <= MAX_BODY_BYTES:  # No server hands over more than was declared.
            await self._app(scope, receive, send)
        else:
            await failure(413, "body_too_large", _TOO_LARGE, _CLOSE)(scope, receive, send)


def _declared_length(scope: Scope) -> int | None:
    """Return how long the body is said to be; None if that is unknown, or overruled."""
    declared = b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            declared = value
        elif name == b"transfer-encoding":
            return None
    if not declared.isdigit():
        return None
    return int(declared)


def _counting(receive: Receive) -> Receive:
    received = 0

    async def receive_counting() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE, _CLOSE)
        return message

    return receive_counting


_CLOSE = {"Connection": "close"}

_TOO_LARGE = f"the body is larger than {MAX_BODY_BYTES} bytes"


class StrictJsonRoute(APIRoute):
    """A route whose body, if it takes one, is parsed by `domain.json_values`.

    A query with a name that nothing reads is refused.
    """

    def _names(self) -> frozenset[str] | None:
        """Return what may stand in a query, None where that is looked at elsewhere."""
        if any(one.call is conditions for one in self.dependant.dependencies):
            return None
        parameters = get_flat_params(self.dependant)
        return frozenset(
            parameter.alias for parameter in parameters if isinstance(parameter.field_info, Query)
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind our parser."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None
        names = self._names()

        async def handle_parsed(request: Request) -> Response:
            if names is not None and request.scope["query_string"]:
                _refuse_strangers(request)
                refuse_unknown_names(request, names)
            # Strangers' bodies are not even looked at; all that takes a body writes.
            if takes_body:
                origin_of(request)
                request = _ParsedRequest(request.scope, request.receive)
                await request.parse()
            return await handle(request)

        return handle_parsed


def _refuse_strangers(request: Request) -> None:
    if request.method == "GET":
        reader_of(request)
    else:
        origin_of(request)


class PlatformRoute(StrictJsonRoute):
    """The same for the platform's own clients, whose queries may have names that we do not know."""

    def _names(self) -> None:
        return None


class _ParsedRequest(Request):
    async def parse(self) -> None:
        raw = await self.body()
        self._parsed = await parsed_body(self, raw)
        if not raw.strip():
            self._body = b""

    async def json(self) -> Any:
        """Return what `parse` found; FastAPI asks for it."""
        return self._parsed


async def read_body(receive: Receive) -> bytes:
    """Return a request's body; it mostly comes in one piece."""
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
    """Return the body as sent, normalised; None where there was none.

    Raises:
        UnsupportedMediaTypeError: it is not said to be JSON.
        InvalidInputError: it is no JSON, or none that can be kept.
    """
    if not raw.strip():
        return None
    content_type = header(request, b"content-type") or ""
    if content_type != _JSON:
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type != _JSON and not media_type.endswith("+json"):
            raise UnsupportedMediaTypeError(content_type)
    try:
        if len(raw) <= _QUICK_BYTES:
            return parse(raw)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_PARSER, parse, raw)
    except InvalidJsonError as error:
        raise InvalidInputError([Issue(error.pointer, error.message, "json")]) from None


_JSON = "application/json"

_PARSER = ThreadPoolExecutor(1, "json")
"""One thread alone: several would keep the loop waiting for the interpreter's lock."""

_QUICK_BYTES = 65_536
"""A megabyte may take a tenth of a second to parse, and others shall not wait for it."""
