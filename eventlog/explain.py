"""Explains a run, now or as of a past moment: reads the facts that `projections.explain` needs.

First the explanation (`explain_now`, `explain_then`). Then the due runs that come before a run in
the queue. Then the evidence in a run's last events.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.clock import to_iso
from domain.jobs.definition import RateLimit
from domain.jobs.launching import counts_by
from domain.json_values import Json, JsonObject
from domain.quarantine import Quarantine
from eventlog import claims
from eventlog.claims import JobWithRequirements, requirements_by_job
from eventlog.database import sql
from eventlog.database.connection import snapshot
from eventlog.history.as_of import Past, opened
from eventlog.history.audit import last_event_up_to
from eventlog.history.reader import with_unreadable_head
from eventlog.keys import LogFiles
from eventlog.personal import envelopes
from eventlog.rehydration import read_part
from eventlog.workers import page_of_workers
from projections import job_definitions
from projections.envelope import Envelope
from projections.explain import NO_EVIDENCE, Evidence, explained
from projections.explain_facts import (
    NONE_BEFORE,
    RunsBefore,
    Surroundings,
    UnderWay,
    candidate_of,
    limits_of,
)
from projections.flow import candidates
from projections.flow.candidates import (
    LIMIT_COLUMNS,
    Candidate,
    queue_position,
    rate_key_of,
    untimely,
)
from projections.flow.fairness import DUE_OF_VALUE, GROUP, IN_VALUE_ORDER, VALUE_ORDER, read_group
from projections.flow.rates import RateWindowReader
from projections.flow.selection import (
    DEPTH,
    FairnessGroup,
    GroupKey,
    fairness_group,
    group_of,
    starting_order,
)
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import IS_RUNNING, RunRow
from projections.rows import Connection, read_first, read_ids, read_one, read_rows, read_value
from projections.runs import lists
from projections.runs.lists import RunFilter
from projections.table import rows_by_id

# The explanation: it reads the facts around a run, now or at a position of the log.

MOST_WORKERS = 1_000

MOST_BEFORE = 2_000
"""Runs before a run that are read."""


MOST_IN_PAST = 500
"""Runs of a past moment that are read, of the running ones and of the pending ones."""

NO_FLEET = "which workers lived at that time, and what each had to do: that is not kept"

NO_STARTS = "how many had started within the period of its job's rateLimit: that is not kept"

NO_ENDED_STARTS = (
    "whose turn was last, where that run had ended: turns are told from those under way"
    " and those that waited"
)

TOO_MANY = (
    f"all runs that come first: only those that may start soonest are read, {MOST_BEFORE} at most"
)

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
    """Return why a run waits, runs or has ended; None where there is no such run.

    Args:
        connection: outside of any transaction.
        files: of the log.
        quarantine: what this process cannot read.
        run_id: the run.
    """
    async with snapshot(connection):
        run = await lists.by_id(connection, run_id)
        if run is None:
            return None
        facts = await _facts_now(connection, run, quarantine)
        evidence = await evidence_of(connection, files, run)
    return explained(run, facts, evidence)


async def explain_then(
    connection: Connection, files: LogFiles, run_id: UUID, as_of: int | datetime
) -> tuple[JsonObject, int] | None:
    """Return the same as of a position or a moment, with the position; None without such a run.

    Raises:
        InvalidInputError: it is in the future.
    """
    async with opened(connection, files, as_of) as past:
        run = await past.run(run_id)
        if run is None:
            return None
        now = await _moment(connection, files, past.position, as_of)
        facts = await _facts_then(past, run, now)
        evidence = await evidence_of(connection, files, run)
        explanation = explained(run, facts, evidence)
    return explanation, past.position


async def _facts_now(connection: Connection, run: RunRow, quarantine: Quarantine) -> Surroundings:
    now = await read_value(connection, str, sql.NOW)
    run_id = UUID(run["id"])
    unreadable = await with_unreadable_head(connection, [run_id])
    is_unreadable = bool(unreadable) or run_id in quarantine
    if run["status"] != "pending":
        return Surroundings(now=now, is_unreadable=is_unreadable)
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
    in_groups = (one for group in before.groups.values() for queue in group.queues for one in queue)
    await windows.read(connection, [candidate, *before.runs, *in_groups])
    return Surroundings(
        now=now,
        limits_of_job=limits,
        paused=job["paused"],
        key=_key_of(run, job),
        is_of_rate=_is_of_rate(run, job),
        running=running,
        windows=windows.windows,
        before=before,
        requirements=requirements_by_job(
            await read_rows(connection, JobWithRequirements, claims.JOBS_WITH_REQUIREMENTS)
        ),
        fleet=await page_of_workers(connection, "", MOST_WORKERS),
        is_unreadable=is_unreadable,
        unknown=[TOO_MANY] if before.is_cut else [],
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


def _jobs_at_capacity(running: Iterable[_RunningRow]) -> set[str]:
    """Return the jobs whose running runs have reached `max_concurrent_runs`."""
    counts: Counter[str] = Counter()
    at_capacity: set[str] = set()
    for run in running:
        job_id = run["job_definition_id"]
        counts[job_id] += 1
        most = run["max_concurrent_runs"]
        if most is not None and counts[job_id] >= most:
            at_capacity.add(job_id)
    return at_capacity


async def _facts_then(past: Past, run: RunRow, now: str) -> Surroundings:
    unknown = [NO_FLEET]
    if run["status"] != "pending":
        return Surroundings(now=now)
    under_way = RunFilter(statuses=["running"])
    running, more_ran = await past.runs(under_way, MOST_IN_PAST, 0)
    if more_ran is not None:
        unknown.append(f"all runs that were under way: only {len(running)} are read")
    waiting = RunFilter(statuses=["pending"])
    pending, more_waited = await past.runs(waiting, MOST_IN_PAST, 0)
    if more_waited is not None:
        unknown.append(f"all runs that waited: only {len(pending)} are read")
    job_ids = {UUID(one["job_definition_id"]) for one in [run, *pending]}
    jobs = {job["id"]: job for job in (await past.jobs([*job_ids])).values()}
    job = jobs[run["job_definition_id"]]
    limits = limits_of(job)
    candidate = candidate_of(run, limits)
    if rate_key_of(candidate) is not None:
        unknown.append(NO_STARTS)
    others = [candidate_of(one, limits_of(jobs[one["job_definition_id"]])) for one in pending]
    before = runs_before_then(
        candidate, others, now, [*running, *pending], is_cut=more_waited is not None
    )
    if before.groups:
        unknown.append(NO_ENDED_STARTS)
    return Surroundings(
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


async def _moment(
    connection: Connection, files: LogFiles, position: int, as_of: int | datetime
) -> str:
    """Return the moment itself; of a position, when its event was recorded."""
    if isinstance(as_of, datetime):
        return to_iso(as_of)
    event = await last_event_up_to(connection, files.archive, position)
    if event is None:
        return await read_value(connection, str, sql.NOW)
    return event["recorded_at"]


# The due runs that come before a run in the queue.
#
# A fairness group has the queue position of the next run of the value that is served next. Once
# that is behind a position, the rest of the group comes later, also runs that were due before.

MOST_COUNTED = 100_000
"""Runs before a run that are counted."""

MOST_VALUES = 100
"""Values of a group whose first runs are read."""

_POSITION = "(%(scheduled_at)s::timestamptz, %(id)s::uuid)"

FIRST_OF_GROUP = f"""
    WITH RECURSIVE {VALUE_ORDER}, runs_of_value AS (
        SELECT lap, value, (
            SELECT count(*) FROM (
                {DUE_OF_VALUE} AND (scheduled_at, id) < {_POSITION} LIMIT {MOST_COUNTED + 1}
            ) AS run
        ) AS before, EXISTS (
            {DUE_OF_VALUE} AND (scheduled_at, id) > {_POSITION}
        ) AS has_more
        FROM value_order
    ), boundary AS (
        SELECT before AS rounds, lap, value FROM runs_of_value WHERE has_more
        ORDER BY before, lap, value LIMIT 1
    )
    SELECT min(rounds) AS rounds, coalesce(sum(least(
        before,
        rounds + ((runs_of_value.lap, runs_of_value.value) < (boundary.lap, boundary.value))::int
    )), 0)::int AS number
    FROM runs_of_value LEFT JOIN boundary ON true
"""
"""Each value with a run before the position starts one run in each round, until a value is next
whose next run is behind the position."""


class _First(TypedDict):
    rounds: ReadOnly[int | None]
    number: ReadOnly[int]


async def first_of_group(
    connection: Connection, group: GroupKey, values: Mapping[str, object]
) -> tuple[int, FairnessGroup]:
    """Return how many runs of a group come before a queue position, and the group.

    Args:
        connection: in a snapshot.
        group: a group of the position's priority, and not of the run that is explained.
        values: the position, and the parameters of `candidates.DUE`.
    """
    job_id, entry_point, priority = group
    of_group = {**values, "job_id": job_id, "entry_point": entry_point, "priority": priority}
    first = await read_one(connection, _First, FIRST_OF_GROUP, of_group)
    rounds = first["number"] if first["rounds"] is None else first["rounds"]
    depth = min(rounds + 2, DEPTH)
    return first["number"], await read_group(
        connection, group, str(values["now"]), depth, MOST_VALUES
    )


MOST_GROUPS = 50
"""Groups that are read; runs of further groups are taken to keep their own queue positions."""

_BEFORE = """
    (priority > %(priority)s OR priority = %(priority)s
        AND (scheduled_at, id) < (%(scheduled_at)s::timestamptz, %(id)s::uuid))
"""

_OF_OTHERS = f"""
    {candidates.DUE} AND {_BEFORE} AND NOT (
        %(in_group)s AND fair_value IS NOT NULL AND {GROUP}
    )
"""
"""Without the runs of the run's own group, which come in the order of its values."""

BEFORE = f"""
    {candidates.WITH_LIMITS} FROM (
        {_OF_OTHERS} AND NOT job_definition_id = ANY(%(jobs_at_capacity)s::uuid[])
        {candidates.IN_ORDER} LIMIT {MOST_BEFORE + 1}
    ) AS run {candidates.IN_ORDER}
"""

COUNT = f"""
    SELECT job_definition_id, entry_point, in_group, count(*) AS number FROM (
        SELECT job_definition_id, entry_point, fair_value IS NOT NULL
            AND priority = %(priority)s AND job_definition_id IN (
                SELECT id FROM job_definitions WHERE fairness_key IS NOT NULL
            ) AS in_group
        FROM ({_OF_OTHERS} LIMIT {MOST_COUNTED + 1}) AS run
    ) AS run
    GROUP BY job_definition_id, entry_point, in_group ORDER BY number DESC
"""
"""Runs of a higher priority come first, in a group or not."""

BEFORE_IN_GROUP = f"""
    WITH RECURSIVE {VALUE_ORDER}, mine AS (
        SELECT lap, value, (
            SELECT count(*) FROM (
                {DUE_OF_VALUE}
                  AND (scheduled_at, id) < (%(scheduled_at)s::timestamptz, %(id)s::uuid)
                LIMIT {MOST_COUNTED + 1}
            ) AS run
        ) AS rounds
        FROM value_order WHERE value = %(value)s
    ), other AS (
        SELECT run.scheduled_at, run.id FROM mine CROSS JOIN value_order CROSS JOIN LATERAL (
            {DUE_OF_VALUE} {IN_VALUE_ORDER}
            LIMIT rounds + ((value_order.lap, value_order.value) < (mine.lap, mine.value))::int
        ) AS run
        WHERE value_order.value <> mine.value LIMIT {MOST_COUNTED + 1}
    ), started AS (
        SELECT scheduled_at, id FROM other
        UNION ALL
        SELECT %(scheduled_at)s::timestamptz, %(id)s::uuid
    )
    SELECT mine.rounds, mine.rounds + (SELECT count(*) FROM other) AS starts, last.*
    FROM mine CROSS JOIN (
        SELECT scheduled_at, id FROM started ORDER BY scheduled_at DESC, id DESC LIMIT 1
    ) AS last
"""
"""Before a run with N earlier runs of its own value, each other value starts N runs, and one more
if it is served before the run's value. And the queue position of the last of all these runs."""


class _Counted(TypedDict):
    job_definition_id: ReadOnly[str]
    entry_point: ReadOnly[str]
    in_group: ReadOnly[bool]
    number: ReadOnly[int]


class _BeforeInGroup(TypedDict):
    rounds: ReadOnly[int]
    starts: ReadOnly[int]
    scheduled_at: ReadOnly[str]
    id: ReadOnly[str]


async def runs_before_now(
    connection: Connection,
    run: Candidate,
    now: str,
    jobs_at_capacity: Collection[str],
    quarantine: Quarantine,
) -> RunsBefore:
    """Return the runs that come before a due run.

    Args:
        connection: in a snapshot.
        run: the due run.
        now: the moment.
        jobs_at_capacity: jobs whose runs are counted, but cannot start.
        quarantine: runs that this process cannot read; they do not count.
    """
    await connection.execute(candidates.BYPASS, (quarantine.ids,))
    values: Mapping[str, object] = {
        "now": now,
        "offered": "",
        "jobs_at_capacity": list(jobs_at_capacity),
        "job_id": run["job_definition_id"],
        "entry_point": run["entry_point"],
        "priority": run["priority"],
        "scheduled_at": run["scheduled_at"],
        "id": run["id"],
        "in_group": False,
    }
    group = group_of(run)
    if group is None:
        others = await _runs_before_position(connection, values)
        return _with_groups(run, others, {})
    of_value = {**values, "value": run["fair_value"]}
    last = await read_first(connection, _BeforeInGroup, BEFORE_IN_GROUP, of_value)
    if last is None:
        others = await _runs_before_position(connection, values)
        return _with_groups(run, replace(others, is_cut=True), {})
    depth = min(last["rounds"] + 1, DEPTH)
    own = await read_group(connection, group, now, depth, MOST_VALUES)
    position = {"scheduled_at": last["scheduled_at"], "id": last["id"]}
    others = await _runs_before_position(connection, {**values, **position, "in_group": True})
    count = _sum(others.count, last["starts"])
    of_job = _sum(others.of_job, last["starts"])
    return _with_groups(run, replace(others, count=count, of_job=of_job), {group: own})


def _with_groups(
    run: Candidate, others: RunsBefore, groups: Mapping[GroupKey, FairnessGroup]
) -> RunsBefore:
    """Return the runs before a run with these groups; with any, the run itself is among them."""
    groups = {**others.groups, **groups}
    if not groups:
        return others
    return replace(others, runs=sorted([*others.runs, run], key=queue_position), groups=groups)


def _sum(count: int | None, starts: int) -> int | None:
    """Return the sum, None where it is not known or too large."""
    if count is None or starts > MOST_COUNTED:
        return None
    return count + starts


async def _runs_before_position(connection: Connection, values: Mapping[str, object]) -> RunsBefore:
    """Return the runs that start before a queue position, with those of groups in their order."""
    read = await read_rows(connection, Candidate, BEFORE, values)
    counted = await read_rows(connection, _Counted, COUNT, values)
    runs = read[:MOST_BEFORE]
    if sum(counts["number"] for counts in counted) > MOST_COUNTED:
        # Not all were counted, and to read each group could take seconds.
        return RunsBefore(runs, is_cut=True, count=None, of_job=None)
    is_cut = len(read) > len(runs)
    groups: dict[GroupKey, FairnessGroup] = {}
    number = of_job = 0
    for counts in counted:
        first = counts["number"]
        if counts["in_group"] and len(groups) < MOST_GROUPS:
            priority = cast("int", values["priority"])
            group = counts["job_definition_id"], counts["entry_point"], priority
            first, groups[group] = await first_of_group(connection, group, values)
        number += first
        if counts["job_definition_id"] == values["job_id"]:
            of_job += first
    return RunsBefore(runs, is_cut, count=number, of_job=of_job, groups=groups)


def runs_before_then(
    run: Candidate, others: Iterable[Candidate], now: str, rows: Sequence[RunRow], *, is_cut: bool
) -> RunsBefore:
    """Return the runs that were due at a past moment and came before a run.

    Args:
        run: the due run.
        others: the other pending runs of that moment.
        now: the moment.
        rows: the runs of that moment, which say which values of groups were started last.
        is_cut: whether there were more.
    """
    due = [one for one in others if one["id"] != run["id"] and untimely(one, now) is None]
    due = sorted([run, *due], key=queue_position)
    groups = _groups_then(due, rows)
    starting = starting_order(due, groups)
    before = starting[: starting.index(run)]
    runs = due if groups else before
    if is_cut:
        return RunsBefore(runs, is_cut=True, count=None, of_job=None, groups=groups)
    job_id = run["job_definition_id"]
    of_job = [one for one in before if one["job_definition_id"] == job_id]
    return RunsBefore(runs, count=len(before), of_job=len(of_job), groups=groups)


def _groups_then(due: Iterable[Candidate], rows: Sequence[RunRow]) -> dict[GroupKey, FairnessGroup]:
    """Return all fairness groups of due runs, as far as these rows say."""
    runs_of_groups: defaultdict[GroupKey, list[Candidate]] = defaultdict(list)
    for one in due:
        group = group_of(one)
        if group is not None:
            runs_of_groups[group].append(one)
    return {
        group: fairness_group(runs, last_value(rows, runs[0]))
        for group, runs in runs_of_groups.items()
    }


def last_value(rows: Iterable[RunRow], run: Candidate) -> str | None:
    """Return the value of a run's group that was started last, as far as these rows say."""
    last: tuple[int, str] | None = None
    for row in rows:
        turn = row["last_turn"]
        value = row["fair_value"]
        if turn is None or value is None or not _is_of_group(row, run):
            continue
        if last is None or turn > last[0]:
            last = (turn, value)
    return None if last is None else last[1]


def _is_of_group(row: RunRow, run: Candidate) -> bool:
    """Return whether a row and a run are of the same fairness group, if they are of any."""
    if row["job_definition_id"] != run["job_definition_id"]:
        return False
    if row["entry_point"] != run["entry_point"]:
        return False
    return row["priority"] == run["priority"]


# The evidence in a run's last events: how it ended, or who requested to cancel it.

TAIL = 100
"""Last events of a run that are read."""

_PROGRESSED = "job_run.progressed"
_CANCEL_REQUESTED = "job_run.cancel_requested"
_LOST = "job_run.attempt_lost"

_LAST_BEAT = "SELECT beat_at FROM workers WHERE id = %(id)s AND dead_at IS NOT NULL"


class _Beat(TypedDict):
    beat_at: ReadOnly[str]


async def evidence_of(connection: Connection, files: LogFiles, run: RunRow) -> Evidence:
    """Return the evidence besides a run's row, which may be a past one."""
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
    """Return when the lost worker sent its last heartbeat, if that is known."""
    if last is None or last.topic != _LOST:
        return None
    row = await read_first(connection, _Beat, _LAST_BEAT, {"id": last.data["worker_id"]})
    return None if row is None else row["beat_at"]


async def _memory_mb(connection: Connection, run: RunRow) -> Json:
    """Return the job's memory limit, if the run has the job's present version."""
    job_id = UUID(run["job_definition_id"])
    jobs = await rows_by_id(connection, job_definitions.TABLE, [job_id])
    job = jobs.get(job_id)
    if job is None or job["version"] != run["definition_version"]:
        return None
    return (job["resources"] or {}).get("memoryMb")
