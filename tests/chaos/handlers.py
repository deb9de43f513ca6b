"""Handlers that prove by locks of the kernel that nothing ran twice at once or outlived its run.

Each attempt holds the file of its run, of its key and one of its job's few seats. Processes that it
leaves behind inherit the locks, so a file is free only when the last of them is gone. What is held
already is written down; nobody asks the service.
"""

import asyncio
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from apphub_jobs.contract import Handler, JobResult, JobRunContext

SEATS = 2
"""`maxConcurrentRuns` of the job that is limited."""


def work(context: JobRunContext) -> JobResult:
    """Hold the locks for a while, then end as the parameters say."""
    with _held_by(context):
        return _act(context)


async def share(context: JobRunContext) -> JobResult:
    """Do so beside other attempts in one process: each opens the files for itself."""
    with _held_by(context):
        until = time.monotonic() + context.parameters["forMs"] / 1000
        while time.monotonic() < until:
            await asyncio.sleep(0.02)
        return _end(context)


@contextmanager
def _held_by(context: JobRunContext) -> Iterator[None]:
    directory = Path(context.parameters["directory"])
    run_id = str(context.run["id"])
    held = [_lock(directory, "runs", run_id, run_id)]
    key = context.parameters.get("key")
    if key is not None:
        held.append(_lock(directory, "keys", str(key), run_id))
    if context.parameters.get("seat"):
        held.append(_take_seat(directory, run_id))
    try:
        yield
    finally:
        for file in held:
            _note(directory, f"ended {run_id} {os.getpid()}")
            file.close()


def _act(context: JobRunContext) -> JobResult:
    kind = context.parameters["kind"]
    if kind == "daemon":
        _leave_daemon()
    if kind == "talk":
        print("a line that fills the disk, sooner or later\n" * 4_000)
    _spend(context, context.parameters["forMs"] / 1000)
    return _end(context)


def _end(context: JobRunContext) -> JobResult:
    kind = context.parameters["kind"]
    first = context.run["attempt"] == 1
    if kind == "fail" and first:
        message = "the first attempt fails"
        raise RuntimeError(message)
    if kind == "crash" and first:
        os._exit(7)
    return JobResult(result=context.run["attempt"], metrics={"kind": kind})


def _spend(context: JobRunContext, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not context.cancelled.is_set():
        time.sleep(0.02)
        context.update(context={"left": round(until - time.monotonic(), 2)})


def _leave_daemon() -> None:
    """Leave a process in a session of its own that would go on for a minute, holding our locks."""
    subprocess.Popen(["sleep", "60"], close_fds=False, start_new_session=True)


def _lock(directory: Path, kind: str, name: str, run_id: str) -> IO[str]:
    file = (directory / kind / name).open("a")
    os.set_inheritable(file.fileno(), True)
    if not _held(file):
        _note(directory, f"overlap {kind} {name} {run_id}")
    return file


def _take_seat(directory: Path, run_id: str) -> IO[str]:
    for number in range(SEATS):
        file = (directory / "seats" / str(number)).open("a")
        os.set_inheritable(file.fileno(), True)
        if _held(file):
            return file
        file.close()
    _note(directory, f"overlap seats none {run_id}")
    return (directory / "seats" / "none").open("a")


def _held(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _note(directory: Path, text: str) -> None:
    with (directory / "notes").open("a") as notes:
        notes.write(f"{time.time():.3f} {text}\n")


HANDLERS: dict[str, Handler] = {"chaos.work": work, "chaos.share": share}
