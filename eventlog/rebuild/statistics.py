"""Compares the table `run_statistics` with the rows of runs, and makes it equal to them.

`verify` compares these rows with the log, so both together compare the counts with the log.
"""

from collections.abc import Callable
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from eventlog.database import sql
from eventlog.database.connection import Database, operator_session, snapshot
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import MAX_EXAMPLES, RebuildResult
from eventlog.rebuild.verify import Comparison
from eventlog.statistics import LOCK, READ, CountState, count_all, values_of
from projections.rows import Connection, read_one, read_rows, read_value
from projections.run_statistics import COUNTS, DIFFERENCES, HISTOGRAMS, TABLE


class _DifferenceRow(TypedDict):
    """A row that differs; `expected` is None for an extra row, `actual` for a missing one."""

    unit: ReadOnly[str]
    at: ReadOnly[str]
    job_definition_id: ReadOnly[str]
    expected: ReadOnly[JsonObject | None]
    actual: ReadOnly[JsonObject | None]


class _Size(TypedDict):
    """The number of rows, and the number of events that they count."""

    rows: ReadOnly[int]
    events: ReadOnly[int]


_SIZE = f"""
    SELECT count(*) AS rows, coalesce(sum(created + succeeded + failed + canceled + expired)
        FILTER (WHERE unit = 'total'), 0)::bigint AS events
    FROM {TABLE}
"""


async def verify_statistics(database: Database, report: Callable[[Difference], None]) -> Comparison:
    """Count all runs again, and report each row of the table that differs.

    Events that the service has not counted yet are left out.
    """
    async with operator_session(database) as session, snapshot(session):
        state = await read_one(session, CountState, READ)
        return await _check(session, state, report)


async def rebuild_statistics(
    database: Database, report: Callable[[Difference], None]
) -> RebuildResult:
    """Count all runs again if a row differs; report the differences that remain.

    Meanwhile the service does not count, and otherwise continues to work.
    """
    examples: list[str] = []

    def example(difference: Difference) -> None:
        if len(examples) < MAX_EXAMPLES:
            examples.append(f"{difference.key} {difference.past_text}")

    async with operator_session(database) as session, session.transaction():
        await session.execute("SET LOCAL lock_timeout = 0")
        state = await read_one(session, CountState, LOCK)
        comparison = await _check(session, state, example)
        if comparison.differences or state["position"] is None:
            await count_all(session, state, await read_value(session, int, sql.HEAD))
    return RebuildResult(
        comparison.differences, 0.0, await verify_statistics(database, report), examples
    )


async def _check(
    session: Connection, state: CountState, report: Callable[[Difference], None]
) -> Comparison:
    position = state["position"]
    differences = 0
    if position is not None:
        values = values_of(state, 0, position)
        for row in await read_rows(session, _DifferenceRow, DIFFERENCES, values):
            report(_difference(row))
            differences += 1
    size = await read_one(session, _Size, _SIZE)
    return Comparison(TABLE, position or 0, size["events"], size["rows"], differences)


def _difference(row: _DifferenceRow) -> Difference:
    key = f"{row['unit']} {row['at']} of job {UUID(row['job_definition_id'])}"
    expected = row["expected"]
    actual = row["actual"]
    if actual is None:
        return Difference(TABLE, key, "missing")
    if expected is None:
        return Difference(TABLE, key, "extra")
    columns: dict[str, tuple[str | None, str | None]] = {}
    for name in (*COUNTS, *HISTOGRAMS):
        if expected[name] != actual[name]:
            columns[name] = (_text(expected, name), _text(actual, name))
    return Difference(TABLE, key, "differs", columns)


def _text(row: JsonObject, column: str) -> str:
    return orjson.dumps(row[column]).decode()
