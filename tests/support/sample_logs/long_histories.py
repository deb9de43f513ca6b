"""Aggregates to which very much has happened: written by SQL, for it would take an hour."""

import psycopg

from tests.support.logs import query

_AT = """to_char(
    (created_at + {number} * interval '1 second') AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
)"""

_TICK = f"""
    INSERT INTO jobs_events (originator_id, originator_version, topic, state, actor)
    SELECT aggregate_id, aggregate_version + number, 'schedule.tick_skipped', convert_to(
        json_build_object(
            'timestamp', moment, 'due_at', moment, 'last_due_at', moment, 'ticks', 1,
            'cause', 'calendar', 'reason', 'paused', 'run_id', NULL, 'next_at', following
        )::text, 'UTF8'), 'tester'
    FROM schedules CROSS JOIN LATERAL (
        SELECT number, {_AT.format(number="number")} AS moment,
            {_AT.format(number="(number + 1)")} AS following
        FROM generate_series(1, %s) AS number
    ) AS tick
    WHERE id = %s ORDER BY number RETURNING 1
"""

_MOVE = f"""
    UPDATE schedules SET aggregate_version = last.version, state2_version = last.version,
        position = last.position, updated_at = created_at + %(times)s * interval '1 second',
        decided_until = created_at + %(times)s * interval '1 second',
        next_at = created_at + (%(times)s + 1) * interval '1 second',
        last_tick = jsonb_build_object(
            'dueAt', {_AT.format(number="%(times)s")}, 'outcome', 'skipped', 'reason', 'paused',
            'runId', NULL)
    FROM (
        SELECT originator_id, max(originator_version) AS version, max(notification_id) AS position
        FROM jobs_events GROUP BY originator_id
    ) AS last
    WHERE aggregate_id = originator_id AND id = %(id)s RETURNING 1
"""

_REPORT = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state, actor)
    SELECT id, aggregate_version + number, 'job_run.progressed', convert_to(json_build_object(
            'timestamp', to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'worker_id', worker_id, 'execution', execution, 'logs_url', NULL,
            'metrics', json_build_object('number', number, 'text', repeat('x', %s)),
            'context', json_build_object()
        )::text, 'UTF8'), 'tester'
    FROM job_runs CROSS JOIN generate_series(1, %s) AS number
    WHERE id = %s ORDER BY number RETURNING 1
"""


def tick_often(url: str, schedule: str, times: int) -> None:
    """Let ticks of a schedule be skipped, every second since it was created."""
    assert len(query(url, _TICK, times, schedule)) == times
    with psycopg.connect(url, autocommit=True) as connection:
        moved = connection.execute(_MOVE, {"times": times, "id": schedule})
        assert moved.rowcount == 1


def report_much(url: str, run_id: str, times: int, characters: int) -> None:
    """Let a running run report so many times so much; its row is left behind."""
    assert len(query(url, _REPORT, characters, times, run_id)) == times
