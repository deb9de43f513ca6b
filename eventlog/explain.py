"""Explains a run, now or as of a past moment: reads the facts that `projections.explain` needs.

First the explanation (`explain_now`, `explain_past`), then the evidence in a run's last events.
`eventlog.runs_before` reads the runs that come before it in the queue.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.clock import to_iso
from domain.jobs.launching import counts_by
from domain.jobs.policies import RateLimit
from domain.json_values import Json, JsonObject
from domain.quarantine import Quarantine
from eventlog.database import sql
from eventlog.database.connection import snapshot
from eventlog.history.as_of import Past, open_past
from eventlog.history.audit import last_event_up_to
from eventlog.history.reader import with_unreadable_head
from eventlog.keys import LogFiles
from eventlog.personal import envelopes
from eventlog.queue_reads import JOBS_WITH_REQUIREMENTS, JobWithRequirements, requirements_by_job
from eventlog.rehydration import read_part
from eventlog.runs_before import MAX_BEFORE, runs_before_in_past, runs_before_now
from eventlog.workers import page_of_workers
from projections import job_definitions
from projections.envelope import Envelope
from projections.explain import NO_EVIDENCE, Evidence, explained
from projections.explain_facts import NONE_BEFORE, Facts, UnderWay, candidate_of, limits_of
from projections.flow.candidates import LIMIT_COLUMNS, rate_key_of, untimely
from projections.flow.rates import RateWindowReader
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import IS_RUNNING, RunRow
from projections.rows import Connection, read_first, read_ids, read_rows, read_value
from projections.runs import lists
from projections.runs.filters import RunFilter
from projections.table import rows_by_id

# The explanation, and the facts that concern a run: now or at a position of the log.

MAX_WORKERS = 1_000

MAX_PAST_RUNS = 500
"""Running runs of a past moment that are read, and likewise pending ones."""

NO_WORKERS = "which workers were alive then, and how busy they were: that is not recorded"

NO_STARTS = "how many runs had started within the rateLimit's period: that is not recorded"

NO_ENDED_STARTS = (
    "whose turn was last, if that run had ended: only runs that had not ended then are read"
)

TOO_MANY = f"all runs that come first: only the {MAX_BEFORE} that may start soonest are read"

_UNDER_WAY = f"""
    SELECT id, job_definition_id, concurrency_value, worker_id, started_at, {LIMIT_COLUMNS}
    FROM job_runs AS run WHERE {IS_RUNNING}
"""

PAUSED = "SELECT id FROM job_definitions WHERE paused IS NOT NULL"


class _RunningRow(UnderWay):
    max_concurrent_runs: ReadOnly[int | None]


async def explain_now(
    connection: Connection, files: LogFiles, quarantine: Quarantine, run_id: UUID
) -> JsonObject | None:
    """Return why a run waits, runs or has ended; None if there is no such run.

    Args:
        connection: outside of any transaction.
        files: the log's files.
        quarantine: the aggregates that this process cannot read.
        run_id: the run.
    """
    async with snapshot(connection):
        run = await lists.by_id(connection, run_id)
        if run is None:
            return None
        facts = await _facts_now(connection, run, quarantine)
        evidence = await evidence_of(connection, files, run)
    return explained(run, facts, evidence)


async def explain_past(
    connection: Connection, files: LogFiles, run_id: UUID, as_of: int | datetime
) -> tuple[JsonObject, int] | None:
    """Return the same as of a position or a time, and the position; None if there was no such run.

    Raises:
        InvalidInputError: `as_of` is in the future.
    """
    async with open_past(connection, files, as_of) as past:
        run = await past.run(run_id)
        if run is None:
            return None
        time = await _time_of(connection, files, past.position, as_of)
        facts = await _past_facts(past, run, time)
        evidence = await evidence_of(connection, files, run)
        explanation = explained(run, facts, evidence)
    return explanation, past.position


async def _facts_now(connection: Connection, run: RunRow, quarantine: Quarantine) -> Facts:
    now = await read_value(connection, str, sql.NOW)
    run_id = UUID(run["id"])
    unreadable = await with_unreadable_head(connection, [run_id])
    is_unreadable = bool(unreadable) or run_id in quarantine
    if run["status"] != "pending":
        return Facts(now=now, is_unreadable=is_unreadable)
    job_id = UUID(run["job_definition_id"])
    jobs = await rows_by_id(connection, job_definitions.TABLE, [job_id])
    job = jobs[job_id]
    running = await read_rows(connection, _RunningRow, _UNDER_WAY)
    limits = limits_of(job)
    candidate = candidate_of(run, limits)
    before = NONE_BEFORE
    if untimely(candidate, now) is None:
        paused = await read_ids(connection, PAUSED)
        at_capacity = {*_jobs_at_capacity(running), *map(str, paused)}
        at_capacity.discard(run["job_definition_id"])
        before = await runs_before_now(connection, candidate, now, at_capacity, quarantine)
    windows = RateWindowReader(now)
    runs_of_groups = (
        group_run
        for group in before.groups.values()
        for queue in group.queues
        for group_run in queue
    )
    await windows.read(connection, [candidate, *before.runs, *runs_of_groups])
    return Facts(
        now=now,
        limits_of_job=limits,
        paused=job["paused"],
        key=_key_of(run, job),
        is_of_rate=_is_of_rate(run, job),
        running=running,
        windows=windows.windows,
        before=before,
        requirements=requirements_by_job(
            await read_rows(connection, JobWithRequirements, JOBS_WITH_REQUIREMENTS)
        ),
        fleet=await page_of_workers(connection, "", MAX_WORKERS),
        is_unreadable=is_unreadable,
        unknown=[TOO_MANY] if before.is_cut else [],
    )


def _key_of(run: RunRow, job: JobDefinitionRow) -> str | None:
    """Return the job's concurrency key; None if the run's value is that of an earlier key."""
    key = job["concurrency_key"]
    if not counts_by(key, run["concurrency_value"], run["parameters"]):
        return None
    return key


def _is_of_rate(run: RunRow, job: JobDefinitionRow) -> bool:
    """Return whether the job's present rate limit counts the run by its stored value."""
    rate = RateLimit.from_json(job["rate_limit"])
    if rate is None:
        return True
    return counts_by(rate.key, run["rate_value"], run["parameters"])


def _jobs_at_capacity(running: Iterable[_RunningRow]) -> set[str]:
    """Return the jobs whose running runs have reached `max_concurrent_runs`."""
    counts: Counter[str] = Counter()
    at_capacity: set[str] = set()
    for run in running:
        job_id = run["job_definition_id"]
        counts[job_id] += 1
        limit = run["max_concurrent_runs"]
        if limit is not None and counts[job_id] >= limit:
            at_capacity.add(job_id)
    return at_capacity


async def _past_facts(past: Past, run: RunRow, now: str) -> Facts:
    unknown = [NO_WORKERS]
    if run["status"] != "pending":
        return Facts(now=now)
    running, next_running = await past.runs(RunFilter(statuses=["running"]), MAX_PAST_RUNS, 0)
    if next_running is not None:
        unknown.append(f"all runs that were under way: only {len(running)} are read")
    pending, next_pending = await past.runs(RunFilter(statuses=["pending"]), MAX_PAST_RUNS, 0)
    if next_pending is not None:
        unknown.append(f"all runs that waited: only {len(pending)} are read")
    job_ids = {UUID(row["job_definition_id"]) for row in [run, *pending]}
    jobs = {job["id"]: job for job in (await past.jobs([*job_ids])).values()}
    job = jobs[run["job_definition_id"]]
    limits = limits_of(job)
    candidate = candidate_of(run, limits)
    if rate_key_of(candidate) is not None:
        unknown.append(NO_STARTS)
    others = [candidate_of(row, limits_of(jobs[row["job_definition_id"]])) for row in pending]
    before = runs_before_in_past(
        candidate, others, now, [*running, *pending], is_cut=next_pending is not None
    )
    if before.groups:
        unknown.append(NO_ENDED_STARTS)
    return Facts(
        now=now,
        limits_of_job=limits,
        paused=job["paused"],
        key=_key_of(run, job),
        is_of_rate=_is_of_rate(run, job),
        running=running,
        before=before,
        fleet=None,
        unknown=unknown,
    )


async def _time_of(
    connection: Connection, files: LogFiles, position: int, as_of: int | datetime
) -> str:
    """Return the time `as_of`; if that is a position, the time at which its event was recorded."""
    if isinstance(as_of, datetime):
        return to_iso(as_of)
    event = await last_event_up_to(connection, files.archive, position)
    if event is None:
        return await read_value(connection, str, sql.NOW)
    return event["recorded_at"]


# The evidence in a run's last events: how it ended, or who requested its cancellation.

TAIL = 100
"""Last events of a run that are read."""

_PROGRESSED = "job_run.progressed"
_CANCEL_REQUESTED = "job_run.cancel_requested"
_LOST = "job_run.attempt_lost"

_LAST_BEAT = "SELECT beat_at FROM workers WHERE id = %(id)s AND dead_at IS NOT NULL"


class _Beat(TypedDict):
    beat_at: ReadOnly[str]


async def evidence_of(connection: Connection, files: LogFiles, run: RunRow) -> Evidence:
    """Return the evidence that a run's row, which may be a past one, does not hold."""
    if run["cancel_requested_at"] is None and run["failure_reason"] is None:
        return NO_EVIDENCE
    last: Envelope | None = None
    cancel_request: Envelope | None = None
    for event in await _tail(connection, files, run):
        if event.unreadable is not None or event.topic == _PROGRESSED:
            continue
        if event.topic == _CANCEL_REQUESTED:
            cancel_request = event
        else:
            last = event
    return Evidence(
        last=last,
        cancel_request=cancel_request,
        last_beat_at=await _last_beat(connection, last),
        memory_mb=await _memory_mb(connection, run),
    )


async def _tail(connection: Connection, files: LogFiles, run: RunRow) -> list[Envelope]:
    """Return the last events up to the version of the row."""
    run_id = UUID(run["id"])
    until = run["aggregate_version"]
    after: int | None = max(until - TAIL, 0)
    events: list[Envelope] = []
    while after is not None and after < until:
        part = await read_part(connection, files, run_id, after, limit=until - after)
        events += await envelopes(connection, files.master_keys, part.rows)
        after = part.next
    return events


async def _last_beat(connection: Connection, last: Envelope | None) -> str | None:
    """Return when the lost worker sent its last heartbeat; None if that is unknown."""
    if last is None or last.topic != _LOST:
        return None
    row = await read_first(connection, _Beat, _LAST_BEAT, {"id": last.data["worker_id"]})
    return None if row is None else row["beat_at"]


async def _memory_mb(connection: Connection, run: RunRow) -> Json:
    """Return the job's memory limit; None if the run was launched with another version."""
    job_id = UUID(run["job_definition_id"])
    jobs = await rows_by_id(connection, job_definitions.TABLE, [job_id])
    job = jobs.get(job_id)
    if job is None or job["version"] != run["definition_version"]:
        return None
    return (job["resources"] or {}).get("memoryMb")
