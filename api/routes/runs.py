"""`/job-runs`: lists, single runs, their events, attempts and logs, cancel and retry."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import StreamingResponse

from api.bootstrap.service import Service
from api.http.cursors import CURSOR, MOST, next_cursor, position_of
from api.http.dependencies import (
    MAX_SEARCH,
    ConnectionDep,
    FilesDep,
    MayRead,
    Offset,
    OriginDep,
    QuarantineDep,
    RunsLimit,
    ServiceDep,
    StatusesDep,
    known_parts,
    parts_of,
    run_id_of,
    storable,
)
from api.http.json_answer import NOT_KEPT, JsonAnswer, data, page
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep, run_in
from api.routes.launches import row_of
from api.shapes.base import Data, Page, failures
from api.shapes.runs import (
    CancelBody,
    CountsMeta,
    Run,
    RunCounts,
    RunPageMeta,
    RunWithJob,
)
from api.views.histories import executions_after
from api.views.log_places import refuse_logs_elsewhere
from api.views.runs import Present, jobs_wanted, meta_of, view, with_jobs
from domain.errors import NotFoundError
from domain.jobs.definition import RUNTIMES
from domain.jobs.run_values import FINAL, STATUSES
from domain.json_values import JsonObject
from eventlog.history.as_of import opened
from projections import job_runs
from projections.job_runs import RunRow
from projections.runs.filter import RunFilter

router = APIRouter(prefix="/job-runs", route_class=StrictJsonRoute, tags=["runs"])

Jobs = Annotated[
    str | None,
    Query(description="a job's slug, or several with commas or blanks between them"),
]


async def _runtimes(
    runtime: Annotated[
        str | None,
        Query(
            description="only runs of jobs for this runtime,"
            " or for several with commas or blanks between them"
        ),
    ] = None,
) -> list[str]:
    return known_parts(runtime, RUNTIMES, "runtime")


RuntimesDep = Annotated[list[str], Depends(_runtimes)]


@router.get(
    "",
    response_model=Page[list[RunWithJob], RunPageMeta],
    responses=failures(400),
    dependencies=[MayRead],
)
async def list_all_runs(  # noqa: PLR0913 - one for each query parameter
    connection: ConnectionDep,
    files: FilesDep,
    quarantine: QuarantineDep,
    statuses: StatusesDep,
    as_of: AsOfDep,
    runtimes: RuntimesDep,
    job: Jobs = None,
    search: Annotated[str | None, Query(max_length=MAX_SEARCH)] = None,
    limit: RunsLimit = 25,
    offset: Offset = 0,
    cursor: Annotated[
        str | None,
        Query(
            description="`nextCursor` of the page before",
            json_schema_extra={"pattern": CURSOR},
        ),
    ] = None,
) -> JsonAnswer:
    """List runs of all jobs, newest first.

    A page ends before its `limit` where its runs have 4 MB; `meta.nextCursor` and
    `meta.nextOffset` tell how to go on.
    """
    before: int | None = None
    if cursor is not None:
        before = position_of(cursor)
    wanted = RunFilter(
        statuses=statuses,
        search=storable(search or "", "/search") or None,
        before_position=before,
    )
    slugs = parts_of(storable(job or "", "/job"))
    async with view(connection, files, as_of) as seen:
        jobs = await jobs_wanted(seen, slugs, runtimes)
        runs: list[RunRow] = []
        next_offset: int | None = None
        if jobs is None or jobs:
            wanted = replace(wanted, definition_ids=jobs or ())
            runs, next_offset = await seen.runs(wanted, limit, offset)
        items = await with_jobs(seen, runs, quarantine)
        has_more = next_offset is not None
        meta = {
            "limit": limit,
            "offset": offset,
            "hasMore": has_more,
            "nextOffset": next_offset,
            "nextCursor": next_cursor(runs, has_more),
            **meta_of(seen),
        }
        return page(items, meta)


@router.get(
    "/counts",
    response_model=Page[RunCounts, CountsMeta],
    responses=failures(400),
    dependencies=[MayRead],
    description="Count the runs in each status."
    " `meta.position` is the place in the log that the counts are exact for.",
)
async def count_runs(
    connection: ConnectionDep,
    files: FilesDep,
    as_of: AsOfDep,
    runtimes: RuntimesDep,
    job: Jobs = None,
) -> JsonAnswer:
    """Count the runs in each status."""
    slugs = parts_of(storable(job or "", "/job"))
    counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
    async with opened(connection, files, as_of) as past:
        jobs = await jobs_wanted(past, slugs, runtimes)
        if jobs is None or jobs:
            counts = await past.counts(jobs)
        meta: JsonObject = {"position": past.position}
        if as_of is not None:
            meta |= meta_of(past)
        return page(counts, meta)


@router.get(
    "/{run_id}",
    response_model=Data[RunWithJob],
    responses=failures(400, 404),
    dependencies=[MayRead],
)
async def get_run(
    run_id: str,
    connection: ConnectionDep,
    files: FilesDep,
    quarantine: QuarantineDep,
    as_of: AsOfDep,
) -> JsonAnswer:
    """Show a run and its job in brief."""
    async with view(connection, files, as_of) as seen:
        run = await run_in(seen, run_id)
        [shown] = await with_jobs(seen, [run], quarantine)
        return data(shown)


@router.post(
    "/{run_id}/cancel",
    status_code=202,
    response_model=Data[Run],
    responses=failures(400, 404, 409, 413, 415, 429),
)
async def cancel_run(
    run_id: str,
    service: ServiceDep,
    origin: OriginDep,
    body: Annotated[CancelBody | None, Body()] = None,
) -> JsonAnswer:
    """Cancel a run: at once while pending, else as soon as what runs has stopped."""
    reason: str | None = None
    if body is not None:
        reason = body.reason
    await service.jobs.cancel(run_id_of(run_id), reason, origin)
    row = await _read_run(service, run_id)
    return data(job_runs.present(row), 202)


@router.post(
    "/{run_id}/retry",
    status_code=202,
    response_model=Data[Run],
    responses=failures(400, 404, 409, 429),
)
async def retry_run(run_id: str, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Launch an ended run anew; the new run's `context.retryOf` names the old one."""
    launched = await service.jobs.retry(run_id_of(run_id), origin)
    row = await row_of(launched, service)
    return data(job_runs.present(row), 202)


@router.get(
    "/{run_id}/logs",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/plain": {}}}, **failures(400, 404)},
    dependencies=[MayRead],
)
async def get_run_logs(
    run_id: str,
    service: ServiceDep,
    attempt: Annotated[
        int | None, Query(ge=1, le=1_000, description="of the last attempt if left out")
    ] = None,
    offset: Annotated[int, Query(ge=0, le=2**40, description="bytes to skip")] = 0,
    follow: Annotated[  # noqa: FBT002 - FastAPI gives it by name
        bool, Query(description="go on until the attempt is over")
    ] = False,
) -> StreamingResponse:
    """Show what an attempt printed; empty if it printed nothing or never started."""
    row = await _read_run(service, run_id)
    wanted = attempt or row["attempt"]
    if wanted > row["attempt"]:
        raise NotFoundError(
            "attempt_not_found", f"the job run has had no attempt {wanted}"
        )

    async def is_over() -> bool:
        now = await _read_run(service, run_id)
        return now["attempt"] > wanted or now["status"] in FINAL

    known_id = row["id"]
    if not await service.run_logs.size(known_id, wanted):
        await _need_log_here(service, known_id, wanted)
    if follow:
        text = await service.run_logs.follow(known_id, wanted, offset, is_over)
    else:
        text = await service.run_logs.read(known_id, wanted, offset)
    return StreamingResponse(
        text, media_type="text/plain; charset=utf-8", headers=NOT_KEPT
    )


async def _need_log_here(service: Service, run_id: str, attempt: int) -> None:
    executions, _ = await executions_after(service.reader, UUID(run_id), 0, MOST)
    workers = [one["workerId"] for one in executions if one["attempt"] == attempt]
    if workers:
        last = str(workers[-1])
        await refuse_logs_elsewhere(service.heartbeats, last, service.logs_at)


async def _read_run(service: Service, run_id: str) -> RunRow:
    async with service.pool.connection() as connection:
        return await run_in(Present(connection), run_id)
