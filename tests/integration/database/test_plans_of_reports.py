"""What any SQL client asks of the tables is read off an index: as it writes it, knowing nothing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.jobs.launching import Launch
from tests.support.databases import Filled
from tests.support.logs import TESTER, parts, query, registered

RUNS = 150_000

JOBS = 50

# One run a minute. Nearly all have succeeded, as in life; of each other status there are few.
FILL_RUNS = """
    INSERT INTO job_runs SELECT filled.*
    FROM job_runs AS run, generate_series(1, %s) AS n,
    LATERAL jsonb_populate_record(run, jsonb_build_object(
        'id', gen_random_uuid(),
        'status', coalesce((ARRAY['pending', 'running', 'failed', 'canceled', 'expired'])
            [1 + n / 50 %% 600], 'succeeded'),
        'job_definition_id', (SELECT id FROM job_definitions WHERE slug = 'job-' || n %% 50),
        'duration_ms', n %% 1000,
        'created_position', 1000 + n,
        'created_at', now() - (150000 - n) * interval '1 minute')) AS filled
"""

MAX_PAGES = 1_700
"""A day has 1 440 runs, each of which may stand on a page of its own; the table has 4 000."""

REPORTS = Path(__file__).parents[3] / "docs" / "apphub.md"

SQL = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)

A_JOB = "00000000-0000-0000-0000-00000000000a"
"""As which the documentation's queries name a job."""

AS_CLIENTS_WRITE = {
    "one status": "SELECT * FROM job_runs WHERE status = 'canceled'",
    "several statuses": "SELECT * FROM job_runs WHERE status IN ('pending', 'failed')",
    "what is open": "SELECT * FROM job_runs WHERE status IN ('pending', 'running')",
    "a job's of a status": f"""
        SELECT * FROM job_runs WHERE job_definition_id = '{A_JOB}' AND status = 'failed'""",
    "the newest": "SELECT * FROM job_runs ORDER BY created_at DESC LIMIT 20",
    "a job's newest": f"""
        SELECT * FROM job_runs WHERE job_definition_id = '{A_JOB}'
        ORDER BY created_at DESC LIMIT 20""",
    "since a time": """
        SELECT * FROM job_runs WHERE created_at > now() - interval '1 day'""",
    "a day": """
        SELECT count(*) FROM job_runs
        WHERE created_at >= date_trunc('day', now()) - interval '1 day'
          AND created_at < date_trunc('day', now())""",
}


@pytest.fixture
async def reported(filled: Filled) -> str:
    """Return a database with 50 jobs and 150 000 runs of a hundred days."""
    return await filled("runs_for_reports", _fill)


async def _fill(url: str) -> None:
    async with parts(url) as part:
        for number in range(JOBS):
            await registered(part.jobs, f"job-{number}")
        await part.jobs.launch("job-1", Launch(), TESTER)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL_RUNS, (RUNS,))
        connection.execute("VACUUM (ANALYZE) job_runs, job_definitions")


@pytest.mark.parametrize("name", AS_CLIENTS_WRITE)
def test_what_a_client_asks_reads_little_and_by_an_index(reported: str, name: str) -> None:
    _check(reported, AS_CLIENTS_WRITE[name])


def test_a_status_is_found_also_by_a_prepared_statement_that_is_planned_once(reported: str) -> None:
    with psycopg.connect(reported, autocommit=True) as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute("PREPARE report AS SELECT * FROM job_runs WHERE status = $1")
        [(explained,)] = connection.execute(
            "EXPLAIN (FORMAT JSON) EXECUTE report('canceled')"
        ).fetchall()
    indexes = {node.get("Index Name") for node in _nodes(explained[0]["Plan"])}
    assert "job_runs_by_status" in indexes


def test_the_documentation_s_reports_read_little_and_by_an_index(reported: str) -> None:
    reports = [
        report
        for block in SQL.findall(REPORTS.read_text())
        for report in block.split(";")
        if report.strip()
    ]
    assert reports
    for report in reports:
        _check(reported, report)


def _check(url: str, report: str) -> None:
    [(job,)] = query(url, "SELECT id FROM job_definitions WHERE slug = 'job-7'")
    assert isinstance(job, UUID)
    explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
    # A cursor that sends texts alone, as psql does.
    with (
        psycopg.connect(url, autocommit=True) as connection,
        psycopg.ClientCursor(connection) as cursor,
    ):
        statement = explain + report.replace(A_JOB, str(job))
        [(explained,)] = cursor.execute(statement.encode()).fetchall()
    plan = explained[0]["Plan"]
    read_whole = [
        node
        for node in _nodes(plan)
        if node["Node Type"].endswith("Seq Scan") and node["Relation Name"] == "job_runs"
    ]
    assert not read_whole, (report, plan)
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert pages <= MAX_PAGES, (report, plan)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


async def test_the_view_of_live_jobs_leaves_out_what_was_deleted(database_url: str) -> None:
    async with parts(database_url) as part:
        await registered(part.jobs, "kept")
        await registered(part.jobs, "gone")
        await part.jobs.delete_job("gone", TESTER)
    assert query(database_url, "SELECT slug FROM live_job_definitions") == [("kept",)]
    deleted = "SELECT slug FROM job_definitions WHERE deleted_at IS NOT NULL"
    assert query(database_url, deleted) == [("gone",)]
