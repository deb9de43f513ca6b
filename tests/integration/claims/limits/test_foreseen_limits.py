"""A claim that foresees its runs starts those that one starts who has never looked before."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any
from uuid import UUID

import pytest

from domain.commands.executions import Claim
from domain.errors import ConflictError
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from eventlog.database.connection import Database
from tests.integration.decisions.test_claims_by_a_hint import counted_trips
from tests.support.logs import TESTER, Parts, now, parts, query, registered, select_anew
from tests.support.sample_logs import promises
from tests.support.slow import slow

STEPS = 300

FORESEEN = 2
"""Round trips of a claim that has read its runs with the lock: nothing is left to be read."""

HOUR_MS = 3_600_000

JOBS: dict[str, dict[str, Any]] = {
    "free": {},
    "fair": {"fairness_key": "t"},
    "rated": {"rate_limit": {"limit": 9, "periodMs": HOUR_MS, "key": "t"}},
    "all": {
        "max_concurrent_runs": 8,
        "concurrency_key": "t",
        "concurrency_limit": 3,
        "rate_limit": {"limit": 9, "periodMs": HOUR_MS, "key": "t"},
        "fairness_key": "t",
    },
    "apart": {
        "concurrency_key": "k",
        "rate_limit": {"limit": 9, "periodMs": HOUR_MS, "key": "r"},
        "fairness_key": "t",
    },
}

END_WRITER = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = %s AND datname = current_database()
"""


class _Walk:
    """Two processes, of which one claims mostly, do at random what limits and turns depend on."""

    def __init__(self, random: Random, services: Sequence[Parts]) -> None:
        self._random = random
        self._services = services
        self._held: list[tuple[Parts, Claim]] = []
        self._launched: list[UUID] = []
        self.claims: Counter[int] = Counter()

    async def step(self) -> None:
        often: list[Callable[[], Awaitable[None]]] = [
            self._launch,
            self._claim,
            self._claim,
            self._end,
        ]
        seldom = [self._cancel, self._revise, self._pause_or_resume, self._cut]
        steps = often if self._random.random() < 0.9 else seldom
        await self._random.choice(steps)()

    async def _launch(self) -> None:
        random = self._random
        slug = random.choice([*JOBS, "all", "all", "apart"])
        for _ in range(random.randint(1, 6)):
            parameters: JsonObject = {"t": random.choice("aaabcde"), "r": random.choice("pqrs")}
            if random.random() < 0.9:
                parameters["k"] = random.choice("xxxyz")
            launch = Launch(parameters=parameters, priority=random.choice([0, 0, 0, 3]))
            launched = await self._services[0].jobs.launch(slug, launch, TESTER)
            self._launched.append(launched.run_id)

    async def _claim(self) -> None:
        number = self._random.choice([0, 0, 0, 0, 0, 1])
        service = self._services[number]
        slots = self._random.randint(1, 4)
        async with service.pool.connection() as connection:
            expected = await select_anew(connection, now(), slots)
        with counted_trips() as trips:
            claimed = await service.executions.claim(f"w{number}", slots)
        assert [claim.run.id for claim in claimed] == expected
        self._held += [(service, claim) for claim in claimed]
        if claimed:
            self.claims[len(trips)] += 1

    async def _end(self) -> None:
        while self._held and self._random.random() < 0.8:
            service, claim = self._held.pop(self._random.randrange(len(self._held)))
            run_id, holder = claim.run.id, claim.holder
            match self._random.randrange(6):
                case 0:
                    failure = AttemptFailure("once more", retry_after_ms=0)
                    await service.executions.fail(run_id, holder, failure, Report())
                case 1:
                    await service.executions.hand_back(run_id, holder)
                case _:
                    await service.executions.succeed(run_id, holder, None, Report())

    async def _cancel(self) -> None:
        if self._launched:
            with suppress(ConflictError):
                run_id = self._random.choice(self._launched)
                await self._services[1].jobs.cancel(run_id, None, TESTER)

    async def _revise(self) -> None:
        random = self._random
        rate: JsonObject = {"limit": random.choice([5, 9, 30]), "periodMs": HOUR_MS, "key": "t"}
        changes: JsonObject = random.choice([{"rate_limit": rate}, {"concurrency_limit": 2}])
        await self._services[1].jobs.revise_job("all", changes, None, TESTER)

    async def _pause_or_resume(self) -> None:
        jobs = self._services[1].jobs
        if self._random.random() < 0.3:
            await jobs.pause_job("fair", None, TESTER)
        else:
            await jobs.resume_job("fair", TESTER)

    async def _cut(self) -> None:
        """End the session of the one that claims mostly."""
        writer = self._services[0].writer._connection
        assert writer is not None
        query(self._services[0].url, END_WRITER, writer.info.backend_pid)


@pytest.mark.parametrize("seed", [5, slow(12)])
async def test_claims_are_those_of_one_who_has_never_looked_before(
    database_url: str, seed: int
) -> None:
    async with parts(database_url) as one, parts(database_url) as two:
        for slug, spec in JOBS.items():
            await registered(one.jobs, slug, retry_policy={"maxAttempts": 9}, **spec)
        await one.worker("w0")
        await two.worker("w1")
        walk = _Walk(Random(seed), [one, two])
        for _ in range(STEPS):
            await walk.step()
    await promises.keep(Database(database_url))
    assert walk.claims[FORESEEN]
    assert walk.claims.total() - walk.claims[FORESEEN] > 10


async def test_windows_that_end_between_claims_have_no_start_too_many(part: Parts) -> None:
    rate = {"limit": 2, "periodMs": 150, "key": "t"}
    slug = await registered(part.jobs, rate_limit=rate, fairness_key="t")
    await part.worker("w")
    runs = 24
    for number in range(runs):
        await part.jobs.launch(slug, Launch(parameters={"t": number % 3}), TESTER)
    started = 0
    round_trips: Counter[int] = Counter()
    while started < runs:
        with counted_trips() as trips:
            claims = await part.executions.claim("w", 2)
        if claims:
            round_trips[len(trips)] += 1
        for claim in claims:
            await part.executions.succeed(claim.run.id, claim.holder, None, Report())
        started += len(claims)
    await promises.keep(Database(part.url))
    assert round_trips[FORESEEN]
