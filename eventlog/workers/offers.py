"""What living workers offer to execute."""

import asyncio
from collections.abc import Iterable
from time import monotonic

from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.workers.labels import Labels
from eventlog.database.connection import borrowed
from projections.rows import Connection, read_one, read_rows, read_texts, read_value

FRESH_S = 0.25
"""For how long an entry point that was offered counts as offered without another look."""

MOST_JOBS, MOST_RUNS = 1_000, 100
"""Jobs whose waiting runs are looked at, and runs of each: the first ones of its queue."""

UNOFFERED = """
    SELECT name FROM unnest(%(names)s::text[]) AS name
    WHERE NOT EXISTS (
        SELECT FROM workers WHERE dead_at IS NULL AND coalesce(name = ANY(entry_points), true)
    )
"""
"""A worker that does not say what it offers may offer anything."""


HAS_LABELS = """
    SELECT EXISTS (
        SELECT FROM workers
        WHERE dead_at IS NULL AND draining_at IS NULL AND labels @> %(labels)s
    )
"""


async def any_with(connection: Connection, labels: Labels) -> bool:
    """Return whether a living worker, not told to end, has all of these labels."""
    return await read_value(connection, bool, HAS_LABELS, {"labels": Jsonb({**labels})})


async def unoffered(connection: Connection, names: Iterable[str]) -> frozenset[str]:
    """Return those of these entry points that no living worker offers."""
    wanted = sorted(set(names))
    if not wanted:
        return frozenset()
    found = await read_texts(connection, UNOFFERED, {"names": wanted})
    return frozenset(found)


class OfferedEntryPoints:
    """Which entry points workers offer that live and claim, for whoever asks at every launch."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool
        self._names: frozenset[str] = frozenset()
        self._is_anything = False
        self._read_at = -FRESH_S
        self._reading = asyncio.Lock()

    async def has(self, entry_point: str) -> bool:
        """Return whether one offers it; that none does is never said without a look."""
        asked_at = monotonic()
        if self._offers(entry_point) and asked_at - self._read_at < FRESH_S:
            return True
        async with self._reading:
            # Whoever waited here for another's look that began later need not look again.
            if self._read_at < asked_at:
                await self._read()
        return self._offers(entry_point)

    def _offers(self, entry_point: str) -> bool:
        return self._is_anything or entry_point in self._names

    async def _read(self) -> None:
        read_at = monotonic()
        async with borrowed(self._pool) as connection:
            offered = await read_one(connection, _Offered, _OFFERED)
        self._names = frozenset(offered["names"])
        self._is_anything = offered["is_anything"]
        self._read_at = read_at


class _Offered(TypedDict):
    names: ReadOnly[list[str]]
    is_anything: ReadOnly[bool]


_CLAIMS = "dead_at IS NULL AND draining_at IS NULL"

_OFFERED = f"""
    SELECT
        ARRAY(SELECT DISTINCT unnest(entry_points) FROM workers WHERE {_CLAIMS}) AS names,
        EXISTS (SELECT FROM workers WHERE {_CLAIMS} AND entry_points IS NULL) AS is_anything
"""


class UnofferedRuns(TypedDict):
    """Runs of a job that wait for a worker which offers their entry point.

    `runs` counts those among the first of the job's queue.
    """

    slug: ReadOnly[str]
    entry_point: ReadOnly[str]
    runs: ReadOnly[int]


async def unoffered_runs(connection: Connection) -> list[UnofferedRuns]:
    """Return the runs that wait although no limit keeps them, as no worker offers what they need.

    Of each job only the first that wait are looked at: no queue is read whole.
    """
    return await read_rows(connection, UnofferedRuns, _UNOFFERED_RUNS)


_UNOFFERED_RUNS = f"""
    WITH RECURSIVE waiting AS (
        (SELECT job_definition_id AS id, 1 AS number FROM job_runs
         WHERE status = 'pending' ORDER BY job_definition_id LIMIT 1)
        UNION ALL
        SELECT next.id, waiting.number + 1 FROM waiting CROSS JOIN LATERAL (
            SELECT job_definition_id AS id FROM job_runs
            WHERE status = 'pending' AND job_definition_id > waiting.id
            ORDER BY job_definition_id LIMIT 1
        ) AS next WHERE waiting.number < {MOST_JOBS}
    ), needed AS (
        SELECT waiting.id, first.entry_point, count(*) AS runs FROM waiting CROSS JOIN LATERAL (
            SELECT entry_point FROM job_runs
            WHERE status = 'pending' AND job_definition_id = waiting.id
            ORDER BY (concurrency_value IS NOT NULL)::int, priority DESC, scheduled_at, id
            LIMIT {MOST_RUNS}
        ) AS first GROUP BY waiting.id, first.entry_point
    )
    SELECT job.slug, needed.entry_point, needed.runs
    FROM needed JOIN job_definitions AS job ON job.id = needed.id
    WHERE NOT EXISTS (
        SELECT FROM workers
        WHERE {_CLAIMS} AND coalesce(needed.entry_point = ANY(entry_points), true)
    ) ORDER BY job.slug, needed.entry_point
"""
