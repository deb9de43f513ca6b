"""`/workers`: workers, and entry points that none of them offers. First the shapes."""

import logging
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from api.http.dependencies import ConnectionDep, MayRead, OriginDep, cursor_meta, storable
from api.http.errors import JsonResponse, data, page
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import Data, Page, PartMeta, Shape, failures
from domain.ports import WorkerState
from eventlog import entry_points
from eventlog import workers as listing


class Python(Shape):
    """An interpreter that runs handlers of a worker."""

    path: str = Field(description="its program, on the worker's machine")
    version: str
    entry_points: list[str] = Field(description="entry points of the handlers that it runs")


class Worker(Shape):
    """A worker since its start; one that starts again is another one."""

    id: str
    state: WorkerState = Field(
        description="`draining`: it claims no more runs, and exits once its runs have ended;"
        " `lost`: its heartbeats are missing"
    )
    host: str = Field(description="the name of its machine")
    pid: int = Field(description="its process id there")
    version: str | None = Field(description="its program's version; null if it reports none")
    slots: int = Field(description="how many runs it executes at a time")
    shared_slots: int = Field(
        description="how many further runs may share one process, of jobs with shared isolation"
    )
    busy: int = Field(description="how many of its slots are in use")
    shared_busy: int = Field(description="how many of its shared slots are in use")
    labels: dict[str, str] = Field(description="labels that it was started with")
    entry_points: list[str] | None = Field(
        description="entry points that it can execute; null: an old version, which takes all"
    )
    pythons: list[Python] = Field(
        description="interpreters that run its handlers; empty: an old version, with its own alone"
    )
    started_at: AwareDatetime
    last_beat_at: AwareDatetime = Field(description="when its last heartbeat came")


class UnofferedRuns(Shape):
    """Waiting runs of a job whose entry point no living worker offers."""

    slug: str = Field(description="the job's slug")
    entry_point: str
    runs: int = Field(description="how many wait for it, among the first hundred of the job")


router = APIRouter(prefix="/workers", route_class=StrictJsonRoute, tags=["workers"])

logger = logging.getLogger(__name__)

MAX_ID = 300


@router.get(
    "",
    response_model=Page[list[Worker], PartMeta],
    responses=failures(400),
    dependencies=[MayRead],
    description="List workers by id: those that are alive, and those that were lost within the"
    " last day. Workers that stopped cleanly are not shown. There is no `asOf`: heartbeats"
    " are not events.",
)
async def list_workers(
    connection: ConnectionDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[
        str, Query(max_length=MAX_ID, description="`nextCursor` of the page before")
    ] = "",
) -> JsonResponse:
    """List workers by id."""
    after = storable(cursor, "/cursor")
    rows = await listing.page_of_workers(connection, after, limit + 1)
    next_cursor = rows[limit - 1]["id"] if len(rows) > limit else None
    items = [listing.present(row) for row in rows[:limit]]
    return page(items, cursor_meta(limit, next_cursor))


@router.get(
    "/unoffered",
    response_model=Data[list[UnofferedRuns]],
    responses=failures(400),
    dependencies=[MayRead],
    description="List by job the entry points that waiting runs need and no living worker offers:"
    " these runs wait until a worker starts that does. At most a thousand jobs are looked at.",
)
async def list_unoffered(connection: ConnectionDep) -> JsonResponse:
    """List entry points that runs wait for and no living worker offers."""
    return data(
        [
            {"slug": row["slug"], "entryPoint": row["entry_point"], "runs": row["runs"]}
            for row in await entry_points.unoffered_runs(connection)
        ]
    )


@router.post(
    "/{worker_id}/drain",
    status_code=202,
    response_model=Data[Worker],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Let a worker claim no more runs, finish those that it executes however long"
    " that takes, and then exit. A repeated call changes nothing.",
)
async def drain_worker(
    worker_id: str, connection: ConnectionDep, origin: OriginDep
) -> JsonResponse:
    """Let a worker finish its runs and exit."""
    row = await listing.drain(connection, storable(worker_id, "/worker_id"))
    logger.info("worker %s is drained, requested by %s", worker_id, origin.actor)
    return data(listing.present(row), 202)
