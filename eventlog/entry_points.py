"""Which entry points and labels living workers offer, and which pending runs need others.

First the queries of claims and launches, then counts by job and entry point for operators.
"""

import asyncio
from collections.abc import Iterable
from time import monotonic

from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.workers import Labels
from eventlog.database.connection import borrowed
from projections.flow.candidates import QUEUE_OF_JOB
from projections.job_runs import IS_PENDING
from projections.rows import Connection, read_one, read_rows, read_texts, read_value

FRESH_S = 0.25
"""For how long an entry point that was offered counts as offered without another read."""

MAX_JOBS, MAX_RUNS_OF_JOB = 1_000, 100
"""Jobs whose pending runs are read, and the number of runs at the front of each job's queue."""

UNOFFERED = """
    SELECT name FROM unnest(%(names)s::text[]) AS name
    WHERE NOT EXISTS (
        SELECT FROM workers WHERE dead_at IS NULL AND coalesce(name = ANY(entry_points), true)
    )
"""
"""A worker without entry points, of an older version, may offer any."""


HAS_LABELS = """
    SELECT EXISTS (
        SELECT FROM workers
        WHERE dead_at IS NULL AND draining_at IS NULL AND labels @> %(labels)s
    )
"""


async def has_worker_with(connection: Connection, labels: Labels) -> bool:
    """Return whether a living worker that is not draining has all of these labels."""
    return await read_value(connection, bool, HAS_LABELS, {"labels": Jsonb({**labels})})


async def unoffered(connection: Connection, names: Iterable[str]) -> frozenset[str]:
    """Return those of these entry points that no living worker offers."""
    distinct = sorted(set(names))
    if not distinct:
        return frozenset()
    return frozenset(await read_texts(connection, UNOFFERED, {"names": distinct}))


class OfferedEntryPoints:
    """The entry points that living workers offer, for launches; they are cached for a moment."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool
        self._names: frozenset[str] = frozenset()
        self._offers_any = False
        self._read_at_s = -FRESH_S
        self._read_finished: asyncio.Event | None = None

    async def has(self, entry_point: str, since: float | None = None) -> bool:
        """Return whether a worker offers an entry point.

        False is always the result of a recent read.

        Args:
            entry_point: the entry point.
            since: the monotonic time in seconds from which on a read is recent enough; None for
                now.
        """
        now_s = monotonic()
        if self._offers(entry_point) and now_s - self._read_at_s < FRESH_S:
            return True
        needed_since_s = now_s if since is None else since
        while self._read_at_s < needed_since_s:
            await self._read_once()
        return self._offers(entry_point)

    def _offers(self, entry_point: str) -> bool:
        return self._offers_any or entry_point in self._names

    async def _read_once(self) -> None:
        """Read, or wait for a read under way: launches that come together need only one."""
        if self._read_finished is not None:
            await self._read_finished.wait()
            return
        self._read_finished = finished = asyncio.Event()
        try:
            await self._read()
        finally:
            self._read_finished = None
            finished.set()

    async def _read(self) -> None:
        read_at_s = monotonic()
        async with borrowed(self._pool) as connection:
            row = await read_one(connection, _OfferedRow, _OFFERED)
        self._names = frozenset(row["names"])
        self._offers_any = row["offers_any"]
        self._read_at_s = read_at_s


class _OfferedRow(TypedDict):
    names: ReadOnly[list[str]]
    offers_any: ReadOnly[bool]


_CLAIMS = "dead_at IS NULL AND draining_at IS NULL"

_OFFERED = f"""
    SELECT
        ARRAY(SELECT DISTINCT unnest(entry_points) FROM workers WHERE {_CLAIMS}) AS names,
        EXISTS (SELECT FROM workers WHERE {_CLAIMS} AND entry_points IS NULL) AS offers_any
"""


_WAITING_JOBS = f"""
    WITH RECURSIVE waiting AS (
        (SELECT job_definition_id AS id, 1 AS number FROM job_runs
         WHERE {IS_PENDING} ORDER BY job_definition_id, {QUEUE_OF_JOB} LIMIT 1)
        UNION ALL
        SELECT next.id, waiting.number + 1 FROM waiting CROSS JOIN LATERAL (
            SELECT job_definition_id AS id FROM job_runs
            WHERE {IS_PENDING} AND job_definition_id > waiting.id
            ORDER BY job_definition_id, {QUEUE_OF_JOB} LIMIT 1
        ) AS next WHERE waiting.number < {MAX_JOBS}
    )
"""

_FIRST_OF_JOB = f"""
    SELECT entry_point, scheduled_at FROM job_runs
    WHERE {IS_PENDING} AND job_definition_id = waiting.id ORDER BY {QUEUE_OF_JOB}
"""


class UnofferedRuns(TypedDict):
    """The number of runs at the front of a job's queue whose entry point no worker offers."""

    slug: ReadOnly[str]
    entry_point: ReadOnly[str]
    runs: ReadOnly[int]


UNOFFERED_RUNS = f"""
    {_WAITING_JOBS}, needed AS (
        SELECT waiting.id, first.entry_point, count(*) AS runs FROM waiting CROSS JOIN LATERAL (
            {_FIRST_OF_JOB} LIMIT {MAX_RUNS_OF_JOB}
        ) AS first GROUP BY waiting.id, first.entry_point
    )
    SELECT job.slug, needed.entry_point, needed.runs
    FROM needed JOIN job_definitions AS job ON job.id = needed.id
    WHERE NOT EXISTS (
        SELECT FROM workers
        WHERE {_CLAIMS} AND coalesce(needed.entry_point = ANY(entry_points), true)
    ) ORDER BY job.slug, needed.entry_point
"""


async def unoffered_runs(connection: Connection) -> list[UnofferedRuns]:
    """Return, by job and entry point, the number of pending runs that no worker can execute.

    Only the front of each job's queue is read, never a whole queue.
    """
    return await read_rows(connection, UnofferedRuns, UNOFFERED_RUNS)


MAX_DUE = 10_000
"""Pending runs that are read to count the due ones, in equal shares for all jobs."""


class DueRuns(TypedDict):
    """The number of due runs of an entry point, among those at the front of each job's queue."""

    entry_point: ReadOnly[str]
    runs: ReadOnly[int]


DUE_RUNS = f"""
    {_WAITING_JOBS}, share AS (
        SELECT greatest(1, {MAX_DUE} / greatest(1, count(*))) AS runs FROM waiting
    ), due AS (
        SELECT first.entry_point, count(*) AS runs FROM waiting CROSS JOIN LATERAL (
            {_FIRST_OF_JOB} LIMIT (SELECT runs FROM share)
        ) AS first WHERE first.scheduled_at <= clock_timestamp() GROUP BY first.entry_point
    ), offered AS (
        SELECT DISTINCT unnest(entry_points) AS entry_point FROM workers WHERE dead_at IS NULL
    )
    SELECT entry_point, coalesce(due.runs, 0) AS runs
    FROM due FULL JOIN offered USING (entry_point) ORDER BY runs DESC, entry_point
"""


async def due_runs(connection: Connection) -> list[DueRuns]:
    """Return the number of due runs by entry point, the largest first.

    Entry points that living workers offer are included, also with 0 runs.
    """
    return await read_rows(connection, DueRuns, DUE_RUNS)
