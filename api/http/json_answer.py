"""Answers as JSON bytes, in the envelope that clients expect."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from domain.json_values import Json

_CONTENT_TYPE = (b"content-type", b"application/json")


class JsonAnswer(Response):
    """A body of plain JSON, written once and by the codec of the log."""

    media_type = "application/json"

    def __init__(
        self, content: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        if headers:
            super().__init__(orjson.dumps(content), status, headers)
            return
        # What the framework's own constructor comes to, at a fraction of its cost.
        self.status_code = status
        self.background = None
        self.body = body = orjson.dumps(content)
        self.raw_headers = [(b"content-length", b"%d" % len(body)), _CONTENT_TYPE]


def data(value: Json, status: int = 200) -> JsonAnswer:
    """Return a success."""
    return JsonAnswer({"data": value}, status)


def page(items: object, meta: Mapping[str, object]) -> JsonAnswer:
    """Return a success with a list, and where in a longer one that lies."""
    return JsonAnswer({"data": items, "meta": meta})
