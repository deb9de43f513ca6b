"""Puts questions to a database: how long answers take, and by which plans they are found."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from benchmarks.growth.questions.question import Question
from eventlog.database.connection import Database, configure

BIG = ("job_runs", "jobs_events", "run_checkpoints")

EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) "

WARM, LEAST, MOST, LONG_S = 12, 15, 100, 2.0
"""How often a question is put: to warm up, at least, and at most; and within what seconds."""


class Recording(AsyncConnection[dict[str, Any]]):
    """A connection that remembers what it was asked while `asked` is a list."""

    asked: list[tuple[Any, Any]] | None = None

    async def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        """Execute a query, and remember it if asked to."""
        if self.asked is not None and "SELECT" in str(query):
            self.asked.append((query, params))
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
            if perf_counter() - started > LONG_S / LEAST:
                break
    times: dict[int, list[float]] = {key: [] for key in asks}
    began, rounds = perf_counter(), 0
    while rounds < LEAST or (rounds < MOST and perf_counter() - began < LONG_S):
        for key, ask in asks.items():
            started = perf_counter()
            await ask()
            times[key].append((perf_counter() - started) * 1_000)
        rounds += 1
    return times


async def plans(connection: Recording, question: Question) -> list[str]:
    """Return the plans of all that a question asks of the database."""
    connection.asked = []
    await question.ask(connection)
    asked, connection.asked = connection.asked, None
    return [await plan(connection, query, values) for query, values in asked]


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


def scans(found: Sequence[str]) -> list[str]:
    """Return the big tables that these plans read from end to end."""
    return [table for table in BIG if any(f"Seq Scan on {table}" in text for text in found)]


_PAGES = re.compile(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?")


def pages(found: Sequence[str]) -> int:
    """Return how many pages these plans look at, in memory or not."""
    tops = [_PAGES.search(text) for text in found]
    return sum(int(top[1] or 0) + int(top[2] or 0) for top in tops if top)
