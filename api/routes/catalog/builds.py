"""`/builds`: what a build printed, and building again."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.bootstrap.service import Service
from api.http.dependencies import MayRead, OriginDep, ServiceDep
from api.http.json_answer import NOT_KEPT, JsonAnswer, data
from api.http.strict_json import PlatformRoute
from api.shapes.base import Data, failures
from api.shapes.catalog.records import BuildLog, BuildShape
from api.views.catalog import build_id_of
from domain.errors import NotFoundError
from domain.json_values import JsonObject
from projections import builds
from projections.builds import BuildRow

router = APIRouter(prefix="/builds", route_class=PlatformRoute, tags=["builds"])


_AS_FILE = {
    "schema": {"type": "string"},
    "description": "with `download=true`: the bytes that were printed, as a file",
}


@router.get(
    "/{build_id}/logs",
    response_model=Data[BuildLog],
    responses={200: {"content": {"text/plain": _AS_FILE}}, **failures(400, 404)},
    dependencies=[MayRead],
)
async def get_build_logs(
    build_id: str,
    service: ServiceDep,
    download: Annotated[bool, Query(description="as a text file")] = False,  # noqa: FBT002
) -> Response:
    """Show all that a build printed, while it runs what it has printed so far."""
    build = await _known_build(service, build_id)
    log = await service.build_logs.whole(build)
    if download:
        name = quote(f"build-{build['id']}.log")
        return Response(
            log,
            media_type="text/plain; charset=utf-8",
            headers={
                **NOT_KEPT,
                "Content-Disposition": f'attachment; filename="{name}"',
            },
        )
    shown: JsonObject = {
        "id": build["id"],
        "repositoryId": build["repository_id"],
        "logs": log.decode("utf-8", "replace"),
        "size": len(log),
        "updatedAt": build["updated_at"],
        "status": build["status"],
        **(await service.build_logs.excerpt(build)).present(),
    }
    return data(shown)


@router.post(
    "/{build_id}/retry",
    status_code=202,
    response_model=Data[BuildShape],
    responses=failures(400, 404, 409, 429),
)
async def retry_build(
    build_id: str, service: ServiceDep, origin: OriginDep
) -> JsonAnswer:
    """Build again what failed to build; the answer is the new build."""
    known_id = _possible_id(build_id)
    row = await service.catalog.retry_build(known_id, origin)
    build_row = builds.TABLE.own(row)
    [build] = await service.views.builds([build_row])
    return data(build, 202)


async def _known_build(service: Service, build_id: str) -> BuildRow:
    known_id = _possible_id(build_id)
    async with service.pool.connection() as connection:
        build = await builds.by_id(connection, known_id)
    if build is None:
        raise _build_not_found()
    return build


def _possible_id(text: str) -> UUID:
    build_id = build_id_of(text)
    if build_id is None:
        raise _build_not_found()
    return build_id


def _build_not_found() -> NotFoundError:
    return NotFoundError("build_not_found", "build not found")
