"""`/workers`: who lives, what each offers, and how to let one come to its end."""

import logging
from typing import Annotated

from fastapi import APIRouter, Query

from api.http.cursors import cursor_meta
from api.http.dependencies import ConnectionDep, MayRead, OriginDep, storable
from api.http.json_answer import JsonAnswer, data, page
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import Data, Page, PartMeta, failures
from api.shapes.workers import UnofferedRuns, Worker
from eventlog.workers import listing, offers

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
        str,
        Query(max_length=MAX_ID, description="`nextCursor` of the page before"),
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
    found = await offers.unoffered_runs(connection)
    return data(
        [
            {
                "slug": waiting["slug"],
                "entryPoint": waiting["entry_point"],
                "runs": waiting["runs"],
            }
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
async def drain_worker(
    worker_id: str, connection: ConnectionDep, origin: OriginDep
) -> JsonAnswer:
    """Let a worker come to its end."""
    known_id = storable(worker_id, "/worker_id")
    found = await listing.drain(connection, known_id)
    logger.info("worker %s is drained, asked for by %s", worker_id, origin.actor)
    shown = listing.present(found)
    return data(shown, 202)
