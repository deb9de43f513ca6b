"""Values of a parameter take turns, whoever claims, and each run is told its place."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from eventlog.database.connection import Database
from eventlog.explain import explain_past
from projections.rows import Connection
from tests.integration.claims.test_explanations import explained, launched
from tests.support.logs import TESTER, Parts, parts, query, registered, select_anew
from tests.support.sample_logs import promises

WAITING = "SELECT id::text FROM job_runs WHERE status = 'pending'"


async def _one_by_one(part: Parts) -> list[str]:
    """Start all that wait, each by a claim of its own; return their order."""
    started: list[str] = []
    while claimed := await part.executions.claim("w", 1):
        [claim] = claimed
        started.append(str(claim.run.id))
        await part.executions.succeed(claim.run.id, claim.holder, None, Report())
    return started


@pytest.mark.parametrize("seed", [7, 8])
async def test_each_run_is_told_the_very_place_at_which_it_starts(part: Parts, seed: int) -> None:
    random = Random(seed)
    await registered(part.jobs, "fair", fairness_key="t")
    await registered(part.jobs, "just", fairness_key="t")
    await registered(part.jobs, "free")
    for tenant in "bcb":
        await launched(part, "fair", parameters={"t": tenant})
    await part.worker("w")
    await _one_by_one(part)
    # Nobody has room for more than one.
    query(part.url, "UPDATE workers SET slots = 1 RETURNING id")
    for _ in range(5):
        await launched(part, "fair", parameters={"t": "a"})
    for _ in range(15):
        slug = random.choice(["fair", "just", "free"])
        parameters: JsonObject = {"t": random.choice("abcde")}
        await launched(part, slug, parameters=parameters, priority=random.choice([0, 1]))
    positions: dict[str, int] = {}
    for (run_id,) in query(part.url, WAITING):
        positions[run_id] = 1
        for reason in (await explained(part, run_id))["reasons"]:
            if reason["code"] == "behind_others":
                positions[run_id] = reason["details"]["place"]
    started = await _one_by_one(part)
    for index, run_id in enumerate(started, 1):
        assert positions[run_id] == index


async def test_it_is_said_of_the_past_whose_turn_it_was(part: Parts) -> None:
    await registered(part.jobs, "fair", fairness_key="t", max_concurrent_runs=1)
    await part.worker("w")
    runs = [await launched(part, "fair", parameters={"t": tenant}) for tenant in "aaab"]
    [first] = await part.executions.claim("w", 1)
    position = query(part.url, "SELECT max(notification_id) FROM jobs_events")[0][0]
    await part.executions.succeed(first.run.id, first.holder, None, Report())
    assert await _one_by_one(part) == [runs[3], runs[1], runs[2]]
    positions: list[int] = []
    async with part.pool.connection() as connection:
        for run_id in runs[1:]:
            explanation = await explain_past(connection, part.files, UUID(run_id), position)
            assert explanation is not None
            facts: Any = explanation[0]
            behind = [
                reason["details"]["place"]
                for reason in facts["reasons"]
                if reason["code"] == "behind_others"
            ]
            positions += behind or [1]
            assert any("whose turn was last" in one for one in facts["unknown"])
    assert positions == [2, 3, 1]


async def test_whoever_takes_no_turns_is_not_behind_those_whose_turn_comes_later(
    part: Parts,
) -> None:
    await registered(part.jobs, "fair", fairness_key="t")
    await registered(part.jobs, "free")
    await part.worker("w")
    query(part.url, "UPDATE workers SET slots = 1 RETURNING id")
    last = await launched(part, "fair", parameters={"t": "a"})
    [claim] = await part.executions.claim("w", 1)
    for _ in range(3):
        await launched(part, "fair", parameters={"t": "a"})
    free = await launched(part, "free")
    await launched(part, "fair", parameters={"t": "b"})
    position = query(part.url, "SELECT max(notification_id) FROM jobs_events")[0][0]
    async with part.pool.connection() as connection:
        explanation = await explain_past(connection, part.files, UUID(free), position)
    assert explanation is not None
    assert explanation[0]["reasons"] == []
    await part.executions.succeed(UUID(last), claim.holder, None, Report())
    assert (await explained(part, free))["reasons"] == []
    [claim] = await part.executions.claim("w", 1)
    assert str(claim.run.id) == free


TENANTS = 10

RACERS = 10

FLOOD = 300

OTHERS = 4


async def _race(part: Parts, worker_id: str, random: Random, over: asyncio.Event) -> None:
    """Claim and end, hand back or retry, until all others of the flood are done."""
    await part.worker(worker_id)
    while not over.is_set():
        for claim in await part.executions.claim(worker_id, random.randint(1, 3)):
            run_id, holder = claim.run.id, claim.holder
            match random.randrange(6):
                case 0:
                    await part.executions.hand_back(run_id, holder)
                case 1:
                    failure = AttemptFailure("racing", retry_after_ms=0)
                    await part.executions.fail(run_id, holder, failure, Report())
                case _:
                    await part.executions.succeed(run_id, holder, None, Report())


OTHERS_LEFT = """
    SELECT count(*) FROM job_runs WHERE status IN ('pending', 'running') AND fair_value <> '"flood"'
"""

STARTS = """
    SELECT run.fair_value FROM jobs_events JOIN job_runs AS run ON run.id = originator_id
    WHERE topic = 'job_run.started' ORDER BY notification_id
"""


async def test_under_racing_workers_a_flood_costs_the_others_one_start_in_each_round(
    database_url: str,
) -> None:
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(parts(database_url)) for _ in range(4)]
        jobs = services[0].jobs
        await registered(jobs, "fair", fairness_key="t")
        tenants = ["flood"] * FLOOD
        tenants += [f"tenant-{number % 9}" for number in range(9 * OTHERS)]
        while tenants:
            some, tenants = tenants[:50], tenants[50:]
            launches = [Launch(parameters={"t": tenant}, max_attempts=9) for tenant in some]
            await asyncio.gather(*(jobs.launch("fair", launch, TESTER) for launch in launches))
        over = asyncio.Event()
        racing = asyncio.gather(
            *(
                _race(services[number % 4], f"w{number}", Random(number), over)
                for number in range(RACERS)
            )
        )
        while query(database_url, OTHERS_LEFT) != [(0,)]:
            await asyncio.sleep(0.05)
        over.set()
        await racing
    await promises.keep(Database(database_url))
    starts = [value for (value,) in query(database_url, STARTS)]
    last_other = max(at for at, value in enumerate(starts) if value != '"flood"')
    # That no other is started twice while one waits is promised. In the queue's order the flood
    # would all have come before.
    assert starts[:last_other].count('"flood"') < FLOOD / 2


MANY_RUNS = 20_000

MANY = """
    INSERT INTO job_runs (id, job_definition_id, slug, definition_version, entry_point, status,
        parameters, attempt, max_attempts, execution, priority, scheduled_at, fair_value,
        created_at, updated_at, requested_by, created_position, aggregate_version, position)
    SELECT gen_random_uuid(), job.id, job.slug, 1, 'test.noop', 'pending', '{}', 1, 1, 0, 0,
        now() - interval '1 hour' + number * interval '1 ms', to_json((number %% %s)::text),
        now(), now(), '', 0, 1, 0
    FROM generate_series(1, %s) AS number, job_definitions AS job WHERE job.slug = 'fair'
"""

PLANS = """
    SELECT custom_plans, generic_plans FROM pg_prepared_statements
    WHERE statement LIKE '%last_turn DESC%'
"""

ONE_AFTER_THE_OTHER = MANY.replace("to_json((number %% %s)::text)", "(number > %s)::text")

READ = """
    SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'job_runs'
"""


@pytest.mark.parametrize(
    ("values", "slots"), [(1, 10), (MANY_RUNS, 10), (100, 100), (MANY_RUNS, 100)]
)
async def test_a_claim_does_not_walk_over_what_waits(part: Parts, values: int, slots: int) -> None:
    await registered(part.jobs, "fair", fairness_key="t")
    with psycopg.connect(part.url, autocommit=True) as connection:
        connection.execute(MANY, (values, MANY_RUNS))
        connection.execute("ANALYZE job_runs")
    last = [
        await launched(part, "fair", parameters={"t": f"tenant-{number}"}) for number in range(3)
    ]
    async with part.pool.connection() as connection:
        before = await _entries(connection)
        selected = await select_anew(connection, datetime.now(UTC), slots)
        assert await _entries(connection) - before < MANY_RUNS / 10
    assert len(selected) == slots
    if values == 1:
        assert {str(run_id) for run_id in selected}.issuperset(last)


async def test_any_number_of_places_is_shared_by_turns(part: Parts) -> None:
    await registered(part.jobs, "fair", fairness_key="t")
    with psycopg.connect(part.url, autocommit=True) as connection:
        connection.execute(ONE_AFTER_THE_OTHER, (200, 400))
    async with part.pool.connection() as connection:
        selected = await select_anew(connection, datetime.now(UTC), 300)
    values = dict(query(part.url, "SELECT id, fair_value FROM job_runs"))
    assert [values[run_id] for run_id in selected] == ["false", "true"] * 150


async def test_what_is_asked_about_turns_is_planned_once(part: Parts) -> None:
    await registered(part.jobs, "fair", fairness_key="t")
    with psycopg.connect(part.url, autocommit=True) as connection:
        connection.execute(MANY, (10, 100))
    async with part.pool.connection() as connection:
        for _ in range(8):
            assert len(await select_anew(connection, datetime.now(UTC), 4)) == 4
        cursor = await connection.execute(PLANS)
        [plans] = await cursor.fetchall()
    assert plans["custom_plans"] == 0
    assert plans["generic_plans"] > 0


async def test_turns_are_taken_by_whoever_is_launched_from_then_on(part: Parts) -> None:
    await registered(part.jobs, "job")
    await part.worker("w")
    before = [await launched(part, "job", parameters={"t": tenant}) for tenant in "aa"]
    await part.jobs.revise_job("job", {"fairness_key": "t"}, None, TESTER)
    fair = [await launched(part, "job", parameters={"t": tenant}) for tenant in "bba"]
    claimed = await part.executions.claim("w", 5)
    started = [str(claim.run.id) for claim in claimed]
    assert started == [*before, fair[2], fair[0], fair[1]]
    for claim in claimed:
        await part.executions.hand_back(claim.run.id, claim.holder)
    await part.jobs.revise_job("job", {"fairness_key": None}, None, TESTER)
    again = await part.executions.claim("w", 5)
    assert [str(claim.run.id) for claim in again] == [*before, *fair]


async def _entries(connection: Connection) -> int:
    """Return how many index entries of the table of runs this session has read."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    cursor = await connection.execute(READ)
    [row] = await cursor.fetchall()
    return int(row["sum"])
