"""What became of the runs that schedules launched.

A schedule's own events name these runs, so only they are looked up, by id, however many others
there are.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.jobs.run_events import STATUSES
from domain.json_values import JsonObject
from domain.schedules.schedule_events import RegisteredAnew, TickLaunched, Triggered
from projections.rows import Connection, read_rows

MAX_EVENTS = 1_000
"""The newest events of a schedule that are examined, so that an answer costs no more after
years."""

MAX_EVENTS_IN_ALL = 20_000
"""Of many schedules together; examining this number takes a tenth of a second. That is two hundred
for each of a hundred schedules, and one that ticks every hour has 168 in a week."""

_COUNTS = ", ".join(
    f"count(*) FILTER (WHERE status = '{status}' AND recorded_at >= %(since)s) AS {status}"
    for status in STATUSES
)


def _iso(column: str) -> str:
    """Return SQL for a time as `domain.clock.to_iso` writes it."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


OF_SCHEDULES = f"""
    SELECT schedule.id AS schedule_id, of_schedule.*
    FROM unnest((SELECT %(ids)s::uuid[])) AS schedule (id) CROSS JOIN LATERAL (
        SELECT greatest(
                %(since)s::timestamptz,
                CASE WHEN count(*) = %(events)s THEN min(recorded_at) END
            ) AS since,
            {_COUNTS},
            coalesce(jsonb_agg(jsonb_build_object(
                'id', id, 'status', status,
                'createdAt', {_iso("created_at")}, 'completedAt', {_iso("completed_at")}
            ) ORDER BY place) FILTER (WHERE id IS NOT NULL AND place <= %(last)s), '[]') AS last
        FROM (
            SELECT event.recorded_at, run.*,
                count(run.id) OVER (ORDER BY originator_version DESC) AS place
            FROM (
                -- Without the contents of the events, which would not fit into memory together.
                SELECT originator_version, recorded_at,
                    CASE WHEN topic IN ('{TickLaunched.TOPIC}', '{Triggered.TOPIC}')
                        AND count(*) FILTER (WHERE topic = '{RegisteredAnew.TOPIC}')
                            OVER (ORDER BY originator_version DESC) = 0
                    THEN (convert_from(state, 'UTF8')::json->>'run_id')::uuid END AS run_id
                FROM (
                    SELECT originator_version, topic, state, recorded_at FROM jobs_events
                    WHERE originator_id = schedule.id
                    ORDER BY originator_version DESC LIMIT %(events)s
                ) AS newest
            ) AS event LEFT JOIN LATERAL (
                SELECT id, status, created_at, completed_at FROM job_runs
                WHERE id = event.run_id LIMIT 1
            ) AS run ON true
        ) AS launched
        HAVING count(*) > 0
    ) AS of_schedule
"""


class _OfSchedule(TypedDict):
    """The counts of a schedule's runs, with a column for each status, and its last runs."""

    schedule_id: ReadOnly[str]
    since: ReadOnly[str]
    pending: ReadOnly[int]
    running: ReadOnly[int]
    succeeded: ReadOnly[int]
    failed: ReadOnly[int]
    canceled: ReadOnly[int]
    expired: ReadOnly[int]
    last: ReadOnly[list[JsonObject]]


async def of_schedules(
    connection: Connection, names: Mapping[UUID, str], since: datetime, last: int
) -> list[JsonObject]:
    """Return how many runs of each schedule are in each status, and the last runs.

    Args:
        connection: to read with.
        names: of the schedules, by their ids; unknown ones are left out.
        since: runs launched before are not counted.
        last: how many of the last runs are returned, newest first, also from before `since`.
    """
    events = min(MAX_EVENTS, MAX_EVENTS_IN_ALL // max(len(names), 1))
    values = {"ids": list(names), "since": since, "last": last, "events": events}
    rows = await read_rows(connection, _OfSchedule, OF_SCHEDULES, values)
    by_id = {UUID(row["schedule_id"]): row for row in rows}
    return [_present(name, by_id[key]) for key, name in names.items() if key in by_id]


def _present(name: str, row: _OfSchedule) -> JsonObject:
    counts: JsonObject = {status: row[status] for status in STATUSES}
    return {"schedule": name, "since": row["since"], "counts": counts, "last": [*row["last"]]}
