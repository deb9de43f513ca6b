"""Handlers that harm: themselves, their process, the disk, or whoever reads their results."""

import ctypes
import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from apphub_jobs.contract import JobResult, JobRunContext
from tests.support.handlers.waiting import wait


def no_json(_: JobRunContext) -> JobResult:
    """Return what JSON cannot hold."""
    return JobResult(result={1, 2, 3})


def leave_daemon(context: JobRunContext) -> JobResult:
    """Leave a grandchild in its own session that ignores SIGTERM and writes the time; go on."""
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            while True:
                with Path(context.parameters["file"]).open("a") as file:
                    file.write(f"{os.getpid()} {time.monotonic()}\n")
                time.sleep(0.02)
        os._exit(0)
    while not Path(context.parameters["file"]).exists():
        time.sleep(0.01)
    for _ in range(context.parameters.get("lines", 0)):
        print("x" * 1_000)
    return wait(context)


def segfault(_: JobRunContext) -> None:
    """Crash in C."""
    ctypes.string_at(0)


def grow(_: JobRunContext) -> None:
    """Use more and more memory, in a grandchild."""
    subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import time; hold = []\n"
                "while True: hold.append(bytearray(5_000_000)); time.sleep(.005)"
            ),
        ],
        check=True,
    )


def flood(_: JobRunContext) -> JobResult:
    """Print 100 MB, from C as well."""
    line = b"x" * 999 + b"\n"
    for _step in range(100_000):
        os.write(1, line)
    return JobResult(result="flooded")


def print_binary(_: JobRunContext) -> None:
    """Print what is no text."""
    os.write(1, bytes(range(256)) * 3 + b"\n")


def kill_itself(_: JobRunContext) -> None:
    """Die by a signal."""
    os.kill(os.getpid(), signal.SIGKILL)


def forge(context: JobRunContext) -> str:
    """Write the given words to whatever is open, as a worker or a supervisor would say them."""
    words = str(context.parameters["words"]).replace("OWN-ID", _own_id())
    written = words.encode("latin-1") * int(context.parameters.get("times", 1))
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) > 2:
            with suppress(OSError):
                _write(int(name), written)
    context.cancelled.wait(context.parameters.get("forMs", 0) / 1000)
    return "forged"


def _own_id() -> str:
    """Return by what the worker knows this attempt, as only who searches for it finds it."""
    # Imported here: it takes long, and few attempts need it.
    from apphub_jobs.process.shared import CURRENT_OUTPUT  # noqa: PLC0415

    output = CURRENT_OUTPUT.get()
    if output is not None:
        return output.attempt_id
    for frame, _ in traceback.walk_stack(None):
        if "attempt_id" in frame.f_locals:
            return str(frame.f_locals["attempt_id"])
    return ""


def _write(descriptor: int, content: bytes) -> None:
    while content:
        try:
            written = os.write(descriptor, content)
        except BlockingIOError:
            time.sleep(0.001)
        else:
            content = content[written:]


def not_a_number(_: JobRunContext) -> JobResult:
    """Return what only Python takes for JSON."""
    return JobResult(result=float("nan"))


def large_result(_: JobRunContext) -> JobResult:
    """Return more than a result may hold."""
    return JobResult(result="x" * 2_000_000)


def report_too_much(context: JobRunContext) -> None:
    """Report more than a run may hold."""
    context.update(metrics={"big": "x" * 300_000})


def end_with_too_much(_: JobRunContext) -> JobResult:
    """Return a result with more beside it than a run may hold."""
    return JobResult(result="kept", metrics={"rows": 3, "big": "x" * 300_000})
