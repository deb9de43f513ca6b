"""The handlers of measured runs."""

import asyncio
import time

from apphub_jobs.contract import Handler, JobResult, JobRunContext


def noop(_: JobRunContext) -> None:
    """Do nothing."""


def started(_: JobRunContext) -> JobResult:
    """Tell when it was started, by the clock that all processes of a machine share."""
    return JobResult(result=time.monotonic_ns())


async def idle(_: JobRunContext) -> None:
    """Do nothing, as a coroutine."""


async def wait(context: JobRunContext) -> None:
    """Wait, as for an answer."""
    await asyncio.sleep(context.parameters["forMs"] / 1_000)


HANDLERS: dict[str, Handler] = {
    "bench.noop": noop,
    "bench.idle": idle,
    "bench.wait": wait,
    "bench.started": started,
}
