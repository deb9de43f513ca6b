"""The executor's slots: one attempt after the other; what is said to one reaches no other."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.support.packages import package_of
from worker.executors.local import attempt as process_attempt
from worker.executors.local.attempt import ProcessAttempt
from worker.executors.local.descendants import read_parents
from worker.executors.local.executor import ProcessExecutor
from worker.executors.port import Task

Updates = list[Mapping[str, Any]]


@asynccontextmanager
async def executor(
    size: int = 1, module: str = "tests.support.handlers"
) -> AsyncIterator[ProcessExecutor]:
    made = ProcessExecutor(package_of(module), size)
    try:
        yield made
    finally:
        await made.aclose()


@pytest.fixture
async def slots() -> AsyncIterator[ProcessExecutor]:
    """Give an executor with one slot."""
    async with executor() as made:
        yield made


async def submit(
    where: ProcessExecutor,
    log: Path,
    handler: str,
    timeout_ms: int | None = None,
    **parameters: Any,
) -> ProcessAttempt:
    task = Task(
        run={"id": "r", "slug": "s", "attempt": 1, "maxAttempts": 1, "context": {}},
        definition={},
        entry_point=f"test.{handler}",
        parameters=parameters,
        inputs={},
        settings={},
        timeout_ms=timeout_ms,
        memory_mb=None,
        deadline=None,
        log_path=log,
    )
    return await where.submit(task, lambda _: None, monotonic() + 60)


async def test_what_is_said_to_an_ended_attempt_reaches_no_other(
    slots: ProcessExecutor, tmp_path: Path
) -> None:
    first = await submit(slots, tmp_path / "1", "leave_traces")
    before = await first.outcome()
    second = await submit(slots, tmp_path / "2", "wait", forMs=500)
    first.cancel(0)
    first.stop()
    first.renew(0)
    outcome = await second.outcome()
    third = await (await submit(slots, tmp_path / "3", "leave_traces")).outcome()
    assert (outcome.kind, outcome.message["result"]) == ("result", "waited")
    assert third.message["result"]["pid"] == before.message["result"]["pid"], (
        "all had the same process"
    )


async def test_an_attempt_whose_supervisor_is_killed_fails_and_is_not_waited_for(
    slots: ProcessExecutor, tmp_path: Path
) -> None:
    file = tmp_path / "signs"
    attempt = await submit(slots, tmp_path / "1", "leave_daemon", file=str(file), forMs=60_000)
    while not (file.exists() and file.read_text().endswith("\n")):
        await asyncio.sleep(0.01)
    daemon = int(file.read_text().split()[0])
    os.kill(supervisor_of(daemon), signal.SIGKILL)
    outcome = await asyncio.wait_for(attempt.outcome(), 90)
    assert (outcome.kind, outcome.message) == (
        "signal",
        {"message": "the attempt's supervisor was killed"},
    )
    # The killed supervisor had adopted the daemon, and no other process ends it.
    os.kill(daemon, signal.SIGKILL)
    again = await (await submit(slots, tmp_path / "2", "wait", forMs=0)).outcome()
    assert again.kind == "result"


def supervisor_of(pid: int) -> int:
    """Return the child of this process from which another one descends."""
    parent_of = read_parents()
    while parent_of[pid] != os.getpid():
        pid = parent_of[pid]
    return pid


async def test_a_process_that_never_takes_its_task_is_ended_in_time(tmp_path: Path) -> None:
    async with executor(module="tests.support.handlers.hanging") as slots:
        # More than the pipe to the process holds.
        attempt = await submit(slots, tmp_path / "1", "noop", timeout_ms=500, text="x" * 1_000_000)
        assert (await asyncio.wait_for(attempt.outcome(), 90)).kind == "timeout"


async def test_a_long_task_arrives_whole(slots: ProcessExecutor, tmp_path: Path) -> None:
    text = "x" * 900_000
    outcome = await (await submit(slots, tmp_path / "1", "echo", text=text)).outcome()
    assert outcome.message["result"]["parameters"] == {"text": text}


async def test_what_is_no_utf_8_arrives_as_it_is(slots: ProcessExecutor, tmp_path: Path) -> None:
    path = os.fsdecode(b"/data/\xff")
    outcome = await (await submit(slots, tmp_path / "1", "echo", text=path)).outcome()
    assert outcome.message["result"]["parameters"] == {"text": path}


async def test_as_many_run_at_once_as_are_asked_for_and_slots_are_used_again(
    tmp_path: Path,
) -> None:
    async def one(slots: ProcessExecutor, number: int) -> int:
        outcome = await (await submit(slots, tmp_path / str(number), "leave_traces")).outcome()
        return int(outcome.message["result"]["pid"])

    async with executor(2) as slots:
        pids = await asyncio.gather(*(one(slots, number) for number in range(4)))
        assert len(set(pids)) == 4, "four at once have four processes"
        later = [await one(slots, number) for number in range(4, 12)]
        assert set(later) <= set(pids)


async def test_an_attempt_that_is_no_longer_waited_for_returns_its_slot(
    slots: ProcessExecutor, tmp_path: Path
) -> None:
    attempt = await submit(slots, tmp_path / "1", "wait")
    waiting = asyncio.create_task(attempt.outcome())
    await asyncio.sleep(0)
    waiting.cancel()  # As where it has not ended in time once its worker's lease is lost.
    attempt.stop()

    async def pid_of_next() -> int:
        outcome = await (await submit(slots, tmp_path / "2", "leave_traces")).outcome()
        return int(outcome.message["result"]["pid"])

    async with asyncio.timeout(90):
        before = await pid_of_next()
        while (pid := await pid_of_next()) != before:  # Without the slot none is used again.
            before = pid


async def test_of_an_attempt_that_is_over_in_a_moment_and_silent_nobody_hears(
    slots: ProcessExecutor, tmp_path: Path
) -> None:
    first = await (await submit(slots, tmp_path / "warm", "noop")).outcome()
    log = tmp_path / "logs" / "1"
    outcome = await (await submit(slots, log, "noop")).outcome()
    assert (first.kind, outcome.kind) == ("result", "result")
    assert not log.parent.exists()
    assert outcome.metrics.keys() == {"cpuSeconds", "peakMemoryMb"}


async def test_what_short_attempts_print_is_whole_and_in_their_own_logs(
    slots: ProcessExecutor, tmp_path: Path
) -> None:
    for number in range(20):
        log = tmp_path / f"{number}" / "log"
        handler = "echo" if number % 2 else "noop"
        outcome = await (await submit(slots, log, handler, number=number)).outcome()
        assert outcome.kind == "result"
        if number % 2:
            lines = [line.split(" ", 1)[1] for line in log.read_text().splitlines()]
            assert lines == ["printed by the handler", "INFO logged by the handler"]
        else:
            assert number == 0 or not log.exists()


async def test_a_crash_in_the_first_moment_is_told_as_what_it_was(
    slots: ProcessExecutor, tmp_path: Path
) -> None:
    await (await submit(slots, tmp_path / "warm", "noop")).outcome()
    outcome = await (await submit(slots, tmp_path / "1", "segfault")).outcome()
    assert outcome.kind == "signal"
    assert "SIGSEGV" in outcome.message["message"]
    again = await (await submit(slots, tmp_path / "2", "noop")).outcome()
    assert again.kind == "result"


async def test_an_attempt_of_which_its_supervisor_has_not_heard_ends_with_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_attempt, "UNSUPERVISED_S", 3_600.0)

    async with executor() as slots:
        await (await submit(slots, tmp_path / "warm", "noop")).outcome()
        file = tmp_path / "signs"
        attempt = await submit(slots, tmp_path / "1", "leave_daemon", file=str(file), forMs=60_000)
        while not (file.exists() and file.read_text().endswith("\n")):
            await asyncio.sleep(0.01)
        slots.renew(monotonic() + 0.2)
        outcome = await asyncio.wait_for(attempt.outcome(), 90)
        assert outcome.kind == "lease"
        pids = {int(line.split()[0]) for line in file.read_text().splitlines()}
        assert not [pid for pid in pids if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
async def test_a_disk_that_hangs_keeps_nobody_from_ending_an_attempt(
    slots: ProcessExecutor, tmp_path: Path
) -> None:
    await (await submit(slots, tmp_path / "warm", "noop")).outcome()
    hung = tmp_path / "hung"
    os.mkfifo(hung)  # To open it takes as long as nobody reads.
    file = tmp_path / "signs"
    attempt = await submit(
        slots, hung, "leave_daemon", 1_000, file=str(file), forMs=60_000, lines=2_000
    )
    while not (file.exists() and file.read_text().endswith("\n")):
        await asyncio.sleep(0.01)
    daemon = int(file.read_text().split()[0])
    async with asyncio.timeout(50):  # By itself it would end after a minute.
        while _runs(daemon):
            await asyncio.sleep(0.01)
    reader = os.open(hung, os.O_RDONLY | os.O_NONBLOCK)
    outcome = await asyncio.wait_for(attempt.outcome(), 90)
    os.close(reader)
    assert outcome.kind == "timeout"
