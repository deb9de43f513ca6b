"""`verify` finds every difference between tables and log, and nothing else, under load too."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import orjson
import psycopg
import pytest

from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from eventlog.database.connection import Database
from eventlog.rebuild import log_by_aggregate
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.verify import Comparison, verify
from projections import failure_watch, job_runs
from projections.table import Table
from projections.tables import TABLES
from tests.support.logs import TESTER, parts, query, registered
from tests.support.slow import slow

Found = list[Difference]


async def differences(url: str, tables: Sequence[Table] = TABLES) -> tuple[Found, list[Comparison]]:
    result: Found = []
    checked = await verify(Database(url), tables, result.append, lambda *_: None)
    assert sum(one.differences + one.unreadable for one in checked) == len(result)
    return result, checked


def fail(difference: Difference) -> None:
    raise AssertionError(difference)


async def find(url: str, tables: Sequence[Table] = TABLES) -> Found:
    return (await differences(url, tables))[0]


CORRUPT = {
    "integer": "coalesce({column}, 0) + 1",
    "bigint": "coalesce({column}, 0) + 1",
    "text": "coalesce({column}, '') || 'x'",
    "timestamptz": "coalesce({column}, '2026-01-01') + interval '1 microsecond'",
    "uuid": "gen_random_uuid()",
    "boolean": "NOT coalesce({column}, false)",
    "jsonb": """'{{"corrupt": [true]}}'""",
}

STATUSES = {
    ("job_runs", "status"): "CASE {column} WHEN 'failed' THEN 'expired' ELSE 'failed' END",
    ("builds", "status"): "CASE {column} WHEN 'failed' THEN 'canceled' ELSE 'failed' END",
    ("repositories", "ingest_status"): "CASE {column} WHEN 'failed' THEN 'ready' ELSE 'failed' END",
}
"""The columns for which the database itself refuses nonsense."""

CLONE = """
    WITH clone AS MATERIALIZED (SELECT gen_random_uuid() AS id FROM generate_series(1, %(times)s))
    INSERT INTO jobs_events (originator_id, originator_version, topic, state)
    SELECT clone.id, originator_version, topic, state FROM clone, jobs_events
    WHERE originator_id = (SELECT {key} FROM {table} ORDER BY 1 LIMIT 1) ORDER BY 1, 2
    RETURNING originator_id
"""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
async def test_a_corrupted_value_is_found_in_every_column(filled_url: str, table: Table) -> None:
    columns = [column for column in table.columns if column != table.key]
    with psycopg.connect(filled_url, autocommit=True) as connection:
        for (index,) in connection.execute(UNIQUE, (table.name,)).fetchall():
            connection.execute(f"ALTER TABLE {table.name} DROP CONSTRAINT IF EXISTS {index}")
            connection.execute(f"DROP INDEX IF EXISTS {index}")
        clone = CLONE.format(table=table.name, key=table.key)
        ids = {row[0] for row in connection.execute(clone, {"times": len(columns)}).fetchall()}
    await rebuild(Database(filled_url), table, fail, lambda *_: None)
    corrupted = {}
    for key, column in zip(sorted(ids), columns, strict=True):
        value = STATUSES.get((table.name, column), CORRUPT[table.columns[column]]).format(
            column=column
        )
        query(
            filled_url,
            f"UPDATE {table.name} SET {column} = {value} WHERE {table.key} = %s RETURNING 1",
            key,
        )
        corrupted[str(key)] = [column]
    differences = await find(filled_url)
    assert {one.key: list(one.columns) for one in differences} == corrupted
    assert {(one.table, one.kind) for one in differences} == {(table.name, "differs")}


UNIQUE = """
    SELECT indexrelid::regclass::text FROM pg_index
    WHERE indrelid = %s::regclass AND indisunique AND NOT indisprimary
"""


EVENTS = "SELECT notification_id, topic FROM jobs_events WHERE originator_id = %s ORDER BY 1"

SEVERAL = [table for table in TABLES if table is not failure_watch.TABLE]
"""The tables that may have more than one row."""


@pytest.mark.parametrize("table", SEVERAL, ids=lambda table: str(table.name))
async def test_missing_and_extra_rows_are_found_with_the_events_behind_them(
    filled_url: str, table: Table
) -> None:
    [(missing,)] = query(
        filled_url,
        f"DELETE FROM {table.name}"
        f" WHERE {table.key} = (SELECT min({table.key}::text)::uuid FROM {table.name})"
        f" RETURNING {table.key}::text",
    )
    [(moved, extra)] = query(
        filled_url,
        f"WITH old AS (SELECT {table.key} AS key FROM {table.name} LIMIT 1)"
        f" UPDATE {table.name} SET {table.key} = gen_random_uuid() FROM old"
        f" WHERE {table.key} = old.key"
        f" RETURNING old.key::text, {table.key}::text",
    )
    by_key = {one.key: one for one in await find(filled_url)}
    assert {key: one.kind for key, one in by_key.items()} == {
        missing: "missing",
        moved: "missing",
        extra: "extra",
    }
    assert by_key[extra].events == []
    for key in (missing, moved):
        assert list(by_key[key].events) == query(filled_url, EVENTS, key) != []


JSON_CHANGES = [
    ("NULL", "'null'", True),
    ("""'{"b": 1, "a": [2]}'""", """'{"a":[2],  "b":1}'""", False),
    ("'1'", "'1.0'", True),
    ("""'{"a": 1}'""", """'{"a": "1"}'""", True),
    ("'[1, 2]'", "'[2, 1]'", True),
    ("'true'", """'"true"'""", True),
    ("""'{"a": null}'""", "'{}'", True),
    ("'100'", "'1e2'", False),
    ("""'"a"'""", """'"A"'""", True),
]
"""A result as the service writes it, what is written over it, and whether that is another value."""


async def test_json_is_compared_as_json_and_null_is_not_null(database_url: str) -> None:
    async def run_with(results: list[Any]) -> None:
        async with parts(database_url) as part:
            slug, worker = await registered(part.jobs), await part.worker("worker")
            for result in results:
                await part.jobs.launch(slug, Launch(), TESTER)
                [claim] = await part.executions.claim(worker, 1)
                await part.executions.succeed(claim.run.id, claim.holder, result, Report())

    values = [
        query(database_url, f"SELECT {before}::jsonb::text")[0][0] for before, _, _ in JSON_CHANGES
    ]
    await run_with([None if value is None else orjson.loads(value) for value in values])
    assert await find(database_url) == []
    runs = query(
        database_url, "SELECT id::text, result::text FROM job_runs ORDER BY created_position"
    )
    assert [value for _, value in runs] == values
    expected = {}
    for (key, before), (_, after, differs) in zip(runs, JSON_CHANGES, strict=True):
        query(database_url, f"UPDATE job_runs SET result = {after} WHERE id = %s RETURNING 1", key)
        if differs:
            expected[key] = {
                "result": (before, query(database_url, f"SELECT {after}::jsonb::text")[0][0])
            }
    assert {one.key: one.columns for one in await find(database_url)} == expected


@pytest.mark.parametrize("times", [6, slow(16)])
async def test_nothing_is_found_while_runs_are_launched_claimed_and_ended(
    database_url: str, times: int
) -> None:
    async def work(part: Any, over: asyncio.Event) -> None:
        worker = await part.worker("worker")
        while not over.is_set():
            for claim in await part.executions.claim(worker, 5):
                await part.executions.progress(
                    claim.run.id, claim.holder, Report({"big": 1e22, "half": 0.5}, {"ü": "\\"})
                )
                await part.executions.succeed(
                    claim.run.id, claim.holder, [1e300, -0.25, "\t"], Report({"big": 2**63})
                )

    async def launch(part: Any, slug: str, over: asyncio.Event) -> None:
        while not over.is_set():
            await part.jobs.launch(
                slug, Launch(parameters={"text": 'a\\b\n"c"', "number": 1e-7}), TESTER
            )

    async with parts(database_url) as part, parts(database_url) as other:
        slug, over = await registered(part.jobs), asyncio.Event()
        heads: list[int] = []
        async with asyncio.TaskGroup() as group:
            for task in (work(part, over), launch(part, slug, over), launch(other, slug, over)):
                group.create_task(task)
            while len(heads) < times:
                differing, checked = await differences(database_url)
                assert differing == []
                heads.append(checked[0].position)
            over.set()
    assert heads[-1] > heads[0] + 20, "the service did nothing meanwhile"


def test_the_log_is_folded_in_the_order_of_its_primary_key_without_sorting_it(
    database_url: str,
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(log_by_aggregate.CREATE_UNARCHIVED)
        connection.execute("CREATE INDEX ON unarchived (originator_id, originator_version)")
        # As if the log were large: whoever can, avoids it.
        connection.execute("SET LOCAL enable_sort = off")
        explained = connection.execute(
            f"EXPLAIN {log_by_aggregate.EVENTS_FROM}".encode(),
            {"prefix": "job_run.", "first": log_by_aggregate.FIRST_ID},
        ).fetchall()
    plan = [line.strip() for (line,) in explained]
    assert plan[0].startswith("Merge Append")
    assert any(line.startswith("->  Index Scan using jobs_events_pkey") for line in plan), plan


async def test_a_log_that_cannot_be_folded_is_said_with_the_event(filled_url: str) -> None:
    with psycopg.connect(filled_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE jobs_events DISABLE TRIGGER USER")
        connection.execute(
            "UPDATE jobs_events SET state = '{}' WHERE topic = 'job_run.attempt_lost'"
        )
        assert re.search(
            r"job_run\.attempt_lost, version 4 of .*KeyError", await unreadable(filled_url)
        )
        connection.execute("DELETE FROM jobs_events WHERE topic = 'job_run.attempt_lost'")
        connection.execute("DELETE FROM jobs_events WHERE topic = 'job_run.cancel_requested'")
        assert re.search(
            r"job_run\.canceled, version 5 of .* what comes before it has version 3",
            await unreadable(filled_url),
        )


EDIT = """
    UPDATE jobs_events SET state = convert_to(
        regexp_replace(convert_from(state, 'UTF8'), %(value)s, %(edited)s), 'UTF8')
    WHERE topic = 'job_run.requested' AND originator_id = %(run)s
"""


async def test_edited_values_that_no_column_takes_are_reported_and_the_others_repaired(
    filled_url: str,
) -> None:
    with psycopg.connect(filled_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE jobs_events DISABLE TRIGGER USER")
        runs = [run for (run,) in connection.execute("SELECT id FROM job_runs ORDER BY id")]
        for run, value, edited in (
            (runs[1], r'"priority":\d+', '"priority":"high"'),
            (runs[2], r'"scheduled_at":"', '"scheduled_at":"not '),
            (runs[-1], r'"slug":"', r'"slug":"\\u0000'),
        ):
            values = {"run": run, "value": value, "edited": edited}
            assert connection.execute(EDIT, values).rowcount == 1
        connection.execute("UPDATE job_runs SET slug = 'corrupt' WHERE id = %s", (runs[0],))
    edited_runs = {str(runs[number]) for number in (1, 2, -1)}
    by_key = {one.key: one for one in await find(filled_url)}
    assert by_key.pop(str(runs[0])).kind == "differs"
    assert {one.kind for one in by_key.values()} == {"unreadable"}
    assert by_key.keys() == edited_runs
    assert '"high"' in str(by_key[str(runs[1])].reason)
    differences: Found = []
    database = Database(filled_url)
    rebuilt = await rebuild(database, job_runs.TABLE, differences.append, lambda *_: None)
    assert (rebuilt.repaired, rebuilt.comparison.unreadable) == (1, len(edited_runs))
    assert {one.key for one in differences} == edited_runs


async def unreadable(url: str) -> str:
    """Return why rows cannot be read."""
    differences = await find(url)
    return "\n".join(str(one.reason) for one in differences if one.kind == "unreadable")
