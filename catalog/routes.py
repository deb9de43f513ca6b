"""The catalog over HTTP: `/apps`, `/tags/suggest` and `/builds`.

First searching in a catalog of any size, then single apps, which the built-in jobs ingest and
build, then what a build printed, and building again.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, cast, get_args
from urllib.parse import quote
from uuid import UUID

import orjson
from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import Response, StreamingResponse
from starlette.requests import HTTPConnection

from api.bootstrap.service import Service
from api.extension import part_of
from api.http.dependencies import (
    MAX_HISTORY_PAGE,
    ConnectionDep,
    HistoryLimit,
    KeyDep,
    MayRead,
    Offset,
    OptionalCursor,
    OriginDep,
    ServiceDep,
    history_meta,
    parse_words,
    position_of,
    split_words,
    storable,
)
from api.http.errors import JSON, NO_STORE, JsonResponse, data, page, page_meta, stream_data
from api.http.strict_json import PlatformRoute
from api.routes.launches import launch_warnings_of_job, response_with_warnings
from api.shapes.base import Data, Page, Part, failures
from api.shapes.runs import Launching
from catalog import app_search, build_rows, repository_rows
from catalog.app_search import WEIGHTS, AppFilter, Sort, add_search_text, find_suggestions
from catalog.build import BuildTarget
from catalog.build_rows import BuildRow
from catalog.built_in_jobs import BUILD_SLUG, INGEST_SLUG
from catalog.commands import Catalog, LaunchedBuild
from catalog.repository import IngestStatus
from catalog.repository_rows import RepositoryRow
from catalog.shapes import (
    AppBody,
    AppList,
    AppShape,
    BuildBody,
    BuildLog,
    BuildShape,
    CountedPageMeta,
    IngestionEvent,
    TagSuggestion,
)
from catalog.views import BuildLogs, CatalogViews, all_steps, steps_before
from domain.clock import to_iso
from domain.errors import InvalidInputError, Issue, NotFoundError, OverloadedError
from domain.json_values import JsonObject
from eventlog.database.connection import borrowed, snapshot
from eventlog.history.reader import Step
from projections.rows import Connection
from runtime.tasks import QueueFullError

NAME = "catalog"


@dataclass(frozen=True)
class CatalogPart:
    """The catalog's part of a running service."""

    commands: Catalog
    views: CatalogViews
    logs: BuildLogs

    subjects = frozenset({repository_rows.TABLE.subject, build_rows.TABLE.subject})

    @classmethod
    def of(cls, service: Service) -> "CatalogPart":
        """Return the part of a service that has just started."""
        logs = BuildLogs(service.run_logs)
        return cls(Catalog(service.jobs), CatalogViews(service.pool, logs), logs)

    async def details_of(self, step: Step) -> JsonObject:
        """Return what the stream shows beside the row of an app or build, as it is at present."""
        return await self.views.details_of(step)


async def _catalog(connection: HTTPConnection) -> CatalogPart:
    return cast("CatalogPart", part_of(connection, NAME))


CatalogDep = Annotated[CatalogPart, Depends(_catalog)]

lists_router = APIRouter(route_class=PlatformRoute, tags=["apps"])

MAX_SEARCH = 200

_TIME = "a day or a time, ISO 8601; without an offset it is UTC"


@lists_router.get(
    "/apps",
    response_model=AppList,
    responses=failures(400),
    dependencies=[MayRead],
    description="List apps. `total` and `facets` count all matching apps, whatever the page.",
)
async def list_apps(  # noqa: PLR0913 - one for each query parameter
    service: ServiceDep,
    catalog: CatalogDep,
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
            description="`key:value` or `key`; several with commas or blanks between them: the app"
            " must have all",
        ),
    ] = "",
    status: Annotated[
        str,
        Query(description="one ingestion status, or several with commas or blanks between them"),
    ] = "",
    sort: Annotated[
        Sort | None,
        Query(
            description="`relevance`, the default with `q`; `updated`, newest first, the default"
            " without; or `name`"
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
    limit: Annotated[int | None, Query(ge=1, le=100, description="all if left out")] = None,
    offset: Offset = 0,
) -> Response:
    """List apps."""
    apps = AppFilter(
        tags=split_words(storable(tags, "/tags")),
        statuses=parse_words(status, get_args(IngestStatus), "status"),
        after=_time(ingested_after, "/ingestedAfter"),
        before=_time(ingested_before, "/ingestedBefore"),
    )
    async with borrowed(service.pool) as connection, snapshot(connection):
        apps = await add_search_text(connection, apps, storable(q, "/q"))
        order = _order(sort, apps)
        ids = await app_search.find(connection, apps, order, limit, offset)
        facets = await app_search.facets(connection, apps)
    count = len(ids) // app_search.ID_BYTES
    meta: JsonObject = {
        **page_meta(count, facets.total, limit, offset),
        "tokens": [*apps.words],
        "sort": order,
        "weights": {**WEIGHTS},
    }
    about: JsonObject = {"facets": facets.present(), "total": facets.total, "meta": meta}
    return await _answer(catalog, ids, apps, about)


@lists_router.get(
    "/tags/suggest",
    response_model=Data[list[TagSuggestion]],
    responses=failures(400),
    dependencies=[MayRead],
)
async def suggest_tags(
    service: ServiceDep,
    prefix: Annotated[
        str, Query(max_length=MAX_SEARCH, description="`fra` for keys, `framework:n` for pairs")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> JsonResponse:
    """Suggest tags of apps that begin with a prefix."""
    async with borrowed(service.pool) as connection:
        tags = await find_suggestions(connection, storable(prefix, "/prefix"), limit)
    return data([*tags])


async def _answer(catalog: CatalogPart, ids: bytes, apps: AppFilter, about: JsonObject) -> Response:
    """Return all apps at once if they fit into a part, else part by part."""
    parts = catalog.views.listed_apps(ids, apps.words)
    first: list[JsonObject] = await anext(parts, [])
    if len(first) == len(ids) // app_search.ID_BYTES:
        return JsonResponse({"data": first, **about})
    return StreamingResponse(_joined(first, parts, about), media_type=JSON)


async def _joined(
    first: list[JsonObject], others: AsyncIterator[list[JsonObject]], about: JsonObject
) -> AsyncIterator[bytes]:
    yield orjson.dumps(about).removesuffix(b"}") + b',"data":['
    yield _texts(first)
    async for part in others:
        yield b"," + _texts(part)
    yield b"]}"


def _texts(apps: list[JsonObject]) -> bytes:
    return b",".join(map(orjson.dumps, apps))


def _order(sort: Sort | None, apps: AppFilter) -> Sort:
    if sort is None or sort == "relevance":
        return "relevance" if apps.words else "updated"
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
        message = "must be a day or a time, such as 2026-11-24 or 2026-11-24T14:31:04.123Z"
        if " " in text:
            message += "; write + as %2B"
        raise InvalidInputError([Issue(path, message, "format")]) from None


# `/apps`: one app, its history and its builds.

router = APIRouter(prefix="/apps", route_class=PlatformRoute, tags=["apps"])

Limit = Annotated[int, Query(ge=1, le=100)]

BEHIND_ALL = 2**31
"""A version that no aggregate reaches."""


@router.post(
    "",
    status_code=201,
    response_model=Launching[AppShape],
    responses=failures(400, 409, 413, 415, 429),
)
async def add_app(
    body: AppBody, service: ServiceDep, catalog: CatalogDep, origin: OriginDep
) -> JsonResponse:
    """Add an app and launch its ingestion; the answer does not wait for it."""
    app = body.app()
    if app.is_local and not service.settings.local_repositories:
        message = "repositories on the server's own file system are not allowed here; give a URL"
        raise InvalidInputError([Issue("/repoUrl", message, "pattern")])
    row = repository_rows.TABLE.own(await catalog.commands.add_app(app, origin))
    warnings = await launch_warnings_of_job(INGEST_SLUG, service)
    return response_with_warnings(repository_rows.present(row, None), warnings, 201)


@router.get(
    "/{app_id}", response_model=Data[AppShape], responses=failures(404), dependencies=[MayRead]
)
async def get_app(app_id: str, connection: ConnectionDep, catalog: CatalogDep) -> JsonResponse:
    """Show an app."""
    row = await _existing_app(connection, app_id)
    [app] = await catalog.views.apps(connection, [row])
    return data(app)


@router.get(
    "/{app_id}/history",
    response_model=Part[list[IngestionEvent]],
    responses=failures(400, 404),
    dependencies=[MayRead],
    description="Show the steps of an app's ingestions, newest first, straight from the log; with"
    " `limit` or `cursor`, a page of them, which may be shorter than `limit`, and `meta`.",
)
async def get_history(
    app_id: str, service: ServiceDep, limit: HistoryLimit = None, cursor: OptionalCursor = None
) -> Response:
    """Show the steps of an app's ingestions."""
    before = position_of(cursor) if cursor else BEHIND_ALL
    page_size = limit or MAX_HISTORY_PAGE
    steps, following = await steps_before(service.reader, app_id, before, page_size)
    if not steps:
        async with borrowed(service.pool) as connection:
            await _existing_app(connection, app_id)
    if limit is not None or cursor is not None:
        return page(steps, history_meta(limit, following))
    if following is None:
        return data([*steps])
    return stream_data(all_steps(service.reader, app_id, steps, following))


@router.post(
    "/{app_id}/retry",
    status_code=202,
    response_model=Launching[AppShape],
    responses=failures(400, 404, 409, 429),
)
async def retry_ingestion(
    app_id: str, service: ServiceDep, catalog: CatalogDep, origin: OriginDep, key: KeyDep
) -> JsonResponse:
    """Launch another ingestion. With an `Idempotency-Key` a repeated request launches no other."""
    await catalog.commands.retry_ingestion(app_id, origin, key)
    async with borrowed(service.pool) as connection:
        row = await _existing_app(connection, app_id)
    app = await catalog.views.app(row)
    return response_with_warnings(app, await launch_warnings_of_job(INGEST_SLUG, service), 202)


@router.get(
    "/{app_id}/builds",
    response_model=Page[list[BuildShape], CountedPageMeta],
    responses=failures(400, 404),
    dependencies=[MayRead],
)
async def list_builds(
    app_id: str,
    connection: ConnectionDep,
    catalog: CatalogDep,
    limit: Limit = 10,
    offset: Offset = 0,
) -> JsonResponse:
    """List an app's builds, newest first."""
    await _existing_app(connection, app_id)
    rows, total = await build_rows.list_builds(connection, app_id, limit, offset)
    builds = await catalog.views.builds(rows)
    return page(builds, page_meta(len(builds), total, limit, offset))


@router.post(
    "/{app_id}/builds",
    status_code=202,
    response_model=Launching[BuildShape],
    responses=failures(400, 404, 409, 413, 415, 429),
)
async def request_build(  # noqa: PLR0913 - what it takes from the request
    app_id: str,
    service: ServiceDep,
    catalog: CatalogDep,
    origin: OriginDep,
    key: KeyDep,
    body: Annotated[BuildBody | None, Body()] = None,
) -> JsonResponse:
    """Launch a build; builds of one app take turns.

    With an `Idempotency-Key` a repeated request returns the first build again.
    """
    target = BuildTarget() if body is None else body.target()
    launched = await catalog.commands.request_build(app_id, target, origin, key)
    return await _launched_build(launched, service, catalog)


async def _launched_build(
    launched: LaunchedBuild, service: Service, catalog: CatalogPart
) -> JsonResponse:
    if launched.row is None:
        row = await _existing_build(service, str(launched.build_id))
    else:
        row = build_rows.TABLE.own(launched.row)
    [build] = await catalog.views.builds([row])
    return response_with_warnings(build, await launch_warnings_of_job(BUILD_SLUG, service), 202)


async def _existing_app(connection: Connection, app_id: str) -> RepositoryRow:
    if "\x00" in app_id:  # No database holds it.
        raise _app_not_found()
    app = await repository_rows.by_client_id(connection, app_id)
    if app is None:
        raise _app_not_found()
    return app


def _app_not_found() -> NotFoundError:
    return NotFoundError("app_not_found", "app not found")


builds_router = APIRouter(prefix="/builds", route_class=PlatformRoute, tags=["builds"])


_AS_FILE = {
    "schema": {"type": "string"},
    "description": "with `download=true`: the bytes that were printed, as a file",
}


@builds_router.get(
    "/{build_id}/logs",
    response_model=Data[BuildLog],
    responses={200: {"content": {"text/plain": _AS_FILE}}, **failures(400, 404, 429)},
    dependencies=[MayRead],
)
async def get_build_logs(
    build_id: str,
    service: ServiceDep,
    catalog: CatalogDep,
    download: Annotated[bool, Query(description="as a text file")] = False,  # noqa: FBT002
) -> Response:
    """Show a build's log; while it runs, the log so far."""
    build = await _existing_build(service, build_id)
    if download:
        name = quote(f"build-{build['id']}.log")
        return StreamingResponse(
            await catalog.logs.read(build),
            media_type="text/plain; charset=utf-8",
            headers={**NO_STORE, "Content-Disposition": f'attachment; filename="{name}"'},
        )
    try:
        # In JSON a log is in memory as a whole, several times over.
        async with service.list_limiter.permit():
            return await _whole_log(build, catalog)
    except QueueFullError:
        raise OverloadedError("too many logs of builds are being read") from None


async def _whole_log(build: BuildRow, catalog: CatalogPart) -> JsonResponse:
    log = b"".join([chunk async for chunk in await catalog.logs.read(build)])
    document: JsonObject = {
        "id": build["id"],
        "repositoryId": build["repository_id"],
        "logs": log.decode("utf-8", "replace"),
        "size": len(log),
        "updatedAt": build["updated_at"],
        "status": build["status"],
        **(await catalog.logs.excerpt(build)).present(),
    }
    return data(document)


@builds_router.post(
    "/{build_id}/retry",
    status_code=202,
    response_model=Launching[BuildShape],
    responses=failures(400, 404, 409, 429),
)
async def retry_build(
    build_id: str, service: ServiceDep, catalog: CatalogDep, origin: OriginDep, key: KeyDep
) -> JsonResponse:
    """Build again what failed to build; the answer is the new build.

    With an `Idempotency-Key` a repeated request returns the first new build again.
    """
    launched = await catalog.commands.retry_build(_aggregate_id(build_id), origin, key)
    return await _launched_build(launched, service, catalog)


async def _existing_build(service: Service, build_id: str) -> BuildRow:
    async with service.pool.connection() as connection:
        build = await build_rows.by_id(connection, _aggregate_id(build_id))
    if build is None:
        raise _build_not_found()
    return build


def _aggregate_id(build_id: str) -> UUID:
    try:
        return UUID(build_id)
    except ValueError:  # It names no build.
        raise _build_not_found() from None


def _build_not_found() -> NotFoundError:
    return NotFoundError("build_not_found", "build not found")
