"""The handlers of measured runs."""

import time

from apphub_jobs.contract import Handler, JobResult, JobRunContext


def noop(_: JobRunContext) -> None:
    """Do nothing."""


def started(_: JobRunContext) -> JobResult:
    """Tell when it was started, by the clock that all processes of a machine share."""
    return JobResult(result=time.monotonic_ns())


HANDLERS: dict[str, Handler] = {"bench.noop": noop, "bench.started": started}
