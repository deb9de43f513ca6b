"""Whose ticks are to be decided, and when the next one fires."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso, to_iso
from projections.rows import (
    Connection,
    read_first,
    read_ids,
    read_one,
    read_rows,
    read_texts,
)

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
    WHERE deleted_at IS NULL AND paused IS NULL AND open_runs <@ manual_runs
        AND buffered <> '[]' AND {_NOT_BYPASSED}
        AND NOT EXISTS (
            SELECT 1 FROM job_definitions AS job
            WHERE lower(job.slug) = lower(schedule.job)
                AND job.paused IS NOT NULL AND job.deleted_at IS NULL
        )
    LIMIT %(limit)s
"""
"""Schedules that have a tick which waits although nothing is in its way: the run had ended, and a
pause of the schedule or of its job went on. Runs that people launched are in no tick's way. Its
conditions are those of the index `schedules_left_waiting`."""

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


STATUSES = """
    SELECT one.* FROM unnest((SELECT %(ids)s::uuid[])) AS wanted (id) CROSS JOIN LATERAL (
        SELECT id, status FROM job_runs WHERE id = wanted.id LIMIT 1
    ) AS one
"""

_WATCHED = "SELECT watched_since, watched_until FROM schedule_watch"

_WATCH = """
    INSERT INTO schedule_watch AS watch (id, watched_since, watched_until)
    VALUES (1, %(begun)s, %(now)s)
    ON CONFLICT (id) DO UPDATE SET
        watched_since = CASE
            WHEN watch.watched_until BETWEEN %(begun)s::timestamptz - %(gap)s::interval
                AND %(now)s::timestamptz + %(gap)s::interval
            THEN least(watch.watched_since, %(begun)s) ELSE %(begun)s
        END,
        watched_until = %(now)s
    RETURNING watched_since, watched_until
"""
"""A look at the clock goes on with those before it, unless there was a gap or a clock went back."""

UNNOTICED_GAP = timedelta(seconds=2)
"""Between two looks at the clock, by one process or by two: each says so once a second."""


class _Status(TypedDict):
    id: ReadOnly[str]
    status: ReadOnly[str]


class _Watched(TypedDict):
    watched_since: ReadOnly[str]
    watched_until: ReadOnly[str]


async def statuses_of(connection: Connection, ids: list[UUID]) -> dict[UUID, str]:
    """Return how runs stand; those that have no row are left out."""
    rows = await read_rows(connection, _Status, STATUSES, {"ids": ids})
    return {UUID(row["id"]): row["status"] for row in rows}


async def watch_clock(
    connection: Connection, begun: datetime, now: datetime
) -> datetime:
    """Note that a process has looked at the clock from one moment until another.

    Returns from when on it was looked at until now, by whomever.
    """
    found = await read_first(connection, _Watched, _WATCHED)
    if found is not None:
        since, until = (
            from_iso(found["watched_since"]),
            from_iso(found["watched_until"]),
        )
        # Somebody has just said so: nothing to write.
        if since <= begun <= until and timedelta() <= now - until < UNNOTICED_GAP / 4:
            return since
    values = {"begun": to_iso(begun), "now": to_iso(now), "gap": UNNOTICED_GAP}
    async with connection.transaction():
        # Lost by a crash, it makes an outage that much longer.
        await connection.execute("SET LOCAL synchronous_commit = off")
        noted = await read_one(connection, _Watched, _WATCH, values)
    return from_iso(noted["watched_since"])


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
