"""An error that no part of a worker expected costs it neither its life nor its lease."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from uuid import UUID

import pytest

from domain.commands import application
from domain.commands.executions import Claims, Executions
from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.ports import Offer, WorkerState
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.workers import Heartbeats
from projections.rows import Connection
from runtime.tasks import BackOff, Supervision
from tests.support import newer
from tests.support.logs import TESTER, Parts, query, registered
from tests.support.workers import SETTINGS, working
from worker import worker as worker_life

ENOUGH_S = 20.0


class FaultyExecutions(Executions):
    """Fails as it claims, as often as it is told to."""

    def __init__(self, part: Parts, faults: int) -> None:
        super().__init__(part.jobs)
        self.faults = faults

    async def claim(
        self,
        worker_id: str,
        slots: int,
        offer: Offer | None = None,
        expected_run: UUID | None = None,
    ) -> Claims:
        if self.faults > 0:
            self.faults -= 1
            raise KeyError("a defect")
        return await super().claim(worker_id, slots, offer, expected_run)


class FaultyHeartbeats(Heartbeats):
    """Fails as it beats, as often as it is told to."""

    def __init__(self, part: Parts, faults: float) -> None:
        super().__init__(part.pool, part.jobs.quarantine, logs_at=None)
        self.faults = faults

    async def beat(self, worker_id: str, slots: int | None = None) -> WorkerState:
        if self.faults > 0:
            self.faults -= 1
            raise KeyError("a defect")
        return await super().beat(worker_id, slots)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(ENOUGH_S):
        while not condition():
            await asyncio.sleep(0.02)


async def launched(part: Parts, handler: str = "noop", **parameters: int) -> str:
    spec = JobSpec(name=handler, type="batch", entry_point=f"test.{handler}")
    await part.jobs.register_job("job", spec, 1, TESTER)
    receipt = await part.jobs.launch("job", Launch(parameters=dict(parameters)), TESTER)
    return str(receipt.run_id)


def status(part: Parts, run_id: str) -> str:
    [(value,)] = query(part.url, "SELECT status FROM job_runs WHERE id = %s", run_id)
    return str(value)


async def test_a_claim_that_fails_unexpectedly_is_tried_again_in_the_same_life(
    part: Parts, tmp_path: Path
) -> None:
    executions = FaultyExecutions(part, faults=2)
    run_id = await launched(part)
    async with working(part, tmp_path, executions=executions) as worker:
        await until(lambda: status(part, run_id) == "succeeded")
        assert worker.state("claims").deaths == 2
        assert worker.state("claims").status == "running"
        assert query(part.url, "SELECT id FROM workers") == [(worker.worker.worker_id,)]


async def test_a_worker_goes_on_past_very_many_runs_that_cannot_be_read(
    part: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than are looked at in one go, and more than are remembered.
    monkeypatch.setattr(application, "MAX_TRIES", 4)
    part.jobs.quarantine.max_size = 6
    slug = await registered(part.jobs)
    for _ in range(30):
        unreadable = await part.jobs.launch(slug, Launch(priority=5), TESTER)
        newer.append(part.url, unreadable.run_id, "job_run.of_a_version_to_come")
    run_id = str((await part.jobs.launch(slug, Launch(), TESTER)).run_id)
    async with working(part, tmp_path) as worker:
        await until(lambda: status(part, run_id) == "succeeded")
        assert worker.state("claims").deaths == 0


async def test_a_stop_does_not_wait_until_claims_are_tried_again(
    part: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_life, "BackOff", lambda **_: BackOff(3_600.0, 3_600.0))
    executions = FaultyExecutions(part, faults=1)
    await launched(part)
    async with working(part, tmp_path, executions=executions) as worker:
        await until(lambda: executions.faults == 0)
        await until(lambda: worker.state("claims").status == "backing off")
        worker.worker.stop()
        async with asyncio.timeout(ENOUGH_S):
            await worker.ended


async def test_a_beat_that_fails_unexpectedly_costs_no_lease(part: Parts, tmp_path: Path) -> None:
    heartbeats = FaultyHeartbeats(part, faults=2)
    async with working(part, tmp_path, heartbeats=heartbeats) as worker:
        await until(lambda: heartbeats.faults == 0)
        # The last one is counted a moment after it happened.
        await until(lambda: worker.state("lease").deaths == 2)
        began = monotonic()
        await until(lambda: monotonic() - began > SETTINGS.lease_s)
        assert query(part.url, "SELECT id FROM workers") == [(worker.worker.worker_id,)]


async def test_a_worker_whose_beats_fail_for_good_ends_its_life_before_its_lease_ends(
    part: Parts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heartbeats = FaultyHeartbeats(part, faults=float("inf"))
    run_id = await launched(part, "wait", forMs=60_000)
    async with working(part, tmp_path, heartbeats=heartbeats) as worker:
        await until(lambda: status(part, run_id) == "running")
        first = worker.worker.worker_id
        await until(lambda: worker.worker.worker_id != first)
        assert f"worker {first} lost its lease: no heartbeat got through" in caplog.text
        heartbeats.faults = 0
        await until(lambda: query(part.url, EXECUTION, run_id) == [(2,)])
        assert not worker.ended.done()


EXECUTION = "SELECT execution FROM job_runs WHERE id = %s AND status = 'running'"


class FaultyDatabase(Database):
    """Fails as it connects, as long as there are faults left."""

    async def connect(self) -> Connection:
        if FAULTS:
            raise FAULTS.pop()
        return await super().connect()


FAULTS: list[Exception] = []


async def test_a_listener_that_fails_unexpectedly_hears_again(part: Parts) -> None:
    slug = await registered(part.jobs)
    FAULTS.append(KeyError("a defect"))
    supervision = Supervision()
    listener = Listener(FaultyDatabase(part.url))
    await listener.start(supervision)
    try:
        await until(lambda: supervision.states()[0].deaths == 1)
        signal = listener.signal()
        # A reconnect wakes everybody, too: what it tells of pending runs it can only have heard.
        async with asyncio.timeout(ENOUGH_S):
            while not (await signal.wait(0.1)).pending:
                await part.jobs.launch(slug, Launch(), TESTER)
    finally:
        await listener.stop()
