"""The runs, ticks and bulk operations that a service would start on this database now."""

from dataclasses import dataclass
from typing import Literal

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from projections.job_runs import IS_RUNNING, IS_UNFINISHED
from projections.rows import Connection, read_rows, read_value

MAX_NAMED_RUNS = 1_000
"""Runs that are named; the others are counted."""

_UNFINISHED = f"""
    SELECT run.id, job.slug AS job, run.attempt, run.created_position,
        CASE WHEN run.{IS_RUNNING} AND run.attempt < run.max_attempts THEN 'again'
            WHEN run.{IS_RUNNING} THEN 'lost'
            WHEN job.paused IS NOT NULL THEN 'paused'
            WHEN run.scheduled_at <= clock_timestamp() THEN 'due'
            ELSE 'later' END AS state,
        run.scheduled_at AS starts_at
    FROM job_runs AS run JOIN job_definitions AS job ON job.id = run.job_definition_id
    WHERE run.{IS_UNFINISHED}
"""

_COUNTS = f"SELECT state, count(*) AS runs FROM ({_UNFINISHED}) AS run GROUP BY state"

_RUNS = f"""
    SELECT id, job, attempt, state, starts_at FROM ({_UNFINISHED}) AS run
    WHERE state IN ('again', 'lost', 'due') ORDER BY created_position LIMIT {MAX_NAMED_RUNS}
"""

_SCHEDULES = """
    SELECT id, job, next_at, next_at <= clock_timestamp() AS is_due FROM schedules
    WHERE deleted_at IS NULL AND paused IS NULL AND next_at IS NOT NULL
    ORDER BY next_at, id
"""

_BULK = """
    SELECT count(*) AS operations FROM bulk_operations WHERE status = 'running'
"""


RunState = Literal["again", "lost", "due", "later", "paused"]
"""What happens to an unfinished run. One that was running, whose worker no longer exists, has its
next attempt (`again`), or fails since that was the last one (`lost`). A pending one is `due`,
starts `later`, or waits while its job is `paused`."""


class _RunCount(TypedDict):
    state: ReadOnly[RunState]
    runs: ReadOnly[int]


class Restart(TypedDict):
    """A run that has not ended, and its state on restart."""

    id: ReadOnly[str]
    job: ReadOnly[str]
    attempt: ReadOnly[int]
    state: ReadOnly[RunState]
    starts_at: ReadOnly[str]


class Tick(TypedDict):
    """A schedule's next tick; if `is_due`, the first one that was missed."""

    id: ReadOnly[str]
    job: ReadOnly[str]
    next_at: ReadOnly[str]
    is_due: ReadOnly[bool]


@dataclass(frozen=True)
class Restarts:
    """What a service would start.

    Attributes:
        counts: number of unfinished runs by state.
        runs: the first `MAX_NAMED_RUNS` of those that start or fail at once.
        schedules: the next tick of each schedule.
        bulk_operations: number of unfinished bulk operations.
    """

    counts: dict[RunState, int]
    runs: list[Restart]
    schedules: list[Tick]
    bulk_operations: int

    def present(self) -> JsonObject:
        """Return it as JSON."""
        return {"kind": "restarts", **vars(self)}


async def read_restarts(connection: Connection) -> Restarts:
    """Return what a service would start on this database now."""
    counts = await read_rows(connection, _RunCount, _COUNTS)
    return Restarts(
        counts={row["state"]: row["runs"] for row in counts},
        runs=await read_rows(connection, Restart, _RUNS),
        schedules=await read_rows(connection, Tick, _SCHEDULES),
        bulk_operations=await read_value(connection, int, _BULK),
    )
