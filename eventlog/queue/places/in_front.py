"""The due runs that come before a run in the queue, now and as of a past moment.

Where the values of a parameter take turns, a run comes when it is its turn, and not before what
stands in front of any run whose turn comes first.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from typing_extensions import ReadOnly, TypedDict

from domain.quarantine import Quarantine
from eventlog.queue.places.circles_before import (
    MOST_COUNTED,
    MOST_VALUES,
    first_of_group,
)
from projections.job_runs import RunRow
from projections.rows import Connection, read_first, read_rows
from projections.runs.candidates import conditions
from projections.runs.candidates.candidate import Candidate, order
from projections.runs.candidates.timely import untimely
from projections.runs.explain.around import InFront
from projections.runs.turns.circles import (
    CIRCLE,
    DUE_OF_VALUE,
    GROUP,
    IN_LINE,
    read_circle,
)
from projections.runs.turns.turns import (
    DEPTH,
    Circle,
    Group,
    circle_of,
    group_of,
    in_turn,
)

MOST_IN_FRONT = 2_000
"""Runs before a run that are looked at one by one."""

MOST_GROUPS = 50
"""Groups of which it is looked whose turn it is; runs of others are taken to keep their places."""

_BEFORE = """
    (priority > %(priority)s OR priority = %(priority)s
        AND (scheduled_at, id) < (%(scheduled_at)s::timestamptz, %(id)s::uuid))
"""

_OF_OTHERS = f"""
    {conditions.DUE} AND {_BEFORE} AND NOT (
        %(takes_turns)s AND fair_value IS NOT NULL AND {GROUP}
    )
"""
"""What takes turns with the run comes by its turn, wherever it stands."""

FRONT = f"""
    {conditions.SHOWN} FROM (
        {_OF_OTHERS} AND NOT job_definition_id = ANY(%(shut)s::uuid[])
        {conditions.IN_ORDER} LIMIT {MOST_IN_FRONT + 1}
    ) AS run {conditions.IN_ORDER}
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
    connection: Connection,
    run: Candidate,
    now: str,
    shut: Collection[str],
    quarantine: Quarantine,
) -> InFront:
    """Return what comes before a due run.

    Args:
        connection: in a snapshot.
        run: whose.
        now: the moment.
        shut: jobs whose runs are counted, but cannot start.
        quarantine: runs that this process cannot read; they do not count.
    """
    await connection.execute(conditions.BYPASS, (quarantine.ids,))
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


async def _before_place(
    connection: Connection, values: Mapping[str, object]
) -> InFront:
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
    run: Candidate,
    others: Iterable[Candidate],
    now: str,
    rows: Sequence[RunRow],
    *,
    is_cut: bool,
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


def _circles_then(
    due: Iterable[Candidate], rows: Sequence[RunRow]
) -> dict[Group, Circle]:
    """Return the circles of all that take turns, as far as these rows tell."""
    lines: dict[Group, list[Candidate]] = {}
    for one in due:
        group = group_of(one)
        if group is not None:
            line = lines.setdefault(group, [])
            line.append(one)
    return {
        group: circle_of(line, last_turn(rows, line[0]))
        for group, line in lines.items()
    }


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
