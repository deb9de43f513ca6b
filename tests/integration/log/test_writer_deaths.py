"""A writer that dies says so to those who wait, and another takes its place."""

import asyncio

import pytest

from domain.errors import OutcomeUnknownError
from domain.jobs.launching import Launch
from eventlog.append import writer as writer_module
from eventlog.append.lookups import WriterCache
from eventlog.append.plan import Statement
from eventlog.append.transaction import LockTime, Request, prepare
from eventlog.database.pipeline import is_sound
from eventlog.keys import LogFiles
from projections.rows import Connection
from runtime import tasks
from runtime.tasks import BackOff
from tests.support.logs import TESTER, Parts, parts, registered

ENOUGH_S = 30.0


class Deadly:
    """Kills a writer once: it cannot roll back a transaction that failed under the lock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults = 2
        self._prepare = prepare
        self._is_sound = is_sound
        monkeypatch.setattr(writer_module, "prepare", self.prepare)
        monkeypatch.setattr(writer_module, "is_sound", self.is_sound)

    async def prepare(
        self,
        connection: Connection,
        files: LogFiles,
        requests: list[Request],
        cache: WriterCache,
        lock: LockTime,
    ) -> list[Statement]:
        statements = await self._prepare(connection, files, requests, cache, lock)
        if self.faults == 2:
            self.faults -= 1
            raise KeyError("a defect")
        return statements

    def is_sound(self, connection: Connection) -> bool:
        if self.faults == 1:
            self.faults -= 1
            raise RuntimeError("another defect")
        return self._is_sound(connection)


async def test_a_writer_that_dies_answers_what_it_has_in_hand_and_works_again(
    part: Parts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slug = await registered(part.jobs)
    deadly = Deadly(monkeypatch)
    async with asyncio.timeout(ENOUGH_S):
        with pytest.raises(OutcomeUnknownError):
            await part.jobs.launch(slug, Launch(), TESTER)
        assert not deadly.faults
        assert "background task log writer died (deaths so far: 1)" in caplog.text
        # Another session finds the lock free, too.
        async with parts(part.url) as other:
            await other.jobs.launch(slug, Launch(), TESTER)
        await part.jobs.launch(slug, Launch(), TESTER)


async def test_a_writer_that_stops_while_it_backs_off_writes_what_waits(
    part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = await registered(part.jobs)
    monkeypatch.setattr(tasks, "BackOff", lambda: BackOff(3_600.0, 3_600.0))
    Deadly(monkeypatch)
    async with parts(part.url) as backing_off, asyncio.timeout(ENOUGH_S):
        with pytest.raises(OutcomeUnknownError):
            await backing_off.jobs.launch(slug, Launch(), TESTER)
        waiting = asyncio.create_task(backing_off.jobs.launch(slug, Launch(), TESTER))
        while backing_off.writer._requests.is_empty:
            await asyncio.sleep(0.01)
        await backing_off.writer.stop()
        await waiting
