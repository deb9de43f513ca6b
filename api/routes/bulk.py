"""`/bulk`: cancel, retry or rerun many runs. First the shapes, then the routes."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.bootstrap.service import Service
from api.http.dependencies import (
    ConnectionDep,
    FilesDep,
    KeyDep,
    MayRead,
    OriginDep,
    PageCursor,
    QuarantineDep,
    ServiceDep,
    connection_for,
    cursor_meta,
    position_of,
)
from api.http.errors import JsonResponse, data, page
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep
from api.shapes.base import (
    AnyObject,
    Data,
    Page,
    PartMeta,
    RequestBody,
    Shape,
    failures,
    with_columns,
)
from api.shapes.runs import Run, RunCounts
from api.views.lists import Present, present_runs
from domain.bulk import Action, Order, failure_filter
from domain.commands.bulk import SAMPLE, StartedOperation
from domain.errors import InvalidInputError, Issue, NotFoundError
from domain.filters import MAX_WORDS
from domain.jobs.run_events import STATUSES
from domain.ports import Origin, Row
from eventlog.history.as_of import open_past
from projections import bulk, job_runs
from projections.bulk import BulkRow
from projections.runs import related
from projections.runs.filters import NOW
from projections.runs.lists import first_of_page
from projections.table import rows_by_id

_REASON = Annotated[str, Field(min_length=1, max_length=1_000)]


class Refusal(BaseModel):
    """A run that the action cannot be applied to."""

    model_config = ConfigDict(extra="forbid")

    run: str = Field(description="its id")
    code: str = Field(description="why, for programs")
    why: str = Field(description="why, for people")


_COLUMNS = {name: column for name, column in bulk.SHOWN.items() if name != "refusals"}


@with_columns(bulk.BulkRow, _COLUMNS)
class BulkOperation(Shape):
    """An action on all runs that matched a filter, and its progress."""

    refusals: list[Refusal]
    position: int = Field(description="the log position at which the runs were chosen and counted")


class BulkPreview(Shape):
    """What a bulk operation would do."""

    count: int = Field(description="how many runs match")
    position: int = Field(description="the log position at which they were counted")
    sample: list[Run] = Field(description="the newest of them")
    refused: list[Refusal] = Field(
        description="runs among the newest hundred that would refuse the action"
    )


class BulkPatch(RequestBody):
    """Changes to the parameters that new runs take over from the runs that they repeat."""

    parameters: AnyObject = Field(description="each replaces the parameter of its name")


class _Order(RequestBody):
    reason: _REASON | None = Field(
        default=None, description="why; it may be left out where `dryRun` is true"
    )
    patch: BulkPatch | None = None
    dry_run: bool = Field(default=False, description="only show what would be done")

    def _order(self, action: Action, conditions: list[str]) -> Order:
        if self.reason is None and not self.dry_run:
            message = "say why: it stays in the history of each run; or give dryRun"
            raise InvalidInputError([Issue("/reason", message, "required")])
        patch = None if self.patch is None else self.patch.parameters
        return Order(action=action, filter=conditions, reason=self.reason or "", patch=patch)


class BulkBody(_Order):
    """An action on many runs."""

    action: Action = Field(
        description="`cancel` is for runs that are pending or running, `retry` for those that"
        " failed or expired or were canceled, `rerun` for all that have ended"
    )
    filter: Annotated[list[str], Field(max_length=MAX_WORDS)] = Field(
        description='conditions that must all hold, such as `["job=report", "status!=expired"]`;'
        ' `["all"]` for all runs that the action is for'
    )

    def order(self) -> Order:
        """Return the command; raise InvalidInputError if there is no reason and no `dryRun`."""
        return self._order(self.action, self.filter)


class RetryGroupBody(_Order):
    """A retry of all runs of a failure group."""

    def order(self, job: str, fingerprint: str) -> Order:
        """Return the command; raise InvalidInputError if there is no reason and no `dryRun`."""
        return self._order("retry", failure_filter(job, fingerprint))


class AbortBody(RequestBody):
    """Why to stop."""

    reason: _REASON | None = None


router = APIRouter(prefix="/bulk", route_class=StrictJsonRoute, tags=["bulk"])


@router.post(
    "",
    status_code=202,
    response_model=Data[BulkOperation],
    responses={
        200: {"model": Data[BulkPreview], "description": "The preview"},
        **failures(400, 409, 413, 415, 429),
    },
    description="Cancel, retry or rerun all runs that match a filter now. With `dryRun` this"
    " only shows what would be done. Otherwise the operation continues in the background, exactly"
    " once for each run, even if processes crash; a request that is refused has done nothing."
    " With an `Idempotency-Key` a repeated request returns the first operation again.",
)
async def order_bulk(
    body: BulkBody, service: ServiceDep, origin: OriginDep, key: KeyDep
) -> JsonResponse:
    """Cancel, retry or rerun many runs."""
    order = body.order()
    if body.dry_run:
        return await preview_bulk(order, service, origin)
    return await start_bulk(order, service, origin, key)


@router.get(
    "",
    response_model=Page[list[BulkOperation], PartMeta],
    responses=failures(400),
    dependencies=[MayRead],
)
async def list_bulk_operations(
    connection: ConnectionDep,
    files: FilesDep,
    as_of: AsOfDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: PageCursor = None,
) -> JsonResponse:
    """List bulk operations, newest first."""
    before = None if cursor is None else position_of(cursor)
    async with open_past(connection, files, as_of) as past:
        rows, next_before = await past.bulk_operations(before, limit)
    meta = cursor_meta(limit, None if next_before is None else str(next_before))
    if as_of is not None:
        meta["asOf"] = past.position
    return page([bulk.present(row) for row in rows], meta)


@router.get(
    "/{bulk_id}",
    response_model=Data[BulkOperation],
    responses=failures(400, 404),
    dependencies=[MayRead],
)
async def get_bulk_operation(
    bulk_id: str, connection: ConnectionDep, files: FilesDep, as_of: AsOfDep
) -> JsonResponse:
    """Show a bulk operation and its progress."""
    async with open_past(connection, files, as_of) as past:
        row = await past.bulk_operation(_id_of(bulk_id))
    return data(bulk.present(_require(row)))


class BulkRunsMeta(PartMeta):
    """Where the page ends."""

    counts: RunCounts | None = Field(
        default=None, description="on the first page: how many of all these runs are in each status"
    )


@router.get(
    "/{bulk_id}/runs",
    response_model=Page[list[Run], BulkRunsMeta],
    responses=failures(400, 404, 429),
    dependencies=[MayRead],
    description="List the runs that the operation launched, and those that they led to, newest"
    " first, as they are now. The first page has their number in each status.",
)
async def list_bulk_runs(  # noqa: PLR0913 - what it takes from the request
    bulk_id: str,
    request: Request,
    service: ServiceDep,
    quarantine: QuarantineDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: PageCursor = None,
) -> JsonResponse:
    """List the runs that a bulk operation launched."""
    operation_id = _id_of(bulk_id)
    before = NOW if cursor is None else position_of(cursor)
    # An operation may have launched a million runs, and each page reads and sorts all of them.
    async with connection_for(request, service, ["/bulkId"]) as connection:
        _require(await bulk.by_id(connection, operation_id))
        ids = await related.runs_of_operation(connection, operation_id, before, limit + 1)
        page_ids = await first_of_page(connection, ids[:limit])
        rows = await rows_by_id(connection, job_runs.TABLE, page_ids)
        runs = [rows[run_id] for run_id in page_ids]
        next_cursor = str(runs[-1]["created_position"]) if len(ids) > len(runs) else None
        meta = cursor_meta(limit, next_cursor)
        if cursor is None:
            counts = await related.counts_of_operation(connection, operation_id)
            meta["counts"] = {**dict.fromkeys(STATUSES, 0), **counts}
        items = [*await present_runs(Present(connection), runs, quarantine)]
    return page(items, meta)


@router.post(
    "/{bulk_id}/abort",
    response_model=Data[BulkOperation],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Act on no further runs. What is done stays done. A repeated call changes nothing.",
)
async def abort_bulk_operation(
    bulk_id: str,
    service: ServiceDep,
    connection: ConnectionDep,
    origin: OriginDep,
    body: Annotated[AbortBody | None, Body()] = None,
) -> JsonResponse:
    """Stop a bulk operation."""
    operation_id = _id_of(bulk_id)
    await service.bulk.abort(operation_id, None if body is None else body.reason, origin)
    rows = await rows_by_id(connection, bulk.TABLE, [operation_id])
    return data(bulk.present(_require(rows.get(operation_id))))


async def preview_bulk(order: Order, service: Service, origin: Origin) -> JsonResponse:
    """Return a preview of a bulk operation, which starts nothing."""
    preview = await service.bulk.preview(order, origin)
    ids = [match.run_id for match in preview.selection.newest[:SAMPLE]]
    async with service.pool.connection() as connection:
        page_ids = await first_of_page(connection, ids)
        rows = await rows_by_id(connection, job_runs.TABLE, page_ids)
    return data(
        {
            "count": preview.selection.total,
            "position": preview.selection.position,
            "sample": [job_runs.present(rows[run_id]) for run_id in page_ids],
            "refused": [*preview.refused],
        }
    )


async def start_bulk(
    order: Order, service: Service, origin: Origin, key: str | None
) -> JsonResponse:
    """Start a bulk operation, unless one was started with this key; return it."""
    started = await service.bulk.start(order, origin, key)
    return data(bulk.present(await _row_of(started, service)), 202)


async def _row_of(started: StartedOperation, service: Service) -> Row:
    """Return the row of a new operation as its start wrote it, of an older one as it is now."""
    if started.row is not None:
        return started.row
    async with service.pool.connection() as connection:
        rows = await rows_by_id(connection, bulk.TABLE, [started.operation_id])
    return rows[started.operation_id]


def _id_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _not_found() from None


def _require(row: BulkRow | None) -> BulkRow:
    if row is None:
        raise _not_found()
    return row


def _not_found() -> NotFoundError:
    return NotFoundError("bulk_not_found", "bulk operation not found")
