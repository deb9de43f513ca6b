"""`/jobs/{slug}/pause`, `/resume`, `DELETE /jobs/{slug}`: which jobs go on."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.bootstrap.service import Service
from api.http.dependencies import OriginDep, ServiceDep, known_job, possible_slug
from api.http.json_answer import JsonAnswer, data
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import Data, failures
from api.shapes.jobs import Definition, PauseBody
from domain.ports import Row
from projections import job_definitions

router = APIRouter(prefix="/jobs", route_class=StrictJsonRoute, tags=["jobs"])


@router.post(
    "/{slug}/pause",
    response_model=Data[Definition],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Let nothing of a job start from now on. What runs goes on; what is launched"
    " waits, and expires where it has a start deadline. Paused already, it stays as it was paused.",
)
async def pause_job(
    slug: str,
    service: ServiceDep,
    origin: OriginDep,
    body: Annotated[PauseBody | None, Body()] = None,
) -> JsonAnswer:
    """Let nothing of a job start."""
    reason: str | None = None
    if body is not None:
        reason = body.reason
    known_slug = possible_slug(slug)
    row = await service.jobs.pause_job(known_slug, reason, origin)
    return await _shown(service, slug, row)


@router.post(
    "/{slug}/resume",
    response_model=Data[Definition],
    responses=failures(404, 409, 429),
)
async def resume_job(slug: str, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Let what waits of a job start again; a job that is not paused stays as it is."""
    known_slug = possible_slug(slug)
    row = await service.jobs.resume_job(known_slug, origin)
    return await _shown(service, slug, row)


@router.delete(
    "/{slug}",
    response_model=Data[Definition],
    responses=failures(404, 409, 429),
    description="Delete a job of which no run is pending or running; the answer shows it for the"
    " last time. Its runs and its history stay, and its slug may be registered again.",
)
async def delete_job(slug: str, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Delete a job of which no run is pending or running."""
    known_slug = possible_slug(slug)
    row = await service.jobs.delete_job(known_slug, origin)
    shown = job_definitions.present(row)
    return data(shown)


async def _shown(service: Service, slug: str, row: Row | None) -> JsonAnswer:
    """Answer with a job: by the row that a command left, or as it is where nothing changed."""
    if row is None:
        async with service.pool.connection() as connection:
            row = await known_job(connection, slug)
    shown = job_definitions.present(row)
    return data(shown)
