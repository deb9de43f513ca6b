"""`/failures`: what fails, how often, and what people do about it.

First what clients send and see, then the routes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Query
from pydantic import Field

from api.http.dependencies import (
    ConnectionDep,
    FilesDep,
    KeyDep,
    MayRead,
    OriginDep,
    ServiceDep,
    cursor_meta,
    storable,
)
from api.http.errors import JsonAnswer, data, page
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep
from api.routes.bulk import BulkOperation, BulkPreview, RetryGroupBody, begun, previewed
from api.shapes.base import Data, Page, PartMeta, Shape, _Body, failures, with_columns
from api.shapes.jobs import Version
from domain.clock import from_iso, to_iso
from domain.errors import InvalidInputError, Issue, NotFoundError
from domain.failures.group import Status
from domain.identifiers import failure_group_id
from domain.ports import Row
from eventlog.history.as_of import opened
from eventlog.keys import LogFiles
from projections import failure_groups, failure_watch
from projections.failure_groups import BEGINNING, FailureGroupRow, Place
from projections.rows import Connection


@with_columns(failure_groups.FailureGroupRow, failure_groups.SHOWN)
class FailureGroup(Shape):
    """Attempts of a job that ended badly for the same reason."""


@with_columns(failure_watch.FailureWatchRow, failure_watch.SHOWN)
class FailureSearch(Shape):
    """Up to where the log was searched for failures."""


class ResolveBody(_Body):
    """Since when it is mended."""

    in_version: Annotated[
        Version | None,
        Field(
            description="the version of the job from which on a failure opens the group again;"
            " left out: any failure after this"
        ),
    ] = None


class FailureListMeta(PartMeta):
    """Where a page of groups ends, and the position that it shows, if that was asked for."""

    as_of: int | None = None


router = APIRouter(prefix="/failures", route_class=StrictJsonRoute, tags=["failures"])

STATUSES: tuple[Status, ...] = ("open", "resolved", "ignored")

MAX_CURSOR = 100

MOST_OF_PAST = 1_000
"""Groups that a list of the past looks at: the events of each are read."""


@router.get(
    "",
    response_model=Page[list[FailureGroup], FailureListMeta],
    responses=failures(400),
    dependencies=[MayRead],
    description="List what fails, what failed last first. Attempts that ended badly are one group"
    " where job and reason are the same, and message and traceback differ in nothing but numbers,"
    " ids, paths and quoted texts. They are noted about half a second after they end. With"
    " `asOf` all are on one page, of the first thousand groups that there were.",
)
async def list_failures(  # noqa: PLR0913 - one for each parameter of the query
    connection: ConnectionDep,
    files: FilesDep,
    as_of: AsOfDep,
    status: Annotated[
        Literal["open", "resolved", "ignored"] | None, Query(description="left out: all")
    ] = None,
    job: Annotated[
        str | None, Query(max_length=200, description="only this job's: its slug")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[
        str, Query(max_length=MAX_CURSOR, description="`nextCursor` of the page before")
    ] = "",
) -> JsonAnswer:
    """List what fails."""
    statuses = STATUSES
    if status is not None:
        statuses = (status,)
    wanted: str | None = None
    if job is not None:
        wanted = storable(job, "/job")
    if as_of is not None:
        return await _list_of_past(connection, files, as_of, statuses, wanted)
    after = _place(cursor)
    found = await failure_groups.page_of_groups(connection, statuses, wanted, after, limit + 1)
    shown = found[:limit]
    next_cursor: str | None = None
    if len(found) > limit:
        next_cursor = _cursor(shown[-1])
    meta = cursor_meta(limit, next_cursor)
    rows = [failure_groups.present(row) for row in shown]
    return page(rows, meta)


@router.get(
    "/{fingerprint}",
    response_model=Data[FailureGroup],
    responses=failures(404),
    dependencies=[MayRead],
)
async def get_failure(fingerprint: str, connection: ConnectionDep) -> JsonAnswer:
    """Show a group of failures."""
    group_id = failure_group_id(fingerprint)
    row = await failure_groups.by_id(connection, group_id)
    if row is None:
        raise NotFoundError("failure_not_found", "failure not found")
    return _shown(row)


@router.post(
    "/{fingerprint}/resolve",
    response_model=Data[FailureGroup],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Say that it is mended. The next failure opens the group again; with `inVersion`,"
    " only one of a run that was launched with that version of the job or a later one.",
)
async def resolve_failure(
    fingerprint: str,
    service: ServiceDep,
    origin: OriginDep,
    body: Annotated[ResolveBody | None, Body()] = None,
) -> JsonAnswer:
    """Say that it is mended."""
    in_version: int | None = None
    if body is not None:
        in_version = body.in_version
    row = await service.failures.resolve(fingerprint, in_version, origin)
    return _shown(row)


@router.post(
    "/{fingerprint}/ignore", response_model=Data[FailureGroup], responses=failures(404, 409, 429)
)
async def ignore_failure(fingerprint: str, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Show it no more among what is open, however often it comes."""
    row = await service.failures.ignore(fingerprint, origin)
    return _shown(row)


@router.post(
    "/{fingerprint}/reopen", response_model=Data[FailureGroup], responses=failures(404, 409, 429)
)
async def reopen_failure(fingerprint: str, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Say that it is not mended, or is not to be ignored any more."""
    row = await service.failures.reopen(fingerprint, origin)
    return _shown(row)


@router.post(
    "/{fingerprint}/retry",
    status_code=202,
    response_model=Data[BulkOperation],
    responses={
        200: {"model": Data[BulkPreview], "description": "What it would come to"},
        **failures(400, 404, 409, 413, 415, 429),
    },
    description="Launch anew, by a bulk operation, all runs whose last attempt failed so and that"
    " nobody has launched anew yet. With an `Idempotency-Key` a repeated request leads to the first"
    " operation again.",
)
async def retry_failure(  # noqa: PLR0913 - what it takes from the request
    fingerprint: str,
    body: RetryGroupBody,
    service: ServiceDep,
    connection: ConnectionDep,
    origin: OriginDep,
    key: KeyDep,
) -> JsonAnswer:
    """Launch anew what failed so."""
    row = await failure_groups.by_id(connection, failure_group_id(fingerprint))
    if row is None:
        raise NotFoundError("failure_not_found", "failure not found")
    order = body.order(row["job"], fingerprint)
    if body.dry_run:
        return await previewed(order, service, origin)
    return await begun(order, service, origin, key)


async def _list_of_past(
    connection: Connection,
    files: LogFiles,
    as_of: int | datetime,
    statuses: Sequence[Status],
    job: str | None,
) -> JsonAnswer:
    async with opened(connection, files, as_of) as past:
        found = await past.failures(statuses, job, MOST_OF_PAST)
    meta = cursor_meta(len(found), None)
    meta["asOf"] = past.position
    rows = [failure_groups.present(row) for row in found]
    return page(rows, meta)


def _shown(row: Row) -> JsonAnswer:
    shown = failure_groups.present(row)
    return data(shown)


def _cursor(row: FailureGroupRow) -> str:
    return f"{row['last_at']}_{row['fingerprint']}"


def _place(cursor: str) -> Place:
    """Return where the page before ended.

    Raises:
        InvalidInputError: it is no cursor of ours.
    """
    if not cursor:
        return BEGINNING
    text, _, fingerprint = cursor.partition("_")
    try:
        at = from_iso(text)
    except (ValueError, OverflowError):
        issue = Issue("/cursor", "must be the nextCursor of another page", "pattern")
        raise InvalidInputError([issue]) from None
    # PostgreSQL reads fewer forms of a time than Python does.
    return Place(to_iso(at), storable(fingerprint, "/cursor"))
