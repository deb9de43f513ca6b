"""`/builds`: what a build printed, and building again."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.bootstrap.service import Service
from api.http.dependencies import MayRead, OriginDep, ServiceDep
from api.http.json_answer import JsonAnswer, data
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import Data, failures
from api.shapes.catalog import BuildLog, BuildShape
from api.views.catalog import build_id_of
from domain.errors import NotFoundError
from domain.json_values import JsonObject
from projections import builds
from projections.builds import BuildRow

router = APIRouter(prefix="/builds", route_class=StrictJsonRoute, tags=["builds"])


@router.get(
    "/{build_id}/logs",
    response_model=Data[BuildLog],
    responses=failures(400, 404),
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
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
    text = log.decode("utf-8", "replace")
    shown: JsonObject = {
        "id": build["id"],
        "repositoryId": build["repository_id"],
        "logs": text,
        "size": len(log),
    }
    return data({**shown, "updatedAt": build["updated_at"]})


@router.post(
    "/{build_id}/retry",
    status_code=202,
    response_model=Data[BuildShape],
    responses=failures(400, 404, 409, 429),
)
async def retry_build(build_id: str, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Build again what failed to build; the answer is the new build."""
    number = build_id_of(build_id)
    if number is None:
        raise _build_not_found()
    row = await service.catalog.retry_build(number, origin)
    [shown] = await service.views.builds([builds.TABLE.own(row)])
    return data(shown, 202)


async def _known_build(service: Service, build_id: str) -> BuildRow:
    number = build_id_of(build_id)
    async with service.pool.connection() as connection:
        build = await builds.by_id(connection, number) if number else None
    if build is None:
        raise _build_not_found()
    return build


def _build_not_found() -> NotFoundError:
    return NotFoundError("build_not_found", "build not found")
