"""Whom a claim picks of many that wait: the same, however found, as by looking at every one."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest

from domain.clock import to_iso
from domain.jobs.launching import Launch
from eventlog.measures import OldestPending, oldest_pending
from projections.flow import claims
from projections.flow.limits import LimitState
from projections.flow.rates import RateWindowReader
from projections.flow.unfinished import waiting_longest
from projections.rows import Connection, read_ids, read_rows
from tests.support.logs import TESTER, Parts, parts, registered, select_anew

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

JOBS: dict[str, dict[str, Any]] = {
    "free": {},
    "limited": {"max_concurrent_runs": 2},
    "full": {"max_concurrent_runs": 1},
    "keyed": {"concurrency_key": "k"},
    "both": {"concurrency_key": "k", "max_concurrent_runs": 3},
    "shared": {"concurrency_key": "k", "concurrency_limit": 3},
    "shared-both": {"concurrency_key": "k", "concurrency_limit": 2, "max_concurrent_runs": 5},
}

INSERT = """
    INSERT INTO job_runs (id, job_definition_id, slug, definition_version, entry_point, status,
        parameters, attempt, max_attempts, execution, priority, concurrency_value, scheduled_at,
        start_deadline_at, created_at, updated_at,
        requested_by, created_position, aggregate_version, position)
    SELECT new.id, job.id, job.slug, 1, '', new.status, '{}', 1, 1, new.execution, new.priority,
        new.concurrency_value,
        new.scheduled_at, new.start_deadline_at, now(), now(), '', 0, 1, 0
    FROM jsonb_to_recordset(%s::jsonb) AS new (id uuid, slug text, status text, execution integer,
        priority integer,
        concurrency_value text, scheduled_at timestamptz, start_deadline_at timestamptz)
    JOIN job_definitions AS job ON job.slug = new.slug
"""


def _crowd(random: Random, runs: int, keys: int) -> list[dict[str, Any]]:
    """Make up runs; those of `full` and of the first key are many and come first."""

    def run() -> dict[str, Any]:
        slug = random.choice([*JOBS, "full", "keyed", "shared"])
        key = (
            f'"{min(int(random.expovariate(4) * keys), keys)}"'
            if "concurrency_key" in JOBS[slug]
            else None
        )
        key = None if random.random() < 0.1 else key
        in_front = slug == "full" or key == '"0"'
        minutes = random.randrange(-9, -5) if in_front else random.randrange(-5, 3)
        deadline = (
            (NOW + timedelta(minutes=random.randrange(-1, 2))).isoformat()
            if random.random() < 0.1
            else None
        )
        return {
            "id": str(UUID(int=random.getrandbits(128))),
            "slug": slug,
            "status": "running" if random.random() < 4 / runs else "pending",
            "execution": random.randrange(2),
            "priority": random.choice([-1, 0, 0, 7]) + 3 * in_front,
            "concurrency_value": key,
            "scheduled_at": (NOW + timedelta(minutes=minutes)).isoformat(),
            "start_deadline_at": deadline,
        }

    return [run() for _ in range(runs)]


def _expected(runs: list[dict[str, Any]], limit: int) -> list[str]:
    """Pick by looking at every run."""
    running = [run for run in runs if run["status"] == "running"]
    counts = {slug: sum(run["slug"] == slug for run in running) for slug in JOBS}
    keys = Counter(
        (run["slug"], run["concurrency_value"])
        for run in running
        if run["concurrency_value"] is not None
    )
    picked: list[str] = []
    for run in sorted(runs, key=lambda run: (-run["priority"], run["scheduled_at"], run["id"])):
        key, deadline = ((run["slug"], run["concurrency_value"]), run["start_deadline_at"])
        too_late = run["execution"] == 0 and deadline is not None and deadline <= NOW.isoformat()
        job = JOBS[run["slug"]]
        most = job.get("max_concurrent_runs", 10**9)
        most_of_key = job.get("concurrency_limit", 1)
        if run["status"] != "pending" or run["scheduled_at"] > NOW.isoformat() or too_late:
            continue
        if len(picked) == limit or counts[run["slug"]] >= most:
            continue
        if keys[key] >= most_of_key:
            continue
        picked.append(run["id"])
        counts[run["slug"]] += 1
        if key[1] is not None:
            keys[key] += 1
    return picked


async def _check(connection: Connection, random: Random, limit: int) -> None:
    runs = _crowd(random, random.choice([3, 30, 300]), random.choice([2, 10, 100]))
    await connection.execute("DELETE FROM job_runs")
    await connection.execute(INSERT, (_json(runs),))
    selected = await select_anew(connection, NOW, limit)
    assert [str(run_id) for run_id in selected] == _expected(runs, limit)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


async def _registered_jobs(part: Parts) -> None:
    for slug, spec in JOBS.items():
        await registered(part.jobs, slug, **spec)


@pytest.mark.parametrize(
    ("front", "of_job", "max_keys"), [(12, 8, 2_000), (0, 0, 2_000), (0, 0, 1)]
)
async def test_a_claim_picks_what_looking_at_every_run_would_pick(
    database_url: str, monkeypatch: pytest.MonkeyPatch, front: int, of_job: int, max_keys: int
) -> None:
    monkeypatch.setattr(claims, "EXTRA_OF_QUEUE", front)
    monkeypatch.setattr(claims, "EXTRA_OF_JOB", of_job)
    monkeypatch.setattr(claims, "MAX_KEYS", max_keys)

    async with parts(database_url) as part, part.pool.connection() as connection:
        await _registered_jobs(part)
        for seed in range(60):
            await _check(connection, Random(seed), limit=1 + seed % 5)


PLANNED = """
    UPDATE job_runs SET priority = 100, scheduled_at = scheduled_at + interval '1 year'
    WHERE id IN (SELECT id FROM job_runs WHERE slug = 'free' LIMIT 50)
"""


async def test_what_is_planned_for_later_hides_nothing(database_url: str) -> None:
    async with parts(database_url) as part, part.pool.connection() as connection:
        await _registered_jobs(part)
        await connection.execute(INSERT, (_json(_crowd(Random(1), 300, 10)),))
        await connection.execute(PLANNED)
        assert await select_anew(connection, NOW, 4)


LONG_AGO = "UPDATE job_runs SET scheduled_at = scheduled_at - interval '10 years'"

LONGEST_WAITS = """
    SELECT CASE slug WHEN 'keyed' THEN '_others' ELSE slug END AS job,
        extract(epoch FROM clock_timestamp() - min(scheduled_at))::float8 AS seconds
    FROM job_runs WHERE status = 'pending' GROUP BY 1
"""


async def test_for_how_long_jobs_wait_is_what_looking_at_every_run_says(database_url: str) -> None:
    async with parts(database_url) as part, part.pool.connection() as connection:
        await _registered_jobs(part)
        await connection.execute(INSERT, (_json(_crowd(Random(2), 300, 10)),))
        await connection.execute(LONG_AGO)
        jobs = await connection.execute("SELECT id, slug FROM job_definitions")
        named = {row["id"]: row["slug"] for row in await jobs.fetchall()}
        slugs = {job_id: slug for job_id, slug in named.items() if slug != "keyed"}
        expected = await read_rows(connection, OldestPending, LONGEST_WAITS)
        ages = await oldest_pending(connection, slugs, [])
        assert {row["job"] for row in ages} == {row["job"] for row in expected}
        waits = {row["job"]: row["seconds"] for row in ages}
        for row in expected:
            # Some minutes lie between the waits of two runs.
            assert abs(waits[row["job"]] - row["seconds"]) < 50
        await connection.execute("DELETE FROM job_runs")
        assert await oldest_pending(connection, slugs, []) == []


WAITING = """
    SELECT id FROM job_runs WHERE status = 'pending' AND scheduled_at <= clock_timestamp()
    ORDER BY scheduled_at, id LIMIT 5
"""


async def test_those_that_have_waited_longest_come_first_whatever_their_priority(
    database_url: str,
) -> None:
    async with parts(database_url) as part, part.pool.connection() as connection:
        await _registered_jobs(part)
        await connection.execute(INSERT, (_json(_crowd(Random(1), 300, 10)),))
        await connection.execute(PLANNED)
        expected = await read_ids(connection, WAITING)
        oldest = await waiting_longest(connection, 5)
    assert [UUID(row["id"]) for row in oldest] == expected
    assert len({row["priority"] for row in oldest}) > 1


PLANS = """
    SELECT custom_plans, generic_plans FROM pg_prepared_statements
    WHERE statement LIKE '%AS waiting (job_id)%CROSS JOIN unnest%'
"""


async def test_what_is_asked_job_by_job_keeps_its_plan_where_there_are_few(part: Parts) -> None:
    slug = await registered(part.jobs)
    for _ in range(3):
        await part.jobs.launch(slug, Launch(), TESTER)
    async with part.pool.connection() as connection:
        for _ in range(30):
            reader = RateWindowReader(to_iso(datetime.now(UTC)))
            limits = LimitState()
            candidates = await claims.first_by_job(connection, reader, 4, limits, None)
            assert len(candidates) == 3
        cursor = await connection.execute(PLANS)
        [plans] = await cursor.fetchall()
    assert plans["generic_plans"] > plans["custom_plans"]
