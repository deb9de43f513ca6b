"""The service as operators watch it: `/health`, `/ready` and `/metrics`, then `/workers`."""

import logging
from http import HTTPStatus
from typing import Annotated, cast

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from api.http.dependencies import ConnectionDep, MayRead, OriginDep, cursor_meta, storable
from api.http.errors import JsonAnswer, data, page
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import Data, Health, NotReady, Page, PartMeta, Shape, failures
from api.views.status import Readiness, Scrapes
from domain.ports import Standing
from eventlog import claims
from eventlog import workers as listing
from runtime.metrics import CONTENT_TYPE

# `/health`, `/ready` and `/metrics`, for monitoring of this process.

health_router = APIRouter(tags=["health"])


@health_router.get("/health", response_model=Health)
async def health() -> JsonAnswer:
    """Tell that the service answers."""
    return JsonAnswer({"status": "ok"})


@health_router.get("/readyz", include_in_schema=False)
@health_router.get(
    "/ready",
    response_model=Health,
    responses={503: {"model": NotReady, "description": "Something that it needs is missing."}},
    description="Tell whether this process can serve: its database, its schema, its reader"
    " (by a query of its own), its sealer and its background tasks. Send it no clients"
    " while this is a 503; restart it only if that does not pass.",
)
async def ready(request: Request) -> JsonAnswer:
    """Tell whether this process can serve."""
    readiness = cast("Readiness", request.app.state.readiness)
    reasons = await readiness.reasons_against()
    if reasons:
        return JsonAnswer({"reasons": reasons}, HTTPStatus.SERVICE_UNAVAILABLE)
    return JsonAnswer({"status": "ok"})


@health_router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=failures(),
    dependencies=[MayRead],
    description="Tell Prometheus of runs, log, appends, leases, background tasks and streams,"
    " in its text format. Where tokens are required, any of them will do.",
)
async def metrics(request: Request) -> Response:
    """Tell Prometheus how the service is."""
    scrapes = cast("Scrapes", request.app.state.scrapes)
    return Response(await scrapes.exposition(), media_type=CONTENT_TYPE)


class Worker(Shape):
    """A worker since its start; one that starts again is another one."""

    id: str
    state: Standing = Field(
        description="`draining`: it claims nothing more, and ends once what it runs has ended;"
        " `lost`: it counts as dead, or soon will"
    )
    host: str = Field(description="the name of the machine where it runs")
    pid: int = Field(description="its process there")
    version: str | None = Field(description="of its program; null where it does not say")
    slots: int = Field(description="how many runs it executes at a time")
    shared_slots: int = Field(
        description="how many beside them may share a process, of jobs that say so"
    )
    busy: int = Field(description="how many it executes now, but for those that share")
    shared_busy: int = Field(description="how many of those that share it executes now")
    labels: dict[str, str] = Field(description="what it was given to be told by")
    entry_points: list[str] | None = Field(
        description="what it offers to execute; null: a version that takes everything"
    )
    started_at: AwareDatetime
    last_beat_at: AwareDatetime = Field(description="when it last proved that it lives")


class UnofferedRuns(Shape):
    """Waiting runs of a job whose entry point no living worker offers."""

    slug: str = Field(description="the job's")
    entry_point: str
    runs: int = Field(description="how many wait for it, of the first hundred of the job's queue")


# `/workers`: which ones live, what each offers, and how to drain one.

router = APIRouter(prefix="/workers", route_class=StrictJsonRoute, tags=["workers"])

logger = logging.getLogger(__name__)

MAX_ID = 300


@router.get(
    "",
    response_model=Page[list[Worker], PartMeta],
    responses=failures(400),
    dependencies=[MayRead],
    description="List workers by id: those that live, and those that were lost within the"
    " last day. Those that were stopped in good order are not shown. There is no `asOf`: that"
    " a worker lives is no event.",
)
async def list_workers(
    connection: ConnectionDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[
        str, Query(max_length=MAX_ID, description="`nextCursor` of the page before")
    ] = "",
) -> JsonAnswer:
    """List workers by id."""
    after = storable(cursor, "/cursor")
    found = await listing.page_of_workers(connection, after, limit + 1)
    shown = found[:limit]
    next_cursor: str | None = None
    if len(found) > limit:
        last = shown[-1]
        next_cursor = last["id"]
    meta = cursor_meta(limit, next_cursor)
    workers = [listing.present(worker) for worker in shown]
    return page(workers, meta)


@router.get(
    "/unoffered",
    response_model=Data[list[UnofferedRuns]],
    responses=failures(),
    dependencies=[MayRead],
    description="List by job the entry points that waiting runs need and no living worker offers:"
    " these runs wait until a worker starts that does. At most a thousand jobs are looked at.",
)
async def list_unoffered(connection: ConnectionDep) -> JsonAnswer:
    """List entry points that runs wait for and no living worker offers."""
    found = await claims.unoffered_runs(connection)
    return data(
        [
            {"slug": waiting["slug"], "entryPoint": waiting["entry_point"], "runs": waiting["runs"]}
            for waiting in found
        ]
    )


@router.post(
    "/{worker_id}/drain",
    status_code=202,
    response_model=Data[Worker],
    responses=failures(404, 409, 429),
    description="Let a worker claim nothing more from now on, end what it runs however long"
    " that takes, and then end itself. Asked again, it is the same.",
)
async def drain_worker(worker_id: str, connection: ConnectionDep, origin: OriginDep) -> JsonAnswer:
    """Let a worker come to its end."""
    known_id = storable(worker_id, "/worker_id")
    found = await listing.drain(connection, known_id)
    logger.info("worker %s is drained, asked for by %s", worker_id, origin.actor)
    shown = listing.present(found)
    return data(shown, 202)
