"""The differences between the staged expected rows and the actual ones.

First what a difference is, then how differences are read, then their SQL. PostgreSQL compares what
it stores: times to the microsecond, JSON by its text (1 is not 1.0, but the order of keys does not
matter), and SQL's NULL is not JSON's null.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from eventlog.archive.reading import HistoryRow, resolve_marks
from eventlog.database.sql import ARCHIVE_MARK, ENVELOPE_COLUMNS, EVENTS_TABLE, NO_ARCHIVE_MARK
from eventlog.rebuild.staging import differing_table, expected_table
from projections.rows import Connection, as_rows, read_rows
from projections.table import Table
from projections.tables import topic_prefix

DIFFERENCES_CHUNK = 50


@dataclass(frozen=True)
class Difference:
    """A row that is not the fold of its events.

    Attributes:
        table: the table's name.
        key: the aggregate's id.
        kind: how the row differs.
        columns: of each column that differs, the expected and the actual text; None is SQL's NULL.
            Empty unless `kind` is `differs`.
        events: position and topic of each of its events, in order.
        reason: why the row cannot be compared, if it is unreadable.
    """

    table: str
    key: str
    kind: Literal["missing", "extra", "differs", "unreadable"]
    columns: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    events: Sequence[tuple[int, str]] = ()
    reason: str | None = None

    @property
    def past_text(self) -> str:
        """How the row differed, without the columns' values, which may be personal."""
        if self.kind == "missing":
            return "was missing"
        if self.kind == "extra":
            return "should not have been there"
        return f"differed in {', '.join(self.columns)}"

    def present(self) -> JsonObject:
        """Return the difference as plain JSON."""
        document: JsonObject = {
            "table": self.table,
            "key": self.key,
            "kind": self.kind,
            "columns": {
                name: {"expected": expected, "found": actual}
                for name, (expected, actual) in self.columns.items()
            },
            "events": [{"position": position, "type": topic} for position, topic in self.events],
        }
        if self.reason is not None:
            document["reason"] = self.reason
        return document


@dataclass(frozen=True)
class KeyRange:
    """The aggregates from the id `first` on: up to the end, or to before `next`."""

    first: UUID
    next: UUID | None

    @property
    def values(self) -> dict[str, UUID | None]:
        """The range as parameters of the statements below."""
        return {"first": self.first, "next": self.next}


class DifferenceRow(TypedDict):
    """A row of `differences_sql`: expected and actual columns as text."""

    key: ReadOnly[str]
    missing: ReadOnly[bool]
    extra: ReadOnly[bool]
    expected: ReadOnly[list[str | None]]
    actual: ReadOnly[list[str | None]]


async def read_differences(
    connection: Connection, archive: Path | None, table: Table, within: KeyRange
) -> AsyncIterator[Difference]:
    """Yield the differences between the staged expected rows and the table's."""
    query = differences_sql(table).encode()
    async with connection.cursor("differences") as cursor:
        await cursor.execute(query, within.values)
        while records := await cursor.fetchmany(DIFFERENCES_CHUNK):
            rows = as_rows(DifferenceRow, records)
            events = await _events_of(connection, archive, table, [row["key"] for row in rows])
            for row in rows:
                yield _difference(table, row, events[row["key"]])


async def read_examples(
    connection: Connection, table: Table, within: KeyRange, limit: int
) -> list[Difference]:
    """Return some of the differences, without their events."""
    query = f"{differences_sql(table)} LIMIT {limit}"
    rows = await read_rows(connection, DifferenceRow, query, within.values)
    return [_difference(table, row) for row in rows]


async def _events_of(
    connection: Connection, archive: Path | None, table: Table, keys: Sequence[str]
) -> dict[str, list[tuple[int, str]]]:
    """Return, by aggregate, the position and topic of each of its events."""
    values = {"ids": keys, "prefix": topic_prefix(table)}
    rows = await read_rows(connection, HistoryRow, EVENTS_OF, values)
    events: dict[str, list[tuple[int, str]]] = {key: [] for key in keys}
    for event in await resolve_marks(connection, archive, rows):
        key = event["originator_id"]
        events[key].append((event["notification_id"], event["topic"]))
    return events


def _difference(
    table: Table, row: DifferenceRow, events: Sequence[tuple[int, str]] = ()
) -> Difference:
    if row["missing"] or row["extra"]:
        kind: Literal["missing", "extra"] = "missing" if row["missing"] else "extra"
        return Difference(table.name, row["key"], kind, {}, events)
    cells = zip(table.columns, row["expected"], row["actual"], strict=True)
    columns = {name: (expected, actual) for name, expected, actual in cells if expected != actual}
    return Difference(table.name, row["key"], "differs", columns, events)


EVENTS_OF = f"""
    SELECT {ENVELOPE_COLUMNS}, {NO_ARCHIVE_MARK} FROM {EVENTS_TABLE}
    WHERE originator_id = ANY(%(ids)s::uuid[]) AND topic ^@ %(prefix)s
    UNION ALL {ARCHIVE_MARK} WHERE id = ANY(%(ids)s::uuid[])
    ORDER BY originator_id, originator_version
"""


def insert_differing_sql(table: Table) -> str:
    """Return the statement that adds a range's differing rows to `differing_table`."""
    key = table.key
    values = {name: f"expected.{name}" for name in table.columns}
    values[key] = f"coalesce(expected.{key}, actual.{key})"
    values["aggregate_version"] = "coalesce(expected.aggregate_version, 0)"
    names = ", ".join(values)
    row = ", ".join(values.values())
    return f"""
        INSERT INTO {differing_table(table)} ({names})
        SELECT {row} {_mismatch(table)}
    """


def differences_sql(table: Table) -> str:
    """Return the query for the rows that differ in a range of keys, from `first` to before `next`.

    Its columns are `key`, `missing`, `extra`, and `expected` and `actual`: all columns as text.
    """
    expected = ", ".join([f"expected.{name}::text" for name in table.columns])
    actual = ", ".join([f"actual.{name}::text" for name in table.columns])
    key = table.key
    return f"""
        SELECT coalesce(expected.{key}, actual.{key}) AS key,
            actual.{key} IS NULL AS missing,
            expected.{key} IS NULL AS extra,
            ARRAY[{expected}] AS expected, ARRAY[{actual}] AS actual
        {_mismatch(table)} ORDER BY 1
    """


def _mismatch(table: Table) -> str:
    """Return the FROM and WHERE clauses of rows that differ.

    Rows are first compared by their bytes (`*<>`), since nearly all are equal, and to compare JSON
    as text takes long.
    """
    expected = ", ".join([f"expected.{name}" for name in table.columns])
    actual = ", ".join([f"actual.{name}::{kind}" for name, kind in table.columns.items()])
    differs = " OR ".join([_differs(name, kind) for name, kind in table.columns.items()])
    key = table.key
    return f"""
        FROM {expected_table(table)} AS expected
        FULL JOIN (
            SELECT * FROM {table.name}
            WHERE {key} >= %(first)s::uuid AND (%(next)s::uuid IS NULL OR {key} < %(next)s::uuid)
        ) AS actual ON expected.{key} = actual.{key}
        WHERE ROW({expected})::record *<> ROW({actual})::record AND ({differs})
    """


def _differs(name: str, kind: str) -> str:
    cast = "::text" if kind == "jsonb" else ""
    return f"expected.{name}{cast} IS DISTINCT FROM actual.{name}{cast}"
