"""What the writer asks and writes under the append lock goes by indexes, and is planned once.

Plans are kept, however small the tables: those that are made in a service's first minute must suit
a table that has grown a thousandfold since.
"""

import asyncio
import re
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from eventlog import queue_reads as queue_statements
from eventlog.append import plan as append_statements
from eventlog.database import sql
from eventlog.history import statements as history_statements
from projections import job_runs
from projections.flow import claims as run_claims
from projections.flow import fairness
from projections.flow import rates as rate_rooms
from projections.flow import rates as rate_waiting
from projections.job_runs import TABLE
from projections.table import select_sql, update_sql
from tests.support.logs import TESTER, parts, registered

ID = str(UUID(int=7))

IDS = f"'{{{ID}}}'"

MARKS = f"""'[{{"priority": 0, "scheduled_at": "2026-01-01T00:00:00Z", "id": "{ID}"}}]'"""

POSITION_INDEX = "jobs_events_notification_id_idx"

STATEMENTS = {
    "heads": (append_statements.HEADS, IDS, "jobs_events_pkey"),
    "histories": (history_statements.READ_SUBJECTS, IDS, "jobs_events_pkey"),
    "rows": (select_sql(TABLE), IDS, "job_runs_pkey"),
    "changes": (
        update_sql(TABLE, ("id", "status")),
        f"""'[{{"id": "{ID}", "status": "failed"}}]'""",
        "job_runs_pkey",
    ),
    "whom to start": (run_claims.front_of_queue(20), f"{MARKS}, '{{test.noop}}'", "job_runs_due"),
    "whom to start, if some jobs are for others": (
        run_claims.front_of_queue(20, "all_but_these"),
        f"{MARKS}, '{{test.noop}}', '{{{ID}}}'",
        "job_runs_due",
    ),
    "who has a slot": (
        job_runs.HOLDERS,
        f"""'[{{"definition_id": "{ID}", "value": "{{}}"}}]'""",
        "job_runs_unique",
    ),
    "what was touched, of the log": (queue_statements.TOUCHED, "7", POSITION_INDEX),
    "what was touched, of runs": (queue_statements.TOUCHED, "7", "job_runs_pkey"),
}


@pytest.fixture
async def small_url(database_url: str) -> str:
    """Return a database with a few runs, of whose smallness PostgreSQL knows."""

    async with parts(database_url) as part:
        await registered(part.jobs)
        for _ in range(3):
            await part.jobs.launch("job", Launch(), TESTER)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    return database_url


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_kept_plan_looks_up_what_it_needs_even_if_it_was_made_of_a_tiny_table(
    small_url: str, name: str
) -> None:
    statement, value, index = STATEMENTS[name]
    for parameter in ("%(ids)s", "%(after)s", "%(marks)s", "%(slots)s", "%s"):
        statement = statement.replace(parameter, "$1")
    statement = statement.replace("%(offered)s", "$2")
    statement = statement.replace("%(jobs)s", "$3")
    _check_plan(small_url, statement, value, index)


OF_LIMITS = {
    "the first of each value": (rate_waiting.FIRST_OF_VALUES, "job_runs_pending_by_rate"),
    "who has started": (rate_rooms.STARTED, "job_runs_counted_starts"),
    "whose turn was last": (fairness.GROUP_RUNS_AT_PRESENT, "job_runs_last_turn"),
    "whose turn it is": (fairness.GROUP_RUNS_AT_PRESENT, "job_runs_pending_by_turn"),
}

GIVEN = {
    "open_values": "'{a,b}'",
    "now": "'2026-01-01T00:00:00Z'",
    "offered": "'{test.noop}'",
    "job_id": f"'{ID}'",
    "saturated_keys": "'{}'",
    "selected": "'{}'",
    "limit": "20",
    "entry_point": "'test.noop'",
    "priority": "0",
    "full_values": "'{}'",
    "heads": "'{}'",
    "depth": "1",
    "values": "4",
    "least_depth": "4",
    "keys": f"""'[{{"job_id": "{ID}", "value": "a", "most": 2,
        "period_ms": 1000}}]'""",
}


@pytest.mark.parametrize("name", OF_LIMITS)
def test_so_it_is_with_what_is_asked_for_limits_of_starts_and_turns(
    small_url: str, name: str
) -> None:
    statement, index = OF_LIMITS[name]
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    for number, parameter in enumerate(names, start=1):
        statement = statement.replace(f"%({parameter})s", f"${number}")
    arguments = ", ".join(GIVEN[parameter] for parameter in names)
    _check_plan(small_url, statement, arguments, index)


def _check_plan(url: str, statement: str, arguments: str, index: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(sql.LOCK)
        connection.execute(f"PREPARE kept AS {statement}".encode())
        connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        row = connection.execute(
            f"EXPLAIN (FORMAT JSON) EXECUTE kept ({arguments})".encode()
        ).fetchone()
    assert row is not None
    nodes = _nodes(row[0][0]["Plan"])
    scans = [
        node
        for node in nodes
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] != "archived_runs"
    ]
    assert not scans, nodes
    resolve_search = [
        node for node in nodes if node.get("Index Name") == index and "Index Cond" in node
    ]
    assert resolve_search, nodes


async def test_the_writer_keeps_its_plans(small_url: str) -> None:
    async with parts(small_url) as part:
        await part.worker("worker")
        for slots in (1, 2, 3, 4) * 5:
            await asyncio.gather(*(part.jobs.launch("job", Launch(), TESTER) for _ in range(slots)))
            claims = await part.executions.claim("worker", slots)
            results = (
                part.executions.succeed(one.run.id, one.holder, None, Report()) for one in claims
            )
            await asyncio.gather(*results)
        connection = part.writer._connection
        assert connection is not None
        cursor = await connection.execute(
            "SELECT statement FROM pg_prepared_statements"
            " WHERE generic_plans = 0 AND custom_plans > 20"
        )
        assert [row["statement"] for row in await cursor.fetchall()] == []


def test_a_history_is_read_once_however_often_it_is_asked_for(small_url: str) -> None:
    with psycopg.connect(small_url) as connection:
        row = connection.execute("SELECT id FROM job_runs LIMIT 1").fetchone()
        assert row is not None
        for ids, expected in (([], 0), ([uuid4()], 0), ([row[0], uuid4(), row[0]], 1)):
            assert (
                len(
                    connection.execute(
                        history_statements.READ_SUBJECTS.encode(), {"ids": ids}
                    ).fetchall()
                )
                == expected
            )
