"""A connection on which nothing comes back does not hold up a worker's heartbeats."""

import asyncio
from pathlib import Path

import pytest

from domain.quarantine import Quarantine
from eventlog.database.connection import Database
from eventlog.workers import Heartbeats
from runtime.tasks import within
from tests.support.logs import Parts, query
from tests.support.wires.proxy import Proxy
from tests.support.workers import working

ENOUGH_S = 20.0


async def test_a_stalled_heartbeat_is_given_up_in_time(
    part: Parts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Proxy(part.url) as proxy, Database(proxy.url).pool(4) as pool:
        heartbeats = Heartbeats(pool, Quarantine(), logs_at=None)
        async with (
            working(part, tmp_path, heartbeats=heartbeats) as worker,
            asyncio.timeout(ENOUGH_S),
        ):
            first = await registered_id(part, "")
            proxy.answers_flow.clear()
            while worker.worker.worker_id == first:
                await asyncio.sleep(0.02)
            # Without waiting for the driver, which would wait for ever.
            assert f"worker {first} lost its lease" in caplog.text
            proxy.answers_flow.set()
            assert await registered_id(part, first) == worker.worker.worker_id


async def registered_id(part: Parts, before: str) -> str:
    """Return the id of the worker that has come after another one."""
    while True:
        for (worker_id,) in query(part.url, "SELECT id FROM workers WHERE dead_at IS NULL"):
            if worker_id != before:
                return str(worker_id)
        await asyncio.sleep(0.05)


async def test_what_cannot_be_cancelled_is_not_waited_for() -> None:
    ends = asyncio.Event()

    async def stubborn() -> None:
        try:
            await ends.wait()
        except asyncio.CancelledError:
            await ends.wait()
            raise

    with pytest.raises(TimeoutError):
        await within(0.1, "stubborn", stubborn())
    ends.set()
