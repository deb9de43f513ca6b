"""`GET /apps` and `GET /tags/suggest`: looking for apps, in a catalog of any size."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, get_args

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from api.bootstrap.service import Service
from api.http.dependencies import (
    MayRead,
    Offset,
    ServiceDep,
    known_parts,
    parts_of,
    storable,
)
from api.http.json_answer import JSON, JsonAnswer, data, page_meta
from api.http.strict_json import PlatformRoute
from api.shapes.base import Data, failures
from api.shapes.catalog.lists import AppList, TagSuggestion
from domain.catalog.repository_state import IngestStatus
from domain.clock import to_iso
from domain.errors import InvalidInputError, Issue
from domain.json_values import JsonObject
from eventlog.database.connection import borrowed, snapshot
from projections.apps import facets, search
from projections.apps.filter import AppFilter, Sort, with_text
from projections.apps.relevance import WEIGHTS
from projections.apps.suggestions import suggestions

router = APIRouter(route_class=PlatformRoute, tags=["apps"])

MAX_SEARCH = 200

_TIME = "a day or a time, ISO 8601; without an offset it is UTC"


@router.get(
    "/apps",
    response_model=AppList,
    responses=failures(400),
    dependencies=[MayRead],
    description="List apps. Whatever the page, `total` and `facets` count all apps that the"
    " filters let pass.",
)
async def list_apps(  # noqa: PLR0913 - one for each query parameter
    service: ServiceDep,
    q: Annotated[
        str,
        Query(
            max_length=MAX_SEARCH,
            description="words: each begins a word of name, description, tags, id or URL",
        ),
    ] = "",
    tags: Annotated[
        str,
        Query(
            max_length=2_000,
            description="`key:value` or `key`; of several, with commas or blanks between"
            " them, an app has all",
        ),
    ] = "",
    status: Annotated[
        str,
        Query(
            description="one ingestion status, or several with commas or blanks between"
            " them"
        ),
    ] = "",
    sort: Annotated[
        Sort | None,
        Query(
            description="`relevance` for the words of `q`, which is usual where there are"
            " any; `updated`, the newest first, else; or `name`"
        ),
    ] = None,
    ingested_after: Annotated[
        str,
        Query(
            alias="ingestedAfter",
            max_length=40,
            description=f"the last ingestion ended then or later: {_TIME}",
        ),
    ] = "",
    ingested_before: Annotated[
        str,
        Query(
            alias="ingestedBefore",
            max_length=40,
            description=f"the last ingestion ended then or earlier: {_TIME}",
        ),
    ] = "",
    limit: Annotated[
        int | None, Query(ge=1, le=100, description="all if left out")
    ] = None,
    offset: Offset = 0,
) -> Response:
    """List apps."""
    wanted = AppFilter(
        tags=parts_of(storable(tags, "/tags")),
        statuses=known_parts(status, get_args(IngestStatus), "status"),
        after=_time(ingested_after, "/ingestedAfter"),
        before=_time(ingested_before, "/ingestedBefore"),
    )
    async with borrowed(service.pool) as connection, snapshot(connection):
        text = storable(q, "/q")
        wanted = await with_text(connection, wanted, text)
        order = _order(sort, wanted)
        ids = await search.find(connection, wanted, order, limit, offset)
        found = await facets.facets(connection, wanted)
    count = len(ids) // search.ID_BYTES
    meta: JsonObject = {
        **page_meta(count, found.total, limit, offset),
        "tokens": [*wanted.words],
        "sort": order,
        "weights": {**WEIGHTS},
    }
    about: JsonObject = {
        "facets": found.present(),
        "total": found.total,
        "meta": meta,
    }
    return await _answer(service, ids, wanted, about)


@router.get(
    "/tags/suggest",
    response_model=Data[list[TagSuggestion]],
    responses=failures(400),
    dependencies=[MayRead],
)
async def suggest_tags(
    service: ServiceDep,
    prefix: Annotated[
        str,
        Query(
            max_length=MAX_SEARCH, description="`fra` for keys, `framework:n` for pairs"
        ),
    ] = "",
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> JsonAnswer:
    """Suggest tags that begin so, of those that apps have."""
    async with borrowed(service.pool) as connection:
        found = await suggestions(connection, storable(prefix, "/prefix"), limit)
    return data([*found])


async def _answer(
    service: Service, ids: bytes, wanted: AppFilter, about: JsonObject
) -> Response:
    """Return all at once where it fits, else part by part: a catalog has no greatest size."""
    parts = service.views.listed_apps(ids, wanted.words)
    first: list[JsonObject] = await anext(parts, [])
    count = len(ids) // search.ID_BYTES
    if len(first) == count:
        return JsonAnswer({"data": first, **about})
    rest = _joined(first, parts, about)
    return StreamingResponse(rest, media_type=JSON)


async def _joined(
    first: list[JsonObject], others: AsyncIterator[list[JsonObject]], about: JsonObject
) -> AsyncIterator[bytes]:
    head = orjson.dumps(about)
    yield head.removesuffix(b"}") + b',"data":['
    yield _texts(first)
    async for part in others:
        yield b"," + _texts(part)
    yield b"]}"


def _texts(apps: list[JsonObject]) -> bytes:
    texts = [orjson.dumps(app) for app in apps]
    return b",".join(texts)


def _order(sort: Sort | None, wanted: AppFilter) -> Sort:
    if sort is None or sort == "relevance":
        return "relevance" if wanted.words else "updated"
    return sort


def _time(text: str, path: str) -> str | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return to_iso(moment)
    except (ValueError, OverflowError):
        message = (
            "must be a day or a time, such as 2026-11-24 or 2026-11-24T14:31:04.123Z"
        )
        if " " in text:
            message += "; write + as %2B"
        raise InvalidInputError([Issue(path, message, "format")]) from None
