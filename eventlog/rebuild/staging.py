"""The expected rows of a table, staged beside its actual rows, and their differences.

First the temporary tables and their comparison, then the SQL that reads the whole log for a fold,
then differences for people.

Rows are copied into a temporary table, which vanishes with its session. PostgreSQL compares what it
stores: times to the microsecond, JSON by its text (1 is not 1.0, but the order of keys does not
matter), and SQL's NULL is not JSON's null.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.json_values import Json, JsonObject
from domain.ports import Row
from eventlog.archive.reading import HistoryRow, resolve_marks
from eventlog.database.sql import ARCHIVE_MARK, ENVELOPE_COLUMNS, EVENTS_TABLE, NO_ARCHIVE_MARK
from projections.rows import Connection, as_rows, read_rows
from projections.table import Table
from projections.tables import topic_prefix

NULL = r"\N"

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def create_sql(table: Table) -> str:
    """Return the statements that make the temporary tables.

    One is for the expected rows, one for those of them that differ. They lack the table's
    constraints, so that a row that violates them is reported and does not end the comparison.
    """
    columns = ", ".join([f"{name} {kind}" for name, kind in table.columns.items()])
    expected = expected_table(table)
    differing = differing_table(table)
    return f"""
        CREATE TEMPORARY TABLE {expected} ({columns});
        CREATE TEMPORARY TABLE {differing} ({columns}, PRIMARY KEY ({table.key}))
    """


def expected_table(table: Table) -> str:
    """Return the name of the temporary table of expected rows."""
    return f"expected_{table.name}"


def differing_table(table: Table) -> str:
    """Return the name of the temporary table of expected rows that differ from the actual ones.

    For an extra row, it has one with this key and version 0, and no other values.
    """
    return f"differing_{table.name}"


def copy_sql(table: Table, staging_table: str) -> str:
    """Return the statement that copies lines of `line_writer` into a staging table."""
    names = ", ".join(table.columns)
    return f"COPY {staging_table} ({names}) FROM STDIN"


def line_writer(table: Table) -> Callable[[Row], str]:
    """Return a function that returns a row as a line of COPY's text format."""
    nulls = [NULL] * len(table.columns)
    writers: dict[str, tuple[int, Callable[[object], str]]] = {}
    for number, (name, kind) in enumerate(table.columns.items()):
        writers[name] = (number, _WRITE_FIELD.get(kind, str))

    def write_line(row: Row) -> str:
        # For speed, empty columns cost nothing: most of fifty are empty in each of a million rows.
        fields = nulls.copy()
        for name, value in row.items():
            if value is not None:
                number, write = writers[name]
                fields[number] = write(value)
        return "\t".join(fields) + "\n"

    return write_line


def _write_json(value: object) -> str:
    # JSON text has no bare line breaks and tabs, so only backslashes are escaped.
    text = orjson.dumps(value).decode()
    return text.replace("\\", r"\\")


def _write_text(value: object) -> str:
    text = str(value)
    # Line breaks and tabs are not printable.
    if text.isprintable() and "\\" not in text:
        return text
    return text.translate(_ESCAPES)


_WRITE_FIELD: dict[str, Callable[[object], str]] = {"jsonb": _write_json, "text": _write_text}
"""Ids, times and numbers have nothing to escape."""


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
    expected_columns: list[str] = []
    actual_columns: list[str] = []
    unequal_columns: list[str] = []
    for name, kind in table.columns.items():
        expected_columns.append(f"expected.{name}")
        actual_columns.append(f"actual.{name}::{kind}")
        unequal_columns.append(_unequal(name, kind))
    expected = ", ".join(expected_columns)
    actual = ", ".join(actual_columns)
    differs = " OR ".join(unequal_columns)
    key = table.key
    return f"""
        FROM {expected_table(table)} AS expected
        FULL JOIN (
            SELECT * FROM {table.name}
            WHERE {key} >= %(first)s::uuid AND (%(next)s::uuid IS NULL OR {key} < %(next)s::uuid)
        ) AS actual ON expected.{key} = actual.{key}
        WHERE ROW({expected})::record *<> ROW({actual})::record AND ({differs})
    """


def _unequal(name: str, kind: str) -> str:
    expected = f"expected.{name}"
    actual = f"actual.{name}"
    if kind == "jsonb":
        expected += "::text"
        actual += "::text"
    return f"{expected} IS DISTINCT FROM {actual}"


# The SQL that reads the whole log for a fold.

FOLD_COLUMNS = "originator_id, originator_version, notification_id, topic, state"


CREATE_UNARCHIVED = (
    f"CREATE TEMPORARY TABLE unarchived AS SELECT {FOLD_COLUMNS} FROM {EVENTS_TABLE} LIMIT 0"
)
"""Makes the temporary table for archived events, which are read together with the log."""


COUNT_ARCHIVED = "SELECT coalesce(sum(events), 0)::bigint FROM log_archives"


COPY_UNARCHIVED = f"COPY unarchived ({FOLD_COLUMNS}) FROM STDIN"


ORDER_UNARCHIVED = """
    CREATE INDEX IF NOT EXISTS unarchived_order ON unarchived (originator_id, originator_version);
    ANALYZE unarchived
"""


def _fold_all(condition: str) -> str:
    return f"""
        SELECT {FOLD_COLUMNS} FROM (
            SELECT {FOLD_COLUMNS} FROM {EVENTS_TABLE}
            UNION ALL SELECT {FOLD_COLUMNS} FROM unarchived
        ) AS event
        WHERE topic ^@ %(prefix)s {condition} ORDER BY originator_id, originator_version
    """


FOLD_ALL = _fold_all("")
"""The union is in a subquery, so that PostgreSQL reads the log in the order of its primary key, and
merges the archives in. A union at the top would be sorted: on the disk, before the first row."""


FOLD_FROM = _fold_all("AND originator_id >= %(first)s::uuid")
"""The same from an aggregate on; readers stop before the last row."""


EVENTS_OF = f"""
    SELECT {ENVELOPE_COLUMNS}, {NO_ARCHIVE_MARK} FROM {EVENTS_TABLE}
    WHERE originator_id = ANY(%(ids)s::uuid[]) AND topic ^@ %(prefix)s
    UNION ALL {ARCHIVE_MARK} WHERE id = ANY(%(ids)s::uuid[])
    ORDER BY originator_id, originator_version
"""


# Differences between expected and actual rows.

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
        columns: JsonObject = {}
        for name, (expected, actual) in self.columns.items():
            columns[name] = {"expected": expected, "found": actual}
        events: list[Json] = []
        for position, topic in self.events:
            events.append({"position": position, "type": topic})
        document: JsonObject = {
            "table": self.table,
            "key": self.key,
            "kind": self.kind,
            "columns": columns,
            "events": events,
        }
        if self.reason is not None:
            document["reason"] = self.reason
        return document


@dataclass(frozen=True)
class KeyRange:
    """The aggregates whose ids are at least `first`, and below `next` unless that is None."""

    first: UUID
    next: UUID | None

    @property
    def values(self) -> dict[str, UUID | None]:
        """The range as parameters of the statements above."""
        return {"first": self.first, "next": self.next}


class DifferenceRow(TypedDict):
    """A row of `differences_sql`: expected and actual columns as text."""

    key: ReadOnly[str]
    missing: ReadOnly[bool]
    extra: ReadOnly[bool]
    expected: ReadOnly[list[str | None]]
    actual: ReadOnly[list[str | None]]


async def differences(
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


async def examples(
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
    key = row["key"]
    if row["missing"]:
        return Difference(table.name, key, "missing", {}, events)
    if row["extra"]:
        return Difference(table.name, key, "extra", {}, events)
    cells = zip(table.columns, row["expected"], row["actual"], strict=True)
    columns: dict[str, tuple[str | None, str | None]] = {}
    for name, expected, actual in cells:
        if expected != actual:
            columns[name] = (expected, actual)
    return Difference(table.name, key, "differs", columns, events)
