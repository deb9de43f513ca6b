"""Runs over time: counts and quantiles for buckets of any length, from `run_statistics`.

For the present, only the table is read. As of a position of the log, buckets that were complete
then come from the table, and the rest is counted from the rows of runs up to that position.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso, to_iso
from domain.errors import InvalidInputError, Issue
from domain.json_values import JsonObject
from projections.rows import Connection, read_first, read_one, read_rows, read_value
from projections.run_statistics import (
    BOUNDS_MS,
    COUNTS,
    ENDED,
    EPOCH,
    HISTOGRAMS,
    KEPT,
    TABLE,
    Unit,
    counts_sql,
)

UNITS: tuple[tuple[timedelta, Unit], ...] = (
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
)

MAX_BUCKETS = 1_500

MAX_BUCKET = timedelta(days=366)

MAX_SPAN = (MAX_BUCKETS - 1) * MAX_BUCKET
"""The longest range for which there is a bucket: the first and the last one may reach beyond it."""

FIRST_YEAR = 1900
LAST_YEAR = 9000

MAX_ROWS = 10_000
"""Buckets times jobs of an answer, at most."""

SOME_COUNTS = 5_000
MANY_COUNTS = 100_000
"""Rows of the table from which on an answer takes more than a hundredth of a second, and from which
on it takes long: adding up this number takes 0.2 s in all, and some seconds by job."""

SLACK = timedelta(minutes=1)
"""By which the times of events may be out of the order of their positions, between processes."""

PRECISION = 0.06
"""The relative error of a quantile, at most."""

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Question:
    """Which runs to count, and by what.

    Attributes:
        begin: of the first bucket.
        end: of the last bucket.
        bucket: the length of each, in whole minutes.
        jobs: ids of jobs; None for all.
        by_job: whether each job is counted separately.
    """

    begin: datetime
    end: datetime
    bucket: timedelta
    jobs: Sequence[UUID] | None
    by_job: bool

    @property
    def unit(self) -> Unit:
        """The longest unit that divides the buckets."""
        return unit_of(self.bucket)


def unit_of(bucket: timedelta) -> Unit:
    """Return the longest unit that divides a length in whole minutes."""
    return next(unit for length, unit in UNITS if not bucket % length)


def question(  # noqa: PLR0913 - what a request says, and the present
    begin: datetime | None,
    end: datetime,
    bucket: timedelta | None,
    jobs: Sequence[UUID] | None,
    *,
    by_job: bool,
    now: datetime,
) -> Question:
    """Return the question for a range, by default a day, and buckets, by default about a hundred.

    By default buckets are as long as those that are kept for that time.

    Raises:
        InvalidInputError: the range ends before it begins, or lies too far away, or there would be
            too many buckets.
    """
    for field, time in (("/from", begin), ("/to", end)):
        if time is not None and not FIRST_YEAR <= time.year < LAST_YEAR:
            message = f"must lie between the years {FIRST_YEAR} and {LAST_YEAR}"
            raise InvalidInputError([Issue(field, message, "range")])
    if begin is None:
        begin = end - timedelta(days=1)
    if end <= begin:
        raise InvalidInputError([Issue("/to", "must be after `from`", "minimum")])
    if end - begin > MAX_SPAN:
        message = f"must lie at most {MAX_SPAN.days} days before `to`"
        raise InvalidInputError([Issue("/from", message, "minimum")])
    if bucket is None:
        bucket = _usual_bucket(begin, end, now)
    if bucket % timedelta(minutes=1):
        message = "must be whole minutes: a multiple of 60000"
        raise InvalidInputError([Issue("/bucketMs", message, "multipleOf")])
    first = begin - (begin - EPOCH) % bucket
    last = end + -(end - EPOCH) % bucket
    if (last - first) / bucket > MAX_BUCKETS:
        least_ms = _shortest_bucket(end - begin) // timedelta(milliseconds=1)
        message = f"makes more than {MAX_BUCKETS} buckets: at least {least_ms} for this time"
        raise InvalidInputError([Issue("/bucketMs", message, "minimum")])
    return Question(first, last, bucket, jobs, by_job)


def _shortest_bucket(span: timedelta) -> timedelta:
    """Return a bucket for a range: the shortest one, in whole hours or days if it is that long.

    For a time long ago, others are not kept.
    """
    shortest = span / (MAX_BUCKETS - 1)
    unit = next((length for length, _ in UNITS if shortest > length), UNITS[-1][0])
    return -(-shortest // unit) * unit


USUAL_BUCKETS = 100


def _usual_bucket(begin: datetime, end: datetime, now: datetime) -> timedelta:
    for bucket in _USUAL:
        first = begin - (begin - EPOCH) % bucket
        kept_for = KEPT.get(unit_of(bucket))
        is_kept = kept_for is None or first >= now - kept_for
        if is_kept and (end - begin) / bucket <= USUAL_BUCKETS:
            return bucket
    return _USUAL[-1]


_USUAL = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 720, 1_440, 10_080, 43_200)
)


class _Progress(TypedDict):
    position: ReadOnly[int | None]
    minutes_from: ReadOnly[str]
    hours_from: ReadOnly[str]


class _Latest(TypedDict):
    created_at: ReadOnly[str]


_PROGRESS = "SELECT position, minutes_from, hours_from FROM run_statistics_progress"

_LATEST = """
    SELECT created_at FROM job_runs WHERE created_position <= %(position)s
    ORDER BY created_position DESC LIMIT 1
"""

_NUMBERS = ", ".join(COUNTS)

_COUNTED = f"""
    SELECT at, job_definition_id AS job_id, {_NUMBERS}, queue_ms, duration_ms FROM {TABLE}
    WHERE unit = %(unit)s AND at >= %(begin)s AND at < least(%(end)s, %(cut)s)
"""

_RECENT_RUNS = (
    "(SELECT * FROM job_runs WHERE created_at >= %(cut)s OR completed_at >= %(cut)s) AS run"
)

_RECOUNTED = f"""
    UNION ALL
    SELECT at, job_definition_id, {_NUMBERS}, queue_ms, duration_ms
    FROM ({counts_sql(_RECENT_RUNS)}) AS recounted
    WHERE unit = %(unit)s AND at >= greatest(%(begin)s, %(cut)s) AND at < %(end)s
"""


def _quantiles(histogram: str) -> str:
    """Return a query for a histogram's quantiles: the upper bounds of their classes."""
    quantiles = [
        f"min(bound) FILTER (WHERE up_to >= {share} * total) AS {histogram}_{name}"
        for name, share in QUANTILES.items()
    ]
    return f"""
        SELECT bucket, slug, {", ".join(quantiles)} FROM (
            SELECT bucket, slug, bound, sum(runs) OVER (PARTITION BY bucket, slug) AS total,
                sum(runs) OVER (PARTITION BY bucket, slug ORDER BY bound) AS up_to
            FROM (
                SELECT bucket, slug, key::bigint AS bound, sum(value::bigint) AS runs
                FROM rows_, jsonb_each_text({histogram}) GROUP BY 1, 2, 3
            ) AS classes
        ) AS cumulated GROUP BY 1, 2
    """


def _query(query: Question, *, is_past: bool) -> str:
    slug = "lower(job.slug)" if query.by_job else "''"
    sums = [f"sum({name})::bigint AS {name}" for name in COUNTS]
    quantiles = [f"{histogram}_{name}" for histogram in HISTOGRAMS for name in QUANTILES]
    return f"""
        WITH rows_ AS (
            SELECT date_bin(%(bucket)s, at, %(epoch)s::timestamptz) AS bucket, {slug} AS slug,
                counted.*
            FROM ({_COUNTED} {_RECOUNTED if is_past else ""}) AS counted
            {"JOIN job_definitions AS job ON job.id = job_id" if query.by_job else ""}
            {"" if query.jobs is None else "WHERE job_id = ANY(%(jobs)s)"}
        ), counts AS (
            SELECT bucket, slug, {", ".join(sums)} FROM rows_ GROUP BY 1, 2
        )
        SELECT bucket, slug, {_NUMBERS}, {", ".join(quantiles)} FROM counts
        LEFT JOIN ({_quantiles("queue_ms")}) AS queue USING (bucket, slug)
        LEFT JOIN ({_quantiles("duration_ms")}) AS duration USING (bucket, slug)
        ORDER BY bucket, slug LIMIT {MAX_ROWS + 1}
    """


_ARE_MANY = f"""
    SELECT count(*) >= %(many)s AS are_many FROM (
        SELECT FROM {TABLE} WHERE unit = %(unit)s AND at >= %(begin)s AND at < %(end)s
        LIMIT %(many)s
    ) AS counted
"""


async def has_rows(connection: Connection, query: Question, many: int) -> bool:
    """Return whether this many rows of the table are added up; busy jobs have millions."""
    values = {"unit": query.unit, "begin": query.begin, "end": query.end, "many": many}
    return await read_value(connection, bool, _ARE_MANY, values)


class _Bucket(TypedDict):
    bucket: ReadOnly[str]
    slug: ReadOnly[str]


async def over_time(
    connection: Connection, query: Question, position: int | None
) -> tuple[list[JsonObject], int]:
    """Return the buckets that are not empty, and the position up to which they count.

    Args:
        connection: in a snapshot.
        query: which runs to count, and by what.
        position: of the past; None for the present.

    Raises:
        InvalidInputError: such short buckets are not kept any more, or the answer is too large.
    """
    progress = await read_one(connection, _Progress, _PROGRESS)
    _check_kept(query, progress)
    values: dict[str, object] = {
        "unit": query.unit,
        "begin": query.begin,
        "end": query.end,
        "bucket": query.bucket,
        "epoch": EPOCH,
        "jobs": query.jobs,
        "cut": "infinity",
    }
    counted = progress["position"] or 0
    is_past = position is not None and position < counted
    if is_past:
        latest = await read_first(connection, _Latest, _LATEST, {"position": position})
        cut = EPOCH if latest is None else from_iso(latest["created_at"]) - SLACK
        values |= {
            "cut": cut - (cut - EPOCH) % next(one for one, unit in UNITS if unit == query.unit),
            "after": 0,
            "until": position,
            "minutes_from": "-infinity",
            "hours_from": "-infinity",
            "bounds": list(BOUNDS_MS),
        }
    rows = await read_rows(connection, _Bucket, _query(query, is_past=is_past), values)
    if len(rows) > MAX_ROWS:
        message = f"makes more than {MAX_ROWS} buckets of jobs: name jobs, or take longer buckets"
        raise InvalidInputError([Issue("/groupBy", message, "maximum")])
    return [_present(query, cast("JsonObject", row)) for row in rows], min(
        counted, counted if position is None else position
    )


def _check_kept(query: Question, progress: _Progress) -> None:
    kept_from = {"minute": progress["minutes_from"], "hour": progress["hours_from"]}
    since = kept_from.get(query.unit)
    if since is None or since == "-infinity" or query.begin >= from_iso(since):
        return
    longer = "3600000" if query.unit == "minute" else "86400000"
    message = f"must be a multiple of {longer} for times before {since}: shorter ones are not kept"
    raise InvalidInputError([Issue("/bucketMs", message, "multipleOf")])


def _present(query: Question, row: JsonObject) -> JsonObject:
    bucket: JsonObject = {"at": row["bucket"]}
    if query.by_job:
        bucket["job"] = row["slug"]
    bucket["created"] = row["created"]
    bucket["ended"] = {status: row[status] for status in ENDED}
    for name, histogram in (("queueMs", "queue_ms"), ("durationMs", "duration_ms")):
        bucket[name] = {
            quantile: _middle(cast("int | None", row[f"{histogram}_{quantile}"]))
            for quantile in QUANTILES
        }
    return bucket


_MIDDLES = {
    bound: (before + 1 + bound) // 2
    for before, bound in zip((-1, *BOUNDS_MS[:-1]), BOUNDS_MS, strict=True)
}


def _middle(bound: int | None) -> int | None:
    """Return the time in the middle of a class."""
    return None if bound is None else _MIDDLES[bound]


def span(query: Question) -> JsonObject:
    """Return the range of an answer, for its `meta`."""
    return {
        "from": to_iso(query.begin),
        "to": to_iso(query.end),
        "bucketMs": query.bucket // timedelta(milliseconds=1),
    }
