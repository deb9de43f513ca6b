"""What a process reads to follow the pending queue, and to read its front.

First the queue's changes since a position of the log (`request_touched`), then the whole queue
where a process begins (`read_queue`), last the first due runs that are not in memory
(`request_front`). `eventlog.pending_queue` keeps the queue in memory by these reads.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.jobs.run_events import RUN_TOPIC, Progressed, Succeeded
from domain.json_values import JsonObject
from domain.ports import Offer
from domain.workers import Isolation
from eventlog.database import sql
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.rebuild.fold_versions import COUNT_REPAIRS
from projections.flow import claims
from projections.flow.candidates import (
    CANDIDATE_COLUMNS,
    JOB_LIMIT,
    LIMIT_COLUMNS,
    Contender,
    JobLimits,
    Requirements,
    UnservedJobs,
)
from projections.flow.pending_queue import FirstOfPriority, LowWaterMark, PendingQueue, TouchedRun
from projections.job_definitions import TABLE as DEFINITIONS
from projections.job_runs import IS_PENDING, IS_RUNNING
from projections.rows import Connection, as_rows

# What has changed in the queue since a position of the log.

EVENTS_AT_A_TIME = 2_000
"""Events that one statement reads."""

_STATE = f"""
    coalesce({sql.ARCHIVED_TO}, 0) AS archived_to, coalesce(({COUNT_REPAIRS}), 0) AS repairs,
    clock_timestamp() AS now
"""

TOUCHED = f"""
    WITH new AS (
        SELECT notification_id, originator_id, topic FROM {sql.EVENTS_TABLE}
        WHERE notification_id > (SELECT %(after)s::bigint)
        ORDER BY notification_id LIMIT {EVENTS_AT_A_TIME}
    ), touched AS (
        SELECT originator_id AS id, topic ^@ '{DEFINITIONS.subject}.' AS is_job,
            bool_or(topic = '{Succeeded.TOPIC}') AS has_succeeded
        FROM new
        WHERE topic ^@ '{RUN_TOPIC}.' AND topic <> '{Progressed.TOPIC}'
           OR topic ^@ '{DEFINITIONS.subject}.'
        GROUP BY 1, 2
    ), log AS (
        SELECT coalesce(max(notification_id), (SELECT %(after)s::bigint)) AS position,
            count(*) = {EVENTS_AT_A_TIME} AS is_cut, {_STATE}
        FROM new
    ), changed AS (
        SELECT run.*, {LIMIT_COLUMNS}, NULL::jsonb AS worker_labels,
            NULL::text AS isolation FROM touched CROSS JOIN LATERAL (
            SELECT {CANDIDATE_COLUMNS}, status FROM job_runs WHERE id = touched.id LIMIT 1
        ) AS run WHERE NOT (touched.is_job OR touched.has_succeeded)
        UNION ALL
        SELECT id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'succeeded', NULL, NULL, NULL,
            NULL, NULL, NULL
        FROM touched WHERE has_succeeded
        UNION ALL
        SELECT job.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            job.max_concurrent_runs, job.concurrency_limit, job.rate_limit, job.fairness_key,
            job.worker_labels, job.isolation
        FROM touched CROSS JOIN LATERAL (
            SELECT id, {JOB_LIMIT}, concurrency_limit, rate_limit, fairness_key, worker_labels,
                isolation
            FROM job_definitions AS job WHERE id = touched.id LIMIT 1
        ) AS job WHERE touched.is_job
    )
    SELECT log.*, changed.* FROM log FULL JOIN changed ON false ORDER BY position
"""
"""One row that says how far the log goes; then, without a position, the runs that events after a
position have touched, and the jobs, which have no status, as they are now. What has succeeded is
not looked up, as nothing follows that, and how far the log goes comes once, not with each row: a
sixth of the server's time less, and a third of the worker's (docs/performance.md)."""


class LogHead(TypedDict):
    """How far the log goes, and whether its changes can be followed from an earlier position."""

    position: ReadOnly[int]
    is_cut: ReadOnly[bool]
    archived_to: ReadOnly[int]
    repairs: ReadOnly[int]
    now: ReadOnly[str]


class TouchedRow(LogHead):
    """A run or, without a status, a job that an event has touched; the first row is neither."""

    id: ReadOnly[str | None]
    status: ReadOnly[str | None]
    max_concurrent_runs: ReadOnly[int | None]
    concurrency_limit: ReadOnly[int | None]
    rate_limit: ReadOnly[JsonObject | None]
    fairness_key: ReadOnly[str | None]
    worker_labels: ReadOnly[dict[str, str] | None]
    isolation: ReadOnly[Isolation | None]


def request_touched(trip: RoundTrip, queue: PendingQueue) -> Answer:
    """Request what has changed since the queue's position."""
    return trip.add(TOUCHED, {"after": queue.position})


@dataclass(frozen=True)
class QueueChanges:
    """What events have touched: runs, and the limits and requirements of jobs, by job id."""

    runs: list[TouchedRun] = field(default_factory=list)
    limits: dict[str, JobLimits] = field(default_factory=dict)
    requirements: dict[str, Requirements] = field(default_factory=dict)


def changes_in(rows: Iterable[TouchedRow]) -> QueueChanges:
    """Return what events have touched, by the answer to `TOUCHED`."""
    changes = QueueChanges()
    for row in rows:
        if row["id"] is None:
            continue
        if row["status"] is not None:
            changes.runs.append(cast("TouchedRun", row))
            continue
        changes.limits[row["id"]] = {
            "max_concurrent_runs": row["max_concurrent_runs"],
            "concurrency_limit": row["concurrency_limit"],
            "rate_limit": row["rate_limit"],
            "fairness_key": row["fairness_key"],
        }
        changes.requirements[row["id"]] = Requirements(
            row["worker_labels"] or {}, row["isolation"] or "process"
        )
    return changes


# The whole pending queue, where a process begins.

PRESENT_STATE = f"SELECT ({sql.HEAD}) AS position, false AS is_cut, {_STATE}"

UNDER_WAY = f"""
    SELECT id, job_definition_id, concurrency_value FROM job_runs WHERE {IS_RUNNING}
"""

JOBS_WITH_REQUIREMENTS = """
    SELECT id, worker_labels, isolation FROM job_definitions WHERE worker_labels <> '{}'
    UNION
    SELECT id, worker_labels, isolation FROM job_definitions WHERE isolation = 'shared'
"""
"""The jobs that require labels of workers, or share processes: two indexes hold nothing else."""

FIRST_OF_PRIORITIES = f"""
    WITH RECURSIVE first AS (
        (SELECT priority, scheduled_at, id FROM job_runs WHERE {IS_PENDING}
         ORDER BY priority DESC, scheduled_at, id LIMIT 1)
        UNION ALL
        SELECT next.* FROM first CROSS JOIN LATERAL (
            SELECT priority, scheduled_at, id FROM job_runs
            WHERE {IS_PENDING} AND priority < first.priority
            ORDER BY priority DESC, scheduled_at, id LIMIT 1
        ) AS next
    )
    SELECT priority, scheduled_at, id FROM first
"""
"""The first pending run of each priority; a few of two hundred priorities are in use."""


class JobWithRequirements(TypedDict):
    """A job that requires something of workers."""

    id: ReadOnly[str]
    worker_labels: ReadOnly[dict[str, str]]
    isolation: ReadOnly[Isolation]


def requirements_by_job(jobs: Iterable[JobWithRequirements]) -> dict[str, Requirements]:
    """Return the requirements in the answer to `JOBS_WITH_REQUIREMENTS`, by job id."""
    return {job["id"]: Requirements(job["worker_labels"], job["isolation"]) for job in jobs}


async def read_queue(connection: Connection, offer: Offer | None) -> tuple[LogHead, PendingQueue]:
    """Read the pending queue anew, for a worker with this offer.

    This scans consumed rows once.
    """
    trip = RoundTrip(connection)
    present = trip.add(PRESENT_STATE)
    running = trip.add(UNDER_WAY)
    firsts = trip.add(FIRST_OF_PRIORITIES)
    jobs = trip.add(JOBS_WITH_REQUIREMENTS)
    await trip.send()
    [state] = as_rows(LogHead, present.rows)
    requirements = requirements_by_job(as_rows(JobWithRequirements, jobs.rows))
    queue = PendingQueue(
        state["position"],
        as_rows(Contender, running.rows),
        as_rows(FirstOfPriority, firsts.rows),
        offer,
        UnservedJobs(offer, requirements),
    )
    return state, queue


# The front of the queue: the first due runs from low-water marks on.


@dataclass(frozen=True)
class FrontRead:
    """A read of the first due runs from low-water marks on."""

    answer: Answer
    marks: Mapping[int, LowWaterMark]
    limit: int


def request_front(trip: RoundTrip, queue: PendingQueue, slots: int) -> FrontRead | None:
    """Request the first due runs that are not in memory; None where all are."""
    marks = queue.unread_marks
    if not marks:
        return None
    limit = claims.front_size(slots)
    offer = queue.offer
    offered = "" if offer is None else sql.text_array(offer.claimed_entry_points)
    values = {"marks": marks_as_json(marks), "offered": offered}
    scope, jobs = queue.unserved_jobs.job_scope()
    if scope != "all_jobs":
        values["jobs"] = sql.text_array(jobs)
    return FrontRead(trip.add(claims.front_of_queue(limit, scope), values), marks, limit)


def marks_as_json(marks: Mapping[int, LowWaterMark]) -> str:
    """Return low-water marks as a parameter of statements."""
    listed: list[JsonObject] = [
        {"priority": priority, "scheduled_at": scheduled_at, "id": run_id}
        for priority, (scheduled_at, run_id) in marks.items()
    ]
    return orjson.dumps(listed).decode()
