"""What comes before a place in the queue of runs that take turns, while others stand behind it.

A group stands in the queue where the run stands whose turn it is. Once that is one behind the
place, the rest of the group comes later, also what was due before.
"""

from collections.abc import Mapping

from typing_extensions import ReadOnly, TypedDict

from projections.rows import Connection, read_one
from projections.runs.turns.circles import CIRCLE, DUE_OF_VALUE, read_circle
from projections.runs.turns.turns import DEPTH, Circle, Group

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
        values: the place, and what `conditions.DUE` wants.
    """
    job_id, entry_point, priority = group
    asked = {
        **values,
        "job_id": job_id,
        "entry_point": entry_point,
        "priority": priority,
    }
    first = await read_one(connection, _First, FIRST_OF_GROUP, asked)
    rounds = first["number"] if first["rounds"] is None else first["rounds"]
    each = min(rounds + 2, DEPTH)
    now = str(values["now"])
    circle = await read_circle(connection, group, now, each, MOST_VALUES)
    return first["number"], circle
