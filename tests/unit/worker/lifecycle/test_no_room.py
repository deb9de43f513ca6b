"""A host without room costs an attempt neither its beginning nor its end."""

import asyncio
import errno
import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest

from apphub_jobs.process.cleanup import AttemptDirectory
from worker import attempts
from worker.attempts import Attempts, AttemptSettings
from worker.offer import WorkerOffer


@pytest.mark.parametrize(
    ("number", "command"),
    [
        (errno.ENOSPC, "hand_back"),
        (errno.EMFILE, "hand_back"),
        (errno.EAGAIN, "hand_back"),
        (errno.ENOMEM, "hand_back"),
        (errno.EACCES, "fail"),
    ],
)
async def test_a_run_that_cannot_begin_for_want_of_room_is_handed_back(
    monkeypatch: pytest.MonkeyPatch, number: int, command: str
) -> None:
    monkeypatch.setattr(attempts, "EXHAUSTED_PAUSE_S", 0.0)
    called: list[str] = []
    executions: Any = Mock()
    for name in ("hand_back", "fail"):
        getattr(executions, name).side_effect = AsyncMock(
            side_effect=lambda *_, name=name: called.append(name)
        )
    executor: Any = Mock(capacity=1)
    executor.submit = AsyncMock(side_effect=OSError(number, os.strerror(number)))

    freed = asyncio.Event()
    offer = WorkerOffer(["it"], Mock(), Mock(), 0.0)
    made = Attempts(AttemptSettings(1, {}), executions, executor, offer, _Logs(), freed.set)
    made.renew(math.inf)
    made.start(_claim())
    await asyncio.wait_for(freed.wait(), 90)
    assert made.free_slots == 1
    assert called == [command]


class _Logs:
    @asynccontextmanager
    async def keep(self, name: str) -> AsyncIterator[Path]:
        yield Path(name)


def _claim() -> Any:
    run = Mock(id=UUID(int=1), slug="it", entry_point="it", attempt=1, max_attempts=1)
    run.timeout_ms = run.traceparent = None
    spec = Mock(resources={})
    return SimpleNamespace(run=run, spec=spec, inputs={}, holder=Mock(worker_id="w", execution=1))


def test_an_attempt_has_ended_though_the_next_one_has_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    directory = AttemptDirectory(str(tmp_path))
    directory.enter()
    (tmp_path / "1" / "left").touch()
    (tmp_path / "2").touch()  # The directory cannot be made.
    assert directory.leave()
    assert not directory.is_ready
