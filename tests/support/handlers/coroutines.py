"""Coroutines that wait, heed or do not heed, print beside each other, and leave something."""

import logging
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from itertools import repeat
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from apphub_jobs.contract import JobResult, JobRunContext

if TYPE_CHECKING:
    import asyncio
else:

    class _Later:
        """A module that is imported once it is used: each attempt would wait for it, and few do."""

        def __getattr__(self, name: str) -> object:
            return getattr(import_module("asyncio"), name)

    asyncio = _Later()


async def sleep(context: JobRunContext) -> int:
    """Wait for `forMs`, as for an answer; return the process's number."""
    print(f"waiting in {os.getpid()}")
    await asyncio.sleep(context.parameters.get("forMs", 60_000) / 1000)
    return os.getpid()


async def clean_up(_: JobRunContext) -> str:
    """Wait until cancelled, and return what was done then."""
    print("waiting")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        return "cleaned up"
    return "never cancelled"


async def stay(_: JobRunContext) -> None:
    """Wait on, whatever anybody asks."""
    print("waiting")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


async def block(context: JobRunContext) -> None:
    """Let nobody else go on; from then on, the file `sign` is there."""
    if "sign" in context.parameters:
        Path(context.parameters["sign"]).touch()
    time.sleep(60)


async def block_in_a_task(context: JobRunContext) -> None:
    """Let nobody else go on, in a task of its own."""
    async with asyncio.TaskGroup() as group:
        group.create_task(block(context))


async def block_in_c(context: JobRunContext) -> None:
    """Let nobody else go on, nor Python look at signals."""
    Path(context.parameters["sign"]).touch()
    deque(repeat(None), maxlen=0)


async def block_until_told(context: JobRunContext) -> None:
    """Let nobody else go on until the process is asked who is in the way, then wait."""
    signals: list[int] = []
    tell = signal.getsignal(signal.SIGTERM)

    def hear(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        if callable(tell):
            tell(number, frame)

    signal.signal(signal.SIGTERM, hear)
    Path(context.parameters["sign"]).touch()
    while not signals:
        time.sleep(0.01)
    await asyncio.sleep(60)


async def leave(_: JobRunContext) -> NoReturn:
    """End the program, as scripts do."""
    raise SystemExit(7)


async def leave_in_a_task(context: JobRunContext) -> None:
    """End the program in a task of its own."""
    async with asyncio.TaskGroup() as group:
        group.create_task(leave(context))


class BeyondAll(BaseException):
    """What no `except Exception` sees."""


async def raise_beyond(_: JobRunContext) -> NoReturn:
    """Raise what few expect."""
    raise BeyondAll("beyond all")


async def interrupt(_: JobRunContext) -> NoReturn:
    """Raise what a terminal would."""
    raise KeyboardInterrupt


async def raise_late(_: JobRunContext) -> None:
    """Raise from within a call."""
    await asyncio.sleep(0)
    msg = "failing on purpose"
    raise RuntimeError(msg)


async def chat(context: JobRunContext) -> JobResult:
    """Print, log and report in turns with others."""
    name = context.parameters["name"]
    for step in range(20):
        print(f"{name} prints {step}")
        logging.getLogger("chat").info("%s logs %d", name, step)
        context.update(metrics={"step": step})
        await asyncio.to_thread(_say, f"{name} speaks in a thread {step}")
        await asyncio.sleep(0)
    return JobResult(result=name)


def _say(text: str) -> None:
    print(text)


async def lose_fork_of_all(_: JobRunContext) -> str:
    """Forget to end a fork, in the midst of others' attempts."""
    fork = os.fork()
    if fork == 0:
        return "fork"
    await asyncio.to_thread(os.waitpid, fork, 0)
    return "parent"


async def leave_orphans(context: JobRunContext) -> int:
    """Start programs that leave others behind; return how many of those are still to be seen."""
    for _ in range(context.parameters["count"]):
        subprocess.run(["sh", "-c", "true &"], check=True)
    until = time.monotonic() + 20
    while (left := _ended_children()) and time.monotonic() < until:
        await asyncio.sleep(0.05)
    return left


def _ended_children() -> int:
    """Return how many processes below the supervisor have ended, and are waited for by nobody."""
    own = (str(os.getpid()), str(os.getppid()))
    count = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            _, _, fields = stat.read_text().rpartition(")")
            status, parent, *_ = fields.split()
            count += status == "Z" and parent in own
    return count


COROUTINES: list[Callable[[JobRunContext], object]] = [
    sleep,
    clean_up,
    stay,
    block,
    block_in_a_task,
    block_in_c,
    block_until_told,
    leave,
    leave_in_a_task,
    raise_beyond,
    interrupt,
    raise_late,
    chat,
    lose_fork_of_all,
    leave_orphans,
]
