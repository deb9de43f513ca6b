"""The table `schedules`: the current version of every schedule, and how it is read.

First which ticks are due, and when the next one fires; then its columns and its
JSON for clients (`present`); then lists. What an event does to a schedule,
`domain/schedules/schedule.py` says.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain import identifiers
from domain.clock import CLOCK_STEP, from_iso, to_iso
from domain.json_values import JsonObject
from domain.ports import Row
from domain.schedules.schedule import Schedule, ScheduleState
from projections.rows import (
    Connection,
    columns_of,
    presented,
    read_first,
    read_ids,
    read_one,
    read_rows,
    read_texts,
    shown_columns,
    within_page,
)
from projections.table import STATES, DecisiveRow2, TableOf, rows_by_id

BACKFILL = "backfill"
"""The cause of past ticks that somebody has launched."""

# Which schedules' ticks are due, and when the next one fires.

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

DECIDED_AHEAD = """
    SELECT aggregate_id FROM schedules
    WHERE deleted_at IS NULL AND decided_until > %(now)s::timestamptz + %(step)s::interval
        AND aggregate_id > %(after)s AND (%(all)s OR next_at IS NULL OR next_at > decided_until)
    ORDER BY aggregate_id LIMIT %(limit)s
"""
"""Schedules whose ticks were decided by a clock that has been set back since; unless all of them
are meant, without those that know it: for them `next_at` lies before `decided_until`."""

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


_BACKFILLED = f"""
    SELECT one.event->>'run_id' FROM (
        SELECT convert_from(state, 'UTF8')::jsonb AS event FROM jobs_events
        WHERE originator_id = %(id)s AND topic = 'schedule.tick_launched'
    ) AS one
    WHERE one.event->>'cause' = '{BACKFILL}' AND one.event->>'run_id' = ANY(%(run_ids)s)
"""


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


async def backfilled_among(
    connection: Connection, schedule_id: UUID, run_ids: Collection[UUID]
) -> set[UUID]:
    """Return those of a schedule's runs that backfills launched."""
    values = {"id": schedule_id, "run_ids": list(map(str, run_ids))}
    return set(await read_ids(connection, _BACKFILLED, values))


async def watch_clock(connection: Connection, begun: datetime, now: datetime) -> datetime:
    """Note that a process has looked at the clock from one moment until another.

    Returns from when on it was looked at until now, by whomever.
    """
    found = await read_first(connection, _Watched, _WATCHED)
    if found is not None:
        since, until = (from_iso(found["watched_since"]), from_iso(found["watched_until"]))
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
    values = {"now": now, "limit": limit, "bypassed": list(bypassed)}
    return await read_ids(connection, DUE, values)


async def awaiting_ids(
    connection: Connection, limit: int, bypassed: Sequence[UUID] = ()
) -> list[UUID]:
    """Return schedules for which it matters that a run of theirs, or a pause, has ended.

    Each that could be one of them is looked at. Some may be passed over.
    """
    values = {"limit": limit, "bypassed": list(bypassed)}
    return await read_ids(connection, AWAITING, values)


async def next_after(connection: Connection, now: str) -> str | None:
    """Return when the first tick fires after now, None where none is known."""
    found = await read_texts(connection, NEXT, {"now": now})
    if not found:
        return None
    return found[0]


async def crowded_at(connection: Connection, now: str, until: str, least: int) -> str | None:
    """Return the first moment after now, and until then, at which so many ticks fire."""
    values = {"now": now, "until": until, "least": least}
    found = await read_texts(connection, CROWDED, values)
    if not found:
        return None
    return found[0]


async def decided_ahead(
    connection: Connection, now: str, after: UUID, limit: int, *, whole: bool
) -> list[UUID]:
    """Return schedules, by id after one, that decided ticks which are still to come.

    That is so where the clock was set back. Unless `whole`, those are left out that know it.
    """
    values = {"now": now, "step": CLOCK_STEP, "after": after, "all": whole, "limit": limit}
    return await read_ids(connection, DECIDED_AHEAD, values)


async def still_due(connection: Connection, now: str, ids: Sequence[UUID]) -> list[UUID]:
    """Return those of these schedules of which a tick is to be decided by now."""
    return await read_ids(connection, STILL_DUE, {"now": now, "ids": list(ids)})


class ScheduleRow(DecisiveRow2, ScheduleState):
    """A schedule's state, and up to which event it goes."""


COLUMNS = columns_of(ScheduleRow)

_HIDDEN = {"aggregate_id", "decided_until", "carried", "aggregate_version", "position", *STATES}

SHOWN = shown_columns(ScheduleRow, hidden=_HIDDEN)


TABLE: TableOf[ScheduleRow] = TableOf(
    "schedules",
    "schedule",
    "aggregate_id",
    COLUMNS,
    Schedule.fold(),
    version=3,
    label="id",
    id_by_name=identifiers.schedule_id,
)


def present(row: Row) -> JsonObject:
    """Return the schedule as clients see it (contract, section 10)."""
    return presented(row, SHOWN)


# Schedules to be shown, without the deleted ones.

_DOCUMENTS = [name for name, kind in COLUMNS.items() if kind == "jsonb"]
_BY_ID = 'id COLLATE "C"'

NEXT_BY_ID = within_page(
    f"""
    SELECT * FROM schedules WHERE deleted_at IS NULL AND {_BY_ID} > %(after)s
    ORDER BY {_BY_ID} LIMIT %(limit)s
    """,
    _DOCUMENTS,
    _BY_ID,
)

ANY_BY_ID = within_page(
    f"""
    SELECT * FROM schedules WHERE {_BY_ID} > %(after)s
    ORDER BY {_BY_ID} LIMIT %(limit)s
    """,
    _DOCUMENTS,
    _BY_ID,
)


class _ScheduleOfPage(ScheduleRow):
    """A schedule, and of how many the page would be if all were small."""

    in_page: ReadOnly[int]


async def next_by_id(
    connection: Connection, after: str, limit: int
) -> tuple[list[ScheduleRow], str | None]:
    """Return the schedules that come next after an id, in bytewise order.

    They are fewer than the limit where they are large. With them comes the id to go on after, None
    where no others follow.
    """
    return await _page_after(connection, NEXT_BY_ID, after, limit)


async def any_by_id(
    connection: Connection, after: str, limit: int
) -> tuple[list[ScheduleRow], str | None]:
    """Return the same, and those that are deleted as well."""
    return await _page_after(connection, ANY_BY_ID, after, limit)


async def _page_after(
    connection: Connection, query: str, after: str, limit: int
) -> tuple[list[ScheduleRow], str | None]:
    values = {"after": after, "limit": limit + 1}
    found = await read_rows(connection, _ScheduleOfPage, query, values)
    rows: list[ScheduleRow] = [*found[:limit]]
    if not found or found[0]["in_page"] == len(rows):
        return rows, None
    return rows, rows[-1]["id"]


async def by_id(connection: Connection, aggregate_id: UUID) -> ScheduleRow | None:
    """Return a schedule, None where there is none, or it is deleted."""
    found = await rows_by_id(connection, TABLE, [aggregate_id])
    row = found.get(aggregate_id)
    if row is None or row["deleted_at"] is not None:
        return None
    return row
