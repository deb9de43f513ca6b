"""Who is in the way while the service works at full load."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException

import psycopg

WAITING = 500
"""Runs that may wait: enough for a worker never to lack any."""

BURST = 5_000
"""Runs of a burst, which is launched over as many connections as there are in all scenarios."""

BURST_EVERY_S = 10.0

READS_EVERY_S = 0.1

REPORT_EVERY_S = 2.0

LOCK_EVERY_S = 15.0

LOCKED_S = 5.0

Disturbing = Callable[[str, str], AbstractAsyncContextManager[None]]
"""From the database's URL and the API's to somebody who is in the way for as long as it lasts."""


@dataclass(frozen=True)
class Scenario:
    """One of them.

    Attributes:
        title: what is going on.
        disturbing: who is in the way.
        least_ratio: to the baseline's rate that must be reached; None for none.
        burst: runs to be launched at a time, and then none for a while; None: always.
    """

    title: str
    disturbing: Disturbing
    least_ratio: float | None = None
    burst: int | None = None


@asynccontextmanager
async def _nobody(url: str, api: str) -> AsyncIterator[None]:
    del url, api
    yield


@asynccontextmanager
async def _old_snapshot(url: str, api: str) -> AsyncIterator[None]:
    """Hold a snapshot, as a backup, a report or a forgotten session does."""
    del api
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as session:
        await session.execute("SET idle_in_transaction_session_timeout = 0")
        await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await session.execute("SELECT count(*) FROM job_definitions")
        yield
        await session.execute("ROLLBACK")


READS = (
    "/job-runs?limit=50",
    "/job-runs?status=pending&limit=50",
    "/job-runs?status=running",
    "/job-runs?status=failed,canceled",
    "/job-runs?search=noop&offset=200",
    "/job-runs/counts",
    "/jobs/noop/runs?status=succeeded&limit=50",
    "/events?after=0&limit=1000",
)

REPORT = """
    SELECT slug, status, count(*), avg(duration_ms), max(completed_at) FROM job_runs GROUP BY 1, 2
"""


@asynccontextmanager
async def _readers(url: str, api: str) -> AsyncIterator[None]:
    """Ask for lists all the time, and now and then for a report over the whole table."""
    asking = asyncio.create_task(_ask(api))
    reporting = asyncio.create_task(_report(url))
    try:
        yield
    finally:
        for task in (asking, reporting):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _ask(api: str) -> None:
    while True:
        for path in READS:
            # At the scenario's end the API is stopped while it is asked.
            with suppress(urllib.error.URLError, ConnectionError, HTTPException):
                await asyncio.to_thread(_get, f"{api}{path}")
            await asyncio.sleep(READS_EVERY_S)


def _get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=30) as answer:
        json.load(answer)


async def _report(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as session:
        while True:
            await session.execute(REPORT)
            await asyncio.sleep(REPORT_EVERY_S)


@asynccontextmanager
async def _locks(url: str, api: str) -> AsyncIterator[None]:
    """Lock the table of runs for some seconds, again and again, as `VACUUM FULL` does."""
    del api
    locking = asyncio.create_task(_lock(url))
    try:
        yield
    finally:
        locking.cancel()
        with suppress(asyncio.CancelledError):
            await locking


async def _lock(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as session:
        while True:
            await asyncio.sleep(LOCK_EVERY_S - LOCKED_S)
            await session.execute("BEGIN")
            await session.execute("LOCK TABLE job_runs IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(LOCKED_S)
            await session.execute("COMMIT")


SCENARIOS = {
    "baseline": Scenario("nobody in the way", _nobody),
    "xmin": Scenario("a session holds an old snapshot", _old_snapshot, least_ratio=0.95),
    "readers": Scenario("lists and reports are read all the time", _readers),
    "bursts": Scenario(f"{BURST} launches at once, then none", _nobody, burst=BURST),
    "locks": Scenario("job_runs is locked for 5 s, again and again", _locks),
}
