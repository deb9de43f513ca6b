"""Why a run stands where it stands, now or as of a past moment: what is read for its explanation.

First what a run's last events tell beside its row; then which due runs come before it in the queue;
then all other facts around it, and the explanation itself (`explain_now`, `explain_then`).

Where a parameter's values are served round-robin, a run starts when its value is next, and not
before the runs that stand before any run of an earlier value.
"""

from collections import Counter
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
from eventlog.claims import DemandingJob, demands_by_job
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
    NOTHING_IN_FRONT,
    Around,
    InFront,
    UnderWay,
    candidate_of,
    limits_of,
)
from projections.flow import candidates
from projections.flow.candidates import LIMIT, Candidate, Demand, order, rate_key_of, untimely
from projections.flow.fairness import CIRCLE, DUE_OF_VALUE, GROUP, IN_LINE, read_circle
from projections.flow.limits import DEPTH, Circle, Group, circle_of, group_of, in_turn
from projections.flow.rates import KnownRooms
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import IS_RUNNING, RunRow
from projections.rows import Connection, read_first, read_ids, read_one, read_rows, read_value
from projections.runs import lists
from projections.runs.lists import RunFilter
from projections.table import rows_by_id

# What a run's last events say, beside its row, of how it ended or of a request to cancel it.

TAIL = 100
"""Events of a run that are looked at, the last ones."""

_PROGRESSED = "job_run.progressed"
_ASKED = "job_run.cancel_requested"
_LOST = "job_run.attempt_lost"

_LAST_BEAT = "SELECT beat_at FROM workers WHERE id = %(id)s AND dead_at IS NOT NULL"


class _Beat(TypedDict):
    beat_at: ReadOnly[str]


async def evidence_of(connection: Connection, files: LogFiles, run: RunRow) -> Evidence:
    """Return what there is beside a run's row, which may be a past one."""
    is_asked = run["cancel_requested_at"] is not None
    has_failed = run["failure_reason"] is not None
    if not is_asked and not has_failed:
        return NO_EVIDENCE
    last: Envelope | None = None
    asked: Envelope | None = None
    for event in await _tail(connection, files, run):
        if event.unreadable is not None or event.topic == _PROGRESSED:
            continue
        if event.topic == _ASKED:
            asked = event
        else:
            last = event
    return Evidence(
        last=last,
        asked=asked,
        last_beat_at=await _last_beat(connection, last),
        memory_mb=await _memory_mb(connection, run),
    )


async def _tail(connection: Connection, files: LogFiles, run: RunRow) -> list[Envelope]:
    """Return the last events that made the row."""
    run_id = UUID(run["id"])
    until = run["aggregate_version"]
    begin = until - TAIL
    after: int | None = max(begin, 0)
    found: list[Envelope] = []
    while after is not None and after < until:
        part = await read_part(connection, files, run_id, after, limit=until - after)
        found += await envelopes(connection, files.master_keys, part.rows)
        after = part.next
    return found


async def _last_beat(connection: Connection, last: Envelope | None) -> str | None:
    """Return when the worker that was lost had proved that it lives, if it is known."""
    if last is None or last.topic != _LOST:
        return None
    values = {"id": last.data["worker_id"]}
    row = await read_first(connection, _Beat, _LAST_BEAT, values)
    if row is None:
        return None
    return row["beat_at"]


async def _memory_mb(connection: Connection, run: RunRow) -> Json:
    """Return the memory limit of the run's version of its job, if that is the present one."""
    job_id = UUID(run["job_definition_id"])
    jobs = await rows_by_id(connection, job_definitions.TABLE, [job_id])
    job = jobs.get(job_id)
    if job is None or job["version"] != run["definition_version"]:
        return None
    resources = job["resources"] or {}
    return resources.get("memoryMb")


# What comes before a queue position of runs in a fairness group, while others stand behind it.
#
# A group stands in the queue where its next run stands. Once that is a run behind the position, the
# rest of the group comes later, also what was due before.

MOST_COUNTED = 100_000
"""Runs before a run that are counted."""

MOST_VALUES = 100
"""Values whose first runs are looked at one by one."""

_PLACE = "(%(scheduled_at)s::timestamptz, %(id)s::uuid)"

FIRST_OF_GROUP = f"""
    WITH RECURSIVE {CIRCLE}, standing AS (
        SELECT lap, value, (
            SELECT count(*) FROM (
                {DUE_OF_VALUE} AND (scheduled_at, id) < {_PLACE} LIMIT {MOST_COUNTED + 1}
            ) AS run
        ) AS before, EXISTS (
            {DUE_OF_VALUE} AND (scheduled_at, id) > {_PLACE}
        ) AS goes_on
        FROM circle
    ), turned AS (
        SELECT before AS rounds, lap, value FROM standing WHERE goes_on
        ORDER BY before, lap, value LIMIT 1
    )
    SELECT min(rounds) AS rounds, coalesce(sum(least(
        before, rounds + ((standing.lap, standing.value) < (turned.lap, turned.value))::int
    )), 0)::int AS number
    FROM standing LEFT JOIN turned ON true
"""
"""The first value that has nothing more before the place, but something behind it, ends it: until
then each has a turn in each round, as long as it has any run."""


class _First(TypedDict):
    rounds: ReadOnly[int | None]
    number: ReadOnly[int]


async def first_of_group(
    connection: Connection, group: Group, values: Mapping[str, object]
) -> tuple[int, Circle]:
    """Return how many runs of a group come before a place, and the group's circle.

    Args:
        connection: in a snapshot.
        group: of the place's priority; nothing that is asked for stands in it.
        values: the place, and what `candidates.DUE` wants.
    """
    job_id, entry_point, priority = group
    asked = {**values, "job_id": job_id, "entry_point": entry_point, "priority": priority}
    first = await read_one(connection, _First, FIRST_OF_GROUP, asked)
    rounds = first["number"] if first["rounds"] is None else first["rounds"]
    each = min(rounds + 2, DEPTH)
    now = str(values["now"])
    circle = await read_circle(connection, group, now, each, MOST_VALUES)
    return first["number"], circle


MOST_IN_FRONT = 2_000
"""Runs before a run that are looked at one by one."""

MOST_GROUPS = 50
"""Groups of which it is looked whose turn it is; runs of others are taken to keep their places."""

_BEFORE = """
    (priority > %(priority)s OR priority = %(priority)s
        AND (scheduled_at, id) < (%(scheduled_at)s::timestamptz, %(id)s::uuid))
"""

_OF_OTHERS = f"""
    {candidates.DUE} AND {_BEFORE} AND NOT (
        %(takes_turns)s AND fair_value IS NOT NULL AND {GROUP}
    )
"""
"""What takes turns with the run comes by its turn, wherever it stands."""

FRONT = f"""
    {candidates.SHOWN} FROM (
        {_OF_OTHERS} AND NOT job_definition_id = ANY(%(shut)s::uuid[])
        {candidates.IN_ORDER} LIMIT {MOST_IN_FRONT + 1}
    ) AS run {candidates.IN_ORDER}
"""

COUNT = f"""
    SELECT job_definition_id, entry_point, takes_turns, count(*) AS number FROM (
        SELECT job_definition_id, entry_point, fair_value IS NOT NULL
            AND priority = %(priority)s AND job_definition_id IN (
                SELECT id FROM job_definitions WHERE fairness_key IS NOT NULL
            ) AS takes_turns
        FROM ({_OF_OTHERS} LIMIT {MOST_COUNTED + 1}) AS run
    ) AS run
    GROUP BY job_definition_id, entry_point, takes_turns ORDER BY number DESC
"""
"""Turns are taken at equal priority: what has a higher one comes first, whosever turn it is."""

TURNS_BEFORE = f"""
    WITH RECURSIVE {CIRCLE}, mine AS (
        SELECT lap, value, (
            SELECT count(*) FROM (
                {DUE_OF_VALUE}
                  AND (scheduled_at, id) < (%(scheduled_at)s::timestamptz, %(id)s::uuid)
                LIMIT {MOST_COUNTED + 1}
            ) AS run
        ) AS rounds
        FROM circle WHERE value = %(value)s
    ), other AS (
        SELECT run.scheduled_at, run.id FROM mine CROSS JOIN circle CROSS JOIN LATERAL (
            {DUE_OF_VALUE} {IN_LINE}
            LIMIT rounds + ((circle.lap, circle.value) < (mine.lap, mine.value))::int
        ) AS run
        WHERE circle.value <> mine.value LIMIT {MOST_COUNTED + 1}
    ), standing AS (
        SELECT scheduled_at, id FROM other
        UNION ALL
        SELECT %(scheduled_at)s::timestamptz, %(id)s::uuid
    )
    SELECT mine.rounds, mine.rounds + (SELECT count(*) FROM other) AS turns, last.*
    FROM mine CROSS JOIN (
        SELECT scheduled_at, id FROM standing ORDER BY scheduled_at DESC, id DESC LIMIT 1
    ) AS last
"""
"""Of each other value as many runs come first as of the run's own, and one more of those that come
before it in the circle. And where the last of all these stands, the run included."""


class _Counted(TypedDict):
    job_definition_id: ReadOnly[str]
    entry_point: ReadOnly[str]
    takes_turns: ReadOnly[bool]
    number: ReadOnly[int]


class _TurnsBefore(TypedDict):
    rounds: ReadOnly[int]
    turns: ReadOnly[int]
    scheduled_at: ReadOnly[str]
    id: ReadOnly[str]


async def in_front_now(
    connection: Connection, run: Candidate, now: str, shut: Collection[str], quarantine: Quarantine
) -> InFront:
    """Return what comes before a due run.

    Args:
        connection: in a snapshot.
        run: whose.
        now: the moment.
        shut: jobs whose runs are counted, but cannot start.
        quarantine: runs that this process cannot read; they do not count.
    """
    await connection.execute(candidates.BYPASS, (quarantine.ids,))
    values: Mapping[str, object] = {
        "now": now,
        "offered": "",
        "shut": list(shut),
        "job_id": run["job_definition_id"],
        "entry_point": run["entry_point"],
        "priority": run["priority"],
        "scheduled_at": run["scheduled_at"],
        "id": run["id"],
        "takes_turns": False,
    }
    group = group_of(run)
    if group is None:
        others = await _before_place(connection, values)
        return _among(run, others, {})
    asked = {**values, "value": run["fair_value"]}
    turns = await read_first(connection, _TurnsBefore, TURNS_BEFORE, asked)
    if turns is None:
        others = await _before_place(connection, values)
        return _among(run, replace(others, is_cut=True), {})
    each = min(turns["rounds"] + 1, DEPTH)
    circle = await read_circle(connection, group, now, each, MOST_VALUES)
    place = {"scheduled_at": turns["scheduled_at"], "id": turns["id"]}
    others = await _before_place(connection, {**values, **place, "takes_turns": True})
    count = _added(others.count, turns["turns"])
    of_job = _added(others.of_job, turns["turns"])
    others = replace(others, count=count, of_job=of_job)
    return _among(run, others, {group: circle})


def _among(run: Candidate, others: InFront, circles: Mapping[Group, Circle]) -> InFront:
    """Return what comes before a run, with the run itself where anybody takes turns."""
    circles = {**others.circles, **circles}
    if not circles:
        return others
    runs = sorted([*others.runs, run], key=order)
    return replace(others, runs=runs, circles=circles)


def _added(count: int | None, turns: int) -> int | None:
    """Return the sum, None where it is not known or too many."""
    if count is None or turns > MOST_COUNTED:
        return None
    return count + turns


async def _before_place(connection: Connection, values: Mapping[str, object]) -> InFront:
    """Return what comes before a place, without those whose turn comes later."""
    found = await read_rows(connection, Candidate, FRONT, values)
    counted = await read_rows(connection, _Counted, COUNT, values)
    runs = found[:MOST_IN_FRONT]
    if sum(counts["number"] for counts in counted) > MOST_COUNTED:
        # Some were not counted, perhaps of those that come first; to ask of each group for whose
        # turn it is could take seconds.
        return InFront(runs, is_cut=True, count=None, of_job=None)
    is_cut = len(found) > len(runs)
    circles: dict[Group, Circle] = {}
    number = of_job = 0
    for counts in counted:
        first = counts["number"]
        if counts["takes_turns"] and len(circles) < MOST_GROUPS:
            group = _group_of(counts, values)
            first, circles[group] = await first_of_group(connection, group, values)
        number += first
        if counts["job_definition_id"] == values["job_id"]:
            of_job += first
    return InFront(runs, is_cut, count=number, of_job=of_job, circles=circles)


def _group_of(counts: _Counted, values: Mapping[str, object]) -> Group:
    priority = cast("int", values["priority"])
    return counts["job_definition_id"], counts["entry_point"], priority


def in_front_then(
    run: Candidate, others: Iterable[Candidate], now: str, rows: Sequence[RunRow], *, is_cut: bool
) -> InFront:
    """Return those of the others that were due and came before the run.

    Args:
        run: whose.
        others: that waited with it.
        now: the moment.
        rows: that tell whose turns were last.
        is_cut: whether there were more.
    """
    due = [run]
    for one in others:
        is_due = untimely(one, now) is None
        if is_due and one["id"] != run["id"]:
            due.append(one)
    due.sort(key=order)
    circles = _circles_then(due, rows)
    starting = in_turn(due, circles)
    found = starting[: starting.index(run)]
    runs = due if circles else found
    if is_cut:
        return InFront(runs, is_cut=True, count=None, of_job=None, circles=circles)
    job_id = run["job_definition_id"]
    of_job = [one for one in found if one["job_definition_id"] == job_id]
    return InFront(runs, count=len(found), of_job=len(of_job), circles=circles)


def _circles_then(due: Iterable[Candidate], rows: Sequence[RunRow]) -> dict[Group, Circle]:
    """Return the circles of all that take turns, as far as these rows tell."""
    lines: dict[Group, list[Candidate]] = {}
    for one in due:
        group = group_of(one)
        if group is not None:
            line = lines.setdefault(group, [])
            line.append(one)
    return {group: circle_of(line, last_turn(rows, line[0])) for group, line in lines.items()}


def last_turn(rows: Iterable[RunRow], run: Candidate) -> str | None:
    """Return the value that had the last turn of a run's group, as far as these rows tell."""
    last: tuple[int, str] | None = None
    for row in rows:
        turn = row["last_turn"]
        value = row["fair_value"]
        if turn is None or value is None or not _is_of_group(row, run):
            continue
        if last is None or turn > last[0]:
            last = (turn, value)
    if last is None:
        return None
    return last[1]


def _is_of_group(row: RunRow, run: Candidate) -> bool:
    """Return whether a row is of a run that takes turns with another, if both take any."""
    if row["job_definition_id"] != run["job_definition_id"]:
        return False
    if row["entry_point"] != run["entry_point"]:
        return False
    return row["priority"] == run["priority"]


# The facts around a run, now or at a position of the log, by which it is explained.

MOST_WORKERS = 1_000

MOST_IN_PAST = 500
"""Runs of a past moment that are looked at, of those that ran and of those that waited."""

NO_FLEET = "which workers lived at that time, and what each had to do: that is not kept"

NO_STARTS = "how many had started within the period of its job's rateLimit: that is not kept"

NO_ENDED_TURNS = (
    "whose turn was last, where that run had ended: turns are told from those under way"
    " and those that waited"
)

TOO_MANY = (
    f"all runs that come first: only those that may start soonest are read, {MOST_IN_FRONT} at most"
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


async def _around_now(connection: Connection, run: RunRow, quarantine: Quarantine) -> Around:
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
    jobs = await read_rows(connection, DemandingJob, claims.DEMANDING)
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
    place = await last_event_up_to(connection, files.archive, position)
    if place is None:
        return await read_value(connection, str, sql.NOW)
    return place["recorded_at"]
