"""Answers as JSON bytes, in the envelope that clients expect, and of bounded size."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse

from domain.errors import Issue
from domain.json_values import Json, JsonObject
from domain.schema.dialects import shortened

JSON = "application/json"

_CONTENT_TYPE = (b"content-type", JSON.encode())

NOT_KEPT = {"Cache-Control": "no-store"}
"""Headers of what grows, or is for the one who asked alone: no browser and no proxy keeps it."""


class JsonAnswer(Response):
    """A body of plain JSON, written once and by the codec of the log."""

    media_type = JSON

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


def data_in_parts(parts: AsyncIterator[Iterable[JsonObject]]) -> StreamingResponse:
    """Return a success with a list of any length: no more than a part of it is in memory."""
    return StreamingResponse(_in_parts(parts), media_type=JSON)


async def _in_parts(parts: AsyncIterator[Iterable[JsonObject]]) -> AsyncIterator[bytes]:
    yield b'{"data":['
    separator = b""
    async for items in parts:
        text = b",".join(map(orjson.dumps, items))
        if text:
            yield separator + text
            separator = b","
    yield b"]}"


def page(items: object, meta: Mapping[str, object]) -> JsonAnswer:
    """Return a success with a list, and where in a longer one that lies."""
    return JsonAnswer({"data": items, "meta": meta})


def page_meta(count: int, total: int, limit: int | None, offset: int) -> JsonObject:
    """Return where a page of so many items lies in a list of which the length is known."""
    end = offset + count
    has_more = count > 0 and end < total
    next_offset: int | None = None
    if has_more:
        next_offset = end
    return {
        "total": total,
        "count": count,
        "limit": limit,
        "offset": offset,
        "nextOffset": next_offset,
        "hasMore": has_more,
    }


MAX_ISSUES = 100
MAX_CHARACTERS = 65_536
"""More than this helps nobody, and a body of a megabyte can be wrong in a hundred thousand ways."""


def bounded(issues: Sequence[Issue]) -> list[Issue]:
    """Return the first issues, shortened; the last one tells how many more there are."""
    shown: list[Issue] = []
    characters = 0
    for issue in issues[:MAX_ISSUES]:
        path = shortened(issue.path)
        message = shortened(issue.message)
        characters += len(path) + len(message)
        if characters > MAX_CHARACTERS:
            break
        shown.append(Issue(path, message, issue.keyword))
    more = len(issues) - len(shown)
    if more:
        shown.append(Issue("", f"and {more} more", "maxIssues"))
    return shown
