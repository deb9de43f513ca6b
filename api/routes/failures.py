"""`/failures`: groups of failed attempts. First the shapes, then the routes."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, get_args

from fastapi import APIRouter, Body, Query, Request
from pydantic import AwareDatetime, Field

from api.http.dependencies import (
    MAX_CHEAP_COUNTS,
    ConnectionDep,
    FilesDep,
    KeyDep,
    MayRead,
    OriginDep,
    ServiceDep,
    connection_for,
    cursor_meta,
    split_words,
    storable,
)
from api.http.errors import JsonResponse, data, page
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep
from api.routes.bulk import BulkOperation, BulkPreview, RetryGroupBody, preview_bulk, start_bulk
from api.shapes.base import Data, Page, PartMeta, RequestBody, Shape, Time, failures, with_columns
from api.shapes.jobs import Version
from domain.clock import from_iso, to_iso
from domain.errors import InvalidInputError, Issue, NotFoundError
from domain.failures.group import Status
from domain.identifiers import failure_group_id
from domain.json_values import JsonObject
from eventlog.history.as_of import open_past
from projections import failure_groups, failure_watch
from projections.failure_groups import BEGINNING, FailureGroupRow, PagePosition
from projections.rows import Connection


@with_columns(failure_groups.FailureGroupRow, failure_groups.SHOWN)
class FailureGroup(Shape):
    """Attempts of a job that ended badly for the same reason."""


@with_columns(failure_watch.FailureWatchRow, failure_watch.SHOWN)
class FailureSearch(Shape):
    """The position up to which failures have been recorded."""


class ResolveBody(RequestBody):
    """Which failures open the group again."""

    in_version: Annotated[
        Version | None,
        Field(
            description="the first version of the job whose failures open the group again;"
            " left out: any later failure does"
        ),
    ] = None


class FailuresThen(Shape):
    """How often a group failed in a stretch of time."""

    at: AwareDatetime = Field(description="when it begins")
    failures: int = Field(description="how many attempts failed so")


class FailuresOverTime(Shape):
    """When a group failed, and how often."""

    fingerprint: str = Field(description="the group")
    since: AwareDatetime = Field(
        description="all failures since then are counted; it is later than `from` if the group has"
        " had very many events"
    )
    buckets: list[FailuresThen] = Field(description="those in which it failed, the oldest first")


router = APIRouter(prefix="/failures", route_class=StrictJsonRoute, tags=["failures"])

STATUSES: tuple[Status, ...] = get_args(Status)

MAX_CURSOR = 100

MAX_GROUPS_OF_PAST = 1_000
"""Groups that a list with `asOf` examines: the events of each are read."""


@router.get(
    "",
    response_model=Page[list[FailureGroup], PartMeta],
    responses=failures(400),
    dependencies=[MayRead],
    description="List groups of failures, the most recent failure first. Failed attempts are one"
    " group if job and reason are the same, and message and traceback differ only in numbers,"
    " ids, paths and quoted texts. They are recorded about half a second after they end. With"
    " `asOf` they are taken from the first thousand groups of the log.",
)
async def list_failures(  # noqa: PLR0913 - one for each parameter of the query
    connection: ConnectionDep,
    files: FilesDep,
    as_of: AsOfDep,
    status: Annotated[Status | None, Query(description="left out: all")] = None,
    job: Annotated[
        str | None, Query(max_length=200, description="only this job's: its slug")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[
        str, Query(max_length=MAX_CURSOR, description="`nextCursor` of the page before")
    ] = "",
) -> JsonResponse:
    """List groups of failures."""
    statuses = STATUSES if status is None else (status,)
    slug = None if job is None else storable(job, "/job")
    after = _decode_cursor(cursor)
    if as_of is None:
        rows = await failure_groups.page_of_groups(connection, statuses, slug, after, limit + 1)
        return page(*_page_of(rows, limit))
    async with open_past(connection, files, as_of) as past:
        groups = await past.failures(statuses, slug, MAX_GROUPS_OF_PAST)
    rows = [row for row in groups if failure_groups.position_of(row) < after]
    items, meta = _page_of(rows, limit)
    return page(items, {**meta, "asOf": past.position})


def _page_of(rows: Sequence[FailureGroupRow], limit: int) -> tuple[list[JsonObject], JsonObject]:
    """Return a page of the first rows, and its `meta`."""
    next_cursor = _encode_cursor(rows[limit - 1]) if len(rows) > limit else None
    items = [failure_groups.present(row) for row in rows[:limit]]
    return items, cursor_meta(limit, next_cursor)


MAX_GROUPS = 100

MAX_BUCKETS = 1_000


@router.get(
    "/over-time",
    response_model=Data[list[FailuresOverTime]],
    responses=failures(400, 429),
    dependencies=[MayRead],
    description="Show when groups failed, and how often. Failures that are recorded together, those"
    " of half a second, count where the last of them ended."
    f" The newest {failure_groups.MAX_EVENTS} events of a group are examined, and fewer if the"
    " request names more than twenty; `since` says from when on its counts are complete.",
)
async def count_failures_over_time(
    request: Request,
    service: ServiceDep,
    group: Annotated[
        str, Query(description="a fingerprint, or several with commas between them, at most 100")
    ],
    begin: Annotated[Time | None, Query(alias="from", description="left out: a day ago")] = None,
    bucket_ms: Annotated[
        int, Query(alias="bucketMs", ge=60_000, le=366 * 86_400_000, description="of each bucket")
    ] = 1_800_000,
) -> JsonResponse:
    """Count the failures of groups over time."""
    names = split_words(storable(group, "/group"))
    if len(names) > MAX_GROUPS:
        message = f"names at most {MAX_GROUPS} groups; send several requests"
        raise InvalidInputError([Issue("/group", message, "maxItems")])
    now = service.jobs.clock()
    since = begin or now - timedelta(days=1)
    bucket = timedelta(milliseconds=bucket_ms)
    if (now - since) / bucket > MAX_BUCKETS:
        message = f"makes more than {MAX_BUCKETS} buckets: begin later, or take longer ones"
        raise InvalidInputError([Issue("/bucketMs", message, "minimum")])
    names_by_id = {failure_group_id(name): name for name in names}
    costly_fields = ["/group"] if len(names_by_id) > MAX_CHEAP_COUNTS else []
    async with connection_for(request, service, costly_fields, service.counts) as connection:
        return data([*await failure_groups.over_time(connection, names_by_id, since, bucket)])


@router.get(
    "/{fingerprint}",
    response_model=Data[FailureGroup],
    responses=failures(400, 404),
    dependencies=[MayRead],
)
async def get_failure(fingerprint: str, connection: ConnectionDep) -> JsonResponse:
    """Show a group of failures."""
    return data(failure_groups.present(await _group_row(connection, fingerprint)))


@router.post(
    "/{fingerprint}/resolve",
    response_model=Data[FailureGroup],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Mark the group as resolved. The next failure opens it again; with `inVersion`,"
    " only a failure of a run that was launched with that version of the job or a later one.",
)
async def resolve_failure(
    fingerprint: str,
    service: ServiceDep,
    origin: OriginDep,
    body: Annotated[ResolveBody | None, Body()] = None,
) -> JsonResponse:
    """Mark a group of failures as resolved."""
    in_version = None if body is None else body.in_version
    row = await service.failures.resolve(fingerprint, in_version, origin)
    return data(failure_groups.present(row))


@router.post(
    "/{fingerprint}/ignore",
    response_model=Data[FailureGroup],
    responses=failures(400, 404, 409, 413, 415, 429),
)
async def ignore_failure(fingerprint: str, service: ServiceDep, origin: OriginDep) -> JsonResponse:
    """List the group no longer as open, even if it fails again."""
    row = await service.failures.ignore(fingerprint, origin)
    return data(failure_groups.present(row))


@router.post(
    "/{fingerprint}/reopen",
    response_model=Data[FailureGroup],
    responses=failures(400, 404, 409, 413, 415, 429),
)
async def reopen_failure(fingerprint: str, service: ServiceDep, origin: OriginDep) -> JsonResponse:
    """Mark a resolved or ignored group as open."""
    row = await service.failures.reopen(fingerprint, origin)
    return data(failure_groups.present(row))


@router.post(
    "/{fingerprint}/retry",
    status_code=202,
    response_model=Data[BulkOperation],
    responses={
        200: {"model": Data[BulkPreview], "description": "The preview"},
        **failures(400, 404, 409, 413, 415, 429),
    },
    description="Retry, by a bulk operation, all runs whose last attempt failed in this group and"
    " that have not been retried yet. With an `Idempotency-Key` a repeated request returns the"
    " first operation again.",
)
async def retry_failure(  # noqa: PLR0913 - what it takes from the request
    fingerprint: str,
    body: RetryGroupBody,
    service: ServiceDep,
    connection: ConnectionDep,
    origin: OriginDep,
    key: KeyDep,
) -> JsonResponse:
    """Retry the runs of a group."""
    row = await _group_row(connection, fingerprint)
    order = body.order(row["job"], fingerprint)
    if body.dry_run:
        return await preview_bulk(order, service, origin)
    return await start_bulk(order, service, origin, key)


async def _group_row(connection: Connection, fingerprint: str) -> FailureGroupRow:
    row = await failure_groups.by_id(connection, failure_group_id(fingerprint))
    if row is None:
        raise NotFoundError("failure_not_found", "failure not found")
    return row


def _encode_cursor(row: FailureGroupRow) -> str:
    return f"{row['last_at']}_{row['fingerprint']}"


def _decode_cursor(cursor: str) -> PagePosition:
    if not cursor:
        return BEGINNING
    text, _, fingerprint = cursor.partition("_")
    try:
        at = from_iso(text)
    except ValueError:
        issue = Issue("/cursor", "must be the nextCursor of another page", "pattern")
        raise InvalidInputError([issue]) from None
    # PostgreSQL reads fewer forms of a time than Python does.
    return PagePosition(to_iso(at), storable(fingerprint, "/cursor"))
