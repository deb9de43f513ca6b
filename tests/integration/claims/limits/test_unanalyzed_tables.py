"""Before the first ANALYZE of a database, no claim reads a whole job or group, or sorts it.

PostgreSQL then expects one run of a job, of a key or of a value, and to read and sort them by an
index whose keys are shorter looks as cheap as by the one that has their order.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import product
from typing import Any

import psycopg
import pytest

from domain.clock import to_iso
from domain.quarantine import Quarantine
from eventlog.runs_before import runs_before_now
from projections.flow import claims
from projections.flow.candidates import QUEUE_START, WITH_LIMITS, Candidate, Contender, key_of
from projections.flow.fairness import NEXT_VALUES, ExpectedValues
from projections.flow.limits import LimitState, group_of
from projections.flow.rates import RateWindowReader
from projections.rows import Connection, read_one, read_rows, read_value
from tests.support.logs import Parts, registered, select_anew

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)

RUNS, VALUES = 6_000, 60

SLOTS = 4

JOBS: dict[str, dict[str, Any]] = {
    "keyed": {"concurrency_key": "t"},
    "rated": {"rate_limit": {"limit": 9, "periodMs": 3_600_000, "key": "t"}},
    "fair": {"fairness_key": "t"},
}

FILL = """
    INSERT INTO job_runs (id, job_definition_id, slug, definition_version, entry_point, status,
        parameters, attempt, max_attempts, execution, priority, scheduled_at, concurrency_value,
        rate_value, fair_value, last_turn, created_at, updated_at, requested_by, created_position,
        aggregate_version, position)
    SELECT gen_random_uuid(), job.id, job.slug, 1, 'test.noop', state.status, '{}', 1, 1, 0, 0,
        %(now)s - interval '1 hour' + number * interval '1 ms',
        CASE WHEN job.concurrency_key IS NOT NULL THEN value END,
        CASE WHEN job.rate_limit IS NOT NULL THEN value END,
        CASE WHEN job.fairness_key IS NOT NULL THEN value END,
        CASE WHEN state.status = 'succeeded' AND job.fairness_key IS NOT NULL THEN number END,
        now(), now(), '', 0, 1, 0
    FROM job_definitions AS job, unnest(ARRAY['pending', 'succeeded']) AS state (status),
        generate_series(1, %(runs)s) AS number,
        repeat(md5((number %% %(values)s)::text), 9) AS value
"""
"""Values are long, so that indexes with them are deeper than others, as they are with many runs."""

READ = """
    SELECT (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'job_runs')
        + (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'job_runs') AS entries
"""

KEYS = """
    SELECT DISTINCT '' AS id, job_definition_id, concurrency_value FROM job_runs
    WHERE concurrency_value IS NOT NULL
"""

WAITING = f"""
    {WITH_LIMITS} FROM (
        SELECT * FROM job_runs WHERE slug = %(slug)s AND status = 'pending'
        ORDER BY scheduled_at OFFSET {VALUES} LIMIT 1
    ) AS run
"""


@pytest.fixture
async def unanalyzed(part: Parts) -> Parts:
    """Return parts on a database with many waiting and ended runs of each job."""
    for slug, spec in JOBS.items():
        await registered(part.jobs, slug, **spec)
    with psycopg.connect(part.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE job_runs SET (autovacuum_enabled = off)")
        connection.execute(FILL, {"now": NOW, "runs": RUNS, "values": VALUES})
    return part


async def test_the_first_runs_of_jobs(unanalyzed: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    async with unanalyzed.pool.connection() as connection:
        keys = await read_rows(connection, Contender, KEYS)
        limits = LimitState(held={key: 1 for run in keys[SLOTS:] if (key := key_of(run))})
        for most_keys, after in product([claims.MAX_KEYS, VALUES // 2], [None, QUEUE_START]):
            monkeypatch.setattr(claims, "MAX_KEYS", most_keys)
            async with _few_entries(connection):
                reader = RateWindowReader(to_iso(NOW))
                runs = await claims.first_by_job(connection, reader, SLOTS, limits, after)
            free = [run for run in runs if not limits.is_key_saturated(run)]
            of_jobs = Counter(run["job_definition_id"] for run in free)
            assert len(of_jobs) == len(JOBS)
            assert min(of_jobs.values()) >= SLOTS


async def test_fairness_groups_and_explanations(unanalyzed: Parts) -> None:
    async with unanalyzed.pool.connection() as connection:
        fair, keyed = [await _waiting(connection, slug) for slug in ("fair", "keyed")]
        group = group_of(fair)
        assert group is not None
        turns = ExpectedValues(group, fair["fair_value"], [])
        async with _few_entries(connection):
            assert len(await select_anew(connection, NOW, SLOTS)) == SLOTS
        async with _few_entries(connection):
            cursor = await connection.execute(NEXT_VALUES, turns.parameters)
            [row] = await cursor.fetchall()
            assert row["next_value"] != fair["fair_value"]
        for run in (fair, keyed):
            async with _few_entries(connection):
                before = await runs_before_now(connection, run, to_iso(NOW), (), Quarantine())
            assert before.count is not None
            assert before.count >= VALUES


async def _waiting(connection: Connection, slug: str) -> Candidate:
    """Return a waiting run that is behind one of each value."""
    return await read_one(connection, Candidate, WAITING, {"slug": slug})


@asynccontextmanager
async def _few_entries(connection: Connection) -> AsyncIterator[None]:
    """Check that a transaction reads fewer entries of indexes than a job has runs."""
    before = await _entries(connection)
    async with connection.transaction():
        yield
    read = await _entries(connection) - before
    assert read < RUNS, read


async def _entries(connection: Connection) -> int:
    await connection.execute("SELECT pg_stat_force_next_flush()")
    return await read_value(connection, int, READ)
