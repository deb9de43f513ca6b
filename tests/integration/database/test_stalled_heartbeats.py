"""A connection on which nothing comes back does not hold up a worker's heartbeats."""

import asyncio
import logging
from pathlib import Path

import pytest

from domain.quarantine import Quarantine
from eventlog.database.connection import Database
from eventlog.workers import Heartbeats
from runtime.tasks import run_within
from tests.support.logs import Parts, query
from tests.support.wires.proxy import Proxy
from tests.support.workers import working
from worker.worker import Worker

ENOUGH_S = 60.0


async def test_a_stalled_heartbeat_is_given_up_in_time(
    part: Parts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "worker.worker")
    async with Proxy(part.url) as proxy, Database(proxy.url).pool(4) as pool:
        heartbeats = Heartbeats(pool, Quarantine(), logs_at=None)
        async with (
            working(part, tmp_path, heartbeats=heartbeats) as worker,
            asyncio.timeout(ENOUGH_S),
        ):
            first = await ready_id(worker.worker, caplog)
            proxy.answers_flow.clear()
            while worker.worker.worker_id == first:
                await asyncio.sleep(0.02)
            # Without waiting for the driver, which would wait for ever.
            assert f"worker {first} lost its lease" in caplog.text
            proxy.answers_flow.set()
            second = await ready_id(worker.worker, caplog)
            living = query(part.url, "SELECT id FROM workers WHERE dead_at IS NULL")
            assert (second,) in living


async def ready_id(worker: Worker, caplog: pytest.LogCaptureFixture) -> str:
    """Return the worker's id once it knows that it is registered."""
    while f"worker {worker.worker_id} is ready" not in caplog.text:
        await asyncio.sleep(0.02)
    return worker.worker_id


async def test_what_cannot_be_cancelled_is_not_waited_for() -> None:
    ends = asyncio.Event()

    async def stubborn() -> None:
        try:
            await ends.wait()
        except asyncio.CancelledError:
            await ends.wait()
            raise

    with pytest.raises(TimeoutError):
        await run_within(0.1, "stubborn", stubborn())
    ends.set()
