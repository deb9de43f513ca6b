"""`/jobs`: which jobs are allowed to start, the definitions, and lists of their runs.

First pause, resume and delete, then register, revise and show.
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
    known_job,
    next_cursor,
    position_of,
    possible_slug,
)
from api.http.errors import JSON, JsonAnswer, data, page
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
from api.views.lists import AT_ONCE, JobLists, View, meta_of, presented, view
from api.views.lists import Part as Listed
from domain.clock import to_iso
from domain.errors import OverloadedError
from domain.jobs.definition import RUNTIMES
from domain.json_values import JsonObject
from domain.ports import Row
from domain.quarantine import Quarantine
from eventlog.recorded_runs import recorded
from projections import job_definitions
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import RunRow
from projections.runs.lists import RunFilter
from projections.simulation import FARTHEST_BACK, MOST_AT_A_TIME, present
from runtime.tasks import QueueFullError, finished_in_thread

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


@router.post("/{slug}/resume", response_model=Data[Definition], responses=failures(404, 409, 429))
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


FIRST = 10
"""Definitions that are read at first; then `AT_ONCE`, at most."""

MOST_ON_A_PAGE = 100

JobsLimit = Annotated[
    int | None, Query(ge=1, le=MOST_ON_A_PAGE, description="all if this and `cursor` are left out")
]
JobsCursor = Annotated[str, Query(max_length=100, description="`nextCursor` of the page before")]


@router.get(
    "", response_model=Part[list[Definition]], responses=failures(400, 429), dependencies=[MayRead]
)
async def list_jobs(
    service: ServiceDep,
    as_of: AsOfDep,
    modules: ModulesDep,
    limit: JobsLimit = None,
    cursor: JobsCursor = "",
) -> Response:
    """List every job, ordered by slug; with a `limit` or `cursor` a page of them.

    A page ends before its `limit` where its jobs have 4 MB; `meta.nextCursor` tells how to go on.
    """
    jobs = JobLists(service.pool, service.costly, service.files, as_of, modules)
    try:
        async with _turn(service, jobs):
            if limit is not None or cursor:
                size = limit or MOST_ON_A_PAGE
                texts, following = await jobs.page(cursor, size)
                meta = orjson.dumps(cursor_meta(size, following))
                answer = b'{"data":[%b],"meta":%b}' % (b",".join(texts), meta)
                return Response(answer, media_type=JSON)
            part = await jobs.after("", FIRST)
    except QueueFullError:
        raise OverloadedError("too many lists of jobs are being read") from None
    if part.goes_on:
        parts = _list_in_parts(service, jobs, part)
        return StreamingResponse(parts, media_type=JSON)
    return Response(b'{"data":[%b]}' % b",".join(part.texts), media_type=JSON)


def _turn(
    service: Service, jobs: JobLists, *, is_new: bool = True
) -> AbstractAsyncContextManager[None]:
    """Return the turn of who reads a part; the past has turns of its own."""
    if jobs.as_of is not None:
        return nullcontext()
    return service.turns.taken(is_new=is_new)


async def _list_in_parts(service: Service, jobs: JobLists, part: Listed) -> AsyncIterator[bytes]:
    """Yield the same answer part by part: a single definition may be a megabyte long."""
    yield b'{"data":[' + b",".join(part.texts)
    is_first = not part.texts
    while part.goes_on:
        # Few at a time again where they are large, not where they were not there yet.
        at_once = min(2 * part.read, AT_ONCE)
        after = part.last_slug
        del part
        # Nothing more is read before the client has taken this.
        yield b""
        async with _turn(service, jobs, is_new=False):
            part = await jobs.after(after, at_once, is_new=False)
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
async def register_job(body: JobBody, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Register a job under a slug that is free; after a deletion its versions go on."""
    spec = body.spec()
    row = await service.jobs.register_job(body.slug, spec, body.version, origin)
    shown = job_definitions.present(row)
    return data(shown, 201)


@router.get(
    "/runtimes",
    response_model=Data[list[RuntimeStatus]],
    responses=failures(),
    dependencies=[MayRead],
    description="Tell for each runtime whether its jobs can be executed: whether any worker lives."
    " What a run executes its entry point says alone, whatever the job's runtime.",
)
async def list_runtimes(service: ServiceDep) -> JsonAnswer:
    """Tell for each runtime whether its jobs can be executed."""
    workers = len(await service.heartbeats.living())
    reason: str | None = None
    if not workers:
        reason = "no worker lives: start one with apphub-jobs worker"
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
) -> JsonAnswer:
    """Show a job and its newest runs.

    They end before their `limit` where they have 4 MB: then `meta.hasMore` is true, and
    `meta.nextCursor` goes on. Who counts by `offset` must add the runs that came, not the `limit`.
    """
    async with view(connection, files, as_of) as seen:
        job = await job_in(seen, slug)
        runs, meta = await _page(seen, job, statuses, cursor, limit, offset, quarantine)
        shown = {"job": job_definitions.present(job), "runs": runs}
        return page(shown, meta)


@router.patch(
    "/{slug}", response_model=Data[Definition], responses=failures(400, 404, 409, 413, 415, 429)
)
async def revise_job(
    slug: str, body: JobPatch, service: ServiceDep, origin: OriginDep
) -> JsonAnswer:
    """Make a new version of a job, unless nothing would change."""
    known_slug = possible_slug(slug)
    row = await service.jobs.revise_job(known_slug, body.changes(), body.version, origin)
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
    quarantine: QuarantineDep,
    statuses: StatusesDep,
    modules: ModulesDep,
    as_of: AsOfDep,
    limit: RunsLimit = 10,
    offset: Offset = 0,
    cursor: OptionalCursor = None,
) -> JsonAnswer:
    """List a job's runs, newest first.

    A page ends before its `limit` where its runs have 4 MB: then `meta.hasMore` is true, and
    `meta.nextCursor` goes on. Who counts by `offset` must add the runs that came, not the `limit`.
    """
    async with view(connection, files, as_of) as seen:
        job = await job_in(seen, slug)
        runs, meta = await _page(seen, job, statuses, cursor, limit, offset, quarantine, modules)
        return page(runs, meta)


async def _page(  # noqa: PLR0913 - what makes a page
    seen: View,
    job: JobDefinitionRow,
    statuses: list[str],
    cursor: str | None,
    limit: int,
    offset: int,
    quarantine: Quarantine,
    modules: frozenset[str] = frozenset(),
) -> tuple[list[JsonObject], JsonObject]:
    """Return a page of a job's runs and its `meta`.

    The `meta` tells of cursors only whoever asks with one, or is shown fewer runs than asked for
    because they are large.
    """
    before: int | None = None
    if cursor:
        before = position_of(cursor)
    definition_id = UUID(job["id"])
    wanted = RunFilter(definition_id=definition_id, statuses=statuses, before_position=before)
    runs: list[RunRow] = []
    next_offset: int | None = None
    if not modules or job_definitions.is_of_modules(job, modules):
        runs, next_offset = await seen.runs(wanted, limit, offset)
    has_more = next_offset is not None
    end = offset + limit
    is_cut = next_offset is not None and next_offset < end
    meta: JsonObject = {"limit": limit, "offset": offset}
    if cursor is not None or is_cut:
        meta["hasMore"] = has_more
        meta["nextCursor"] = next_cursor(runs, has_more)
    meta |= meta_of(seen)
    shown = await presented(seen, runs, quarantine)
    return shown, meta


MOST_SIMULATED = 50_000
"""Runs whose past is played again for a client: about a hundred megabytes of memory."""

WEEK_MS = 7 * 24 * 60 * 60 * 1_000


@router.get(
    "/{slug}/what-if",
    response_model=Data[WhatIf],
    responses=failures(400, 404, 429),
    dependencies=[MayRead],
    description="Play a job's recorded past again under another limit, and tell how long runs would"
    " have waited, beside how long they did. It is always a costly question, and refused where more"
    f" than {MOST_SIMULATED} runs are in the range.",
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
            le=MOST_AT_A_TIME,
            description="the limit to suppose; no limit if left out",
        ),
    ] = None,
    look_back_ms: Annotated[
        int,
        Query(
            alias="lookBackMs",
            ge=1,
            le=FARTHEST_BACK // timedelta(milliseconds=1),
            description="how long ago the range begins that ends now; a week if left out",
        ),
    ] = WEEK_MS,
) -> JsonAnswer:
    """Tell how long runs would have waited under another limit."""
    known_slug = possible_slug(slug)
    back = timedelta(milliseconds=look_back_ms)
    async with connection_for(request, service, ["/lookBackMs"]) as connection:
        history = await recorded(connection, service.files, known_slug, back, MOST_SIMULATED)
        if history is None:
            raise job_not_found()
        # The turn ends with the thread, also where the client leaves: no more of them run at once.
        return data(await finished_in_thread(partial(present, slug, max_concurrent_runs, history)))
