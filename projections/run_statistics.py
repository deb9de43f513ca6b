"""The table `run_statistics`: runs created and ended, and how long they waited and took, over time.

A row counts the runs of one job in one bucket of time: a minute, an hour, a day, or all of its
history. A run counts as created in the bucket of its launch, and as ended, with both histograms, in
the bucket of its end.

How to read it: choose a unit whose buckets are no longer than those of the answer, and add up rows;
all numbers can be added, over time and over jobs. A histogram maps the upper bound of a class in
milliseconds (one of `BOUNDS_MS`) to the number of its runs:

    SELECT key::bigint AS up_to_ms, sum(value::bigint)::bigint AS runs
    FROM run_statistics, jsonb_each_text(duration_ms)
    WHERE unit = 'hour' AND at >= %(from)s AND at < %(to)s AND job_definition_id = %(job)s
    GROUP BY 1 ORDER BY 1

The quantile q lies in the first class up to which at least q of all runs were counted. `queue_ms`
is the time from when a run's last attempt was due to its start, `duration_ms` that from its start
to its end; runs that never started are in neither.

`run_statistics_progress` has one row: the table includes the log up to its `position`, and nothing
after it. `minutes_from` and `hours_from` are where the first buckets of these units begin: older
buckets were dropped; days and totals stay. `eventlog/statistics.py` writes both tables.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from domain.jobs.run_events import FINAL, STATUSES

Unit = Literal["minute", "hour", "day", "total"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Where a job's one bucket `total` begins."""

KEPT: Mapping[Unit, timedelta] = {"minute": timedelta(days=2), "hour": timedelta(days=90)}
"""How long the buckets of a unit are kept; those of the other units are kept for ever."""

TABLE = "run_statistics"

VERSION = 1
"""Raise it by one whenever the same runs count differently: then all runs are counted again."""

ENDED: tuple[str, ...] = tuple(status for status in STATUSES if status in FINAL)

_PER_DECADE = (
    *(100, 112, 125, 140, 160, 180, 200, 224, 250, 280),
    *(315, 355, 400, 450, 500, 560, 630, 710, 800, 900),
)
"""Preferred numbers (R20), which differ by an eighth at most."""

_DECADES = 10
"""From a millisecond to 115 days."""

_ROUND_MS = (30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000)
_ROUND_HOURS_MS = (7_200_000, 14_400_000, 43_200_000, 86_400_000)
"""Round bounds that people expect: half a minute to a day."""


def _bounds_ms() -> tuple[int, ...]:
    bounds = {0, 10**_DECADES, *_ROUND_MS, *_ROUND_HOURS_MS}
    for decade in range(_DECADES):
        bounds.update(number * 10**decade // 100 for number in _PER_DECADE)
    return tuple(sorted(bounds))


BOUNDS_MS: tuple[int, ...] = _bounds_ms()
"""Upper bounds, included, of the histograms' classes; longer times count in the last class.

The middle of a class differs by 6 % at most from any time in it; each time below 10 ms has its own
class."""

COUNTS = ("created", *ENDED, "queue_ms_sum", "duration_ms_sum")
HISTOGRAMS = ("queue_ms", "duration_ms")
COLUMNS = ("unit", "at", "job_definition_id", *COUNTS, *HISTOGRAMS)

# The counts of runs in a part of the log, from their rows: no later event changes a run's creation
# or its end.

_IS_ENDED = f"status IN {ENDED}"

ALL_RUNS = "job_runs"

CHANGED_RUNS = r"""
    (
        SELECT originator_id AS id FROM jobs_events
        WHERE notification_id > %(after)s AND notification_id <= %(until)s
            AND topic LIKE 'job\_run.%%'
        UNION
        SELECT id FROM archived_runs
        WHERE int8range(first_position, last_position, '[]')
            && int8range(%(after)s, %(until)s, '(]')
    ) AS changed CROSS JOIN LATERAL (
        -- A look-up for each: the planner is to choose nothing that it takes for cheaper.
        SELECT * FROM job_runs WHERE id = changed.id LIMIT 1
    ) AS run
"""
"""Runs with events in (after, until]."""


def _class_of(ms: str) -> str:
    """Return SQL for the upper bound of a time's class; NULL for NULL."""
    index = f"width_bucket(least({ms}, {BOUNDS_MS[-1]}) - 1, %(bounds)s::bigint[]) + 1"
    return f"CASE WHEN {ms} IS NOT NULL THEN (%(bounds)s::bigint[])[{index}] END"


def _number_of(what: str) -> str:
    return f"coalesce(sum(runs) FILTER (WHERE what = '{what}'), 0)::bigint AS {what}"


def _histogram(ms: str) -> str:
    return f"""
        SELECT unit, at, job, jsonb_object_agg(bound, runs) AS histogram FROM (
            SELECT unit, at, job, {ms}_class AS bound, sum(runs)::bigint AS runs
            FROM buckets WHERE {ms}_class IS NOT NULL GROUP BY 1, 2, 3, 4
        ) AS classes GROUP BY 1, 2, 3
    """


def counts_sql(runs: str) -> str:
    """Return the query that counts the runs created or ended in (after, until].

    Args:
        runs: the table expression of the runs; it must include all of these.
    """
    return f"""
        WITH minutes AS (
            SELECT job_definition_id AS job, date_trunc('minute', at, 'UTC') AS minute, what,
                {_class_of("event.queue_ms")} AS queue_ms_class,
                {_class_of("event.duration_ms")} AS duration_ms_class,
                count(*) AS runs, sum(event.queue_ms) AS queue_ms,
                sum(event.duration_ms) AS duration_ms
            FROM {runs} CROSS JOIN LATERAL (VALUES
                (created_position, created_at, 'created', NULL::bigint, NULL::bigint),
                (
                    CASE WHEN {_IS_ENDED} THEN coalesce(completed_position, position) END,
                    completed_at, status,
                    (extract(epoch FROM started_at - scheduled_at) * 1000)::bigint, duration_ms
                )
            ) AS event (happened_at, at, what, queue_ms, duration_ms)
            WHERE happened_at > %(after)s AND happened_at <= %(until)s
            GROUP BY 1, 2, 3, 4, 5
        ), buckets AS (
            SELECT bucket.unit, bucket.at, minutes.* FROM minutes CROSS JOIN LATERAL (VALUES
                ('minute', minute, %(minutes_from)s::timestamptz),
                ('hour', date_trunc('hour', minute, 'UTC'), %(hours_from)s),
                ('day', date_trunc('day', minute, 'UTC'), '-infinity'),
                ('total', %(epoch)s::timestamptz, '-infinity')
            ) AS bucket (unit, at, kept_from)
            WHERE at >= kept_from
        ), counts AS (
            SELECT unit, at, job, {", ".join(map(_number_of, ("created", *ENDED)))},
                coalesce(sum(queue_ms), 0)::bigint AS queue_ms_sum,
                coalesce(sum(duration_ms), 0)::bigint AS duration_ms_sum
            FROM buckets GROUP BY 1, 2, 3
        )
        SELECT unit, at, job AS job_definition_id, {", ".join(COUNTS)},
            coalesce(queues.histogram, '{{}}') AS queue_ms,
            coalesce(durations.histogram, '{{}}') AS duration_ms
        FROM counts
        LEFT JOIN ({_histogram("queue_ms")}) AS queues USING (unit, at, job)
        LEFT JOIN ({_histogram("duration_ms")}) AS durations USING (unit, at, job)
    """


def _merged(histogram: str) -> str:
    return f"""(
        SELECT coalesce(jsonb_object_agg(key, runs), '{{}}') FROM (
            SELECT key, sum(value::bigint)::bigint AS runs FROM (
                SELECT * FROM jsonb_each_text(kept.{histogram})
                UNION ALL SELECT * FROM jsonb_each_text(excluded.{histogram})
            ) AS both_ GROUP BY key
        ) AS merged
    )"""


def add_sql(runs: str) -> str:
    """Return the statement that adds the runs created or ended in (after, until] to the table."""
    added = [f"{name} = kept.{name} + excluded.{name}" for name in COUNTS]
    added += [f"{name} = {_merged(name)}" for name in HISTOGRAMS]
    return f"""
        INSERT INTO {TABLE} AS kept ({", ".join(COLUMNS)}) {counts_sql(runs)}
        ON CONFLICT (unit, at, job_definition_id) DO UPDATE SET {", ".join(added)}
    """


def _values_of(row: str) -> str:
    return f"ROW({', '.join([f'{row}.{name}' for name in (*COUNTS, *HISTOGRAMS)])})"


DIFFERENCES = f"""
    SELECT unit, at, job_definition_id, to_jsonb(expected) AS expected, to_jsonb(actual) AS actual
    FROM (SELECT *, unit AS expected_unit FROM ({counts_sql(ALL_RUNS)}) AS counts) AS expected
    FULL JOIN (SELECT *, unit AS actual_unit FROM {TABLE}) AS actual
        USING (unit, at, job_definition_id)
    WHERE expected_unit IS NULL OR actual_unit IS NULL
        OR {_values_of("expected")} IS DISTINCT FROM {_values_of("actual")}
    ORDER BY unit, at, job_definition_id
"""
"""Rows that differ from the runs' rows, for the log up to `until`."""
