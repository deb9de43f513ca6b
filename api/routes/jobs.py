"""`/jobs`: job definitions and lists of their runs.

First pause, resume and delete, then list, register, show and revise.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response, StreamingResponse

from api.bootstrap.service import Service
from api.http.dependencies import (
    ConnectionDep,
    FilesDep,
    MayRead,
    ModulesDep,
    Offset,
    OptionalCursor,
    OriginDep,
    QuarantineDep,
    RunsLimit,
    ServiceDep,
    StatusesDep,
    connection_for,
    cursor_meta,
    job_not_found,
    next_cursor,
    position_of,
    possible_slug,
    storable,
)
from api.http.errors import JSON, JsonResponse, data, page
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep, job_in
from api.shapes.base import Data, Page, Part, failures
from api.shapes.jobs import (
    Definition,
    JobBody,
    JobPatch,
    JobWithRuns,
    PauseBody,
    RuntimeStatus,
    WhatIf,
)
from api.shapes.runs import JobRunsMeta, Run
from api.views.lists import (
    MAX_PART,
    DefinitionsPart,
    JobLists,
    Present,
    View,
    open_view,
    present_runs,
    view_meta,
)
from domain.clock import to_iso
from domain.errors import OverloadedError
from domain.jobs.definition import RUNTIMES
from domain.json_values import JsonObject
from domain.ports import Row
from domain.quarantine import Quarantine
from eventlog.recorded_runs import read_job_history
from projections import job_definitions
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import RunRow
from projections.runs.filters import RunFilter
from projections.what_if import MAX_AT_A_TIME, MAX_LOOK_BACK, present
from runtime.tasks import QueueFullError, run_in_thread

router = APIRouter(prefix="/jobs", route_class=StrictJsonRoute, tags=["jobs"])


@router.post(
    "/{slug}/pause",
    response_model=Data[Definition],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Let no run of a job start from now on. Running attempts continue; launched runs"
    " wait, and expire at their start deadline, if any. If the job is paused already, nothing"
    " changes.",
)
async def pause_job(
    slug: str,
    service: ServiceDep,
    origin: OriginDep,
    body: Annotated[PauseBody | None, Body()] = None,
) -> JsonResponse:
    """Let no run of a job start."""
    reason = None if body is None else body.reason
    row = await service.jobs.pause_job(possible_slug(slug), reason, origin)
    return await _definition(service, slug, row)


@router.post(
    "/{slug}/resume",
    response_model=Data[Definition],
    responses=failures(400, 404, 409, 413, 415, 429),
)
async def resume_job(slug: str, service: ServiceDep, origin: OriginDep) -> JsonResponse:
    """Let runs of a job start again; a job that is not paused stays as it is."""
    row = await service.jobs.resume_job(possible_slug(slug), origin)
    return await _definition(service, slug, row)


@router.delete(
    "/{slug}",
    response_model=Data[Definition],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Delete a job without pending or running runs; the answer shows it for the"
    " last time. Its runs and its history stay, and its slug may be registered again.",
)
async def delete_job(slug: str, service: ServiceDep, origin: OriginDep) -> JsonResponse:
    """Delete a job without pending or running runs."""
    row = await service.jobs.delete_job(possible_slug(slug), origin)
    return data(job_definitions.present(row))


async def _definition(service: Service, slug: str, row: Row | None) -> JsonResponse:
    """Return the row that a command wrote; if it changed nothing (None), the current one."""
    if row is None:
        async with service.pool.connection() as connection:
            row = await job_in(Present(connection), slug)
    return data(job_definitions.present(row))


FIRST_PART = 10
"""Definitions in the first part of a list; later parts have up to `MAX_PART`."""

MAX_PAGE = 100


@router.get(
    "", response_model=Part[list[Definition]], responses=failures(400, 429), dependencies=[MayRead]
)
async def list_jobs(
    service: ServiceDep,
    as_of: AsOfDep,
    modules: ModulesDep,
    limit: Annotated[
        int | None, Query(ge=1, le=MAX_PAGE, description="all if this and `cursor` are left out")
    ] = None,
    cursor: Annotated[
        str, Query(max_length=100, description="`nextCursor` of the page before")
    ] = "",
) -> Response:
    """List every job, ordered by slug; with a `limit` or `cursor` a page of them.

    A page ends before its `limit` once its jobs have 4 MB; continue with `meta.nextCursor`.
    """
    jobs = JobLists(service.pool, service.costly, service.files, as_of, modules)
    try:
        async with _turn(service, jobs):
            if limit is not None or cursor:
                size = limit or MAX_PAGE
                after = storable(cursor, "/cursor")
                texts, next_page, position = await jobs.page(after, size)
                meta = cursor_meta(size, next_page)
                if position is not None:
                    meta["asOf"] = position
                body = b'{"data":[%b],"meta":%b}' % (b",".join(texts), orjson.dumps(meta))
                return Response(body, media_type=JSON)
            part = await jobs.after("", FIRST_PART)
    except QueueFullError:
        raise OverloadedError("too many lists of jobs are being read") from None
    if part.has_more:
        return StreamingResponse(_list_in_parts(service, jobs, part), media_type=JSON)
    return Response(b'{"data":[%b]}' % b",".join(part.texts), media_type=JSON)


def _turn(
    service: Service, jobs: JobLists, *, is_new: bool = True
) -> AbstractAsyncContextManager[None]:
    """Return the turn in which a part is read; reads of the past wait in `CostlyReads` instead."""
    if jobs.as_of is not None:
        return nullcontext()
    return service.list_limiter.permit(is_new=is_new)


async def _list_in_parts(
    service: Service, jobs: JobLists, part: DefinitionsPart
) -> AsyncIterator[bytes]:
    """Yield the list part by part: a single definition may be a megabyte long."""
    yield b'{"data":[' + b",".join(part.texts)
    is_first = not part.texts
    while part.has_more:
        # By the rows read: large definitions make the next part shorter, too, and rows that the
        # view leaves out do not.
        size = min(2 * part.rows_read, MAX_PART)
        after = part.last_slug
        del part
        # Not before the client has taken this part is the next one read.
        yield b""
        async with _turn(service, jobs, is_new=False):
            part = await jobs.after(after, size, is_new=False)
        for text in part.texts:
            yield text if is_first else b"," + text
            is_first = False
    yield b"]}"


@router.post(
    "",
    status_code=201,
    response_model=Data[Definition],
    responses=failures(400, 409, 413, 415, 429),
)
async def register_job(body: JobBody, service: ServiceDep, origin: OriginDep) -> JsonResponse:
    """Register a job under a free slug; after a deletion its versions continue."""
    row = await service.jobs.register_job(body.slug, body.spec(), body.version, origin)
    return data(job_definitions.present(row), 201)


@router.get(
    "/runtimes",
    response_model=Data[list[RuntimeStatus]],
    responses=failures(400),
    dependencies=[MayRead],
    description="Show for each runtime whether its jobs can be executed: whether any worker is"
    " alive. Which handler a run executes depends only on its entry point.",
)
async def list_runtimes(service: ServiceDep) -> JsonResponse:
    """Show for each runtime whether its jobs can be executed."""
    workers = len(await service.heartbeats.living())
    reason = None if workers else "no worker lives: start one with apphub-jobs worker"
    status: JsonObject = {
        "ready": workers > 0,
        "reason": reason,
        "checkedAt": to_iso(datetime.now(UTC)),
        "details": {"workers": workers},
    }
    return data([{"runtime": runtime, **status} for runtime in RUNTIMES])


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
    quarantine: QuarantineDep,
    statuses: StatusesDep,
    as_of: AsOfDep,
    limit: RunsLimit = 10,
    offset: Offset = 0,
    cursor: OptionalCursor = None,
) -> JsonResponse:
    """Show a job and its newest runs.

    The runs end before their `limit` once they have 4 MB: then `meta.hasMore` is true; continue
    with `meta.nextCursor`. A client that pages by `offset` adds the number of runs that it got.
    """
    async with open_view(connection, files, as_of) as view:
        job = await job_in(view, slug)
        runs, meta = await _page_of_runs(view, job, statuses, cursor, limit, offset, quarantine)
        return page({"job": job_definitions.present(job), "runs": runs}, meta)


@router.patch(
    "/{slug}", response_model=Data[Definition], responses=failures(400, 404, 409, 413, 415, 429)
)
async def revise_job(
    slug: str, body: JobPatch, service: ServiceDep, origin: OriginDep
) -> JsonResponse:
    """Make a new version of a job, unless nothing would change."""
    row = await service.jobs.revise_job(possible_slug(slug), body.changes(), body.version, origin)
    return await _definition(service, slug, row)


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
    quarantine: QuarantineDep,
    statuses: StatusesDep,
    modules: ModulesDep,
    as_of: AsOfDep,
    limit: RunsLimit = 10,
    offset: Offset = 0,
    cursor: OptionalCursor = None,
) -> JsonResponse:
    """List a job's runs, newest first.

    A page ends before its `limit` once its runs have 4 MB: then `meta.hasMore` is true; continue
    with `meta.nextCursor`. A client that pages by `offset` adds the number of runs that it got.
    """
    async with open_view(connection, files, as_of) as view:
        job = await job_in(view, slug)
        runs, meta = await _page_of_runs(
            view, job, statuses, cursor, limit, offset, quarantine, modules
        )
        return page(runs, meta)


async def _page_of_runs(  # noqa: PLR0913 - what makes a page
    view: View,
    job: JobDefinitionRow,
    statuses: list[str],
    cursor: str | None,
    limit: int,
    offset: int,
    quarantine: Quarantine,
    modules: frozenset[str] = frozenset(),
) -> tuple[list[JsonObject], JsonObject]:
    """Return a page of a job's runs and its `meta`.

    The `meta` has a cursor only if the request has one, or if the page is shorter than its limit
    because its runs are large.
    """
    run_filter = RunFilter(
        definition_id=UUID(job["id"]),
        statuses=statuses,
        before_position=position_of(cursor) if cursor else None,
    )
    runs: list[RunRow] = []
    next_offset: int | None = None
    if not modules or job_definitions.is_of_modules(job, modules):
        runs, next_offset = await view.runs(run_filter, limit, offset)
    has_more = next_offset is not None
    is_cut = next_offset is not None and next_offset < offset + limit
    meta: JsonObject = {"limit": limit, "offset": offset}
    if cursor is not None or is_cut:
        meta["hasMore"] = has_more
        meta["nextCursor"] = next_cursor(runs, has_more)
    return await present_runs(view, runs, quarantine), meta | view_meta(view)


MAX_SIMULATED = 50_000
"""Runs whose history is simulated for a client: about a hundred megabytes of memory."""

WEEK_MS = 7 * 24 * 60 * 60 * 1_000


@router.get(
    "/{slug}/what-if",
    response_model=Data[WhatIf],
    responses=failures(400, 404, 429),
    dependencies=[MayRead],
    description="Simulate a job's recorded history with another limit, and show how long runs would"
    " have waited, and how long they did wait. This query is always costly, and is refused if more"
    f" than {MAX_SIMULATED} runs are in the range.",
)
async def simulate_job(
    slug: str,
    request: Request,
    service: ServiceDep,
    max_concurrent_runs: Annotated[
        int | None,
        Query(
            alias="maxConcurrentRuns",
            ge=1,
            le=MAX_AT_A_TIME,
            description="the limit to simulate; left out: no limit",
        ),
    ] = None,
    look_back_ms: Annotated[
        int,
        Query(
            alias="lookBackMs",
            ge=1,
            le=MAX_LOOK_BACK // timedelta(milliseconds=1),
            description="how long ago the range begins, which ends now; left out: a week",
        ),
    ] = WEEK_MS,
) -> JsonResponse:
    """Show how long runs would have waited with another limit."""
    look_back = timedelta(milliseconds=look_back_ms)
    async with connection_for(request, service, ["/lookBackMs"]) as connection:
        history = await read_job_history(
            connection, service.files, possible_slug(slug), look_back, MAX_SIMULATED
        )
        if history is None:
            raise job_not_found()
        # The turn ends with the thread, even if the client leaves, so one thread runs at a time.
        return data(await run_in_thread(partial(present, slug, max_concurrent_runs, history)))
