"""Rows copied by a rebuild are those that the writer writes, whatever they hold."""

from typing import Any
from uuid import UUID

import orjson
import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.json_values import Json, normalise
from domain.ports import Row
from eventlog.rebuild import staging
from eventlog.rebuild.differences import KeyRange, differences_sql
from projections.job_runs import TABLE
from projections.table import insert_sql
from tests.unit.domain.test_json_values import TEXTS, VALUES
from tests.unit.given import a_run, stored

ROWS = st.lists(st.tuples(VALUES, TEXTS), min_size=1, max_size=30)


def rows_with(values: list[tuple[Json, str]]) -> list[Row]:
    [requested] = stored(a_run())
    row = TABLE.fold(None, requested)
    return [
        {
            **row,
            "id": str(UUID(int=number)),
            "result": normalise(value),
            "slug": text,
            "error_message": text,
        }
        for number, (value, text) in enumerate(values)
    ]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
@given(ROWS)
def test_copied_rows_are_the_written_ones(
    database_url: str, values: list[tuple[Json, str]]
) -> None:
    rows = rows_with(values)
    line = staging.line_writer(TABLE)
    with psycopg.connect(database_url) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        insert = insert_sql(TABLE, tuple(TABLE.columns))
        connection.execute(insert.encode(), (orjson.dumps(rows).decode(),))
        connection.execute(staging.create_sql(TABLE).encode())
        with connection.cursor().copy(
            staging.copy_sql(TABLE, staging.expected_table(TABLE)).encode()
        ) as copy:
            copy.write("".join(map(line, rows)))
        everything = KeyRange(UUID(int=0), None).values
        differing = connection.execute(differences_sql(TABLE).encode(), everything)
        assert differing.fetchall() == []
        _check_json_comes_back(connection)
        connection.rollback()


def _check_json_comes_back(connection: psycopg.Connection[Any]) -> None:
    """Check that what the writer reads of a row, to fold on, is what it wrote."""
    for (text,) in connection.execute(
        "SELECT result::text FROM job_runs WHERE result IS NOT NULL"
    ).fetchall():
        again = orjson.dumps(orjson.loads(text)).decode()
        row = connection.execute("SELECT %s::jsonb::text", (again,)).fetchone()
        assert row == (text,)
