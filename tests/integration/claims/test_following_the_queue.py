"""A process that follows the queue claims what one that looks at every run would claim."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.commands.executions import Claim
from domain.errors import ConflictError
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from projections.flow import claims, pending_queue
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.slow import slow

JOBS: dict[str, dict[str, Any]] = {
    "free": {},
    "limited": {"max_concurrent_runs": 2},
    "keyed": {"concurrency_key": "k"},
    "shared": {"concurrency_key": "k", "concurrency_limit": 2},
    "both": {"concurrency_key": "k", "max_concurrent_runs": 3},
}

WAITING = """
    SELECT run.id::text, run.slug, run.concurrency_value, job.max_concurrent_runs,
        job.concurrency_limit
    FROM job_runs AS run JOIN job_definitions AS job ON job.id = run.job_definition_id
    WHERE run.status = 'pending' AND run.scheduled_at <= clock_timestamp() AND job.paused IS NULL
    ORDER BY run.priority DESC, run.scheduled_at, run.id
"""

RUNNING = "SELECT slug, concurrency_value FROM job_runs WHERE status = 'running'"


def _expected(url: str, limit: int) -> list[str]:
    """Pick by looking at every run."""
    running = query(url, RUNNING)
    counts = Counter(slug for slug, _ in running)
    keys = Counter((slug, key) for slug, key in running if key is not None)
    picked: list[str] = []
    for run_id, slug, key, most, most_of_key in query(url, WAITING):
        if len(picked) == limit:
            break
        is_full = most is not None and counts[slug] >= most
        if is_full or keys[slug, key] >= most_of_key:
            continue
        picked.append(run_id)
        counts[slug] += 1
        if key is not None:
            keys[slug, key] += 1
    return picked


class _Walk:
    """Two processes do at random what changes the queue."""

    def __init__(self, url: str, random: Random, services: Sequence[Parts]) -> None:
        self._url = url
        self._random = random
        self._services = services
        self._held: list[tuple[int, Claim]] = []
        self._launched: list[UUID] = []
        self.claimed = 0

    async def step(self) -> None:
        steps: list[Callable[[], Awaitable[None]]] = [
            self._launch,
            self._launch,
            self._launch,
            self._claim,
            self._end,
            self._end,
            self._cancel,
            self._revise,
            self._revise_key,
            self._pause_or_resume,
        ]
        await self._random.choice(steps)()

    def _any(self) -> Parts:
        return self._random.choice(self._services)

    async def _launch(self) -> None:
        random = self._random
        slug = random.choice([*JOBS, "limited"])
        launch = Launch(
            parameters={"k": min(int(random.expovariate(1)), 5)},
            priority=random.choice([-1, 0, 0, 0, 4]),
            delay_ms=600_000 if random.random() < 0.1 else None,
        )
        launched = await self._any().jobs.launch(slug, launch, TESTER)
        self._launched.append(launched.run_id)

    async def _claim(self) -> None:
        number = self._random.randrange(len(self._services))
        slots = self._random.randint(1, 4)
        expected = _expected(self._url, slots)
        service = self._services[number]
        hint = self._hint(expected)
        claimed = await service.executions.claim(f"w{number}", slots, expected_run=hint)
        assert [str(claim.run.id) for claim in claimed] == expected
        self._held += [(number, claim) for claim in claimed]
        self.claimed += len(claimed)

    def _hint(self, expected: Sequence[str]) -> UUID | None:
        """Return a hint at what will be claimed, which is right, wrong or missing."""
        right = [UUID(run_id) for run_id in expected]
        hints = [None, uuid4(), *self._launched[-2:], *right]
        return self._random.choice(hints)

    async def _end(self) -> None:
        if not self._held:
            return
        random = self._random
        number, claim = self._held.pop(random.randrange(len(self._held)))
        executions = self._services[number].executions
        run_id, holder = claim.run.id, claim.holder
        how = random.random()
        if how < 0.5:
            await executions.succeed(run_id, holder, None, Report())
        elif how < 0.7:
            await executions.fail(run_id, holder, AttemptFailure("once more"), Report())
        else:
            await executions.hand_back(run_id, holder)

    async def _cancel(self) -> None:
        if self._launched:
            with suppress(ConflictError):
                run_id = self._random.choice(self._launched)
                await self._any().jobs.cancel(run_id, None, TESTER)

    async def _revise_key(self) -> None:
        limit = self._random.choice([1, 2, 4])
        changes: JsonObject = {"concurrency_limit": limit}
        await self._any().jobs.revise_job("shared", changes, None, TESTER)

    async def _revise(self) -> None:
        limit = self._random.choice([1, 2, 5, None])
        changes: JsonObject = {"max_concurrent_runs": limit}
        await self._any().jobs.revise_job("limited", changes, None, TESTER)

    async def _pause_or_resume(self) -> None:
        jobs = self._any().jobs
        slug = self._random.choice(["free", "both"])
        if self._random.random() < 0.3:
            await jobs.pause_job(slug, None, TESTER)
        else:
            await jobs.resume_job(slug, TESTER)


@pytest.mark.parametrize("steps", [150, slow(400)])
@pytest.mark.parametrize(("most", "fewer", "front"), [(2_000, 1_000, 12), (6, 3, 0), (40, 2, 2)])
async def test_claims_are_those_of_one_who_looks_at_every_run(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    fewer: int,
    front: int,
    steps: int,
) -> None:
    monkeypatch.setattr(pending_queue, "MAX_WAITING", most)
    monkeypatch.setattr(pending_queue, "FEWER_WAITING", fewer)
    monkeypatch.setattr(claims, "EXTRA_OF_QUEUE", front)
    async with parts(database_url) as one, parts(database_url) as two:
        for slug, spec in JOBS.items():
            policy = {"maxAttempts": 3}
            await registered(one.jobs, slug, retry_policy=policy, **spec)
        await one.worker("w0")
        await two.worker("w1")
        walk = _Walk(database_url, Random(most), [one, two])
        for _ in range(steps):
            await walk.step()
        assert walk.claimed > steps / 10


READ = """
    SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'job_runs'
"""


@asynccontextmanager
async def _old_snapshot(url: str) -> Any:
    """Hold a snapshot for as long as this lasts."""
    async with await psycopg.AsyncConnection.connect(url) as session:
        await session.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await session.execute("SELECT 1")
        yield


async def _work(part: Parts, slug: str, runs: int) -> None:
    """Launch so many, claim and end them."""
    launches = [part.jobs.launch(slug, Launch(), TESTER) for _ in range(runs)]
    await asyncio.gather(*launches)
    claimed = await part.executions.claim("w", runs)
    assert len(claimed) == runs
    ends = [
        part.executions.succeed(claim.run.id, claim.holder, None, Report()) for claim in claimed
    ]
    await asyncio.gather(*ends)


async def _read(part: Parts) -> int:
    """Return how many index entries of the table of runs the writer has read."""
    connection = part.writer._connection
    assert connection is not None
    await connection.execute("SELECT pg_stat_force_next_flush()")
    [(entries,)] = query(part.url, READ)
    return int(entries)


async def test_no_claim_walks_over_what_was_consumed_while_a_snapshot_is_held(part: Parts) -> None:
    slug = await registered(part.jobs, max_concurrent_runs=100)
    await part.worker("w")
    async with _old_snapshot(part.url):
        read: list[int] = []
        for _ in range(20):
            await _work(part, slug, 25)
            read.append(await _read(part))
    first = read[4] - read[0]
    last = read[19] - read[15]
    assert last < 1.5 * first
