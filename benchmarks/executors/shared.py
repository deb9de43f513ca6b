"""The service set up so that attempts share a process, for measurements beside others."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from benchmarks.harness.processes import python
from benchmarks.harness.systems import OURS, LaunchOne
from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.json_values import JsonObject
from tests.support.logs import TESTER, parts

SHARED_SLOTS = 128
"""Attempts at a time that share a process: tuned, as the slots of the others are."""

Launching = Callable[[str], AbstractAsyncContextManager[LaunchOne]]


def launching(entry_point: str, parameters: JsonObject) -> Launching:
    """Return what launches, without HTTP, runs whose attempts share a process."""

    @asynccontextmanager
    async def begun(url: str) -> AsyncIterator[LaunchOne]:
        spec = JobSpec(name="noop", type="batch", entry_point=entry_point, isolation="shared")
        launch = Launch(parameters=parameters)
        async with parts(url) as part:
            await part.jobs.register_job("noop", spec, 1, TESTER)
            yield lambda: part.jobs.launch("noop", launch, TESTER)

    return begun


SHARED = replace(
    OURS,
    label="isolation shared",
    worker=python(
        "cli", "worker", "--handlers", "benchmarks.handlers", "--shared-slots", str(SHARED_SLOTS)
    ),
    launching=launching("bench.idle", {"number": 1}),
)
