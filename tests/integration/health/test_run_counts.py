"""Runs are counted as the table has them, by what has moved since the last time."""

import os
import random
from collections import Counter
from time import perf_counter
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from domain.jobs.launching import Launch
from domain.jobs.run_events import STATUSES, AttemptFailure, Report
from eventlog.database.connection import configure
from eventlog.history import run_changes
from eventlog.history.as_of import open_past
from eventlog.history.run_changes import (
    FORGET_CHECKPOINTS,
    MIN_DISTANCE,
    Checkpoints,
    Counts,
    RunCounts,
)
from projections.runs.past import FAR
from tests.support.logs import TESTER, Parts, query, registered
from tests.support.sample_logs.long_logs import fill
from tests.support.slow import slow

RUNS = int(os.environ.get("APPHUB_METRICS_RUNS", "20_000"))

BY_STATUS = """
    SELECT job.slug, run.status, count(*) FROM job_runs AS run
    JOIN job_definitions AS job ON job.id = job_definition_id GROUP BY 1, 2
"""


def in_table(url: str) -> dict[tuple[str, str], int]:
    return {(slug, status): n for slug, status, n in query(url, BY_STATUS)}


def known(counts: Counts) -> dict[tuple[str, str], int]:
    """Return those that are not zero."""
    for of_job in counts.values():
        assert set(of_job) == set(STATUSES)
    return {
        (slug, status): n for slug, of_job in counts.items() for status, n in of_job.items() if n
    }


async def act(part: Parts, slug: str, random_: random.Random) -> None:
    """Let something happen to some runs."""
    for _ in range(random_.randrange(4)):
        await part.jobs.launch(slug, Launch(max_attempts=2), TESTER)
    for claim in await part.executions.claim("w", random_.randrange(1, 4)):
        what = random_.choice(["succeed", "fail", "hand back", "cancel", "run on"])
        if what == "succeed":
            await part.executions.succeed(claim.run.id, claim.holder, None, Report())
        elif what == "fail":
            failure = AttemptFailure("no")
            await part.executions.fail(claim.run.id, claim.holder, failure, Report())
        elif what == "hand back":
            await part.executions.hand_back(claim.run.id, claim.holder)
        elif what == "cancel":
            await part.jobs.cancel(claim.run.id, None, TESTER)
    waiting = query(part.url, "SELECT id FROM job_runs WHERE status = 'pending'")
    if waiting and random_.random() < 0.5:
        await part.jobs.cancel(random_.choice(waiting)[0], None, TESTER)


@pytest.mark.parametrize(("far", "steps"), [(FAR, 25), slow(FAR, 60), slow(0, 40)])
async def test_the_counts_are_those_of_the_table_whatever_happened_since(
    part: Parts, far: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_changes, "FAR", far)
    random_ = random.Random(5)
    await part.worker("w")
    slugs = [await registered(part.jobs, f"job-{number}") for number in range(3)]
    counts = RunCounts(part.files)
    checkpoints = Checkpoints(part.pool, part.files, every=25)
    async with part.pool.connection() as connection:
        for step in range(steps):
            await act(part, random_.choice(slugs), random_)
            if step % 3 == 0:
                await checkpoints.write_if_due()
            assert known(await counts.count(connection)) == in_table(part.url)
        assert query(part.url, "SELECT count(DISTINCT position) FROM run_checkpoints") > [(2,)]


@pytest.mark.parametrize("far", [FAR, 0])
async def test_an_answer_without_a_checkpoint_is_the_same_by_rows_and_by_events(
    part: Parts, far: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_changes, "FAR", far)
    await part.worker("w")
    slugs = [await registered(part.jobs, f"job-{number}") for number in range(2)]
    random_ = random.Random(7)
    for _ in range(20):
        await act(part, random_.choice(slugs), random_)
    expected = Counter[str]()
    for (slug, status), runs in in_table(part.url).items():
        if slug == "job-1":
            expected[status] += runs
    [(job_id,)] = query(part.url, "SELECT id FROM job_definitions WHERE slug = 'job-1'")
    async with part.pool.connection() as connection:
        async with open_past(connection, part.files, None) as present:
            assert +Counter(await present.counts([job_id])) == expected
            every = await present.counts(None)
            position = present.position
        assert sum(every.values()) == sum(in_table(part.url).values())
        await act(part, slugs[0], random_)
        await part.jobs.launch(slugs[0], Launch(), TESTER)
        async with open_past(connection, part.files, position) as past:
            assert await past.counts(None) == every


async def test_what_was_counted_before_a_row_was_mended_counts_no_more(part: Parts) -> None:
    slug = await registered(part.jobs)
    for _ in range(5):
        await part.jobs.launch(slug, Launch(), TESTER)
    query(part.url, "UPDATE job_runs SET status = 'failed' RETURNING 1")
    counts = RunCounts(part.files)
    checkpoints = Checkpoints(part.pool, part.files, every=1)
    assert await checkpoints.write_if_due()
    async with part.pool.connection() as connection:
        assert known(await counts.count(connection)) == {(slug, "failed"): 5}
        query(part.url, "UPDATE job_runs SET status = 'pending' RETURNING 1")
        query(part.url, f"{FORGET_CHECKPOINTS} RETURNING 1")
        assert known(await counts.count(connection)) == {(slug, "pending"): 5}


class Recording(AsyncConnection[dict[str, Any]]):
    """A connection that keeps the statements that it executes."""

    statements: list[tuple[str, Any]]

    async def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        if "SELECT" in str(query):
            self.statements.append((query, params))
        return await super().execute(query, params, **more)

    async def read(self) -> int:
        """Return how many rows the plans of its statements read; none reads a whole table."""
        rows = 0
        statements, self.statements = self.statements, []
        for sql, values in statements:
            cursor = await super().execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values)
            [plan] = await cursor.fetchall()
            for node in _nodes(plan["QUERY PLAN"][0]["Plan"]):
                if node.get("Relation Name") in {"job_runs", "jobs_events"}:
                    assert node["Node Type"] != "Seq Scan", (sql, plan)
                    of_one = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                    rows += of_one * node["Actual Loops"]
        return rows


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


@pytest.mark.slow
@pytest.mark.timeout(0 if RUNS > 100_000 else 120)
async def test_a_count_reads_what_has_moved_and_no_more(part: Parts) -> None:
    await fill(part.url, RUNS)
    assert await Checkpoints(part.pool, part.files).recompute()
    counts = RunCounts(part.files)
    connection = await Recording.connect(part.url, autocommit=True, row_factory=dict_row)
    connection.statements = []
    await configure(connection)
    async with connection:
        began = perf_counter()
        first = await counts.count(connection)
        print(f"\n{RUNS} runs: the first count {1e3 * (perf_counter() - began):.1f} ms")
        assert known(first) == in_table(part.url)
        assert await connection.read() <= 4 * MIN_DISTANCE
        for _ in range(10):
            await part.jobs.launch("job-7", Launch(), TESTER)
        began = perf_counter()
        second = await counts.count(connection)
        print(f"{RUNS} runs: the next one {1e3 * (perf_counter() - began):.1f} ms")
        assert known(second) == in_table(part.url)
        assert await connection.read() <= 60
