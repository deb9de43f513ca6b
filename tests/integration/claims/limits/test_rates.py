"""Starts within a period: never more than the limit, however they are found, and whoever claims."""

import asyncio
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest

from domain.clock import from_iso, to_iso
from domain.jobs.policies import RateLimit
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from eventlog.database.connection import Database
from projections.flow import claims, rates
from projections.flow.limits import RateWindow
from projections.flow.rates import FullWindows, RateWindowReader, StartedRow
from projections.rows import Connection
from tests.integration.claims.test_explanations import launched
from tests.support.logs import Parts, parts, query, registered, select_anew
from tests.support.sample_logs import promises

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

MINUTE_MS = 60_000

JOBS: dict[str, dict[str, Any]] = {
    "free": {},
    "rated": {"rate_limit": {"limit": 2, "periodMs": MINUTE_MS}},
    "by-key": {"rate_limit": {"limit": 2, "periodMs": MINUTE_MS, "key": "r"}},
    "both": {
        "rate_limit": {"limit": 3, "periodMs": MINUTE_MS, "key": "r"},
        "concurrency_key": "k",
        "concurrency_limit": 2,
        "max_concurrent_runs": 9,
    },
}

INSERT = """
    INSERT INTO job_runs (id, job_definition_id, slug, definition_version, entry_point, status,
        parameters, attempt, max_attempts, execution, priority, concurrency_value, scheduled_at,
        rate_value, starts, last_start_at, created_at, updated_at, requested_by, created_position,
        aggregate_version, position)
    SELECT new.id, job.id, job.slug, 1, '', new.status, '{}', 1, 1, 1, new.priority,
        new.concurrency_value, new.scheduled_at, new.rate_value, new.starts, new.last_start_at,
        now(), now(), '', 0, 1, 0
    FROM jsonb_to_recordset(%s::jsonb) AS new (id uuid, slug text, status text, priority integer,
        concurrency_value text, scheduled_at timestamptz, rate_value text, starts jsonb,
        last_start_at timestamptz)
    JOIN job_definitions AS job ON job.slug = new.slug
"""


def _crowd(random: Random, runs: int, values: int) -> list[dict[str, Any]]:
    """Make up runs; those of the first value are many, and come first."""

    def run() -> dict[str, Any]:
        slug = random.choice([*JOBS, "by-key", "both"])
        value: str | None = None
        if "rate_limit" in JOBS[slug]:
            value = ""
            if "key" in JOBS[slug]["rate_limit"]:
                value = str(min(int(random.expovariate(4) * values), values))
        in_front = value == "0"
        minutes = random.randrange(-9, -5) if in_front else random.randrange(-5, 2)
        key = str(random.randrange(3)) if slug == "both" else None
        started: list[str] = []
        if value is not None and random.random() < 9 / runs:
            seconds = sorted(random.randrange(-150, 1) for _ in range(3))
            moments = [NOW + timedelta(seconds=second) for second in seconds]
            started = [to_iso(moment) for moment in moments[: random.randrange(1, 4)]]
        status = random.choice(["running", "succeeded", "pending"])
        return {
            "id": str(UUID(int=random.getrandbits(128))),
            "slug": slug,
            "status": status if started else "pending",
            "priority": random.choice([-1, 0, 0, 7]) + 3 * in_front,
            "concurrency_value": key,
            "scheduled_at": to_iso(NOW + timedelta(minutes=minutes)),
            "rate_value": value,
            "starts": started or None,
            "last_start_at": started[-1] if started else None,
        }

    return [run() for _ in range(runs)]


def _expected(runs: list[dict[str, Any]], limit: int) -> list[str]:
    """Pick by looking at every run, and at every start."""
    running = [run for run in runs if run["status"] == "running"]
    of_job = Counter(run["slug"] for run in running)
    keys = Counter((run["slug"], run["concurrency_value"]) for run in running)
    since = to_iso(NOW - timedelta(minutes=1))
    started: Counter[tuple[str, str | None]] = Counter()
    for run in runs:
        recent = [at for at in run["starts"] or [] if at > since]
        started[run["slug"], run["rate_value"]] += len(recent)
    picked: list[str] = []
    for run in sorted(runs, key=lambda one: (-one["priority"], one["scheduled_at"], one["id"])):
        job = JOBS[run["slug"]]
        key = (run["slug"], run["concurrency_value"])
        group = (run["slug"], run["rate_value"])
        if run["status"] != "pending" or run["scheduled_at"] > to_iso(NOW):
            continue
        if len(picked) == limit or of_job[run["slug"]] >= job.get("max_concurrent_runs", 999):
            continue
        if key[1] is not None and keys[key] >= job.get("concurrency_limit", 1):
            continue
        if group[1] is not None and started[group] >= job["rate_limit"]["limit"]:
            continue
        picked.append(run["id"])
        of_job[run["slug"]] += 1
        keys[key] += 1
        started[group] += 1
    return picked


async def _check(connection: Connection, random: Random, limit: int) -> None:
    runs = _crowd(random, random.choice([3, 30, 300]), random.choice([1, 5, 50]))
    await connection.execute("DELETE FROM job_runs")
    await connection.execute(INSERT, (orjson.dumps(runs).decode(),))
    selected = await select_anew(connection, NOW, limit)
    assert [str(run_id) for run_id in selected] == _expected(runs, limit)


@pytest.mark.parametrize(
    ("front", "of_job", "max_keys"), [(12, 8, 2_000), (0, 0, 2_000), (0, 0, 1)]
)
async def test_a_claim_picks_what_looking_at_every_start_would_pick(
    part: Parts, monkeypatch: pytest.MonkeyPatch, front: int, of_job: int, max_keys: int
) -> None:
    monkeypatch.setattr(claims, "EXTRA_OF_QUEUE", front)
    monkeypatch.setattr(claims, "EXTRA_OF_JOB", of_job)
    monkeypatch.setattr(claims, "MAX_KEYS", max_keys)
    for slug, spec in JOBS.items():
        await registered(part.jobs, slug, **spec)
    async with part.pool.connection() as connection:
        for seed in range(40):
            await _check(connection, Random(seed), limit=1 + seed % 5)


@pytest.mark.parametrize(
    ("ahead_s", "is_full"), [(0, True), (59, True), (61, False), (31_536_000, False)]
)
async def test_starts_that_lie_ahead_keep_others_for_no_longer_than_a_period_more(
    part: Parts, ahead_s: int, *, is_full: bool
) -> None:
    """The clock was set back after them."""
    await registered(part.jobs, "rated", **JOBS["rated"])
    ahead = to_iso(NOW + timedelta(seconds=ahead_s))
    runs: list[dict[str, Any]] = [
        {
            "id": str(UUID(int=number)),
            "slug": "rated",
            "status": status,
            "priority": 0,
            "scheduled_at": to_iso(NOW),
            "rate_value": "",
            "starts": started,
            "last_start_at": started[-1] if started else None,
        }
        for number, status, started in ((1, "running", [ahead, ahead]), (2, "pending", []))
    ]
    async with part.pool.connection() as connection:
        await connection.execute(INSERT, (orjson.dumps(runs).decode(),))
        selected = await select_anew(connection, NOW, 5)
    assert selected == ([] if is_full else [UUID(int=2)])


def test_what_was_full_by_a_clock_that_was_set_back_is_looked_at_again() -> None:
    full = FullWindows()
    reopens_at, key = to_iso(NOW + timedelta(minutes=1)), ("job", "")
    assert full.windows(to_iso(NOW)) == {}
    full.remember({key: RateWindow(0, reopens_at)})
    assert full.windows(to_iso(NOW)) == {key: RateWindow(0, reopens_at)}
    assert full.windows(to_iso(NOW - timedelta(hours=1))) == {}


def test_a_window_that_was_read_as_full_is_remembered_until_it_reopens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "MAX_FULL", 2)
    now, limit = to_iso(NOW), RateLimit(1, timedelta(minutes=1), "k")
    full = FullWindows()
    reader = RateWindowReader(now, full)
    numbers = {"open": 0, "first": 1, "second": 1, "third": 1}
    rows = [
        StartedRow(job_id="job", value=value, number=number, first_at=now if number else None)
        for value, number in numbers.items()
    ]
    reader.take({("job", value): limit for value in numbers}, rows)
    assert reader.windows.keys() == {("job", value) for value in numbers}
    assert full.windows(now).keys() == {("job", "second"), ("job", "third")}
    assert full.windows(to_iso(NOW + limit.period)) == {}


RATES: dict[str, JsonObject] = {
    "together": {"limit": 4, "periodMs": 300},
    "each": {"limit": 2, "periodMs": 200, "key": "k"},
}

RACERS = 10

RACE_S = 3.0


async def _race(part: Parts, worker_id: str, random: Random) -> None:
    """Claim, and end or hand back at once what was claimed, for as long as the race goes."""
    await part.worker(worker_id)
    ends_at = asyncio.get_running_loop().time() + RACE_S
    while asyncio.get_running_loop().time() < ends_at:
        for claim in await part.executions.claim(worker_id, random.randint(1, 4)):
            run_id, holder = claim.run.id, claim.holder
            match random.randrange(3):
                case 0:
                    await part.executions.succeed(run_id, holder, None, Report())
                case 1:
                    await part.executions.hand_back(run_id, holder)
                case _:
                    failure = AttemptFailure("racing", retry_after_ms=0)
                    await part.executions.fail(run_id, holder, failure, Report())
        await asyncio.sleep(random.random() / 50)


STARTS = """
    SELECT run.slug, run.rate_value, convert_from(state, 'UTF8')::jsonb->>'timestamp'
    FROM jobs_events JOIN job_runs AS run ON run.id = originator_id
    WHERE topic = 'job_run.started' ORDER BY notification_id
"""


async def test_under_racing_workers_no_period_has_more_starts_than_its_limit(
    database_url: str,
) -> None:
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(parts(database_url)) for _ in range(4)]
        jobs = services[0].jobs
        for slug, rate in RATES.items():
            await registered(jobs, slug, rate_limit=rate)
            for number in range(60):
                parameters: JsonObject = {"k": number % 3}
                await launched(services[0], slug, parameters=parameters, max_attempts=9)
        racing = [
            _race(services[number % 4], f"w{number}", Random(number)) for number in range(RACERS)
        ]
        await asyncio.gather(*racing)
    await promises.keep(Database(database_url))
    starts: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for slug, value, at in query(database_url, STARTS):
        starts[slug, value].append(from_iso(at.replace("+00:00", "Z")))
    assert set(starts) == {("together", ""), *(("each", str(key)) for key in range(3))}
    for (slug, _), times in starts.items():
        limit, period_ms = RATES[slug]["limit"], RATES[slug]["periodMs"]
        assert isinstance(limit, int)
        assert isinstance(period_ms, int)
        assert len(times) > limit  # More than one period's worth has started.
        period = timedelta(milliseconds=period_ms)
        for first, beyond in zip(times, times[limit:], strict=False):
            assert beyond - first >= period
