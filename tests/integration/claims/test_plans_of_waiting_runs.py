"""Counts of runs that wait read a few of each job, however many there are."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from eventlog.entry_points import (
    DUE_RUNS,
    MAX_DUE,
    MAX_RUNS_OF_JOB,
    UNOFFERED_RUNS,
    due_runs,
    unoffered_runs,
)
from tests.support.databases import Filled
from tests.support.logs import TESTER, parts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RUNS = 200_000

JOBS = 20

# Three in four runs are of the first job. Every second run is planned for later.
FILL_RUNS = """
    INSERT INTO job_runs SELECT filled.*
    FROM job_runs AS run, generate_series(1, %s) AS n
    JOIN job_definitions AS job
        ON job.slug = 'job-' || CASE WHEN n %% 4 = 0 THEN n / 4 %% 20 ELSE 0 END,
    LATERAL jsonb_populate_record(run, jsonb_build_object(
        'id', gen_random_uuid(),
        'job_definition_id', job.id,
        'entry_point', job.entry_point,
        'created_position', 1000 + n,
        'scheduled_at', now() + CASE WHEN n %% 2 = 0 THEN -1 ELSE 1 END * interval '1 day'
            * (1 + n %% 100))) AS filled
"""

INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = 'job_runs' AND indexname <> 'job_runs_pkey'
"""


@pytest.fixture
async def waiting(filled: Filled) -> str:
    """Return a database in which 200 000 runs of 20 jobs wait."""
    return await filled("waiting_runs", _fill)


async def _fill(url: str) -> None:
    async with parts(url) as part:
        for number in range(JOBS):
            spec = JobSpec(name="x", type="batch", entry_point=f"point-{number}")
            await part.jobs.register_job(f"job-{number}", spec, 1, TESTER)
        await part.jobs.launch("job-1", Launch(), TESTER)
    with psycopg.connect(url, autocommit=True) as connection:
        indexes = connection.execute(INDEXES).fetchall()
        # To build them at the end is faster than row by row.
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
        connection.execute(FILL_RUNS, (RUNS,))
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.execute("VACUUM (ANALYZE) job_runs, job_definitions")


@pytest.mark.parametrize(
    ("statement", "most_rows"),
    [(UNOFFERED_RUNS, JOBS * MAX_RUNS_OF_JOB), (DUE_RUNS, MAX_DUE)],
    ids=["unoffered", "due"],
)
def test_few_rows_of_each_queue_are_read_by_an_index(
    waiting: str, statement: str, most_rows: int
) -> None:
    with psycopg.connect(waiting) as connection:
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
        [(explained,)] = connection.execute(explain.encode()).fetchall()
    scans = [
        node for node in _nodes(explained[0]["Plan"]) if node.get("Alias", "")[:8] == "job_runs"
    ]
    assert scans
    assert {node.get("Index Name") for node in scans} == {"job_runs_waiting"}, explained
    read = sum(node["Actual Rows"] * node["Actual Loops"] for node in scans)
    # One more for each step from a job to the next.
    assert read <= most_rows + 2 * JOBS, explained


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


async def test_every_job_that_waits_is_counted(waiting: str) -> None:
    async with parts(waiting) as part, part.pool.connection() as connection:
        unoffered = await unoffered_runs(connection)
        due = await due_runs(connection)
    assert {one["slug"] for one in unoffered} == {f"job-{number}" for number in range(JOBS)}
    assert {one["runs"] for one in unoffered} == {MAX_RUNS_OF_JOB}
    counts = {one["entry_point"]: one["runs"] for one in due}
    assert counts.keys() == {f"point-{number}" for number in range(JOBS)}
    # Of each job the same share is looked at, and those that are due come first.
    assert set(counts.values()) == {MAX_DUE // JOBS}
