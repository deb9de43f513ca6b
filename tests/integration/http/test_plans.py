"""Look-ups at 100 000 runs read an index, never the table."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from domain.jobs.launching import Launch
from eventlog import measures, runs_before
from projections import job_definitions
from projections.flow import claims, unfinished
from projections.flow.candidates import QUEUE_START
from projections.runs import lists, related
from projections.runs.filters import RunFilter
from projections.runs.lists import newest_first
from tests.support.databases import Filled
from tests.support.logs import TESTER, parts, query, registered

RUNS = 100_000

FILL_RUNS = """
    INSERT INTO job_runs SELECT filled.*
    FROM job_runs AS run, generate_series(1, %s) AS n,
    LATERAL jsonb_populate_record(run, jsonb_build_object(
        'id', gen_random_uuid(),
        -- Nearly all runs have succeeded, as in life; each other status has one in a hundred.
        'status', coalesce(
            (ARRAY['pending', 'running', 'failed', 'canceled', 'expired'])[1 + n %% 100],
            'succeeded'),
        'job_definition_id', (ARRAY(SELECT id FROM job_definitions))[1 + n %% 50],
        'created_position', 1000 + n,
        'scheduled_at', clock_timestamp() + (n %% 3600 - 1800) * interval '1 second')) AS filled
"""

OFFERED = "{test.noop,test.other}"

MARKS = """
    [{"priority": 0, "scheduled_at": "2026-01-01T00:00:00Z",
      "id": "00000000-0000-0000-0000-000000000000"}]
"""

MORE_JOBS = """
    INSERT INTO job_definitions SELECT filled.*
    FROM job_definitions AS job, generate_series(1, 100) AS n,
    LATERAL jsonb_populate_record(job, jsonb_build_object(
        'id', gen_random_uuid(), 'slug', job.slug || '-' || n)) AS filled
"""


@pytest.fixture
async def filled_url(filled: Filled) -> str:
    """Return a database with 50 jobs and 100 000 runs of all statuses."""
    return await filled("runs_of_all_statuses", _fill)


async def _fill(url: str) -> None:
    async with parts(url) as part:
        for number in range(50):
            await registered(part.jobs, f"Job-{number}")
        await part.jobs.launch("job-1", Launch(), TESTER)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL_RUNS, (RUNS,))
        connection.execute("VACUUM (ANALYZE) job_runs")
        connection.execute("ANALYZE job_definitions")


def _plan(url: str, sql: str, **values: Any) -> dict[str, Any]:
    defaults = {
        "page_end": 26,
        "offset": 0,
        "limit": 26,
        "search": None,
        "first_id": None,
        "last_id": None,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) " + sql, {**defaults, **values}
        ).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


def _check(plan: dict[str, Any], index: str) -> None:
    nodes = _nodes(plan)
    assert index in {node.get("Index Name") for node in nodes}, plan
    scans = [
        node
        for node in nodes
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "job_runs"
    ]
    assert not scans, plan
    # No more rows are read than a page has, for each branch of the query.
    read = [
        node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        for node in nodes
        if "Index Name" in node
    ]
    assert max(read) <= 60, plan


def test_every_look_up_and_list_uses_its_index(filled_url: str) -> None:
    [(definition_id,)] = query(filled_url, "SELECT id FROM job_definitions WHERE slug = 'Job-7'")
    [(run_id,)] = query(filled_url, "SELECT id FROM job_runs OFFSET 777 LIMIT 1")
    assert isinstance(definition_id, UUID)
    _check(_plan(filled_url, lists.BY_ID, id=run_id), "job_runs_pkey")
    _check(_plan(filled_url, newest_first(RunFilter())), "job_runs_newest")
    _check(
        _plan(filled_url, newest_first(RunFilter(before_position=50_000)), before_position=50_000),
        "job_runs_newest",
    )
    status = RunFilter(statuses=["failed"])
    _check(_plan(filled_url, newest_first(status), status_0="failed"), "job_runs_by_status")
    several = RunFilter(statuses=["failed", "expired"])
    _check(
        _plan(filled_url, newest_first(several), status_0="failed", status_1="expired"),
        "job_runs_by_status",
    )
    job = RunFilter(definition_id=definition_id)
    _check(
        _plan(filled_url, newest_first(job), definition_id=definition_id), "job_runs_by_definition"
    )
    both = RunFilter(definition_id=definition_id, statuses=["failed"])
    values = {"definition_id": definition_id, "status_0": "failed"}
    _check(_plan(filled_url, newest_first(both), **values), "job_runs_by_definition_and_status")


def test_what_belongs_to_a_run_is_read_off_indexes(filled_url: str) -> None:
    [(run_id,)] = query(filled_url, "SELECT id FROM job_runs OFFSET 777 LIMIT 1")
    _check(_plan(filled_url, related.REPEATS, id=str(run_id)), "job_runs_retries")
    _check(_plan(filled_url, related.OPERATION, id=run_id), "job_runs_pkey")
    for question in (related.PAGE, related.COUNTS):
        _check(_plan(filled_url, question, id=run_id, before=RUNS), "job_runs_pkey")


def test_a_job_is_found_by_its_slug_through_the_index(filled_url: str) -> None:
    with psycopg.connect(filled_url, autocommit=True) as connection:
        connection.execute(MORE_JOBS)
        connection.execute("ANALYZE job_definitions")
    plan = _plan(filled_url, job_definitions.BY_SLUG, slug="JOB-7")
    assert "job_definitions_slug_ignoring_case" in {
        node.get("Index Name") for node in _nodes(plan)
    }, plan
    part = {"after": "Job-3", "limit": 10, "most_bytes": 1_000}
    plan = _plan(filled_url, job_definitions.NEXT_BY_SLUG, **part)
    assert "job_definitions_listed" in {node.get("Index Name") for node in _nodes(plan)}, plan


def test_claims_and_the_look_before_them_read_little_of_many_pending_runs(filled_url: str) -> None:
    waiting = _plan(filled_url, measures.OLDEST_PENDING, ids=[], slugs=[], bypassed=[])
    _check(waiting, "job_runs_waiting")
    _check(_plan(filled_url, unfinished.WAITING_LONGEST, limit=5), "job_runs_due")
    at_present = make_conninfo(filled_url, options="-c apphub.now=now")
    parameters: dict[str, str] = {"marks": MARKS, "offered": OFFERED}
    _check(_plan(at_present, claims.front_of_queue(20), **parameters), "job_runs_due")
    parameters["jobs"] = f"{{{UUID(int=7)}}}"
    without = claims.front_of_queue(20, "all_but_these")
    _check(_plan(at_present, without, **parameters), "job_runs_due")
    [(keyed,)] = query(filled_url, "SELECT id FROM job_definitions WHERE slug = 'Job-7'")
    _check(_plan(filled_url, claims.JOBS, offered=OFFERED), "job_runs_waiting")
    _check(
        _plan(
            filled_url, claims.FIRST_OF_JOBS, now="now", limit=20, job_ids=[keyed], offered=OFFERED
        ),
        "job_runs_waiting",
    )
    behind = {**QUEUE_START, "now": "now", "limit": 20, "job_ids": [keyed], "offered": ""}
    _check(_plan(filled_url, claims.FIRST_OF_JOBS_AFTER, **behind), "job_runs_waiting")


@pytest.mark.parametrize("question", [runs_before.BEFORE, runs_before.COUNT])
def test_an_explanation_reads_what_waits_and_nothing_else(filled_url: str, question: str) -> None:
    values = {
        "now": "now",
        "offered": "",
        "jobs_at_capacity": [],
        "job_id": UUID(int=0),
        "entry_point": "",
        "in_group": True,
        "priority": 0,
        "scheduled_at": "now",
        "id": UUID(int=0),
    }
    plan = _plan(filled_url, question, **values)
    scans = [node for node in _nodes(plan) if node.get("Alias") == "job_runs"]
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Bitmap Heap Scan"}
    assert max(node["Actual Rows"] for node in scans) <= RUNS / 100


def test_deadlines_and_cancellations_are_read_off_indexes_of_nothing_else(filled_url: str) -> None:
    with psycopg.connect(filled_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE job_runs SET start_deadline_at = scheduled_at"
            " WHERE created_position % 5000 < 50"
        )
        connection.execute(
            "UPDATE job_runs SET cancel_requested_at = now() WHERE created_position % 5000 < 50"
        )
        connection.execute("VACUUM (ANALYZE) job_runs")
    _check(
        _plan(filled_url, unfinished.OVERDUE, now="now", limit=20, bypassed=[], after=None),
        "job_runs_start_deadline",
    )
    _check(_plan(filled_url, unfinished.CANCEL_REQUESTED, worker_id="worker"), "job_runs_to_cancel")
