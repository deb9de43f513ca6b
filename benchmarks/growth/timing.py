"""How long answers take and by which plans they are found; how long launches and claims take."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from statistics import median
from time import perf_counter
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from benchmarks.growth.questions import Question
from domain.commands.executions import Claim
from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from domain.json_values import JsonObject
from eventlog.database.connection import Database, configure
from tests.support.logs import TESTER, Parts, parts

BIG = ("job_runs", "jobs_events", "run_checkpoints")

EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) "

WARM, MIN_ROUNDS, MAX_ROUNDS, LONG_S = 12, 15, 100, 2.0
"""How often a question is put: to warm up, at least, and at most; and within what seconds."""


class Recording(AsyncConnection[dict[str, Any]]):
    """A connection that keeps the statements that it executes while `statements` is a list."""

    statements: list[tuple[Any, Any]] | None = None

    async def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        """Execute a query, and keep it if `statements` is a list."""
        if self.statements is not None and "SELECT" in str(query):
            self.statements.append((query, params))
        return await super().execute(query, params, **more)


async def recording(url: str) -> Recording:
    """Connect as the service does."""
    connection = await Recording.connect(
        Database(url).conninfo, autocommit=True, row_factory=dict_row
    )
    await configure(connection)
    return connection


async def in_turns(asks: Mapping[int, Callable[[], Awaitable[object]]]) -> dict[int, list[float]]:
    """Return how many milliseconds each answer takes, round by round, warm.

    All are asked in turns: what else the machine does meets all of them alike.
    """
    for ask in asks.values():
        for _ in range(WARM):
            # PostgreSQL looks ten times whether one plan will do for all values.
            started = perf_counter()
            await ask()
            if perf_counter() - started > LONG_S / MIN_ROUNDS:
                break
    times: dict[int, list[float]] = {key: [] for key in asks}
    began, rounds = perf_counter(), 0
    while rounds < MIN_ROUNDS or (rounds < MAX_ROUNDS and perf_counter() - began < LONG_S):
        for key, ask in asks.items():
            started = perf_counter()
            await ask()
            times[key].append((perf_counter() - started) * 1_000)
        rounds += 1
    return times


async def plans(connection: Recording, question: Question) -> list[str]:
    """Return the plans of all that a question asks of the database."""
    connection.statements = []
    await question.ask(connection)
    statements, connection.statements = connection.statements, None
    return [await plan(connection, query, values) for query, values in statements]


async def plan(connection: Recording, query: Any, values: Any) -> str:
    """Return the plan of one statement, executed."""
    cursor = await connection.execute(EXPLAIN + str(query), values)
    lines = [str(row["QUERY PLAN"]) for row in await cursor.fetchall()]
    # What planning itself reads is the same for all, and depends on what the session has seen
    # before.
    end = next(
        (number for number, line in enumerate(lines) if line.startswith("Planning")), len(lines)
    )
    return "\n".join(lines[:end])


def scans(query_plans: Sequence[str]) -> list[str]:
    """Return the big tables that these plans read from end to end."""
    return [table for table in BIG if any(f"Seq Scan on {table}" in text for text in query_plans)]


_PAGES = re.compile(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?")


def pages(query_plans: Sequence[str]) -> int:
    """Return how many pages these plans look at, in memory or not."""
    tops = [_PAGES.search(text) for text in query_plans]
    return sum(int(top[1] or 0) + int(top[2] or 0) for top in tops if top)


CALLERS = 64

ROUNDS, ROUND_S = 12, 1.0

SINGLE = 25

CLAIMS, SLOTS = 8, 4

WORKER = "growth-worker"

SLUG = "job-001"
"""A frequent job without limits."""

PARAMETERS: JsonObject = {"customer": "orders", "rows": [1, 2, 3], "day": "2026-11-24"}


async def measure_writes(urls: Mapping[int, str]) -> dict[str, dict[int, list[float]]]:
    """Return the milliseconds of each kind of append, by database and round, taken in turns."""
    figures: dict[str, dict[int, list[float]]] = {}
    async with AsyncExitStack() as stack:
        services = {size: await stack.enter_async_context(parts(url)) for size, url in urls.items()}
        for part in services.values():
            await part.worker(WORKER)
            await _launch_many(part, ROUND_S / 2)  # Warm.
        for _ in range(ROUNDS):
            for size, part in services.items():
                for name, took in (await _round(part)).items():
                    figures.setdefault(name, {}).setdefault(size, []).append(took)
    return figures


async def _round(part: Parts) -> dict[str, float]:
    many = await _launch_many(part, ROUND_S)
    singles = [await _launch(part) for _ in range(SINGLE)]
    claimed = [await _claim(part) for _ in range(CLAIMS)]
    ended = [await _succeed(part, claim) for _, claims in claimed for claim in claims]
    return {
        f"launch, {CALLERS} callers at a time": many,
        "launch, one at a time": median(singles),
        f"claim of {SLOTS} runs": median(took for took, _ in claimed),
        "result of a run": median(ended),
    }


async def _launch(part: Parts, key: str | None = None) -> float:
    started = perf_counter()
    await part.jobs.launch(SLUG, Launch(parameters={**PARAMETERS}, idempotency_key=key), TESTER)
    return (perf_counter() - started) * 1_000


async def _launch_many(part: Parts, seconds: float) -> float:
    started = perf_counter()

    async def call() -> int:
        launched = 0
        while perf_counter() - started < seconds:
            await _launch(part)
            launched += 1
        return launched

    launched = sum(await asyncio.gather(*(call() for _ in range(CALLERS))))
    return (perf_counter() - started) * 1_000 / launched


async def _claim(part: Parts) -> tuple[float, list[Claim]]:
    started = perf_counter()
    claims = await part.executions.claim(WORKER, SLOTS)
    return (perf_counter() - started) * 1_000, claims


async def _succeed(part: Parts, claim: Claim) -> float:
    started = perf_counter()
    await part.executions.succeed(
        claim.run.id, claim.holder, {"rows": 17}, Report({"seconds": 1.5}, {})
    )
    return (perf_counter() - started) * 1_000
