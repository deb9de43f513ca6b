"""Handlers that take their time, or wait for something."""

import fcntl
import os
import time
from pathlib import Path

from apphub_jobs.contract import JobResult, JobRunContext


def wait(context: JobRunContext) -> JobResult:
    """Run until canceled, or for `forMs`."""
    deadline = time.monotonic() + context.parameters.get("forMs", 60_000) / 1000
    print("waiting", flush=True)
    while time.monotonic() < deadline:
        if context.cancelled.wait(0.02):
            return JobResult(status="canceled", error_message="stopped when asked")
    return JobResult(result="waited")


def heed(context: JobRunContext) -> JobResult | str:
    """Wait until somebody asks to cancel, then return what `returns` says."""
    print("waiting", flush=True)
    context.cancelled.wait(60)
    match context.parameters.get("returns"):
        case "success":
            return JobResult(status="succeeded", result="done all the same")
        case "result":
            return JobResult(result="as far as it got", metrics={"rows": 3})
    return "as far as it got"


def count(context: JobRunContext) -> JobResult:
    """Print numbered lines of a given width, then run on until the file `until` is there."""
    for number in range(context.parameters["lines"]):
        print(f"line {number:06}".ljust(context.parameters.get("width", 20), "."), flush=True)
        time.sleep(context.parameters.get("everyMs", 0) / 1000)
    while not Path(context.parameters["until"]).exists():
        if context.cancelled.wait(0.02):
            return JobResult(status="canceled")
    return JobResult()


def ignore_cancel(context: JobRunContext) -> None:
    """Run on, whatever anybody asks."""
    print("waiting", flush=True)
    time.sleep(context.parameters.get("forMs", 60_000) / 1000)


def progress(context: JobRunContext) -> JobResult:
    """Report while running."""
    for step in range(1, 4):
        context.update(metrics={"step": step}, context={f"step{step}": True})
        time.sleep(0.3)
    return JobResult(metrics={"done": True})


def once_at_a_time(context: JobRunContext) -> JobResult:
    """Fail if another process holds the lock file at the same time."""
    lock = Path(context.parameters["lock"])
    descriptor = os.open(lock, os.O_CREAT | os.O_EXCL)
    try:
        time.sleep(context.parameters.get("forMs", 20) / 1000)
    finally:
        os.close(descriptor)
        lock.unlink()
    return JobResult()


def exclusive(context: JobRunContext) -> JobResult:
    """Hold the lock file of this run, and note the time; the kernel refuses a second holder."""
    directory = Path(context.parameters["directory"])
    with (directory / str(context.run["id"])).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (directory / "twice").touch()
            raise
        time.sleep(context.parameters.get("forMs", 50) / 1000)
        file.write("ran\n")
    return JobResult()


def counted(context: JobRunContext) -> JobResult:
    """Return how many run at the same time, as the handlers themselves see it."""
    directory = Path(context.parameters["directory"])
    mine = directory / str(context.run["id"])
    mine.touch()
    most = 0
    for _ in range(20):
        most = max(most, len(list(directory.iterdir())))
        time.sleep(0.01)
    mine.unlink()
    return JobResult(result=most)
