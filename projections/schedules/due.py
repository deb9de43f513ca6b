"""Whose ticks are to be decided, and when the next one fires."""

from collections.abc import Sequence
from uuid import UUID

from projections.rows import Connection, read_ids, read_texts

_NOT_BYPASSED = "NOT aggregate_id = ANY((SELECT %(bypassed)s::uuid[])::uuid[])"

DUE = f"""
    SELECT aggregate_id FROM schedules
    WHERE next_at <= %(now)s::timestamptz AND {_NOT_BYPASSED}
    ORDER BY next_at LIMIT %(limit)s
"""

_OF_ENDED_RUNS = f"""
    SELECT aggregate_id FROM schedules
    WHERE deleted_at IS NULL AND open_runs <> '[]' AND {_NOT_BYPASSED}
        AND (pause_on_failure OR (paused IS NULL AND buffered <> '[]'))
        AND EXISTS (
            SELECT 1 FROM jsonb_array_elements_text(
                CASE jsonb_typeof(open_runs) WHEN 'array' THEN open_runs ELSE '[]' END
            ) AS open (run_id)
            CROSS JOIN LATERAL (
                -- A look-up for each, and nothing that the planner could take for cheaper.
                SELECT status FROM job_runs WHERE id = open.run_id::uuid LIMIT 1
            ) AS run
            WHERE run.status <> ALL(ARRAY['pending', 'running'])
        )
    LIMIT %(limit)s
"""
"""Schedules that have a tick which waits for a run that has ended, or that pause if it failed. Its
conditions are those of the index `schedules_awaiting`."""

_LEFT_WAITING = f"""
    SELECT aggregate_id FROM schedules AS schedule
    WHERE deleted_at IS NULL AND paused IS NULL AND open_runs = '[]' AND buffered <> '[]'
        AND {_NOT_BYPASSED}
        AND NOT EXISTS (
            SELECT 1 FROM job_definitions AS job
            WHERE lower(job.slug) = lower(schedule.job)
                AND job.paused IS NOT NULL AND job.deleted_at IS NULL
        )
    LIMIT %(limit)s
"""
"""Schedules that have a tick which waits although nothing is in its way: the run had ended, and a
pause of the schedule or of its job went on. Its conditions are those of the index
`schedules_left_waiting`."""

AWAITING = f"({_OF_ENDED_RUNS}) UNION ALL ({_LEFT_WAITING})"

NEXT = """
    SELECT next_at FROM schedules WHERE next_at > %(now)s::timestamptz
    ORDER BY next_at LIMIT 1
"""

CROWDED = """
    SELECT next_at FROM schedules
    WHERE next_at > %(now)s::timestamptz AND next_at <= %(until)s::timestamptz
    GROUP BY next_at HAVING count(*) >= %(least)s ORDER BY next_at LIMIT 1
"""

STILL_DUE = """
    SELECT one.* FROM unnest((SELECT %(ids)s::uuid[])) AS wanted (id) CROSS JOIN LATERAL (
        SELECT aggregate_id FROM schedules
        WHERE aggregate_id = wanted.id AND next_at <= %(now)s::timestamptz LIMIT 1
    ) AS one
"""


async def due_ids(
    connection: Connection, now: str, limit: int, bypassed: Sequence[UUID] = ()
) -> list[UUID]:
    """Return schedules, the longest due first, of which a tick is to be decided by now.

    Some may be passed over.
    """
    values = {
        "now": now,
        "limit": limit,
        "bypassed": list(bypassed),
    }
    return await read_ids(connection, DUE, values)


async def awaiting_ids(
    connection: Connection, limit: int, bypassed: Sequence[UUID] = ()
) -> list[UUID]:
    """Return schedules for which it matters that a run of theirs, or a pause, has ended.

    Each that could be one of them is looked at. Some may be passed over.
    """
    values = {
        "limit": limit,
        "bypassed": list(bypassed),
    }
    return await read_ids(connection, AWAITING, values)


async def next_after(connection: Connection, now: str) -> str | None:
    """Return when the first tick fires after now, None where none is known."""
    found = await read_texts(connection, NEXT, {"now": now})
    if not found:
        return None
    return found[0]


async def crowded_at(
    connection: Connection, now: str, until: str, least: int
) -> str | None:
    """Return the first moment after now, and until then, at which so many ticks fire."""
    values = {"now": now, "until": until, "least": least}
    found = await read_texts(connection, CROWDED, values)
    if not found:
        return None
    return found[0]


async def still_due(
    connection: Connection, now: str, ids: Sequence[UUID]
) -> list[UUID]:
    """Return those of these schedules of which a tick is to be decided by now."""
    return await read_ids(connection, STILL_DUE, {"now": now, "ids": list(ids)})
