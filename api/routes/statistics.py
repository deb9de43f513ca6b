"""Statistics of runs: first over time, then by the schedules that launched them."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field

from api.bootstrap.service import Service
from api.http.dependencies import (
    MAX_CHEAP_COUNTS,
    FilesDep,
    MayRead,
    ServiceDep,
    connection_for,
    costly_fields_of,
    split_words,
    storable,
)
from api.http.errors import JsonResponse, data, page
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep
from api.routes.runs import JobSlugs
from api.shapes.base import Data, Page, Shape, Time, failures
from api.shapes.runs import RunCounts
from domain.errors import InvalidInputError, Issue
from domain.identifiers import schedule_id
from domain.json_values import JsonObject
from eventlog.database.costly_reads import CostlyReads
from eventlog.history.as_of import open_past
from projections.runs.filters import jobs_matching
from projections.runs.of_schedules import MAX_EVENTS, of_schedules
from projections.runs.over_time import (
    MANY_COUNTS,
    MAX_BUCKET,
    PRECISION,
    SOME_COUNTS,
    Question,
    has_rows,
    over_time,
    question,
    span,
)


class Quantiles(Shape):
    """Times within which half, 95 % and 99 % of the runs lie; null if there are none."""

    p50: int | None = Field(description="half of the runs took at most this many milliseconds")
    p95: int | None = Field(description="95 % of the runs took at most this many milliseconds")
    p99: int | None = Field(description="99 % of the runs took at most this many milliseconds")


class EndedRuns(Shape):
    """How many runs ended, by how they did."""

    succeeded: int = Field(description="how many succeeded")
    failed: int = Field(description="how many failed")
    canceled: int = Field(description="how many were canceled")
    expired: int = Field(description="how many expired")


class Bucket(Shape):
    """The runs of one stretch of time; runs count as ended where they ended."""

    at: AwareDatetime = Field(description="when it begins")
    job: str | None = Field(
        default=None, description="the job's slug in lower case; only with `groupBy=job`"
    )
    created: int = Field(description="how many runs were launched")
    ended: EndedRuns = Field(description="how many runs ended")
    queue_ms: Quantiles = Field(
        description="how long those that ended had waited, from when their last attempt was due"
    )
    duration_ms: Quantiles = Field(description="how long the last attempt of those that ended took")


class Statistics(Shape):
    """Buckets in which something happened, the oldest first."""

    buckets: list[Bucket] = Field(description="those in which something happened")
    precision: float = Field(description="by how much a quantile may be off, of itself")


class StatisticsMeta(Shape):
    """Which time and which part of the log the numbers are about."""

    begin: AwareDatetime = Field(alias="from", description="when the first bucket begins")
    to: AwareDatetime = Field(description="when the last bucket ends")
    bucket_ms: int = Field(description="how long each bucket is")
    position: int = Field(description="the position in the log up to which all is counted")
    as_of: int | None = Field(
        default=None, description="the log position that is shown, if the request has `asOf`"
    )


router = APIRouter(prefix="/job-runs", route_class=StrictJsonRoute, tags=["runs"])


@router.get(
    "/statistics",
    response_model=Page[Statistics, StatisticsMeta],
    responses=failures(400, 429),
    dependencies=[MayRead],
    description="Count the runs that were launched and that ended over time, in all or by job."
    " Counts are exact up to the log position `meta.position`, a second or two behind the log's"
    " head; quantiles come from histograms, and are off by at most `precision` of themselves.\n\n"
    "Buckets are whole minutes long; they begin at multiples of their length since 1970, so the"
    " first and the last may reach beyond `from` and `to`. Buckets shorter than an hour are kept"
    " for two days, shorter than a day for ninety.",
)
async def get_statistics(  # noqa: PLR0913 - one for each parameter
    request: Request,
    files: FilesDep,
    service: ServiceDep,
    as_of: AsOfDep,
    begin: Annotated[
        Time | None, Query(alias="from", description="left out: a day before `to`")
    ] = None,
    to: Annotated[Time | None, Query(description="left out: now")] = None,
    bucket_ms: Annotated[
        int | None,
        Query(
            alias="bucketMs",
            ge=60_000,
            le=MAX_BUCKET // timedelta(milliseconds=1),
            description="whole minutes; left out: at most a hundred buckets that are kept",
        ),
    ] = None,
    job: JobSlugs = None,
    group_by: Annotated[
        Literal["job", "status"],
        Query(alias="groupBy", description="`job`: each job has buckets of its own"),
    ] = "status",
) -> JsonResponse:
    """Count runs over time."""
    slugs = split_words(storable(job or "", "/job"))
    now = service.jobs.clock()
    end = to or now
    bucket = None if bucket_ms is None else timedelta(milliseconds=bucket_ms)
    query = question(begin, end, bucket, None, by_job=group_by == "job", now=now)
    costly_fields, reads = await _cost_of(request, service, query)
    async with (
        connection_for(request, service, costly_fields, reads) as connection,
        open_past(connection, files, as_of) as past,
    ):
        jobs = await jobs_matching(past, frozenset(slugs), frozenset(), frozenset())
        query = replace(query, jobs=jobs)
        position = None if as_of is None else past.position
        buckets, counted_until = await over_time(connection, query, position)
    meta: JsonObject = {**span(query), "position": counted_until}
    if position is not None:
        meta["asOf"] = position
    return page({"buckets": [*buckets], "precision": PRECISION}, meta)


async def _cost_of(
    request: Request, service: Service, query: Question
) -> tuple[list[str], CostlyReads]:
    """Return the fields that make a question costly, if any, and what lends it a connection."""
    costly_fields = costly_fields_of(request.query_params)
    if costly_fields:
        return costly_fields, service.costly
    async with service.pool.connection() as connection:
        if not await has_rows(connection, query, SOME_COUNTS):
            return [], service.costly
        has_many = await has_rows(connection, query, MANY_COUNTS)
    return ["/from", "/bucketMs"], service.costly if has_many else service.counts


class LastRun(Shape):
    """A run that a schedule launched."""

    id: str = Field(description="the run's id")
    status: Literal["pending", "running", "succeeded", "failed", "canceled", "expired"]
    created_at: AwareDatetime = Field(description="when it was launched")
    completed_at: AwareDatetime | None = Field(description="when it ended")


class RunsOfSchedule(Shape):
    """What became of a schedule's runs."""

    schedule: str = Field(description="the schedule, as the request names it")
    since: AwareDatetime = Field(
        description="all runs that were launched since then are counted; it is later than `from`"
        " if the schedule has had very many events"
    )
    counts: RunCounts = Field(description="how many of them there are in each status")
    last: list[LastRun] = Field(description="the last runs, newest first, also from before")


MAX_SCHEDULES = 100


@router.get(
    "/by-schedule",
    response_model=Data[list[RunsOfSchedule]],
    responses=failures(400, 429),
    dependencies=[MayRead],
    description="Show what became of the runs that schedules launched, by ticks, triggers and"
    " backfills: how many there are in each status, and the last ones. The newest"
    f" {MAX_EVENTS} events of a schedule are examined, and fewer if the request names more than"
    " twenty; `since` says from when on its counts are complete.",
)
async def count_runs_by_schedule(
    request: Request,
    service: ServiceDep,
    schedule: Annotated[
        str, Query(description="a schedule's id, or several with commas between them, at most 100")
    ],
    begin: Annotated[
        Time | None, Query(alias="from", description="left out: seven days ago")
    ] = None,
    last: Annotated[int, Query(ge=1, le=100, description="how many of the last runs")] = 10,
) -> JsonResponse:
    """Count the runs of schedules."""
    names = split_words(storable(schedule, "/schedule"))
    if len(names) > MAX_SCHEDULES:
        message = f"names at most {MAX_SCHEDULES} schedules; send several requests"
        raise InvalidInputError([Issue("/schedule", message, "maxItems")])
    since = begin or service.jobs.clock() - timedelta(days=7)
    names_by_id = {schedule_id(name): name for name in names}
    costly_fields = ["/schedule"] if len(names_by_id) > MAX_CHEAP_COUNTS else []
    async with connection_for(request, service, costly_fields, service.counts) as connection:
        return data([*await of_schedules(connection, names_by_id, since, last)])
