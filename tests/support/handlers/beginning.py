"""Handlers that tell when they begin: `--handlers tests.support.handlers.beginning`."""

import time
from pathlib import Path

from apphub_jobs.contract import Handler, JobRunContext


def begin(context: JobRunContext) -> None:
    """Write down when this attempt begins, then go on until canceled."""
    with Path(context.parameters["file"]).open("a") as file:
        file.write(f"{context.run['id']} {time.monotonic()}\n")
    context.cancelled.wait(60)


def noop(_: JobRunContext) -> None:
    """Do nothing."""


HANDLERS: dict[str, Handler] = {"test.begin": begin, "test.noop": noop}
