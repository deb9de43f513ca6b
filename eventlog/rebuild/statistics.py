"""Compares the table `run_statistics` with the rows of runs, and makes it equal to them.

Those rows are the fold of the log, as `verify` shows; so both together compare the counts with it.
"""

from collections.abc import Callable
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from eventlog.database import sql
from eventlog.database.connection import Database, operator_session, snapshot
from eventlog.rebuild.rebuild import MOST_EXAMPLES, Rebuilt
from eventlog.rebuild.staging import Difference
from eventlog.rebuild.verify import Checked
from eventlog.statistics import LOCK, READ, CountState, count_all, values_of
from projections.rows import Connection, read_one, read_rows, read_value
from projections.run_statistics import COUNTS, DIFFERENCES, HISTOGRAMS, TABLE


class _DifferenceRow(TypedDict):
    """A row that differs; None stands for a row that is missing."""

    unit: ReadOnly[str]
    at: ReadOnly[str]
    job_definition_id: ReadOnly[str]
    expected: ReadOnly[JsonObject | None]
    actual: ReadOnly[JsonObject | None]


class _Size(TypedDict):
    """The number of rows, and the sum of all that they count."""

    rows: ReadOnly[int]
    events: ReadOnly[int]


_SIZE = f"""
    SELECT count(*) AS rows, coalesce(sum(created + succeeded + failed + canceled + expired)
        FILTER (WHERE unit = 'total'), 0)::bigint AS events
    FROM {TABLE}
"""


async def verify_statistics(database: Database, report: Callable[[Difference], None]) -> Checked:
    """Count all runs anew, and report each row of the table that differs.

    Events that the service has not counted yet are left out.
    """
    async with operator_session(database) as session, snapshot(session):
        state = await read_one(session, CountState, READ)
        return await _check(session, state, report)


async def rebuild_statistics(database: Database, report: Callable[[Difference], None]) -> Rebuilt:
    """Count all runs anew if a row differs; report the differences that remain.

    Nothing is locked but the right to count: the service continues to work, and to read.
    """
    examples: list[str] = []

    def example(difference: Difference) -> None:
        if len(examples) < MOST_EXAMPLES:
            examples.append(f"{difference.key} {difference.past_text}")

    async with operator_session(database) as session, session.transaction():
        await session.execute("SET LOCAL lock_timeout = 0")
        state = await read_one(session, CountState, LOCK)
        checked = await _check(session, state, example)
        if checked.differences or state["position"] is None:
            await count_all(session, state, await read_value(session, int, sql.HEAD))
    return Rebuilt(checked.differences, 0.0, await verify_statistics(database, report), examples)


async def _check(
    session: Connection, state: CountState, report: Callable[[Difference], None]
) -> Checked:
    position = state["position"]
    differences = 0
    if position is not None:
        values = values_of(state, 0, position)
        for row in await read_rows(session, _DifferenceRow, DIFFERENCES, values):
            report(_difference(row))
            differences += 1
    size = await read_one(session, _Size, _SIZE)
    return Checked(TABLE, position or 0, size["events"], size["rows"], differences)


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
