"""What waits and what runs is found by indexes of its own, also while dead entries stay.

While somebody holds an old snapshot, no index loses what its runs were before. PostgreSQL counts
the few that wait, not the many that waited; so an index of all statuses looks cheap to it.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from domain.jobs.launching import Launch
from eventlog import entry_points, measures, pending_queue, runs_before, workers
from eventlog import queue_reads as statements
from projections import job_runs
from projections.flow import claims, unfinished
from tests.support.logs import TESTER, Parts, registered

RUNS = 20_000

FILL = """
    INSERT INTO job_runs SELECT filled.*
    FROM job_runs AS run, generate_series(1, %(runs)s) AS n,
    LATERAL jsonb_populate_record(run, jsonb_build_object(
        'id', gen_random_uuid(), 'scheduled_at', now() - n * interval '1 ms',
        'created_position', n - 100000)) AS filled
"""

START = "UPDATE job_runs SET status = 'running', worker_id = 'worker'"

SUCCEED = "UPDATE job_runs SET status = 'succeeded', worker_id = NULL"

WAIT = """
    UPDATE job_runs SET status = 'pending'
    WHERE id IN (SELECT id FROM job_runs ORDER BY scheduled_at DESC LIMIT %(few)s)
"""

FEW = 20

OF_LISTS = {"job_runs_by_status", "job_runs_by_definition_and_status"}

A_JOB = "00000000-0000-0000-0000-00000000000a"

MARKS = """[{"priority": 0, "scheduled_at": "2026-01-01T00:00:00Z",
    "id": "00000000-0000-0000-0000-000000000000"}]"""

ASKED: dict[str, tuple[str, dict[str, object]]] = {
    "whom to start": (claims.front_of_queue(76), {"marks": MARKS, "offered": "{test.noop}"}),
    "who waits first": (statements.FIRST_OF_PRIORITIES, {}),
    "who is planned first": (pending_queue.FIRST_PLANNED, {"marks": MARKS}),
    "who runs": (statements.UNDER_WAY, {}),
    "whom to cancel": (unfinished.CANCEL_REQUESTED, {"worker_id": "worker"}),
    "who is overdue": (unfinished.ANY_OVERDUE, {"since": None, "bypassed": []}),
    "whom no worker offers": (entry_points.UNOFFERED_RUNS, {}),
    "how many are due": (entry_points.DUE_RUNS, {}),
    "which jobs wait": (claims.JOBS, {"offered": "{test.noop}"}),
    "of each job who waits longest": (
        measures.OLDEST_PENDING,
        {"ids": [], "slugs": [], "bypassed": []},
    ),
    "how many run": (measures.RUNNING, {}),
    "how many slots are busy": (measures.SLOTS, {}),
    "who waits longest": (unfinished.WAITING_LONGEST, {"limit": 5}),
    "whether a job has any left": (unfinished.ANY_UNFINISHED, {"id": A_JOB}),
    "what others must execute": (pending_queue.UNSERVED_ENTRY_POINTS, {"offered": ["test.noop"]}),
    "whom a lost worker left": (workers.OF_LOST_WORKERS, {"limit": 5, "bypassed": []}),
    "whom nobody holds": (workers.OF_UNKNOWN_WORKERS, {"limit": 5, "bypassed": []}),
    "who is the only one": (
        job_runs.HOLDERS,
        {"slots": f'[{{"definition_id": "{A_JOB}", "value": "a"}}]'},
    ),
    "who stands in front": (
        runs_before.BEFORE,
        {
            "now": "now",
            "offered": "",
            "jobs_at_capacity": [],
            "job_id": A_JOB,
            "entry_point": "test.noop",
            "in_group": False,
            "priority": 0,
            "scheduled_at": "now",
            "id": A_JOB,
        },
    ),
}


@pytest.fixture
async def worn(part: Parts) -> str:
    """Return a database in which a few runs wait, and many have waited and run."""
    await registered(part.jobs)
    await part.jobs.launch("job", Launch(delay_ms=3_600_000), TESTER)
    with psycopg.connect(part.url) as old, psycopg.connect(part.url, autocommit=True) as connection:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT FROM job_runs")
        connection.execute(FILL, {"runs": RUNS})
        connection.execute(START)
        connection.execute(SUCCEED)
        connection.execute(WAIT, {"few": FEW})
        connection.execute("ANALYZE job_runs")
    return part.url


def test_no_index_of_lists_is_taken_for_what_waits_or_runs(worn: str) -> None:
    taken: list[str] = []
    with psycopg.connect(worn) as connection:
        connection.execute("SELECT set_config('apphub.now', now()::text, true)")
        for name, (statement, values) in ASKED.items():
            indexes = _indexes(connection, statement, values)
            if indexes & OF_LISTS:
                taken.append(name)
    assert taken == []


def _indexes(connection: psycopg.Connection, statement: str, values: dict[str, object]) -> set[str]:
    explain = f"EXPLAIN (FORMAT JSON) {statement}"
    [(explained,)] = connection.execute(explain.encode(), values).fetchall()
    return {node.get("Index Name", "") for node in _nodes(explained[0]["Plan"])}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
