"""`/job-runs`: lists, single runs, their events and logs, cancel and retry."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query
from fastapi.responses import StreamingResponse

from api.answers import Data, Event, JsonAnswer, Page, Run, RunPageMeta, RunWithJob, data, failures
from api.bodies import CancelBody
from api.context import (
    MAX_SEARCH,
    ConnectionDep,
    MayRead,
    Offset,
    OriginDep,
    RunsLimit,
    ServiceDep,
    StatusesDep,
    run_id_of,
    run_not_found,
)
from api.routes_jobs import row_of
from api.service import Service
from api.strict_json import StrictJsonRoute
from domain.errors import InvalidInputError, Issue, NotFoundError
from domain.json_values import JsonObject
from domain.ports import Row
from domain.run_states import FINAL
from projections import job_definitions, job_runs, run_queries
from projections.run_queries import RunFilter, list_runs
from projections.table import Connection, rows_by_id

router = APIRouter(prefix="/job-runs", route_class=StrictJsonRoute, tags=["runs"])


@router.get("", response_model=Page[list[RunWithJob], RunPageMeta], responses=failures(400), dependencies=[MayRead])
async def list_all_runs(  # noqa: PLR0913 - one for each query parameter
    connection: ConnectionDep,
    statuses: StatusesDep,
    job: Annotated[str | None, Query(description="a job's slug")] = None,
    search: Annotated[str | None, Query(max_length=MAX_SEARCH)] = None,
    limit: RunsLimit = 25,
    offset: Offset = 0,
    cursor: Annotated[str | None, Query(description="`nextCursor` of the page before")] = None,
) -> JsonAnswer:
    """List runs of all jobs, newest first."""
    definition_id = None
    if job is not None:
        slug = _storable(job, "/job")
        definition = await job_definitions.by_slug(connection, slug) if slug.isascii() else None
        if definition is None:
            return _page([], limit, offset, has_more=False)
        definition_id = UUID(str(definition["id"]))
    wanted = RunFilter(
        definition_id=definition_id,
        statuses=statuses,
        search=_storable(search, "/search") if search else None,
        before_position=_position(cursor),
    )
    runs, has_more = await list_runs(connection, wanted, limit, offset)
    return _page(await _with_jobs(connection, runs), limit, offset, has_more=has_more, last=runs[-1] if runs else None)


@router.get("/{run_id}", response_model=Data[RunWithJob], responses=failures(404), dependencies=[MayRead])
async def get_run(run_id: str, connection: ConnectionDep) -> JsonAnswer:
    """Show a run and its job in brief."""
    row = await _known_run(connection, run_id)
    return data((await _with_jobs(connection, [row]))[0])


@router.get("/{run_id}/events", response_model=Data[list[Event]], responses=failures(404), dependencies=[MayRead])
async def get_run_events(run_id: str, service: ServiceDep) -> JsonAnswer:
    """Show a run's whole history, straight from the log."""
    events = await service.reader.histories([run_id_of(run_id)])
    if not events or events[0].subject != "job_run":
        raise run_not_found()
    return data([event.present() for event in events])


@router.post(
    "/{run_id}/cancel", status_code=202, response_model=Data[Run], responses=failures(400, 404, 409, 413, 415, 429)
)
async def cancel_run(
    run_id: str, service: ServiceDep, origin: OriginDep, body: Annotated[CancelBody | None, Body()] = None
) -> JsonAnswer:
    """Cancel a run: at once while pending, else as soon as what runs has stopped."""
    await service.jobs.cancel(run_id_of(run_id), body.reason if body else None, origin)
    return data(job_runs.present(await _read_run(service, run_id)), 202)


@router.post("/{run_id}/retry", status_code=202, response_model=Data[Run], responses=failures(400, 404, 409, 429))
async def retry_run(run_id: str, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Launch an ended run anew; the new run's `context.retryOf` names the old one."""
    launched = await service.jobs.retry(run_id_of(run_id), origin)
    return data(job_runs.present(await row_of(launched, service)), 202)


@router.get(
    "/{run_id}/logs",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/plain": {}}}, **failures(400, 404)},
    dependencies=[MayRead],
)
async def get_run_logs(
    run_id: str,
    service: ServiceDep,
    attempt: Annotated[int | None, Query(ge=1, le=1_000, description="of the last attempt if left out")] = None,
    offset: Annotated[int, Query(ge=0, le=2**40, description="bytes to skip")] = 0,
    follow: Annotated[bool, Query(description="go on until the attempt is over")] = False,  # noqa: FBT002
) -> StreamingResponse:
    """Show what an attempt printed; empty if it printed nothing or never started."""
    row = await _read_run(service, run_id)
    wanted = attempt if attempt is not None else int(str(row["attempt"]))
    if wanted > int(str(row["attempt"])):
        raise NotFoundError("attempt_not_found", f"the job run has had no attempt {wanted}")

    async def is_over() -> bool:
        now = await _read_run(service, run_id)
        return int(str(now["attempt"])) > wanted or now["status"] in FINAL

    logs, known_id = service.run_logs, str(row["id"])
    text = await (logs.follow(known_id, wanted, offset, is_over) if follow else logs.read(known_id, wanted, offset))
    return StreamingResponse(text, media_type="text/plain; charset=utf-8")


async def _read_run(service: Service, run_id: str) -> Row:
    async with service.pool.connection() as connection:
        return await _known_run(connection, run_id)


async def _known_run(connection: Connection, run_id: str) -> Row:
    row = await run_queries.by_id(connection, run_id_of(run_id))
    if row is None:
        raise run_not_found()
    return row


async def _with_jobs(connection: Connection, runs: list[Row]) -> list[Any]:
    ids = list({UUID(str(run["job_definition_id"])) for run in runs})
    jobs = await rows_by_id(connection, job_definitions.TABLE, ids) if ids else {}
    return [{"run": job_runs.present(run), "job": _brief(jobs[UUID(str(run["job_definition_id"]))])} for run in runs]


def _brief(job: Row) -> JsonObject:
    return {name: job[name] for name in ("id", "slug", "name", "version", "type")}


def _page(items: list[Any], limit: int, offset: int, *, has_more: bool, last: Row | None = None) -> JsonAnswer:
    meta = {
        "limit": limit,
        "offset": offset,
        "hasMore": has_more,
        "nextOffset": offset + limit if has_more else None,
        "nextCursor": str(last["created_position"]) if has_more and last else None,
    }
    return JsonAnswer({"data": items, "meta": meta})


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):  # noqa: PLR2004 - fits 64 bits
        raise InvalidInputError([Issue("/cursor", "must be the nextCursor of another page", "pattern")])
    return int(cursor)


def _storable(text: str, path: str) -> str:
    if "\x00" in text:
        raise InvalidInputError([Issue(path, "a NUL character", "pattern")])
    return text
