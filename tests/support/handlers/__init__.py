"""Handlers for tests, installed as an operator's are: `--handlers tests.support.handlers`."""

import ctypes
import io
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from apphub_jobs.contract import Handler, JobResult, JobRunContext, PermanentError, RetryAfter
from tests.support.handlers.coroutines import COROUTINES
from tests.support.handlers.harmful import (
    end_with_too_much,
    flood,
    forge,
    grow,
    kill_itself,
    large_result,
    leave_daemon,
    no_json,
    not_a_number,
    print_binary,
    report_too_much,
    segfault,
)
from tests.support.handlers.leaving import LEAVING
from tests.support.handlers.waiting import (
    count,
    counted,
    exclusive,
    heed,
    ignore_cancel,
    once_at_a_time,
    progress,
    wait,
)


def noop(_: JobRunContext) -> None:
    """Do nothing."""


def show_trace(context: JobRunContext) -> JobResult:
    """Return the span in which the attempt runs."""
    variable = os.environ.get("TRACEPARENT")
    return JobResult(result={"context": context.traceparent, "variable": variable})


def leave_traces(context: JobRunContext) -> JobResult:
    """Return what an attempt before has left, then leave as much as can be left behind."""
    seen = {
        "cwd": str(Path.cwd()),
        "files": sorted(path.name for path in Path.cwd().iterdir()),
        "variable": os.environ.get("LEFT_BEHIND"),
        "umask": os.umask(0o77),
        "stdout": sys.stdout is sys.__stdout__,
        "path": "left-behind" in sys.path,
        "handlers": len(logging.getLogger().handlers),
        "ignored": signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN,
        "threads": threading.active_count(),
        "pid": os.getpid(),
    }
    Path("left-behind").touch()
    os.environ["LEFT_BEHIND"] = "yes"
    sys.path.append("left-behind")
    logging.getLogger().addHandler(logging.NullHandler())
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 3_600)
    sys.stdout = io.StringIO()
    match context.parameters.get("leave"):
        case "thread":
            threading.Thread(target=time.sleep, args=(3_600,), daemon=True).start()
        case "descriptor":
            os.dup(0)
        case "child":
            subprocess.Popen(["sleep", "3600"])
        case "memory":
            MEMORY.append(bytearray(100_000_000))
    return JobResult(result=seen)


MEMORY: list[bytearray] = []


def use_memory(_: JobRunContext) -> None:
    """Use 200 MB for a moment, and give them back."""
    bytearray(b"x") * 200_000_000


def print_from_c(_: JobRunContext) -> None:
    """Print by the C library, which writes what it has gathered later."""
    ctypes.CDLL(None).printf(b"printed from C\n")


def echo(context: JobRunContext) -> JobResult:
    """Return the parameters, and report a little of everything."""
    print("printed by the handler")
    context.logger.info("logged by the handler")
    return JobResult(
        result={"parameters": dict(context.parameters), "attempt": context.run["attempt"]},
        metrics={"seen": len(context.parameters)},
        context={"handler": "echo"},
    )


def print_on_both(_: JobRunContext) -> None:
    """Print on both streams by turns, then let a program do so."""
    for number in range(50):
        print(f"output {number}")
        print(f"error {number}", file=sys.stderr)
    sys.stdout.write("half ")
    print("in between", file=sys.stderr)
    print("a line")
    print("x" * 5_000, file=sys.stderr)
    program = "echo output of a program; echo error of a program >&2"
    subprocess.run(["/bin/sh", "-c", program], check=True)


async def asynchronous(context: JobRunContext) -> JobResult:
    """Return from a coroutine."""
    return JobResult(result=dict(context.parameters))


def fail(context: JobRunContext) -> None:
    """Raise."""
    msg = f"failing on purpose, attempt {context.run['attempt']}"
    raise RuntimeError(msg)


def fail_permanently(_: JobRunContext) -> None:
    """Raise what no retry can help."""
    raise PermanentError("never again")


def retry_after(context: JobRunContext) -> JobResult:
    """Ask for a second attempt soon, which succeeds."""
    if context.run["attempt"] == 1:
        raise RetryAfter(10, "soon")
    return JobResult()


def succeed_at_third(context: JobRunContext) -> JobResult:
    """Fail twice."""
    if context.run["attempt"] < 3:
        msg = "not yet"
        raise RuntimeError(msg)
    return JobResult(result="at last")


def as_told(context: JobRunContext) -> JobResult:
    """End with the status that the parameters name."""
    return JobResult(
        status=context.parameters["status"], error_message=context.parameters.get("message")
    )


def exit_process(context: JobRunContext) -> None:
    """End without a word."""
    os._exit(context.parameters.get("code", 3))


def environment(_: JobRunContext) -> JobResult:
    """Return what the process sees."""
    return JobResult(
        result={"environment": dict(os.environ), "directory": str(Path.cwd()), "path": sys.path}
    )


HANDLERS: dict[str, Handler] = {
    f"test.{handler.__name__}": handler
    for handler in (
        noop,
        echo,
        print_on_both,
        asynchronous,
        fail,
        fail_permanently,
        retry_after,
        succeed_at_third,
        as_told,
        exit_process,
        wait,
        heed,
        count,
        ignore_cancel,
        progress,
        once_at_a_time,
        exclusive,
        counted,
        environment,
        no_json,
        leave_daemon,
        leave_traces,
        show_trace,
        print_from_c,
        use_memory,
        segfault,
        grow,
        flood,
        forge,
        print_binary,
        large_result,
        report_too_much,
        end_with_too_much,
        kill_itself,
        not_a_number,
        *COROUTINES,
        *LEAVING,
    )
}
