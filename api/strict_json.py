"""JSON bodies as the contract wants them: JSON by its name, normalised or refused, before any model sees them."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.errors import UnsupportedMediaTypeError
from domain.errors import InvalidInputError, Issue
from domain.json_values import InvalidJsonError, Json, JsonObject, parse

MAX_BODY_BYTES = 1_048_576
"""Parameters are read with every list of runs; a megabyte is generous, and far from what hurts the log."""

_STATE_KEY = "sent_body"


class StrictJsonRoute(APIRoute):
    """A route whose body, if it takes one, is parsed by `domain.json_values`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind our parser."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle_parsed(request: Request) -> Response:
            if takes_body:
                request = _ParsedRequest(request.scope, request.receive)
                await request.parse()
            return await handle(request)

        return handle_parsed


class _ParsedRequest(Request):
    async def parse(self) -> None:
        raw = await self.body()
        if not raw.strip():
            self._body = b""
            return
        content_type = self.headers.get("content-type", "")
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise UnsupportedMediaTypeError(content_type)
        try:
            self._parsed: Json = parse(raw)
        except InvalidJsonError as error:
            raise InvalidInputError([Issue(error.pointer, error.message, "json")]) from None
        self.scope["state"][_STATE_KEY] = self._parsed

    async def json(self) -> Any:
        """Return what `parse` found; FastAPI asks for it."""
        return self._parsed


def sent_body(request: Request) -> JsonObject:
    """Return the body as sent, normalised; `{}` where there was none."""
    body = request.scope["state"].get(_STATE_KEY)
    return body if isinstance(body, dict) else {}
