"""`/apps`: the catalog, whose apps the built-in jobs ingest and build."""

from typing import Annotated

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response

from api.http.cursors import MOST, OptionalCursor, PartLimit, part_meta, position_of
from api.http.dependencies import (
    ConnectionDep,
    MayRead,
    Offset,
    OriginDep,
    ServiceDep,
)
from api.http.json_answer import JsonAnswer, data, data_in_parts, page, page_meta
from api.http.strict_json import PlatformRoute
from api.shapes.base import Data, Page, Part, failures
from api.shapes.catalog.records import (
    AppBody,
    AppShape,
    BuildBody,
    BuildShape,
    CountedPageMeta,
    IngestionEvent,
)
from api.views.histories import all_steps, steps_before
from domain.catalog.build import Wanted
from domain.errors import InvalidInputError, Issue, NotFoundError
from domain.json_values import JsonObject
from eventlog.database.connection import borrowed
from projections import builds, repositories
from projections.repositories import RepositoryRow
from projections.rows import Connection

router = APIRouter(prefix="/apps", route_class=PlatformRoute, tags=["apps"])

Limit = Annotated[int, Query(ge=1, le=100)]

BEHIND_ALL = 2**31
"""No aggregate has so many events."""


@router.post(
    "",
    status_code=201,
    response_model=Data[AppShape],
    responses=failures(400, 409, 413, 415, 429),
)
async def add_app(body: AppBody, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Add an app and launch its ingestion; the answer does not wait for it."""
    app = body.app()
    if app.is_local and not service.settings.local_repositories:
        message = (
            "repositories of the server's own file system are switched off; give a URL"
        )
        issue = Issue("/repoUrl", message, "pattern")
        raise InvalidInputError([issue])
    row = await service.catalog.add_app(app, origin)
    app_row = repositories.TABLE.own(row)
    shown = repositories.present(app_row, None)
    return data(shown, 201)


@router.get(
    "/{app_id}",
    response_model=Data[AppShape],
    responses=failures(404),
    dependencies=[MayRead],
)
async def get_app(
    app_id: str, connection: ConnectionDep, service: ServiceDep
) -> JsonAnswer:
    """Show an app."""
    row = await _known_app(connection, app_id)
    [app] = await service.views.apps(connection, [row])
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
    app_id: str,
    service: ServiceDep,
    limit: PartLimit = None,
    cursor: OptionalCursor = None,
) -> Response:
    """Show the steps of an app's ingestions."""
    before = BEHIND_ALL
    if cursor:
        before = position_of(cursor)
    most = limit or MOST
    steps, following = await steps_before(service.reader, app_id, before, most)
    if not steps:
        async with borrowed(service.pool) as connection:
            await _known_app(connection, app_id)
    if limit is not None or cursor is not None:
        meta = part_meta(limit, following)
        return page(steps, meta)
    if following is None:
        return data([*steps])
    parts = all_steps(service.reader, app_id, steps, following)
    return data_in_parts(parts)


@router.post(
    "/{app_id}/retry",
    status_code=202,
    response_model=Data[AppShape],
    responses=failures(400, 404, 409, 429),
)
async def retry_ingestion(
    app_id: str, service: ServiceDep, origin: OriginDep
) -> JsonAnswer:
    """Launch another ingestion."""
    await service.catalog.retry_ingestion(app_id, origin)
    async with borrowed(service.pool) as connection:
        row = await _known_app(connection, app_id)
    shown = await service.views.app(row)
    return data(shown, 202)


@router.get(
    "/{app_id}/builds",
    response_model=Page[list[BuildShape], CountedPageMeta],
    responses=failures(400, 404),
    dependencies=[MayRead],
)
async def list_builds(
    app_id: str,
    connection: ConnectionDep,
    service: ServiceDep,
    limit: Limit = 10,
    offset: Offset = 0,
) -> JsonAnswer:
    """List an app's builds, newest first."""
    await _known_app(connection, app_id)
    rows, total = await builds.list_builds(connection, app_id, limit, offset)
    shown = await service.views.builds(rows)
    return _page(shown, total, limit, offset)


@router.post(
    "/{app_id}/builds",
    status_code=202,
    response_model=Data[BuildShape],
    responses=failures(400, 404, 413, 415, 429),
)
async def request_build(
    app_id: str,
    service: ServiceDep,
    origin: OriginDep,
    body: Annotated[BuildBody | None, Body()] = None,
) -> JsonAnswer:
    """Launch a build; builds of one app take turns."""
    wanted = Wanted()
    if body is not None:
        wanted = body.wanted()
    row = await service.catalog.request_build(app_id, wanted, origin)
    build_row = builds.TABLE.own(row)
    [build] = await service.views.builds([build_row])
    return data(build, 202)


async def _known_app(connection: Connection, app_id: str) -> RepositoryRow:
    if "\x00" in app_id:  # No database holds it.
        raise _app_not_found()
    app = await repositories.by_client_id(connection, app_id)
    if app is None:
        raise _app_not_found()
    return app


def _app_not_found() -> NotFoundError:
    return NotFoundError("app_not_found", "app not found")


def _page(items: list[JsonObject], total: int, limit: int, offset: int) -> JsonAnswer:
    meta = page_meta(len(items), total, limit, offset)
    return page(items, meta)
