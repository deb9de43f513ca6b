"""Puts questions to a database: how long the answers take, and by which plans PostgreSQL finds them."""

from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from benchmarks.questions import Question
from eventlog.connection import Database, configure

BIG = ("job_runs", "jobs_events", "run_checkpoints")

EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) "

LEAST, MOST, LONG_S = 15, 60, 1.0
"""How often a question is put: so many times, but fewer where it takes long."""


class Recording(AsyncConnection[dict[str, Any]]):
    """A connection that remembers what it was asked while `asked` is a list."""

    asked: list[tuple[Any, Any]] | None = None

    async def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        """See `AsyncConnection`."""
        if self.asked is not None and "SELECT" in str(query):
            self.asked.append((query, params))
        return await super().execute(query, params, **more)


async def recording(url: str) -> Recording:
    """Connect as the service does."""
    connection = await Recording.connect(Database(url).conninfo, autocommit=True, row_factory=dict_row)
    await configure(connection)
    return connection


async def ms(ask: Callable[[], Awaitable[object]]) -> float:
    """Return the median time of an answer in milliseconds, warm: by then the session has settled on its plans."""
    for _ in range(12):  # PostgreSQL looks ten times whether one plan will do for all values.
        started = perf_counter()
        await ask()
        if perf_counter() - started > LONG_S / LEAST:
            break
    times: list[float] = []
    began = perf_counter()
    while len(times) < LEAST or (len(times) < MOST and perf_counter() - began < LONG_S):
        started = perf_counter()
        await ask()
        times.append((perf_counter() - started) * 1_000)
        if len(times) >= 3 and perf_counter() - began > 3 * LONG_S:  # noqa: PLR2004 - enough for a median
            break
    return median(times)


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
    # What planning itself reads is the same for all, and depends on what the session has seen before.
    end = next((number for number, line in enumerate(lines) if line.startswith("Planning")), len(lines))
    return "\n".join(lines[:end])


def scans(found: Sequence[str]) -> list[str]:
    """Return the big tables that these plans read from end to end."""
    return [table for table in BIG if any(f"Seq Scan on {table}" in text for text in found)]
