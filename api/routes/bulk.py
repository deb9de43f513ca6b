"""`/bulk`: one order about many runs.

First what clients send and see, then the routes: preview, start, show, abort.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field

from api.bootstrap.service import Service
from api.http.dependencies import (
    CURSOR,
    ConnectionDep,
    FilesDep,
    KeyDep,
    MayRead,
    OriginDep,
    ServiceDep,
    cursor_meta,
    position_of,
)
from api.http.errors import JsonAnswer, data, page
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep
from api.shapes.base import AnyObject, Data, Page, PartMeta, Shape, _Body, failures, with_columns
from api.shapes.runs import Run
from domain.bulk import Action, Order, failed_so
from domain.commands.bulk import SAMPLE, Preview, Started
from domain.errors import InvalidInputError, Issue, NotFoundError
from domain.filters import MAX_WORDS
from domain.json_values import JsonObject
from domain.ports import Origin, Row
from eventlog.history.as_of import opened
from projections import bulk, job_runs
from projections.bulk import BulkRow
from projections.runs.lists import first_of_page
from projections.table import rows_by_id

_REASON = Annotated[str, Field(min_length=1, max_length=1_000)]


class Refusal(BaseModel):
    """A run that what is ordered cannot be done to."""

    model_config = ConfigDict(extra="forbid")

    run: str = Field(description="its id")
    code: str = Field(description="why, for programs")
    why: str = Field(description="why, for people")


_COLUMNS = {name: column for name, column in bulk.SHOWN.items() if name != "refusals"}


@with_columns(bulk.BulkRow, _COLUMNS)
class BulkOperation(Shape):
    """An order about all runs that matched a filter, and how far it has got."""

    refusals: list[Refusal]
    position: int = Field(description="of the log, as of which the runs were chosen and counted")


class BulkPreview(Shape):
    """What an order would come to."""

    count: int = Field(description="how many runs it is about")
    position: int = Field(description="of the log, as of which they were counted")
    sample: list[Run] = Field(description="the newest of them")
    refused: list[Refusal] = Field(
        description="those that would be refused among the newest hundred"
    )


class BulkPatch(_Body):
    """What new runs have instead of what the runs had that they repeat."""

    parameters: AnyObject = Field(description="each replaces the one of its name")


class _Order(_Body):
    reason: _REASON | None = Field(
        default=None, description="why; it may be left out where `dryRun` is true"
    )
    patch: BulkPatch | None = None
    dry_run: bool = Field(default=False, description="only say what it would come to")

    def _ordered(self, action: Action, words: list[str]) -> Order:
        """Return what is ordered.

        Raises:
            InvalidInputError: something is to be done, and nobody says why.
        """
        if self.reason is None and not self.dry_run:
            message = "say why: it stays in the history of each run; or give dryRun"
            raise InvalidInputError([Issue("/reason", message, "required")])
        patch: AnyObject | None = None
        if self.patch is not None:
            patch = self.patch.parameters
        return Order(action=action, filter=words, reason=self.reason or "", patch=patch)


class BulkBody(_Order):
    """An order about many runs."""

    action: Action = Field(
        description="`cancel` is for runs that are pending or running, `retry` for those that"
        " failed or expired or were canceled, `rerun` for all that have ended"
    )
    filter: Annotated[list[str], Field(max_length=MAX_WORDS)] = Field(
        description='conditions that must all hold, such as `["job=report", "status!=expired"]`;'
        ' `["all"]` for all runs that the action is for'
    )

    def order(self) -> Order:
        """Return what is ordered. Raises InvalidInputError where nobody says why."""
        return self._ordered(self.action, self.filter)


class RetryGroupBody(_Order):
    """An order to launch anew what failed alike."""

    def order(self, job: str, fingerprint: str) -> Order:
        """Return what is ordered. Raises InvalidInputError where nobody says why."""
        return self._ordered("retry", failed_so(job, fingerprint))


class AbortBody(_Body):
    """Why to stop."""

    reason: _REASON | None = None


router = APIRouter(prefix="/bulk", route_class=StrictJsonRoute, tags=["bulk"])


@router.post(
    "",
    status_code=202,
    response_model=Data[BulkOperation],
    responses={
        200: {"model": Data[BulkPreview], "description": "What it would come to"},
        **failures(400, 409, 413, 415, 429),
    },
    description="Cancel, retry or rerun all runs that match a filter as of now. With `dryRun` this"
    " only says what it would come to. Otherwise it goes on in the background, exactly once for"
    " each run, through crashes of any process; what is refused at the start has done nothing."
    " With an `Idempotency-Key` a repeated request leads to the first operation again.",
)
async def order_bulk(
    body: BulkBody, service: ServiceDep, origin: OriginDep, key: KeyDep
) -> JsonAnswer:
    """Do something to many runs."""
    order = body.order()
    if body.dry_run:
        return await previewed(order, service, origin)
    return await begun(order, service, origin, key)


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
    cursor: Annotated[
        str | None,
        Query(description="`nextCursor` of the page before", json_schema_extra={"pattern": CURSOR}),
    ] = None,
) -> JsonAnswer:
    """List bulk operations, newest first."""
    before: int | None = None
    if cursor is not None:
        before = position_of(cursor)
    async with opened(connection, files, as_of) as past:
        found = await past.bulk_operations(before, limit + 1)
    shown = found[:limit]
    next_cursor: str | None = None
    if len(found) > limit:
        last = shown[-1]
        next_cursor = str(last["created_position"])
    rows = [bulk.present(row) for row in shown]
    return page(rows, cursor_meta(limit, next_cursor))


@router.get(
    "/{bulk_id}",
    response_model=Data[BulkOperation],
    responses=failures(400, 404),
    dependencies=[MayRead],
)
async def get_bulk_operation(
    bulk_id: str, connection: ConnectionDep, files: FilesDep, as_of: AsOfDep
) -> JsonAnswer:
    """Show a bulk operation and how far it has got."""
    async with opened(connection, files, as_of) as past:
        row = await past.bulk_operation(_id_of(bulk_id))
    return data(bulk.present(_known(row)))


@router.post(
    "/{bulk_id}/abort",
    response_model=Data[BulkOperation],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Go through no more runs. What is done stays done. Asked again, it is the same.",
)
async def abort_bulk_operation(
    bulk_id: str,
    service: ServiceDep,
    connection: ConnectionDep,
    origin: OriginDep,
    body: Annotated[AbortBody | None, Body()] = None,
) -> JsonAnswer:
    """Stop a bulk operation."""
    reason: str | None = None
    if body is not None:
        reason = body.reason
    operation_id = _id_of(bulk_id)
    await service.bulk.abort(operation_id, reason, origin)
    rows = await rows_by_id(connection, bulk.TABLE, [operation_id])
    row = _known(rows.get(operation_id))
    return data(bulk.present(row))


async def previewed(order: Order, service: Service, origin: Origin) -> JsonAnswer:
    """Answer with what an order would come to."""
    preview = await service.bulk.preview(order, origin)
    shown = await _shown(service, preview)
    return data(shown)


async def begun(order: Order, service: Service, origin: Origin, key: str | None) -> JsonAnswer:
    """Begin an operation, or find the one that began under this key; answer with it."""
    started = await service.bulk.start(order, origin, key)
    row = await _row_of(started, service)
    return data(bulk.present(row), 202)


async def _row_of(started: Started, service: Service) -> Row:
    """Return the operation's row: as its start left it, or today's if it is an older one."""
    if started.row is not None:
        return started.row
    async with service.pool.connection() as connection:
        rows = await rows_by_id(connection, bulk.TABLE, [started.operation_id])
    return rows[started.operation_id]


async def _shown(service: Service, preview: Preview) -> JsonObject:
    ids = [one.run_id for one in preview.counted.newest[:SAMPLE]]
    async with service.pool.connection() as connection:
        fitting = await first_of_page(connection, ids)
        rows = await rows_by_id(connection, job_runs.TABLE, fitting)
    return {
        "count": preview.counted.total,
        "position": preview.counted.position,
        "sample": [job_runs.present(rows[run_id]) for run_id in fitting],
        "refused": [*preview.refused],
    }


def _id_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _not_found() from None


def _known(row: BulkRow | None) -> BulkRow:
    if row is None:
        raise _not_found()
    return row


def _not_found() -> NotFoundError:
    return NotFoundError("bulk_not_found", "bulk operation not found")
