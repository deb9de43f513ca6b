"""`/jobs`: definitions, and lists of their runs."""

from uuid import UUID

from fastapi import APIRouter

from api.http.cursors import OptionalCursor, next_cursor, position_of
from api.http.dependencies import (
    ConnectionDep,
    FilesDep,
    MayRead,
    Offset,
    OriginDep,
    RunsLimit,
    ServiceDep,
    StatusesDep,
    known_job,
    possible_slug,
)
from api.http.json_answer import JsonAnswer, data
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep, job_in
from api.shapes.base import Data, Page, failures
from api.shapes.jobs import Definition, JobBody, JobPatch, JobWithRuns
from api.shapes.runs import JobRunsMeta, Run
from api.views.runs import View, meta_of, view
from domain.json_values import JsonObject
from projections import job_definitions, job_runs
from projections.job_definitions import JobDefinitionRow
from projections.runs.filter import RunFilter

router = APIRouter(prefix="/jobs", route_class=StrictJsonRoute, tags=["jobs"])


@router.get("", response_model=Data[list[Definition]], responses=failures(), dependencies=[MayRead])
async def list_jobs(connection: ConnectionDep) -> JsonAnswer:
    """List every job, ordered by slug."""
    return data(
        [job_definitions.present(row) for row in await job_definitions.all_by_slug(connection)]
    )


@router.post(
    "",
    status_code=201,
    response_model=Data[Definition],
    responses=failures(400, 409, 413, 415, 429),
)
async def register_job(body: JobBody, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Register a job under a slug that is free."""
    row = await service.jobs.register_job(body.slug, body.spec(), body.version or 1, origin)
    return data(job_definitions.present(row), 201)


@router.get(
    "/{slug}",
    response_model=Page[JobWithRuns, JobRunsMeta],
    responses=failures(400, 404),
    dependencies=[MayRead],
)
async def get_job(  # noqa: PLR0913 - what it takes from the request
    slug: str,
    connection: ConnectionDep,
    files: FilesDep,
    statuses: StatusesDep,
    as_of: AsOfDep,
    limit: RunsLimit = 10,
    offset: Offset = 0,
    cursor: OptionalCursor = None,
) -> JsonAnswer:
    """Show a job and its newest runs."""
    async with view(connection, files, as_of) as seen:
        job = await job_in(seen, slug)
        runs, meta = await _page(seen, job, statuses, cursor, limit, offset)
        return JsonAnswer(
            {"data": {"job": job_definitions.present(job), "runs": runs}, "meta": meta}
        )


@router.patch(
    "/{slug}", response_model=Data[Definition], responses=failures(400, 404, 409, 413, 415, 429)
)
async def revise_job(
    slug: str, body: JobPatch, service: ServiceDep, origin: OriginDep
) -> JsonAnswer:
    """Make a new version of a job, unless nothing would change."""
    changes = {name: value for name, value in body.changes().items() if name != "version"}
    row = await service.jobs.revise_job(possible_slug(slug), changes, body.version, origin)
    if row is None:
        async with service.pool.connection() as connection:
            row = await known_job(connection, slug)
    return data(job_definitions.present(row))


@router.get(
    "/{slug}/runs",
    response_model=Page[list[Run], JobRunsMeta],
    responses=failures(400, 404),
    dependencies=[MayRead],
)
async def list_job_runs(  # noqa: PLR0913 - what it takes from the request
    slug: str,
    connection: ConnectionDep,
    files: FilesDep,
    statuses: StatusesDep,
    as_of: AsOfDep,
    limit: RunsLimit = 10,
    offset: Offset = 0,
    cursor: OptionalCursor = None,
) -> JsonAnswer:
    """List a job's runs, newest first."""
    async with view(connection, files, as_of) as seen:
        runs, meta = await _page(seen, await job_in(seen, slug), statuses, cursor, limit, offset)
        return JsonAnswer({"data": runs, "meta": meta})


async def _page(  # noqa: PLR0913 - what makes a page
    seen: View,
    job: JobDefinitionRow,
    statuses: list[str],
    cursor: str | None,
    limit: int,
    offset: int,
) -> tuple[list[JsonObject], JsonObject]:
    """Return a page of a job's runs and its `meta`, which tells of cursors only whoever asks with one."""
    wanted = RunFilter(
        definition_id=UUID(job["id"]),
        statuses=statuses,
        before_position=position_of(cursor) if cursor else None,
    )
    runs, has_more = await seen.runs(wanted, limit, offset)
    told: JsonObject = (
        {} if cursor is None else {"hasMore": has_more, "nextCursor": next_cursor(runs, has_more)}
    )
    meta = {"limit": limit, "offset": offset, **told, **meta_of(seen)}
    return [job_runs.present(run) for run in runs], meta
