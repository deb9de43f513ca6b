"""How many processes wait for attempts: a few always, more while attempts come."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import anyio
import pytest

from tests.support.handlers.tasks import task_of
from tests.support.packages import package_of
from tests.support.processes import descendants
from worker.executors.local import executor as pool
from worker.executors.local.attempt import ProcessAttempt
from worker.executors.local.executor import ProcessExecutor

SLOTS = 4


class Processes:
    """Counts the slots that an executor has: a supervisor and its process each."""

    def __init__(self) -> None:
        self._others = set(descendants(os.getpid()))

    async def become(self, slots: int) -> None:
        """Wait for there being so many, none of them on its way."""
        with anyio.fail_after(30):
            while await self._now() != 2 * slots:
                await anyio.sleep(0.02)

    async def stay(self, slots: int) -> None:
        """Assert that there are so many, and that a heartbeat does not change it."""
        await anyio.sleep(0.1)
        assert await self._now() == 2 * slots

    async def _now(self) -> int:
        pids = await anyio.to_thread.run_sync(descendants, os.getpid())
        return len(set(pids) - self._others)


@pytest.fixture
async def executor() -> AsyncIterator[ProcessExecutor]:
    """Give an executor with more slots than processes wait ahead."""
    made = ProcessExecutor(package_of("tests.support.handlers"), SLOTS)
    yield made
    await made.aclose()


async def _submit(executor: ProcessExecutor, log: Path) -> ProcessAttempt:
    task = task_of("wait", log, forMs=300)
    return await executor.submit(task, lambda _: None, monotonic() + 60)


async def test_a_few_wait_and_more_come_with_attempts_until_it_is_quiet(
    executor: ProcessExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = Processes()
    executor.prepare()
    await processes.become(pool.WARM_PROCESSES)
    attempts = [await _submit(executor, tmp_path / str(n)) for n in range(SLOTS)]
    await processes.become(SLOTS)
    for attempt in attempts:
        assert (await attempt.outcome()).kind == "result"
    executor.renew(monotonic() + 60)
    await processes.stay(SLOTS)
    monkeypatch.setattr(pool, "IDLE_S", 0.0)
    executor.renew(monotonic() + 60)
    await processes.become(pool.WARM_PROCESSES)
    again = await _submit(executor, tmp_path / "again")
    assert (await again.outcome()).kind == "result"


async def test_beside_an_attempt_the_next_one_finds_a_process(
    executor: ProcessExecutor, tmp_path: Path
) -> None:
    processes = Processes()
    first = await _submit(executor, tmp_path / "first")
    await processes.become(1 + pool.WARM_PROCESSES)
    assert (await first.outcome()).kind == "result"
    await processes.stay(1 + pool.WARM_PROCESSES)
