"""A job before and after a deployment that made it slower and let it fail, in the hour before."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from eventlog.database.clock import DatabaseClock
from tests.support.logs import TESTER, parts, registered
from tests.support.stepped import SteppedClock

SLUG = "import-prices"

FAILURE = "the price list has no currency"

RUNS = 12
"""So many before, and as many after."""

FAILED = 6
"""So many of those after."""

BEFORE = timedelta(minutes=40)
DEPLOYED = timedelta(minutes=30)
AFTER = timedelta(minutes=20)


def deploy(database_url: str) -> None:
    """Let it happen in a migrated database, before a service starts there."""
    with ThreadPoolExecutor(1) as beside:  # A browser's thread has a loop already.
        beside.submit(asyncio.run, _deploy(database_url)).result()


async def _deploy(database_url: str) -> None:
    stepped = SteppedClock(database_url)
    async with parts(stepped.url) as part:

        async def turn_clock(ahead: timedelta) -> None:
            stepped.set(ahead)
            assert isinstance(part.jobs.clock, DatabaseClock)
            await part.jobs.clock.sync()

        async def run(worker: str, ahead: timedelta, took: timedelta, *, failed: int = 0) -> None:
            """Let runs start at a moment, and end after a while."""
            await turn_clock(ahead)
            await part.worker(worker)
            for _ in range(RUNS):
                await part.jobs.launch(SLUG, Launch(), TESTER)
            claims = await part.executions.claim(worker, RUNS)
            await turn_clock(ahead + took)
            for number, claim in enumerate(claims):
                if number < failed:
                    failure = AttemptFailure(FAILURE)
                    await part.executions.fail(claim.run.id, claim.holder, failure, Report())
                else:
                    await part.executions.succeed(claim.run.id, claim.holder, None, Report())

        await turn_clock(-BEFORE)
        await registered(part.jobs, SLUG)
        await run("old", -BEFORE, timedelta(milliseconds=100))
        await turn_clock(-DEPLOYED)
        await part.jobs.revise_job(SLUG, {"timeout_ms": 60_000}, None, TESTER)
        await run("new", -AFTER, timedelta(seconds=10), failed=FAILED)
        await turn_clock(timedelta())
