"""Questions about the past of 45 000 runs are answered rightly, by indexes that are read little.

`make asof-check` does the same with a million runs, and prints how long the answers took.
"""

import os
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from domain.jobs.run_events import FINAL, STATUSES
from domain.ports import Row
from eventlog.database.connection import configure
from eventlog.history.as_of import Past, open_past
from eventlog.history.run_changes import MIN_DISTANCE, Checkpoints
from projections.job_runs import TABLE
from projections.runs.filters import RunFilter
from tests.support.logs import Parts, parts, query
from tests.support.sample_logs.long_logs import fill

RUNS = int(os.environ.get("APPHUB_ASOF_RUNS", "45_000"))

POSITIONS = 8

MAX_READ = 4 * MIN_DISTANCE
"""Rows that one node of a plan may read: the events between two checkpoints, and a few runs that
live for ever."""


class Recording(AsyncConnection[dict[str, Any]]):
    """A connection that keeps the statements that it executes."""

    statements: list[tuple[str, Any]]

    async def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        if "SELECT" in str(query):
            self.statements.append((query, params))
        return await super().execute(query, params, **more)


Ask = Callable[[Past], Awaitable[object]]


def _questions(job_id: UUID, run_id: UUID) -> dict[str, Ask]:
    def runs(**conditions: Any) -> Ask:
        return lambda past: past.runs(RunFilter(**conditions), 25, 0)

    each = {f"runs {status}": runs(statuses=[status]) for status in STATUSES}
    return {
        **each,
        "runs": runs(),
        "runs of a job": runs(definition_id=job_id),
        "runs of several statuses": runs(statuses=["failed", "pending", "running"]),
        "runs of a job of several statuses": runs(
            definition_id=job_id, statuses=["pending", "canceled"]
        ),
        "runs after a cursor": runs(statuses=["pending"], before_position=RUNS),
        "runs by a search": runs(search="job-7", statuses=["pending", "succeeded"]),
        "run": lambda past: past.run(run_id),
        "job": lambda past: past.job("job-7"),
        "counts": lambda past: past.counts(None),
        "counts of a job": lambda past: past.counts([job_id]),
    }


@pytest.mark.slow
@pytest.mark.timeout(0 if RUNS > 45_000 else 300)
async def test_questions_about_the_past_read_indexes_and_little_of_them(database_url: str) -> None:
    await _scenario(database_url)


async def _scenario(url: str) -> None:
    await fill(url, RUNS)
    [(job_id, run_id, head)] = query(
        url,
        "SELECT job_definition_id, id, (SELECT max(notification_id) FROM jobs_events)"
        " FROM job_runs OFFSET 777 LIMIT 1",
    )
    positions = sorted(Random(7).sample(range(head), POSITIONS))
    took: dict[str, list[float]] = {}
    async with parts(url) as part:
        checkpoints = Checkpoints(part.pool, part.files)
        start = perf_counter()
        assert await checkpoints.recompute() == head // MIN_DISTANCE
        took_s = perf_counter() - start
        print(f"\n{head} events, {head // MIN_DISTANCE} checkpoints in {took_s:.1f} s")
        counted: dict[int, dict[str, int]] = {}
        connection = await Recording.connect(url, autocommit=True, row_factory=dict_row)
        connection.statements = []
        await configure(connection)
        async with connection:
            for position in positions:
                for name, ask in _questions(job_id, run_id).items():
                    connection.statements = []
                    start = perf_counter()
                    async with open_past(connection, part.files, position) as past:
                        answer = await ask(past)
                    took.setdefault(name, []).append((perf_counter() - start) * 1_000)
                    if name == "counts":
                        counted[position] = answer  # type: ignore[assignment]
                    for sql, values in list(connection.statements):
                        _check(name, await _plan(connection, sql, values))
        assert counted == await _folded_counts(part, positions)
    for name, times in took.items():
        print(f"{name:35} median {median(times):6.1f} ms, at most {max(times):6.1f} ms")


async def _plan(connection: Recording, sql: str, values: Any) -> dict[str, Any]:
    cursor = await AsyncConnection.execute(
        connection, "EXPLAIN (ANALYZE, FORMAT JSON) " + sql, values
    )
    row = await cursor.fetchone()
    assert row is not None
    plan: dict[str, Any] = row["QUERY PLAN"][0]["Plan"]
    return plan


def _check(name: str, plan: dict[str, Any]) -> None:
    for node in _nodes(plan):
        if node.get("Relation Name") in {"job_runs", "jobs_events"}:
            assert node["Node Type"] != "Seq Scan", (name, plan)
            read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            assert read * node["Actual Loops"] <= MAX_READ, (name, plan)


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


async def _folded_counts(part: Parts, positions: list[int]) -> dict[int, dict[str, int]]:
    """Count at each position by folding the whole log up to it."""
    counts: Counter[str] = Counter()
    moving: dict[UUID, Row] = {}
    folded: dict[int, dict[str, int]] = {}
    waiting = list(positions)
    position = 0
    while waiting:
        events = await part.reader.after(position, 5_000)
        for event in events:
            while waiting and waiting[0] < event.position:
                folded[waiting.pop(0)] = {status: counts[status] for status in STATUSES}
            if event.subject == "job_run":
                before = moving.pop(event.aggregate_id, None)
                after = TABLE.fold(before, event)
                counts[str(after["status"])] += 1
                if before is not None:
                    counts[str(before["status"])] -= 1
                if after["status"] not in FINAL:
                    moving[event.aggregate_id] = after
        position = events[-1].position
    return folded
