"""Idle workers look before they lock, and leave a run to the one whose turn it is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import pytest

from domain.commands.executions import Claims, Executions
from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.ports import Offer
from tests.support.logs import TESTER, Parts, parts, query
from tests.support.workers import InProcessWorker, working
from worker import claiming
from worker.worker import WorkerSettings

WORKERS = 4

LAUNCHES = 8

ENOUGH_S = 30.0

SETTINGS = WorkerSettings(slots=4, lease_s=60.0, poll_s=30.0)

ENDED = "SELECT count(*) FROM job_runs WHERE status = 'succeeded'"


class CountedExecutions(Executions):
    """Counts claims: each takes the lock."""

    claims = 0

    async def claim(
        self,
        worker_id: str,
        slots: int,
        offer: Offer | None = None,
        expected_run: UUID | None = None,
    ) -> Claims:
        CountedExecutions.claims += 1
        return await super().claim(worker_id, slots, offer, expected_run)


@pytest.fixture
async def idle(database_url: str, tmp_path: Path) -> AsyncIterator[Sequence[Parts]]:
    """Give the parts of several workers that know of each other and have nothing to do."""
    async with AsyncExitStack() as stack:
        services: list[Parts] = []
        workers: list[InProcessWorker] = []
        for number in range(WORKERS):
            part = await stack.enter_async_context(parts(database_url))
            logs = tmp_path / str(number)
            logs.mkdir()
            executions = CountedExecutions(part.jobs)
            context = working(part, logs, executions=executions, settings=SETTINGS)
            workers.append(await stack.enter_async_context(context))
            services.append(part)
        async with asyncio.timeout(ENOUGH_S):
            while {len(one.worker.others) for one in workers} != {WORKERS - 1}:
                await asyncio.sleep(0.02)
        yield services


async def test_a_launch_takes_two_claims_at_most_however_many_workers_are_idle(
    database_url: str, idle: Sequence[Parts], monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow the machine, a claim takes less.
    monkeypatch.setattr(claiming, "TURN_S", ENOUGH_S)
    monkeypatch.setattr(claiming, "MAX_WAIT_FOR_TURN_S", ENOUGH_S)
    jobs = idle[0].jobs
    spec = JobSpec(name="job", type="batch", entry_point="test.noop")
    await jobs.register_job("job", spec, 1, TESTER)
    CountedExecutions.claims = 0
    for number in range(1, LAUNCHES + 1):
        await jobs.launch("job", Launch(), TESTER)
        async with asyncio.timeout(ENOUGH_S):
            while query(database_url, ENDED) != [(number,)]:
                await asyncio.sleep(0.02)
    # A worker that has just ended a run may come in between.
    assert CountedExecutions.claims <= 2 * LAUNCHES
