"""No handler begins once the lease is over, whoever stands still meanwhile."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.support.handlers.tasks import task_of
from tests.support.packages import package_of
from tests.support.processes import descendants
from worker.executors.local import attempt as process_attempt
from worker.executors.local.attempt import ProcessAttempt
from worker.executors.local.executor import ProcessExecutor
from worker.executors.packages import HandlerPackage
from worker.executors.port import Attempt, Executor, LeaseOverError, Outcome
from worker.executors.ray.executor import RayCluster, RayExecutor
from worker.executors.shared import SharedExecutor
from worker.executors.shared_process import SharedAttempt

LOADS_WHEN_TOLD = """
from pathlib import Path
from time import sleep

here = Path(__file__).parent
(here / "loading").touch()
while not (here / "go").exists():
    sleep(0.01)


def begin(context):
    (here / "began").touch()


async def begin_here(context):
    (here / "began").touch()


HANDLERS = {"test.begin": begin, "test.begin_here": begin_here}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HandlerPackage:
    """Give handlers that are loaded once the file `go` is there."""
    # Else an end were told once the supervisor has confirmed it, which stands still here.
    monkeypatch.setattr(process_attempt, "UNSUPERVISED_S", 3_600.0)
    (tmp_path / "slow.py").write_text(LOADS_WHEN_TOLD)
    return HandlerPackage(modules=("slow",), directories=(str(tmp_path),))


@asynccontextmanager
async def executor(
    kind: str, package: HandlerPackage
) -> AsyncIterator[ProcessExecutor | SharedExecutor]:
    packages = dict.fromkeys(("test.begin", "test.begin_here"), package)
    made = ProcessExecutor(packages, 1) if kind == "process" else SharedExecutor(packages)
    try:
        yield made
    finally:
        await made.aclose()


@asynccontextmanager
async def still() -> AsyncIterator[None]:
    """Let all supervisors stand still meanwhile."""
    pids = [pid for pid in descendants(os.getpid()) if _is_supervisor(pid)]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _is_supervisor(pid: int) -> bool:
    return b"supervisor.py" in Path(f"/proc/{pid}/cmdline").read_bytes()


async def _loading(directory: Path) -> None:
    """Wait until the process is there, and loads its handlers."""
    async with asyncio.timeout(60):
        while not (directory / "loading").exists():
            await asyncio.sleep(0.01)


async def _past(moment: float) -> None:
    while monotonic() <= moment:
        await asyncio.sleep(0.01)


def _is_decided(attempt: ProcessAttempt | SharedAttempt) -> bool:
    """Return whether the process has said something of an attempt."""
    if isinstance(attempt, ProcessAttempt):
        return attempt._message is not None
    return attempt._outcome_future.done()


async def _ended(attempt: Attempt) -> Outcome:
    return await asyncio.wait_for(attempt.outcome(), 90)


KINDS = pytest.mark.parametrize(
    ("kind", "handler"), [("process", "begin"), ("shared", "begin"), ("shared", "begin_here")]
)


@KINDS
async def test_a_task_that_waited_beyond_the_lease_does_not_begin(
    package: HandlerPackage, tmp_path: Path, kind: str, handler: str
) -> None:
    async with executor(kind, package) as where:
        task = task_of(handler, tmp_path / "log")
        attempt = await where.submit(task, print, monotonic() + 600)
        await _loading(tmp_path)
        async with still():
            until = monotonic() + 0.1
            where.renew(until)
            await _past(until)
            (tmp_path / "go").touch()
            outcome = await _ended(attempt)
        assert (outcome.kind, (tmp_path / "began").exists()) == ("lease", False)


@KINDS
async def test_a_task_that_waits_begins_if_the_lease_was_renewed_meanwhile(
    package: HandlerPackage, tmp_path: Path, kind: str, handler: str
) -> None:
    async with executor(kind, package) as where:
        task = task_of(handler, tmp_path / "log")
        attempt = await where.submit(task, print, monotonic() + 600)
        await _loading(tmp_path)
        until = monotonic() + 1
        where.renew(until)
        where.renew(until + 600)
        await _past(until)
        (tmp_path / "go").touch()
        outcome = await _ended(attempt)
        assert (outcome.kind, (tmp_path / "began").exists()) == ("result", True)


@KINDS
async def test_what_was_stopped_before_it_began_never_begins(
    package: HandlerPackage, tmp_path: Path, kind: str, handler: str
) -> None:
    async with executor(kind, package) as where:
        task = task_of(handler, tmp_path / "log")
        attempt = await where.submit(task, print, monotonic() + 600)
        await _loading(tmp_path)
        async with still():
            attempt.stop()
            where.renew(monotonic() + 700)
            (tmp_path / "go").touch()
            async with asyncio.timeout(60):
                while not _is_decided(attempt):
                    await asyncio.sleep(0.01)
        outcome = await _ended(attempt)
        assert (outcome.kind, (tmp_path / "began").exists()) == ("lease", False)


@pytest.mark.parametrize("kind", ["process", "shared", "ray"])
async def test_nothing_is_started_once_the_lease_is_over(tmp_path: Path, kind: str) -> None:
    packages = package_of("tests.support.handlers")
    made: dict[str, Executor] = {
        "process": ProcessExecutor(packages, 1),
        "shared": SharedExecutor(packages),
        "ray": RayExecutor(packages, RayCluster("nowhere"), 1),
    }
    before = descendants(os.getpid())
    with pytest.raises(LeaseOverError, match="over for"):
        await made[kind].submit(task_of("noop", tmp_path), print, monotonic() - 1)
    assert descendants(os.getpid()) == before
    for where in made.values():
        await where.aclose()
