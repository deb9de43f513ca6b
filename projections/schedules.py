"""The table `schedules`: the current version of every schedule.

First its columns and its JSON for clients (`present`), then lists; then the schedules with due
ticks, and when the next tick fires; last the table `schedule_watch`.
`domain/schedules/schedule_events.py` says what events do to a schedule.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain import identifiers
from domain.clock import CLOCK_STEP, from_iso, to_iso
from domain.json_values import JsonObject
from domain.ports import Row
from domain.schedules.schedule import Schedule
from domain.schedules.schedule_events import BY_BACKFILL, ScheduleState, TickLaunched
from projections.rows import (
    Connection,
    columns_of,
    presented,
    read_first,
    read_ids,
    read_one,
    read_rows,
    read_texts,
    within_page,
)
from projections.table import DecisiveRow2, TableOf, rows_by_id, shown_columns


class ScheduleRow(DecisiveRow2, ScheduleState):
    """A schedule's state, and the last event that it includes."""


COLUMNS = columns_of(ScheduleRow)

SHOWN = shown_columns(ScheduleRow, {"aggregate_id", "decided_until", "carried"})


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


async def by_id(connection: Connection, aggregate_id: UUID) -> ScheduleRow | None:
    """Return a schedule, None if there is none, or it is deleted."""
    rows = await rows_by_id(connection, TABLE, [aggregate_id])
    row = rows.get(aggregate_id)
    return None if row is None or row["deleted_at"] is not None else row


_PAGE = f"""
    SELECT {", ".join(COLUMNS)} FROM schedules WHERE id COLLATE "C" > %(after)s{{condition}}
    ORDER BY id COLLATE "C" LIMIT %(limit)s
"""


class _ScheduleOfPage(ScheduleRow):
    """A schedule, and the number of schedules of the whole page."""

    in_page: ReadOnly[int]


async def next_by_id(
    connection: Connection, after: str, limit: int, *, also_deleted: bool = False
) -> tuple[list[ScheduleRow], str | None]:
    """Return the next schedules after an id, in bytewise order.

    They are fewer than the limit if they are large. The second value is the id after which the next
    page begins, None if there is none.
    """
    page = _PAGE.format(condition="" if also_deleted else " AND deleted_at IS NULL")
    documents = [name for name, kind in COLUMNS.items() if kind == "jsonb"]
    query = within_page(page, documents, 'id COLLATE "C"')
    values = {"after": after, "limit": limit + 1}
    with_next = await read_rows(connection, _ScheduleOfPage, query, values)
    rows: list[ScheduleRow] = [*with_next[:limit]]
    if not with_next or with_next[0]["in_page"] == len(rows):
        return rows, None
    return rows, rows[-1]["id"]


# The schedules with due ticks, and when the next tick fires.

_NOT_BYPASSED = "NOT aggregate_id = ANY((SELECT %(bypassed)s::uuid[])::uuid[])"

DUE = f"""
    SELECT aggregate_id FROM schedules
    WHERE next_at <= %(now)s::timestamptz AND {_NOT_BYPASSED}
    ORDER BY next_at LIMIT %(limit)s
"""


async def due_ids(
    connection: Connection, now: str, limit: int, bypassed: Sequence[UUID] = ()
) -> list[UUID]:
    """Return the schedules with ticks to be decided by now, the longest due first.

    The bypassed ones are left out.
    """
    values = {"now": now, "limit": limit, "bypassed": list(bypassed)}
    return await read_ids(connection, DUE, values)


STILL_DUE = """
    SELECT one.* FROM unnest((SELECT %(ids)s::uuid[])) AS ids (id) CROSS JOIN LATERAL (
        SELECT aggregate_id FROM schedules
        WHERE aggregate_id = ids.id AND next_at <= %(now)s::timestamptz LIMIT 1
    ) AS one
"""


async def still_due(connection: Connection, now: str, ids: Sequence[UUID]) -> list[UUID]:
    """Return those of these schedules that have ticks to be decided by now."""
    return await read_ids(connection, STILL_DUE, {"now": now, "ids": list(ids)})


_OF_ENDED_RUNS = f"""
    SELECT aggregate_id FROM schedules
    WHERE deleted_at IS NULL AND open_runs <> '[]' AND {_NOT_BYPASSED}
        AND (pause_on_failure OR (paused IS NULL AND buffered <> '[]'))
        AND EXISTS (
            SELECT 1 FROM jsonb_array_elements_text(
                CASE jsonb_typeof(open_runs) WHEN 'array' THEN open_runs ELSE '[]' END
            ) AS open (run_id)
            CROSS JOIN LATERAL (
                -- A look-up for each: the planner is to choose nothing that it takes for cheaper.
                SELECT status FROM job_runs WHERE id = open.run_id::uuid LIMIT 1
            ) AS run
            WHERE run.status <> ALL(ARRAY['pending', 'running'])
        )
    LIMIT %(limit)s
"""
"""Schedules with an ended run whose end matters: a tick waits for it, or the schedule may pause.
The conditions are those of the index `schedules_awaiting`."""

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
"""Schedules with a tick that waits although no run is in its way: the run ended during a pause of
the schedule or of its job. Runs that people launched are in no tick's way. The conditions are those
of the index `schedules_left_waiting`."""

AWAITING = f"({_OF_ENDED_RUNS}) UNION ALL ({_LEFT_WAITING})"


async def awaiting_ids(
    connection: Connection, limit: int, bypassed: Sequence[UUID] = ()
) -> list[UUID]:
    """Return schedules with a waiting tick, or a pause, to be decided because a run has ended.

    All schedules with open runs are examined. The bypassed ones are left out.
    """
    values = {"limit": limit, "bypassed": list(bypassed)}
    return await read_ids(connection, AWAITING, values)


NEXT = """
    SELECT next_at FROM schedules WHERE next_at > %(now)s::timestamptz
    ORDER BY next_at LIMIT 1
"""


async def next_after(connection: Connection, now: str) -> str | None:
    """Return when the first tick after now fires, None if none is known."""
    return next(iter(await read_texts(connection, NEXT, {"now": now})), None)


FIRST_PEAK = """
    SELECT next_at FROM schedules
    WHERE next_at > %(now)s::timestamptz AND next_at <= %(until)s::timestamptz
    GROUP BY next_at HAVING count(*) >= %(least)s ORDER BY next_at LIMIT 1
"""


async def first_peak(connection: Connection, now: str, until: str, least: int) -> str | None:
    """Return the first time in (now, until] at which at least this number of ticks fire."""
    values = {"now": now, "until": until, "least": least}
    return next(iter(await read_texts(connection, FIRST_PEAK, values)), None)


DECIDED_AHEAD = """
    SELECT aggregate_id FROM schedules
    WHERE deleted_at IS NULL AND decided_until > %(now)s::timestamptz + %(step)s::interval
        AND aggregate_id > %(after)s AND (%(all)s OR next_at IS NULL OR next_at > decided_until)
    ORDER BY aggregate_id LIMIT %(limit)s
"""


async def decided_ahead(
    connection: Connection, now: str, after: UUID, limit: int, *, whole: bool
) -> list[UUID]:
    """Return schedules with decided ticks in the future, ordered by id, after an id.

    There are such if the clock was set back. A schedule that has been replanned since has its
    `next_at` before its `decided_until`, and is left out unless `whole`.
    """
    values = {"now": now, "step": CLOCK_STEP, "after": after, "all": whole, "limit": limit}
    return await read_ids(connection, DECIDED_AHEAD, values)


# The runs of schedules.

STATUSES = """
    SELECT one.* FROM unnest((SELECT %(ids)s::uuid[])) AS ids (id) CROSS JOIN LATERAL (
        SELECT id, status FROM job_runs WHERE id = ids.id LIMIT 1
    ) AS one
"""


class _Status(TypedDict):
    id: ReadOnly[str]
    status: ReadOnly[str]


async def statuses_of(connection: Connection, ids: list[UUID]) -> dict[UUID, str]:
    """Return the statuses of runs; those without a row are left out."""
    rows = await read_rows(connection, _Status, STATUSES, {"ids": ids})
    return {UUID(row["id"]): row["status"] for row in rows}


_BACKFILLED = f"""
    SELECT one.event->>'run_id' FROM (
        SELECT convert_from(state, 'UTF8')::jsonb AS event FROM jobs_events
        WHERE originator_id = %(id)s AND topic = '{TickLaunched.TOPIC}'
    ) AS one
    WHERE one.event->>'cause' = '{BY_BACKFILL}' AND one.event->>'run_id' = ANY(%(run_ids)s)
"""


async def backfilled_among(
    connection: Connection, schedule_id: UUID, run_ids: Collection[UUID]
) -> set[UUID]:
    """Return those of a schedule's runs that backfills launched."""
    values = {"id": schedule_id, "run_ids": list(map(str, run_ids))}
    return set(await read_ids(connection, _BACKFILLED, values))


# The table `schedule_watch`, of one row: since when, and until when, processes have watched the
# clock.

UNNOTICED_GAP = timedelta(seconds=2)
"""Between two looks at the clock, by one process or by two: a longer gap counts as unwatched. Each
process records a look every second."""

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
"""A look continues those before it, unless there was a gap or the clock was set back."""


class _Watched(TypedDict):
    watched_since: ReadOnly[str]
    watched_until: ReadOnly[str]


async def watch_clock(connection: Connection, begun: datetime, now: datetime) -> datetime:
    """Record that a process has watched the clock since `begun`.

    Returns since when it has been watched without a gap, by any process.
    """
    before = await read_first(connection, _Watched, _WATCHED)
    if before is not None:
        since, until = from_iso(before["watched_since"]), from_iso(before["watched_until"])
        # Another process has just recorded it.
        if since <= begun <= until and timedelta() <= now - until < UNNOTICED_GAP / 4:
            return since
    values = {"begun": to_iso(begun), "now": to_iso(now), "gap": UNNOTICED_GAP}
    async with connection.transaction():
        # If a crash loses it, the outage only seems a little longer.
        await connection.execute("SET LOCAL synchronous_commit = off")
        watched = await read_one(connection, _Watched, _WATCH, values)
    return from_iso(watched["watched_since"])
