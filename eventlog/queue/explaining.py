"""What stood around a run, now or at a position of the log, so that it can be explained."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from typing_extensions import ReadOnly

from domain.clock import to_iso
from domain.jobs.limits.groups import counts_by
from domain.jobs.limits.rate_limit import RateLimit
from domain.json_values import JsonObject
from domain.quarantine import Quarantine
from eventlog.database import sql
from eventlog.database.connection import snapshot
from eventlog.history.as_of import Past, opened
from eventlog.history.audit import last_place_up_to
from eventlog.history.unreadable import with_unreadable_head
from eventlog.keys.log_files import LogFiles
from eventlog.queue import statements
from eventlog.queue.evidence import evidence_of
from eventlog.queue.places.in_front import (
    MOST_IN_FRONT,
    in_front_now,
    in_front_then,
)
from eventlog.queue.questions import DemandingJob, demands_by_job
from eventlog.workers.listing import page_of_workers
from projections import job_definitions
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import IS_RUNNING, RunRow
from projections.rows import Connection, read_ids, read_rows, read_value
from projections.runs import lists
from projections.runs.candidates.candidate import Candidate, rate_key_of
from projections.runs.candidates.columns import LIMIT
from projections.runs.candidates.foreign import Demand
from projections.runs.candidates.timely import untimely
from projections.runs.explain.around import (
    NOTHING_IN_FRONT,
    Around,
    UnderWay,
    candidate_of,
    limits_of,
)
from projections.runs.explain.explanation import explained
from projections.runs.filter import RunFilter
from projections.runs.rates.rooms import KnownRooms
from projections.table import rows_by_id

MOST_WORKERS = 1_000

MOST_IN_PAST = 500
"""Runs of a past moment that are looked at, of those that ran and of those that waited."""

NO_FLEET = "which workers lived at that time, and what each had to do: that is not kept"

NO_STARTS = (
    "how many had started within the period of its job's rateLimit: that is not kept"
)

NO_ENDED_TURNS = (
    "whose turn was last, where that run had ended: turns are told from those under way"
    " and those that waited"
)

TOO_MANY = (
    "all runs that come first: only those that may start soonest are read,"
    f" {MOST_IN_FRONT} at most"
)

_UNDER_WAY = f"""
    SELECT id, job_definition_id, concurrency_value, worker_id, started_at, {LIMIT}
    FROM job_runs AS run WHERE {IS_RUNNING}
"""

PAUSED = "SELECT id FROM job_definitions WHERE paused IS NOT NULL"


class _RunningRow(UnderWay):
    max_concurrent_runs: ReadOnly[int | None]


async def explain_now(
    connection: Connection, files: LogFiles, quarantine: Quarantine, run_id: UUID
) -> JsonObject | None:
    """Return why a run stands where it stands, None where there is none.

    Args:
        connection: outside of any transaction.
        files: of the log.
        quarantine: what this process cannot read.
        run_id: whose explanation.
    """
    async with snapshot(connection):
        run = await lists.by_id(connection, run_id)
        if run is None:
            return None
        around = await _around_now(connection, run, quarantine)
        evidence = await evidence_of(connection, files, run)
    return explained(run, around, evidence)


async def explain_then(
    connection: Connection, files: LogFiles, run_id: UUID, as_of: int | datetime
) -> tuple[JsonObject, int] | None:
    """Return the same as of a position or a moment, with the position; None where it was not there.

    Raises:
        InvalidInputError: that is still to come.
    """
    async with opened(connection, files, as_of) as past:
        run = await past.run(run_id)
        if run is None:
            return None
        now = await _moment(connection, files, past.position, as_of)
        around = await _around_then(past, run, now)
        evidence = await evidence_of(connection, files, run)
        explanation = explained(run, around, evidence)
    return explanation, past.position


async def _around_now(
    connection: Connection, run: RunRow, quarantine: Quarantine
) -> Around:
    now = await read_value(connection, str, sql.NOW)
    run_id = UUID(run["id"])
    unreadable = await with_unreadable_head(connection, [run_id])
    is_unreadable = bool(unreadable) or run_id in quarantine
    if run["status"] != "pending":
        return Around(now=now, is_unreadable=is_unreadable)
    job_id = UUID(run["job_definition_id"])
    jobs = await rows_by_id(connection, job_definitions.TABLE, [job_id])
    job = jobs[job_id]
    running = await read_rows(connection, _RunningRow, _UNDER_WAY)
    limits = limits_of(job)
    candidate = candidate_of(run, limits)
    front = NOTHING_IN_FRONT
    if untimely(candidate, now) is None:
        paused = await read_ids(connection, PAUSED)
        shut = _full_jobs(running)
        shut.update(map(str, paused))
        shut.discard(run["job_definition_id"])
        front = await in_front_now(connection, candidate, now, shut, quarantine)
    rooms = KnownRooms(now)
    await rooms.ask(connection, [candidate, *front.runs])
    unknown: list[str] = []
    if front.is_cut:
        unknown.append(TOO_MANY)
    return Around(
        now=now,
        limits_of_job=limits,
        paused=job["paused"],
        key=_key_of(run, job),
        is_of_rate=_is_of_rate(run, job),
        running=running,
        rooms=rooms.known,
        front=front,
        demands=await _demands(connection),
        fleet=await page_of_workers(connection, "", MOST_WORKERS),
        is_unreadable=is_unreadable,
        unknown=unknown,
    )


def _key_of(run: RunRow, job: JobDefinitionRow) -> str | None:
    """Return the job's concurrency key, None where the run holds a value of an earlier one."""
    key = job["concurrency_key"]
    if not counts_by(key, run["concurrency_value"], run["parameters"]):
        return None
    return key


def _is_of_rate(run: RunRow, job: JobDefinitionRow) -> bool:
    """Return whether the run counts by what the job's rate limit names now."""
    rate = RateLimit.from_json(job["rate_limit"])
    if rate is None:
        return True
    return counts_by(rate.key, run["rate_value"], run["parameters"])


async def _demands(connection: Connection) -> dict[str, Demand]:
    """Return what jobs ask of workers; those left out ask for nothing."""
    jobs = await read_rows(connection, DemandingJob, statements.DEMANDING)
    return demands_by_job(jobs)


def _full_jobs(running: Iterable[_RunningRow]) -> set[str]:
    """Return the jobs of which no run may start beside those under way."""
    counts: Counter[str] = Counter()
    full: set[str] = set()
    for run in running:
        job_id = run["job_definition_id"]
        counts[job_id] += 1
        most = run["max_concurrent_runs"]
        if most is not None and counts[job_id] >= most:
            full.add(job_id)
    return full


async def _around_then(past: Past, run: RunRow, now: str) -> Around:
    unknown = [NO_FLEET]
    if run["status"] != "pending":
        return Around(now=now)
    under_way = RunFilter(statuses=["running"])
    running, more_ran = await past.runs(under_way, MOST_IN_PAST, 0)
    if more_ran is not None:
        told = f"all runs that were under way: only {len(running)} are read"
        unknown.append(told)
    waiting = RunFilter(statuses=["pending"])
    pending, more_waited = await past.runs(waiting, MOST_IN_PAST, 0)
    if more_waited is not None:
        unknown.append(f"all runs that waited: only {len(pending)} are read")
    jobs = await _jobs_then(past, [run, *pending])
    job = jobs[run["job_definition_id"]]
    limits = limits_of(job)
    candidate = candidate_of(run, limits)
    if rate_key_of(candidate) is not None:
        unknown.append(NO_STARTS)
    others: list[Candidate] = []
    for one in pending:
        job_of_other = jobs[one["job_definition_id"]]
        other = candidate_of(one, limits_of(job_of_other))
        others.append(other)
    is_cut = more_waited is not None
    front = in_front_then(candidate, others, now, [*running, *pending], is_cut=is_cut)
    if front.circles:
        unknown.append(NO_ENDED_TURNS)
    return Around(
        now=now,
        limits_of_job=limits,
        paused=job["paused"],
        key=_key_of(run, job),
        is_of_rate=_is_of_rate(run, job),
        running=running,
        front=front,
        fleet=None,
        unknown=unknown,
    )


async def _jobs_then(past: Past, runs: Sequence[RunRow]) -> dict[str, JobDefinitionRow]:
    """Return the runs' jobs as they were, by their ids."""
    ids = {UUID(run["job_definition_id"]) for run in runs}
    jobs = await past.jobs(list(ids))
    return {job["id"]: job for job in jobs.values()}


async def _moment(
    connection: Connection, files: LogFiles, position: int, as_of: int | datetime
) -> str:
    """Return the moment that is asked for: of a position, when it was recorded."""
    if isinstance(as_of, datetime):
        return to_iso(as_of)
    place = await last_place_up_to(connection, files.archive, position)
    if place is None:
        return await read_value(connection, str, sql.NOW)
    return place["recorded_at"]
