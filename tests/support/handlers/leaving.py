"""Handlers that make something else of their process, and go on as if nothing had been."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apphub_jobs.contract import JobRunContext


class Printer:
    """All that `print` asks of a stream."""

    def write(self, text: str) -> int:
        """Print it where it was printed before."""
        assert sys.__stdout__ is not None
        return sys.__stdout__.write(text)


def replace_output(_: JobRunContext) -> int:
    """Leave a stream of its own."""
    sys.stdout = Printer()
    print("printed")
    return os.getpid()


def lose_output(_: JobRunContext) -> int:
    """Leave no stream at all."""
    sys.stdout = None
    return os.getpid()


def replace_environment(_: JobRunContext) -> int:
    """Leave variables that are no more the system's."""
    os.environ = dict(os.environ)  # type: ignore[assignment]  # noqa: B003
    return os.getpid()


def take_next_place(_: JobRunContext) -> int:
    """Leave something where the next attempt would work."""
    following = int(Path.cwd().name) + 1
    Path(f"../{following}/taken").mkdir(parents=True)
    return os.getpid()


def redirect_output(_: JobRunContext) -> int:
    """Let all that is printed from now on lead nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return os.getpid()


def set_timer(_: JobRunContext) -> int:
    """Leave a timer of the processor's time, as profilers set it."""
    signal.signal(signal.SIGPROF, lambda *_: None)
    signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)
    return os.getpid()


def block_cancels(_: JobRunContext) -> int:
    """Leave the signal blocked by which cancels come."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    return os.getpid()


def compute(_: JobRunContext) -> int:
    """Use the processor for a moment."""
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    return os.getpid()


def lose_fork(context: JobRunContext) -> str:
    """Forget to end a fork, which returns, or raises, as well."""
    fork = os.fork()
    if fork != 0:
        os.waitpid(fork, 0)
        return "parent"
    if context.parameters.get("raises"):
        raise RuntimeError("of the fork")
    return "fork"


def nest_deeply(context: JobRunContext) -> object:
    """Return, or report, what is nested so deeply that Python has to be allowed to go there."""
    sys.setrecursionlimit(100_000)
    nested: Any = None
    for _ in range(context.parameters["levels"]):
        nested = [nested]
    if context.parameters.get("reports"):
        context.update(metrics={"nested": nested})
    return nested


class UntoldError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        """Raise, by mistake."""
        raise KeyError("detail")


def raise_untold(_: JobRunContext) -> None:
    """Raise what cannot be printed."""
    raise UntoldError


def raise_unseen(_: JobRunContext) -> None:
    """Raise where nothing can be printed any more."""
    sys.stderr.close()
    raise RuntimeError("the reason")


LEAVING: list[Callable[[JobRunContext], object]] = [
    replace_output,
    lose_output,
    replace_environment,
    take_next_place,
    redirect_output,
    set_timer,
    block_cancels,
    compute,
    lose_fork,
    nest_deeply,
    raise_untold,
    raise_unseen,
]
