"""`/job-runs`: first histories and explanations of runs, then lists, single runs and commands.

Last their logs.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from api.bootstrap.service import Service
from api.http.connections import abort, admit_stream
from api.http.dependencies import (
    MAX_HISTORY_PAGE,
    ConditionsDep,
    ConnectionDep,
    FilesDep,
    HistoryLimit,
    KeyDep,
    MayRead,
    ModulesDep,
    Offset,
    OptionalCursor,
    OriginDep,
    PageCursor,
    QuarantineDep,
    RunsLimit,
    ServiceDep,
    history_meta,
    next_cursor,
    parse_words,
    position_of,
    run_id_of,
    run_not_found,
    split_words,
    storable,
    until_cut_off,
)
from api.http.errors import NO_STORE, JsonResponse, data, page, stream_data
from api.http.limits import FINAL_FLUSH_S
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep, run_in
from api.routes.events import Event
from api.routes.launches import launch_response
from api.shapes.base import Data, Page, Part, failures
from api.shapes.runs import (
    FILTERS,
    AttemptEntry,
    CancelBody,
    CountsMeta,
    Explained,
    LaunchedRun,
    RetryBody,
    Run,
    RunCounts,
    RunPageMeta,
    RunWithJob,
)
from api.views.lists import Present, all_events, executions_after, open_view, view_meta, with_jobs
from domain.errors import InvalidInputError, Issue, NotFoundError
from domain.jobs.definition import RUNTIMES
from domain.jobs.launching import NO_OVERRIDES
from domain.jobs.run_events import FINAL, STATUSES
from domain.json_values import JsonObject
from eventlog.explain import explain_now, explain_past
from eventlog.history.as_of import open_past
from projections import job_runs
from projections.envelope import Envelope
from projections.flow import unfinished
from projections.job_runs import RunRow
from projections.runs.filters import Order, jobs_matching, run_filter
from runtime.tasks import run_until_one_ends
from worker.logs.run_logs import Stream, StreamFilter

router = APIRouter(prefix="/job-runs", route_class=StrictJsonRoute, tags=["runs"])


@router.get(
    "/{run_id}/events",
    response_model=Part[list[Event]],
    responses=failures(400, 404),
    dependencies=[MayRead],
    description="Show a run's complete history from the log; with `limit` or `cursor`, a"
    " page of it, which may be shorter than `limit`, and `meta`.",
)
async def get_run_events(
    run_id: str, service: ServiceDep, limit: HistoryLimit = None, cursor: OptionalCursor = None
) -> Response:
    """Show a run's history."""
    aggregate_id = run_id_of(run_id)
    after = position_of(cursor or "0")
    events, next_after = await service.reader.history(
        aggregate_id, after, limit or MAX_HISTORY_PAGE
    )
    await _check_run_exists(service, aggregate_id, events)
    is_page = limit is not None or cursor is not None
    if next_after is not None and not is_page:
        return stream_data(all_events(service.reader, aggregate_id, events, next_after))
    items = [event.present() for event in events]
    return page(items, history_meta(limit, next_after)) if is_page else data([*items])


@router.get(
    "/{run_id}/attempts",
    response_model=Part[list[AttemptEntry]],
    responses=failures(400, 404),
    dependencies=[MayRead],
    description="Show each execution of a run: when, by which worker, and how it ended;"
    " none if it never started. With `limit` or `cursor`, or if there are very many, this is a"
    " page, which may be shorter than `limit`, with `meta`.",
)
async def get_run_attempts(
    run_id: str, service: ServiceDep, limit: HistoryLimit = None, cursor: OptionalCursor = None
) -> JsonResponse:
    """Show each execution of a run."""
    aggregate_id = run_id_of(run_id)
    after = position_of(cursor or "0")
    await _check_run_exists(service, aggregate_id, ())
    executions, next_after = await executions_after(
        service.reader, aggregate_id, after, limit or MAX_HISTORY_PAGE
    )
    if limit is None and cursor is None and next_after is None:
        return data([*executions])
    return page(executions, history_meta(limit, next_after))


@router.get(
    "/{run_id}/explain",
    response_model=Explained,
    responses=failures(400, 404),
    dependencies=[MayRead],
    description="Explain why a run waits, by the rules that decide claims: every reason, whether it"
    " is binding, since when, and which runs are ahead; for an ended run, how it ended, with the"
    " evidence. With `asOf` the same for a past moment, as far as it is recorded: which workers"
    " were alive then is not, and `unknown` says so.",
)
async def explain_run(
    run_id: str, connection: ConnectionDep, service: ServiceDep, as_of: AsOfDep
) -> JsonResponse:
    """Explain why a run waits, or how it ended."""
    aggregate_id = run_id_of(run_id)
    files = service.files
    if as_of is None:
        explanation = await explain_now(connection, files, service.jobs.quarantine, aggregate_id)
        if explanation is None:
            raise run_not_found()
        return data(explanation)
    past = await explain_past(connection, files, aggregate_id, as_of)
    if past is None:
        raise run_not_found()
    past_explanation, position = past
    return page(past_explanation, {"asOf": position})


async def _check_run_exists(service: Service, run_id: UUID, events: Sequence[Envelope]) -> None:
    """Raise NotFoundError unless the id is that of a run.

    Args:
        service: reads the first event where the caller has none.
        run_id: the id.
        events: events that the caller has read of it; may be empty.
    """
    if not events:
        events, _ = await service.reader.history(run_id, 0, 1)
    if not events or events[0].subject != "job_run":
        raise run_not_found()


JobSlugs = Annotated[
    str | None, Query(description="a job's slug, or several with commas or blanks between them")
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
    return parse_words(runtime, RUNTIMES, "runtime")


RuntimesDep = Annotated[list[str], Depends(_runtimes)]


@router.get(
    "",
    response_model=Page[list[RunWithJob], RunPageMeta],
    responses=failures(400),
    dependencies=[MayRead],
    openapi_extra={"parameters": FILTERS},
)
async def list_all_runs(  # noqa: PLR0913 - what it takes from the request
    connection: ConnectionDep,
    files: FilesDep,
    quarantine: QuarantineDep,
    conditions: ConditionsDep,
    as_of: AsOfDep,
    sort: Annotated[
        Order,
        Query(
            description="`created`: the last created first; `started`, `ended` and `duration`: only"
            " runs that have ended, the last started, the last ended or the longest first"
        ),
    ] = "created",
    limit: RunsLimit = 25,
    offset: Offset = 0,
    cursor: PageCursor = None,
) -> JsonResponse:
    """List runs of all jobs, newest first unless `sort` says otherwise.

    All filters must hold. Each may be negated by `!=` (`status!=failed`). A parameter is compared
    by `parameters.NAME=VALUE`, a label that the job requires of workers by `label.NAME=VALUE`.

    A page ends before its `limit` once its runs have 4 MB; continue with `meta.nextCursor` or
    `meta.nextOffset`.
    """
    before = None if cursor is None else position_of(cursor)
    async with open_view(connection, files, as_of) as view:
        matching = await run_filter(connection, view, conditions)
        runs: list[RunRow] = []
        next_offset: int | None = None
        if matching is not None:
            matching = replace(matching, before_position=before, order=sort)
            runs, next_offset = await view.runs(matching, limit, offset)
        items = await with_jobs(view, runs, quarantine)
        has_more = next_offset is not None
        meta = {
            "limit": limit,
            "offset": offset,
            "hasMore": has_more,
            "nextOffset": next_offset,
            "nextCursor": next_cursor(runs, has_more),
            **view_meta(view),
        }
        return page(items, meta)


@router.get(
    "/counts",
    response_model=Page[RunCounts, CountsMeta],
    responses=failures(400),
    dependencies=[MayRead],
    description="Count the runs in each status."
    " The counts are exact for the log position `meta.position`.",
)
async def count_runs(  # noqa: PLR0913 - what it takes from the request
    connection: ConnectionDep,
    files: FilesDep,
    as_of: AsOfDep,
    runtimes: RuntimesDep,
    modules: ModulesDep,
    job: JobSlugs = None,
) -> JsonResponse:
    """Count the runs in each status."""
    slugs = split_words(storable(job or "", "/job"))
    counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
    async with open_past(connection, files, as_of) as past:
        jobs = await jobs_matching(past, frozenset(slugs), frozenset(runtimes), modules)
        if jobs is None or jobs:
            counts = await past.counts(jobs)
        meta: JsonObject = {"position": past.position}
        if as_of is not None:
            meta |= view_meta(past)
        return page(counts, meta)


@router.get(
    "/waiting",
    response_model=Data[list[RunWithJob]],
    responses=failures(400),
    dependencies=[MayRead],
)
async def list_waiting_runs(
    connection: ConnectionDep,
    quarantine: QuarantineDep,
    limit: Annotated[int, Query(ge=1, le=10)] = 5,
) -> JsonResponse:
    """List the pending runs that are due, the longest waiting first."""
    runs = await unfinished.waiting_longest(connection, limit)
    return data([*await with_jobs(Present(connection), runs, quarantine)])


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
) -> JsonResponse:
    """Show a run and its job in brief."""
    async with open_view(connection, files, as_of) as view:
        run = await run_in(view, run_id)
        [item] = await with_jobs(view, [run], quarantine)
        return data(item)


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
) -> JsonResponse:
    """Cancel a run: at once while it is pending, else as soon as its attempt has stopped."""
    reason = None if body is None else body.reason
    await service.jobs.cancel(run_id_of(run_id), reason, origin)
    row = await _read_run(service, run_id)
    return data(job_runs.present(row), 202)


@router.post(
    "/{run_id}/retry",
    status_code=202,
    response_model=LaunchedRun,
    responses={
        200: {"model": LaunchedRun, "description": "the existing run, which is kept"},
        **failures(400, 404, 409, 413, 415, 429),
    },
)
async def retry_run(
    run_id: str,
    service: ServiceDep,
    origin: OriginDep,
    key: KeyDep,
    body: Annotated[RetryBody | None, Body()] = None,
) -> JsonResponse:
    """Launch an ended run again, with changes if there is a body.

    The new run's `context.retryOf` names the old one. With an `Idempotency-Key` a repeated request
    returns the first new run again.

    If runs of the job are `unique`, and an existing run is kept, the answer is that run, with 200.
    """
    overrides = NO_OVERRIDES if body is None else body.overrides()
    launched = await service.jobs.retry(run_id_of(run_id), origin, key, overrides)
    return await launch_response(launched, service)


@router.get(
    "/{run_id}/logs",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/plain": {}}}, **failures(400, 404)},
    dependencies=[MayRead],
)
async def get_run_logs(  # noqa: PLR0913 - one for each parameter of the query
    run_id: str,
    request: Request,
    service: ServiceDep,
    attempt: Annotated[
        int | None, Query(ge=1, le=1_000, description="left out: the last attempt")
    ] = None,
    offset: Annotated[int, Query(ge=0, le=2**40, description="bytes to skip")] = 0,
    follow: Annotated[  # noqa: FBT002 - FastAPI gives it by name
        bool, Query(description="keep the response open until the attempt is over")
    ] = False,
    last: Annotated[
        int | None,
        Query(
            ge=1,
            le=1_000,
            description="only this many lines from the end, up to 64 KiB; not with `follow` or"
            " `offset`",
        ),
    ] = None,
    stream: Annotated[
        Stream | None, Query(description="only lines of this one; `offset` counts all bytes")
    ] = None,
) -> Response:
    """Show what an attempt printed; empty if it printed nothing or never started.

    Each line begins with its time in UTC, which ends with `z` on lines of standard error and with
    `Z` on all others.
    """
    if last is not None and (follow or offset):
        message = "is the log's end as it is now: leave out follow and offset, or last"
        raise InvalidInputError([Issue("/last", message, "not")])
    if follow:
        admit_stream(request.scope)  # First, for the rest needs the database.
    row = await _read_run(service, run_id)
    number = attempt or row["attempt"]
    if number > row["attempt"]:
        raise NotFoundError("attempt_not_found", f"the job run has had no attempt {number}")

    async def is_over() -> bool:
        current = await _read_run(service, run_id)
        return current["attempt"] > number or current["status"] in FINAL

    if not await service.run_logs.size(row["id"], number):
        await _check_log_store(service, row["id"], number)
    if last is not None:
        return await _log_tail(service, row["id"], number, last, stream)
    if follow:
        text = await service.run_logs.follow(row["id"], number, offset, is_over, stream)
        return _FollowedLog(text, media_type="text/plain; charset=utf-8", headers=NO_STORE)
    text = await service.run_logs.read(row["id"], number, offset, stream)
    return StreamingResponse(text, media_type="text/plain; charset=utf-8", headers=NO_STORE)


MAX_TAIL_BYTES = 65_536


async def _log_tail(
    service: Service, run_id: str, attempt: int, lines: int, stream: Stream | None
) -> Response:
    """Return the last lines of a log's last `MAX_TAIL_BYTES`, of one stream or of both (None)."""
    tail, size = await service.run_logs.tail(run_id, attempt, MAX_TAIL_BYTES)
    if size > len(tail):
        _, _, complete_lines = tail.partition(b"\n")  # The first line's beginning is missing.
        tail = complete_lines or tail
    if stream is not None:
        lines_of_stream = StreamFilter(stream)
        tail = lines_of_stream.add(tail) + lines_of_stream.flush()
    content = b"".join(tail.splitlines(keepends=True)[-lines:])
    return Response(content, media_type="text/plain; charset=utf-8", headers=NO_STORE)


class _FollowedLog(StreamingResponse):
    """A log that is still written. It ends when the service stops; clients request the rest."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what is written until the attempt is over or the client is cut off."""
        is_over, _ = await run_until_one_ends(
            super().__call__(scope, receive, send), until_cut_off(HTTPConnection(scope))
        )
        if is_over:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(FINAL_FLUSH_S):
                await send({"type": "http.response.body", "body": b""})
                return
        await abort(scope, receive)


async def _check_log_store(service: Service, run_id: str, attempt: int) -> None:
    """Refuse to show a log as empty if its worker writes logs to another directory or store.

    Raises:
        NotFoundError: it does; the message says on which machine.
    """
    executions, _ = await executions_after(service.reader, UUID(run_id), 0, MAX_HISTORY_PAGE)
    workers = [
        str(execution["workerId"]) for execution in executions if execution["attempt"] == attempt
    ]
    writer = await service.heartbeats.writer_of_logs(workers[-1]) if workers else None
    if writer is None or writer["logs_at"] in {None, service.logs_at}:
        return
    message = (
        f"the log is with the worker {workers[-1]} on {writer['host']}, which has another"
        " data directory or store of logs than this API;"
        " start both with the same --data-dir, or with the same --logs-store"
    )
    raise NotFoundError("logs_elsewhere", message)


async def _read_run(service: Service, run_id: str) -> RunRow:
    async with service.pool.connection() as connection:
        return await run_in(Present(connection), run_id)
