"""A worker that is drained claims nothing more, and ends once what it runs has ended."""

import asyncio
from dataclasses import replace
from pathlib import Path

from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from eventlog import workers
from tests.support.logs import TESTER, Parts, query, registered
from tests.support.packages import package_of
from tests.support.workers import SETTINGS, working
from worker.executors.local.attempt import ProcessAttempt
from worker.executors.local.executor import ProcessExecutor
from worker.executors.port import OnUpdate, Task

ENOUGH_S = 30.0

STATUS = "SELECT status FROM job_runs WHERE id = %s"


async def test_no_claim_of_a_drained_worker_gets_through(part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    await part.worker("other")
    async with part.pool.connection() as connection:
        drained = await workers.drain(connection, "w")
    assert drained["state"] == "draining"
    await part.jobs.launch(slug, Launch(), TESTER)
    assert await part.heartbeats.beat("w") == "draining"
    assert await part.executions.claim("w", 4) == []
    assert len(await part.executions.claim("other", 4)) == 1


async def test_a_drained_worker_lets_what_runs_come_to_its_end(part: Parts, tmp_path: Path) -> None:
    spec = JobSpec(name="count", type="batch", entry_point="test.count")
    await part.jobs.register_job("count", spec, 1, TESTER)
    gate = tmp_path / "gate"
    launch = Launch(parameters={"lines": 1, "until": str(gate)})
    logs = tmp_path / "logs"
    logs.mkdir()
    async with working(part, logs) as worker, asyncio.timeout(ENOUGH_S):
        first = await part.jobs.launch("count", launch, TESTER)
        while query(part.url, STATUS, first.run_id) != [("running",)]:
            await asyncio.sleep(0.02)
        async with part.pool.connection() as connection:
            drained = await workers.drain(connection, worker.worker.worker_id)
        assert drained["busy"] == 1
        second = await part.jobs.launch("count", launch, TESTER)
        while not worker.worker.is_draining:
            await asyncio.sleep(0.02)
        assert not worker.ended.done()
        gate.touch()
        await worker.ended
    assert query(part.url, STATUS, first.run_id) == [("succeeded",)]
    assert query(part.url, STATUS, second.run_id) == [("pending",)]


class _WaitingExecutor(ProcessExecutor):
    """Has no process for any attempt yet."""

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> ProcessAttempt:
        await asyncio.Event().wait()
        return await super().submit(task, on_update, until)


async def test_what_was_claimed_but_has_not_begun_is_handed_back_at_once(
    part: Parts, tmp_path: Path
) -> None:
    slug = await registered(part.jobs)
    logs = tmp_path / "logs"
    logs.mkdir()
    executor = _WaitingExecutor(package_of("tests.support.handlers"), 1)
    settings = replace(SETTINGS, stop_grace_s=600)
    async with working(part, logs, settings=settings, executor=executor) as worker:
        async with asyncio.timeout(ENOUGH_S):
            run = await part.jobs.launch(slug, Launch(), TESTER)
            while query(part.url, STATUS, run.run_id) != [("running",)]:
                await asyncio.sleep(0.02)
            worker.worker.stop()
            await worker.ended
    assert query(part.url, STATUS, run.run_id) == [("pending",)]
