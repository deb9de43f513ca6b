"""Handlers that leave proof of executions in files: `--handlers tests.support.handlers.proving`."""

import fcntl
import time
from pathlib import Path

from apphub_jobs.contract import Handler, JobResult, JobRunContext


def prove(context: JobRunContext) -> JobResult:
    """Hold this run's file, which one process at a time can, until the file `go` is there."""
    directory = Path(context.parameters["directory"])
    with (directory / str(context.run["id"])).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (directory / "twice").touch()
            raise
        file.write("began\n")
        file.flush()
        while not (directory / "go").exists():
            time.sleep(0.02)
        file.write("ended\n")
    return JobResult(result="proved")


HANDLERS: dict[str, Handler] = {"test.prove": prove}
