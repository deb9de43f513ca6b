"""Runs that have reported their progress very often, and how much of a log is read meanwhile."""

from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar
from uuid import UUID

from tests.support.logs import Parts, query

T = TypeVar("T")

_REPORT = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state, actor)
    SELECT id, aggregate_version + number, 'job_run.progressed', convert_to(json_build_object(
            'timestamp', to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'worker_id', worker_id, 'execution', execution,
            'metrics', json_build_object(), 'context', json_build_object(), 'logs_url', NULL
        )::text, 'UTF8'), 'tester'
    FROM job_runs CROSS JOIN generate_series(1, %s) AS number WHERE id = ANY(%s)
    ORDER BY id, number RETURNING 1
"""

_MOVE = """
    UPDATE job_runs SET aggregate_version = last.version, state1_version = last.version,
        position = last.position
    FROM (
        SELECT originator_id, max(originator_version) AS version, max(notification_id) AS position
        FROM jobs_events GROUP BY originator_id
    ) AS last
    WHERE id = originator_id AND id = ANY(%s) RETURNING 1
"""


def report_often(url: str, run_ids: Sequence[UUID], times: int) -> None:
    """Let running runs report so many times that nothing is new."""
    ids = list(run_ids)
    assert len(query(url, _REPORT, times, ids)) == times * len(ids)
    assert len(query(url, _MOVE, ids)) == len(ids)


_READ = """
    SELECT coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0) FROM pg_stat_user_tables
    WHERE relname = 'jobs_events'
"""


_TELL = "SELECT pg_stat_force_next_flush()"


async def log_rows_read(part: Parts, act: Awaitable[T]) -> tuple[int, T]:
    """Return how many events are read for something, under the lock and outside of it."""
    before = await _read_so_far(part)
    done = await act
    return await _read_so_far(part) - before, done


async def _read_so_far(part: Parts) -> int:
    writing = part.writer._connection
    if writing is not None:
        await writing.execute(_TELL)
    async with AsyncExitStack() as stack:
        for _ in range(part.pool.get_stats()["pool_size"]):
            reading = await stack.enter_async_context(part.pool.connection())
            await reading.execute(_TELL)
    [(count,)] = query(part.url, _READ)
    return int(count)
