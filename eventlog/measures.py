"""The queries of `/metrics` and `/ready`, none of which reads a whole table.

Totals of runs come from the table `run_statistics`, waiting runs from the first entries of the
indexes of pending runs; running runs are no more than there are slots. Followers of the log store
their positions, or report them in their process (`api.views.metrics`).
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from eventlog.database import sql
from eventlog.history.run_changes import OTHERS
from projections.flow.candidates import KEYED, QUEUE_OF_JOB
from projections.job_runs import IS_PENDING, IS_RUNNING
from projections.rows import Connection, read_one, read_rows
from projections.run_statistics import COUNTS, HISTOGRAMS, TABLE


class JobTotals(TypedDict):
    """Totals of all runs of a job so far, or of all `OTHERS` together.

    Sums are in milliseconds. Histograms map the upper bounds of their classes in milliseconds to
    numbers of runs.
    """

    job: ReadOnly[str]
    created: ReadOnly[int]
    succeeded: ReadOnly[int]
    failed: ReadOnly[int]
    canceled: ReadOnly[int]
    expired: ReadOnly[int]
    queue_ms_sum: ReadOnly[int]
    duration_ms_sum: ReadOnly[int]
    queue_ms: ReadOnly[Mapping[str, int]]
    duration_ms: ReadOnly[Mapping[str, int]]


_NAMED = """
    named AS (
        SELECT unnest(%(ids)s::uuid[]) AS id, unnest(%(slugs)s::text[]) AS slug
    )
"""


def _sum_of_others(histogram: str) -> str:
    """Return the SQL of a histogram added up over all rows of `others`."""
    return f"""(
        SELECT coalesce(jsonb_object_agg(key, runs), '{{}}') FROM (
            SELECT key, sum(value::bigint)::bigint AS runs
            FROM others CROSS JOIN LATERAL jsonb_each_text({histogram}) GROUP BY key
        ) AS classes
    )"""


_TOTALS = f"""
    WITH {_NAMED}, totals AS MATERIALIZED (
        SELECT named.slug, of_job.* FROM (
            SELECT * FROM {TABLE} WHERE unit = 'total'
        ) AS of_job LEFT JOIN named ON named.id = job_definition_id
    ), others AS (
        SELECT * FROM totals WHERE slug IS NULL
    )
    SELECT slug AS job, {", ".join((*COUNTS, *HISTOGRAMS))} FROM totals WHERE slug IS NOT NULL
    UNION ALL
    SELECT '{OTHERS}', {", ".join([f"coalesce(sum({name}), 0)::bigint" for name in COUNTS])},
        {", ".join(map(_sum_of_others, HISTOGRAMS))}
    FROM others
"""


async def job_totals(connection: Connection, slugs: Mapping[str, str]) -> list[JobTotals]:
    """Return the totals of jobs that ever had runs, and of all others together.

    Args:
        connection: to the database.
        slugs: the slugs, by id, of the jobs that are counted separately.
    """
    return await read_rows(connection, JobTotals, _TOTALS, _values_of(slugs))


def _values_of(slugs: Mapping[str, str]) -> dict[str, object]:
    return {"ids": list(slugs), "slugs": list(slugs.values())}


class OldestPending(TypedDict):
    """For how many seconds a job's longest waiting run has been due."""

    job: ReadOnly[str]
    seconds: ReadOnly[float]


MAX_QUEUES = 1_000
"""Queues whose first run is read. A job has a queue for each priority, and others for its keyed
runs."""


def _first_of(condition: str) -> str:
    """Return the query for the first entry of the next queue in the order of its index."""
    return f"""(
        SELECT job_definition_id AS id, {KEYED} AS keyed, priority, scheduled_at FROM job_runs
        WHERE {IS_PENDING} AND NOT id = ANY((SELECT %(bypassed)s::uuid[])::uuid[]) AND {condition}
        ORDER BY job_definition_id, {QUEUE_OF_JOB} LIMIT 1
    )"""


_SAME_JOB = "job_definition_id = queue.id"

OLDEST_PENDING = f"""
    WITH RECURSIVE {_NAMED}, queue AS (
        SELECT first.*, 1 AS number FROM {_first_of("true")} AS first
        UNION ALL
        SELECT next.*, queue.number + 1 FROM queue CROSS JOIN LATERAL (
            {_first_of(f"{_SAME_JOB} AND {KEYED} = queue.keyed AND priority < queue.priority")}
            UNION ALL
            {_first_of(f"{_SAME_JOB} AND {KEYED} > queue.keyed")}
            UNION ALL
            {_first_of("job_definition_id > queue.id")}
            LIMIT 1
        ) AS next WHERE queue.number < {MAX_QUEUES}
    )
    SELECT coalesce(named.slug, '{OTHERS}') AS job,
        extract(epoch FROM clock_timestamp() - min(scheduled_at))::float8 AS seconds
    FROM queue LEFT JOIN named USING (id) WHERE scheduled_at <= clock_timestamp() GROUP BY 1
"""


async def oldest_pending(
    connection: Connection, slugs: Mapping[str, str], bypassed: Sequence[UUID]
) -> list[OldestPending]:
    """Return the jobs that have due runs, with their longest waits; all `OTHERS` are one job.

    Args:
        connection: to the database.
        slugs: the slugs, by id, of the jobs that are named.
        bypassed: runs that do not count, since this process cannot read them.
    """
    values = {**_values_of(slugs), "bypassed": list(bypassed)}
    return await read_rows(connection, OldestPending, OLDEST_PENDING, values)


class RunningRuns(TypedDict):
    """The number of running runs of an entry point."""

    entry_point: ReadOnly[str]
    runs: ReadOnly[int]


RUNNING = f"""
    WITH running AS (
        SELECT entry_point, count(*) AS runs FROM job_runs WHERE {IS_RUNNING} GROUP BY entry_point
    ), offered AS (
        SELECT DISTINCT unnest(entry_points) AS entry_point FROM workers WHERE dead_at IS NULL
    )
    SELECT entry_point, coalesce(running.runs, 0) AS runs
    FROM running FULL JOIN offered USING (entry_point) ORDER BY runs DESC, entry_point
"""


async def running_runs(connection: Connection) -> list[RunningRuns]:
    """Return the number of running runs by entry point, the largest first.

    Entry points that living workers offer are included, also with 0 runs.
    """
    return await read_rows(connection, RunningRuns, RUNNING)


class WorkerSlots(TypedDict):
    """The slots of living workers; of draining workers, only busy ones count."""

    busy: ReadOnly[int]
    free: ReadOnly[int]


SLOTS = f"""
    SELECT coalesce(sum(busy), 0)::bigint AS busy,
        coalesce(sum(greatest(slots + shared_slots - busy, 0))
            FILTER (WHERE draining_at IS NULL), 0)::bigint AS free
    FROM workers CROSS JOIN LATERAL (
        SELECT count(*) AS busy FROM job_runs WHERE {IS_RUNNING} AND worker_id = workers.id
    ) AS running
    WHERE dead_at IS NULL AND left_at IS NULL
"""


async def worker_slots(connection: Connection) -> WorkerSlots:
    """Return how many slots are busy, and how many may take another run."""
    return await read_one(connection, WorkerSlots, SLOTS)


class LogPositions(TypedDict):
    """The log's last position, and those of the followers that store theirs in a table.

    Attributes:
        head: the log's last position.
        sealed: the last position under a seal; None if there is no seal.
        counted: the position up to which runs are counted; 0 while all must be counted.
    """

    head: ReadOnly[int]
    sealed: ReadOnly[int | None]
    counted: ReadOnly[int]


_SEALED = "(SELECT position FROM log_seals ORDER BY number DESC LIMIT 1)"

_POSITIONS = f"""
    SELECT ({sql.HEAD}) AS head, {_SEALED} AS sealed,
        coalesce((SELECT position FROM run_statistics_progress), 0) AS counted
"""


async def read_positions(connection: Connection) -> LogPositions:
    """Return the log's last position, and those of the followers that store theirs."""
    return await read_one(connection, LogPositions, _POSITIONS)


class SealProgress(TypedDict):
    """How far the log is sealed.

    Attributes:
        position: the log's last position.
        sealed_position: the last position under a seal; None if there is no seal.
        seals: number of seals.
    """

    position: ReadOnly[int]
    sealed_position: ReadOnly[int | None]
    seals: ReadOnly[int]


_SEAL_PROGRESS = f"""
    SELECT ({sql.HEAD}) AS position, {_SEALED} AS sealed_position,
        coalesce((SELECT number FROM log_seals ORDER BY number DESC LIMIT 1), 0) AS seals
"""


async def read_seal_progress(connection: Connection) -> SealProgress:
    """Return how far the log is sealed."""
    return await read_one(connection, SealProgress, _SEAL_PROGRESS)


class WaitTime(TypedDict):
    """For how many seconds the first event after a position has been in the log; 0 for none."""

    position: ReadOnly[int]
    seconds: ReadOnly[float]


def _waited_after(position: str) -> str:
    """Return the SQL of how long the first event after a position has been in the log."""
    return f"""(
        SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8
        FROM {sql.EVENTS_TABLE} WHERE notification_id > {position}
        ORDER BY notification_id LIMIT 1
    )"""


_WAITED = f"""
    SELECT position, coalesce({_waited_after("position")}, 0) AS seconds
    FROM unnest(%(positions)s::bigint[]) AS position
"""


async def waited_after(connection: Connection, positions: Sequence[int]) -> dict[int, float]:
    """Return, by position, for how many seconds the first event after it has been in the log."""
    rows = await read_rows(connection, WaitTime, _WAITED, {"positions": list(positions)})
    return {row["position"]: row["seconds"] for row in rows}


class FollowerLag(TypedDict):
    """How late readers and sealers are.

    Attributes:
        schema: version of the database's schema; None if it has none.
        unread_s: for how many seconds the first unread event has been in the log; None if there is
            none.
        unsealed_s: the same of the first unsealed event.
    """

    schema: ReadOnly[str | None]
    unread_s: ReadOnly[float | None]
    unsealed_s: ReadOnly[float | None]


_LAG = f"""
    SELECT (SELECT version_num FROM alembic_version) AS schema,
        {_waited_after("%(read_position)s")} AS unread_s,
        {_waited_after(f"coalesce({_SEALED}, 0)")} AS unsealed_s
"""


async def follower_lag(connection: Connection, read_position: int) -> FollowerLag:
    """Return how late readers and sealers are; the reader has read up to `read_position`."""
    return await read_one(connection, FollowerLag, _LAG, {"read_position": read_position})


class DueTicks(TypedDict):
    """Schedules with a due tick that is not decided, and the seconds since the first was due.

    It counts `MAX_TICKS` at most.
    """

    schedules: ReadOnly[int]
    seconds: ReadOnly[float]


MAX_TICKS = 1_000

_DUE_TICKS = f"""
    SELECT count(*) AS schedules,
        coalesce(extract(epoch FROM clock_timestamp() - min(next_at)), 0)::float8 AS seconds
    FROM (
        SELECT next_at FROM schedules WHERE next_at <= clock_timestamp()
            AND NOT aggregate_id = ANY((SELECT %(bypassed)s::uuid[])::uuid[])
        ORDER BY next_at LIMIT {MAX_TICKS}
    ) AS due
"""


async def due_ticks(connection: Connection, bypassed: Sequence[UUID]) -> DueTicks:
    """Return the number of ticks that are due and undecided, and how late they are."""
    return await read_one(connection, DueTicks, _DUE_TICKS, {"bypassed": list(bypassed)})
