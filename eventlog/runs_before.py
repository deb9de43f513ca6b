"""The due runs that come before a run in the queue, now or at a past time.

A fairness group has the queue position of the next run of the value that is served next. Once that
run is behind a position, so is the rest of the group, even runs that were due earlier.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from typing_extensions import ReadOnly, TypedDict

from domain.quarantine import Quarantine
from projections.explain_facts import RunsBefore
from projections.flow import candidates
from projections.flow.candidates import Candidate, queue_position, untimely
from projections.flow.fairness import DUE_OF_VALUE, GROUP, IN_VALUE_ORDER, VALUE_ORDER, read_group
from projections.flow.limits import MAX_DEPTH, FairnessGroup, GroupKey, fairness_group, group_of
from projections.flow.selection import starting_order
from projections.job_runs import RunRow
from projections.rows import Connection, read_first, read_one, read_rows

MAX_BEFORE = 2_000
"""Runs before a run that are read."""

MAX_COUNTED = 100_000
"""Runs before a run that are counted."""

MAX_VALUES = 100
"""Values of a group whose first runs are read."""

_POSITION = "(%(scheduled_at)s::timestamptz, %(id)s::uuid)"

FIRST_OF_GROUP = f"""
    WITH RECURSIVE {VALUE_ORDER}, runs_of_value AS (
        SELECT lap, value, (
            SELECT count(*) FROM (
                {DUE_OF_VALUE} AND (scheduled_at, id) < {_POSITION}
                {IN_VALUE_ORDER} LIMIT {MAX_COUNTED + 1}
            ) AS run
        ) AS before, (
            SELECT true FROM (
                {DUE_OF_VALUE} AND (scheduled_at, id) > {_POSITION} {IN_VALUE_ORDER} LIMIT 1
            ) AS run
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
"""Each value with a run before the position starts one run in each round, until the turn comes to a
value whose next run is behind the position."""


class _GroupCount(TypedDict):
    """The number of a group's runs before a position; `rounds` is None if no run is behind it."""

    rounds: ReadOnly[int | None]
    number: ReadOnly[int]


async def first_of_group(
    connection: Connection, group: GroupKey, values: Mapping[str, object]
) -> tuple[int, FairnessGroup]:
    """Return how many runs of a group come before a queue position, and the group.

    Args:
        connection: in a snapshot.
        group: a group of the position's priority that the explained run does not belong to.
        values: the position, and the parameters of `candidates.DUE`.
    """
    job_id, entry_point, priority = group
    group_values = {**values, "job_id": job_id, "entry_point": entry_point, "priority": priority}
    await connection.execute(candidates.BY_INDEX)
    count = await read_one(connection, _GroupCount, FIRST_OF_GROUP, group_values)
    rounds = count["number"] if count["rounds"] is None else count["rounds"]
    depth = min(rounds + 2, MAX_DEPTH)
    return count["number"], await read_group(
        connection, group, str(values["now"]), depth, MAX_VALUES
    )


MAX_GROUPS = 50
"""Groups whose order is read. Runs of further groups count by their own queue positions."""

_BEFORE = """
    (priority > %(priority)s OR priority = %(priority)s
        AND (scheduled_at, id) < (%(scheduled_at)s::timestamptz, %(id)s::uuid))
"""

_OF_OTHERS = f"""
    {candidates.DUE} AND {_BEFORE} AND NOT (
        %(in_group)s AND fair_value IS NOT NULL AND {GROUP}
    )
"""
"""The runs before a position, without those of the explained run's own group, which come in the
order of its values."""

BEFORE = f"""
    {candidates.WITH_LIMITS} FROM (
        {_OF_OTHERS} AND NOT job_definition_id = ANY(%(jobs_at_capacity)s::uuid[])
        {candidates.IN_ORDER} LIMIT {MAX_BEFORE + 1}
    ) AS run {candidates.IN_ORDER}
"""

COUNT = f"""
    SELECT job_definition_id, entry_point, in_group, count(*) AS number FROM (
        SELECT job_definition_id, entry_point, fair_value IS NOT NULL
            AND priority = %(priority)s AND job_definition_id IN (
                SELECT id FROM job_definitions WHERE fairness_key IS NOT NULL
            ) AS in_group
        FROM ({_OF_OTHERS} LIMIT {MAX_COUNTED + 1}) AS run
    ) AS run
    GROUP BY job_definition_id, entry_point, in_group ORDER BY number DESC
"""
"""Runs of a higher priority come first in any case, so only groups of the same priority count as
such."""

BEFORE_IN_GROUP = f"""
    WITH RECURSIVE {VALUE_ORDER}, mine AS (
        SELECT lap, value, (
            SELECT count(*) FROM (
                {DUE_OF_VALUE}
                  AND (scheduled_at, id) < (%(scheduled_at)s::timestamptz, %(id)s::uuid)
                {IN_VALUE_ORDER} LIMIT {MAX_COUNTED + 1}
            ) AS run
        ) AS rounds
        FROM value_order WHERE value = %(value)s
    ), other AS (
        SELECT run.scheduled_at, run.id FROM mine CROSS JOIN value_order CROSS JOIN LATERAL (
            {DUE_OF_VALUE} {IN_VALUE_ORDER}
            LIMIT rounds + ((value_order.lap, value_order.value) < (mine.lap, mine.value))::int
        ) AS run
        WHERE value_order.value <> mine.value LIMIT {MAX_COUNTED + 1}
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
if it is served before the run's value. Returns N (`rounds`), the number of all these runs
(`starts`), and the queue position of the last of them."""


class _QueueCount(TypedDict):
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
        now: the present time.
        jobs_at_capacity: jobs whose runs are counted, but are not read since they cannot start.
        quarantine: runs that do not count, since this process cannot read them.
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
    value = {"value": run["fair_value"]}
    await connection.execute(candidates.BY_INDEX)
    last = await read_first(connection, _BeforeInGroup, BEFORE_IN_GROUP, {**values, **value})
    await connection.execute(candidates.ANY_PLAN)
    if last is None:
        others = await _runs_before_position(connection, values)
        return _with_groups(run, replace(others, is_cut=True), {})
    depth = min(last["rounds"] + 1, MAX_DEPTH)
    own_group = await read_group(connection, group, now, depth, MAX_VALUES)
    position = {"scheduled_at": last["scheduled_at"], "id": last["id"]}
    others = await _runs_before_position(connection, {**values, **position, "in_group": True})
    count = _sum(others.count, last["starts"])
    of_job = _sum(others.of_job, last["starts"])
    return _with_groups(run, replace(others, count=count, of_job=of_job), {group: own_group})


def _with_groups(
    run: Candidate, others: RunsBefore, groups: Mapping[GroupKey, FairnessGroup]
) -> RunsBefore:
    """Add groups to the runs before a run; if there are any, the run itself is one of the runs."""
    groups = {**others.groups, **groups}
    if not groups:
        return others
    return replace(others, runs=sorted([*others.runs, run], key=queue_position), groups=groups)


def _sum(count: int | None, starts: int) -> int | None:
    """Return the sum; None if the count is unknown or the sum is too large."""
    if count is None or starts > MAX_COUNTED:
        return None
    return count + starts


async def _runs_before_position(connection: Connection, values: Mapping[str, object]) -> RunsBefore:
    """Return the runs that start before a queue position, with those of groups in their order."""
    rows = await read_rows(connection, Candidate, BEFORE, values)
    counts = await read_rows(connection, _QueueCount, COUNT, values)
    runs = rows[:MAX_BEFORE]
    if sum(count["number"] for count in counts) > MAX_COUNTED:
        # Not all runs were counted, and to read each group could take seconds.
        return RunsBefore(runs, is_cut=True, count=None, of_job=None)
    is_cut = len(rows) > len(runs)
    groups: dict[GroupKey, FairnessGroup] = {}
    total = of_job = 0
    for count in counts:
        number = count["number"]
        if count["in_group"] and len(groups) < MAX_GROUPS:
            priority = cast("int", values["priority"])
            group = count["job_definition_id"], count["entry_point"], priority
            number, groups[group] = await first_of_group(connection, group, values)
        total += number
        if count["job_definition_id"] == values["job_id"]:
            of_job += number
    return RunsBefore(runs, is_cut, count=total, of_job=of_job, groups=groups)


def runs_before_in_past(
    run: Candidate, others: Iterable[Candidate], now: str, rows: Sequence[RunRow], *, is_cut: bool
) -> RunsBefore:
    """Return the runs that were due at a past time and came before a run.

    Args:
        run: the due run.
        others: the pending runs of that time.
        now: that time.
        rows: running and pending runs of that time, which show the value of a group that was
            started last.
        is_cut: whether there were more pending runs.
    """
    others = [
        other for other in others if other["id"] != run["id"] and untimely(other, now) is None
    ]
    due = sorted([run, *others], key=queue_position)
    groups = _past_groups(due, rows)
    starting = starting_order(due, groups)
    before = starting[: starting.index(run)]
    runs = due if groups else before
    if is_cut:
        return RunsBefore(runs, is_cut=True, count=None, of_job=None, groups=groups)
    job_id = run["job_definition_id"]
    of_job = sum(other["job_definition_id"] == job_id for other in before)
    return RunsBefore(runs, count=len(before), of_job=of_job, groups=groups)


def _past_groups(due: Iterable[Candidate], rows: Sequence[RunRow]) -> dict[GroupKey, FairnessGroup]:
    """Return the fairness groups of due runs, with the last values that these rows show."""
    runs_of_groups: defaultdict[GroupKey, list[Candidate]] = defaultdict(list)
    for run in due:
        group = group_of(run)
        if group is not None:
            runs_of_groups[group].append(run)
    return {
        group: fairness_group(runs, last_value(rows, runs[0]))
        for group, runs in runs_of_groups.items()
    }


def last_value(rows: Iterable[RunRow], run: Candidate) -> str | None:
    """Return the value of a run's group that was started last among these rows; None for none."""
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
    """Return whether a row and a run would belong to the same fairness group."""
    if row["job_definition_id"] != run["job_definition_id"]:
        return False
    if row["entry_point"] != run["entry_point"]:
        return False
    return row["priority"] == run["priority"]
