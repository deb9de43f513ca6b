"""The expected rows of a table, staged beside its actual rows, and their differences.

First the temporary tables and their comparison; then the SQL that folds the whole log or some
aggregates; then differences for people; then rows folded to the present (`fold_to_present`); last
the version of the fold that each table was written by.

Rows go by COPY into a temporary table, which ends with its session in any case. PostgreSQL compares
what it stores: times to the microsecond, JSON by its text (1 is not 1.0, but the order of keys does
not matter), and SQL's NULL is not JSON's null.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.json_values import Json, JsonObject
from domain.ports import Row
from eventlog.archive.files import to_row
from eventlog.archive.reading import HistoryRow, events_at, resolved
from eventlog.database.sql import _MARK, _NO_MARK, ENVELOPE_COLUMNS, EVENTS_TABLE
from eventlog.encoding import COLUMNS
from eventlog.keys import LogFiles
from eventlog.personal import CiphertextError, event_of, first_plain_states, plain_states
from projections.envelope import EventRow
from projections.rows import Connection, as_row, as_rows, read_first, read_rows
from projections.table import ProjectedRow, Table
from projections.tables import TABLES, FoldError, folded_on, topic_prefix

NULL = r"\N"

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def create_sql(table: Table) -> str:
    """Return the statements that make the temporary tables.

    One is for the expected rows, one for those of them that differ. They lack the constraints of
    the real table: a row that violates them is to be reported, not to end the comparison.
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

    An extra row is there, too: with its key, version 0 and nothing else.
    """
    return f"differing_{table.name}"


def copy_sql(table: Table, staged: str) -> str:
    """Return the statement that copies lines of `copy_line` into a staging table."""
    names = ", ".join(table.columns)
    return f"COPY {staged} ({names}) FROM STDIN"


def copy_line(table: Table) -> Callable[[Row], str]:
    """Return the function that writes a row as a line of COPY's text format."""
    writers: list[tuple[str, Callable[[object], str]]] = []
    for name, kind in table.columns.items():
        write = _WRITE_FIELD.get(kind, str)
        writers.append((name, write))

    def line(row: Row) -> str:
        # One expression: fifty columns, most of them empty, a million times.
        fields = [NULL if (value := row[name]) is None else write(value) for name, write in writers]
        return "\t".join(fields) + "\n"

    return line


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

    Rows are compared by their bytes first: nearly all are the same, and to write all their JSON as
    text takes long.
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


# The SQL that folds the whole log, or some of its aggregates.

_FOLD_COLUMNS = "originator_id, originator_version, notification_id, topic, state"


CREATE_UNARCHIVED = (
    f"CREATE TEMPORARY TABLE unarchived AS SELECT {_FOLD_COLUMNS} FROM {EVENTS_TABLE} LIMIT 0"
)
"""A session that folds the whole log copies archived events there."""


COUNT_ARCHIVED = "SELECT coalesce(sum(events), 0)::bigint FROM log_archives"


COPY_UNARCHIVED = f"COPY unarchived ({_FOLD_COLUMNS}) FROM STDIN"


ORDER_UNARCHIVED = """
    CREATE INDEX IF NOT EXISTS unarchived_order ON unarchived (originator_id, originator_version);
    ANALYZE unarchived
"""


def _fold_all(condition: str) -> str:
    return f"""
        SELECT {_FOLD_COLUMNS} FROM (
            SELECT {_FOLD_COLUMNS} FROM {EVENTS_TABLE}
            UNION ALL SELECT {_FOLD_COLUMNS} FROM unarchived
        ) AS event
        WHERE topic ^@ %(prefix)s {condition} ORDER BY originator_id, originator_version
    """


FOLD_ALL = _fold_all("")
"""The union is in a subquery, so that the log is read in the order of its primary key, with the
archives merged in. A union at the top is always sorted: on the disk, and before the first row."""


FOLD_FROM = _fold_all("AND originator_id >= %(first)s::uuid")
"""The same from an aggregate on; readers stop before its end."""


FOLD_SOME = f"""
    SELECT {_FOLD_COLUMNS}, NULL::bigint AS archive, NULL::bigint[] AS positions, known.version
    FROM {EVENTS_TABLE} JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS known (id, version)
      ON originator_id = known.id AND originator_version > known.version
    WHERE topic ^@ %(prefix)s
    UNION ALL
    SELECT id, head_version, NULL, NULL, NULL, archive, positions, known.version
    FROM archived_runs
    JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS known (id, version) USING (id)
    ORDER BY originator_id, originator_version
"""


EVENTS_OF = f"""
    SELECT {ENVELOPE_COLUMNS}, {_NO_MARK} FROM {EVENTS_TABLE}
    WHERE originator_id = ANY(%(ids)s::uuid[]) AND topic ^@ %(prefix)s
    UNION ALL {_MARK} WHERE id = ANY(%(ids)s::uuid[])
    ORDER BY originator_id, originator_version
"""


EVENTS_A_RANGE = 4_000
BYTES_A_RANGE = 4_194_304
"""A range ends with whichever comes first: an event may have a megabyte, so this bounds memory."""


def _next_range(columns: str) -> str:
    return f"""
        SELECT {COLUMNS} FROM (
            SELECT *,
                sum(octet_length(state)) OVER (ORDER BY notification_id) - octet_length(state)
                    AS bytes_before
            FROM (
                SELECT {columns} FROM {EVENTS_TABLE}
                WHERE notification_id > %(after)s AND notification_id <= %(until)s
                ORDER BY notification_id LIMIT {EVENTS_A_RANGE}
            ) AS next
        ) AS measured
        WHERE bytes_before < {BYTES_A_RANGE} ORDER BY notification_id
    """


NEXT_RANGE = _next_range(COLUMNS)

NEXT_STATELESS_RANGE = _next_range(COLUMNS.replace("state", "''::bytea AS state"))
"""The same without states: enough to find an event by its id."""


REBUILD_LOCK = 5_518_902_447_613_390_126
"""Key of the advisory lock that a rebuild's session holds, so that there is one rebuild at a
time."""


# Differences between expected and actual rows.

DIFFERENCES_CHUNK = 50


@dataclass(frozen=True)
class Difference:
    """A row that is not the fold of its events.

    Attributes:
        key: the aggregate's id.
        columns: expected and actual text of each column that differs; None is SQL's NULL. Empty
            where the row is missing or extra.
        events: position and topic of each of its events, in order.
        reason: why the row cannot be compared, where it is unreadable.
    """

    table: str
    key: str
    kind: Literal["missing", "extra", "differs", "unreadable"]
    columns: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    events: Sequence[tuple[int, str]] = ()
    reason: str | None = None

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
    """Aggregates whose ids are at least the first and, unless that is None, below the next."""

    first: UUID
    next: UUID | None

    @property
    def values(self) -> dict[str, UUID | None]:
        """The parameters of the statements of `staging`."""
        return {"first": self.first, "next": self.next}


class DifferenceRow(TypedDict):
    """A row of `staging.differences_sql`: expected and actual columns as text."""

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
        while fetched := await cursor.fetchmany(DIFFERENCES_CHUNK):
            rows = as_rows(DifferenceRow, fetched)
            events = await _events_of(connection, archive, table, [row["key"] for row in rows])
            for row in rows:
                yield _difference(table, row, events[row["key"]])


async def examples(
    connection: Connection, table: Table, within: KeyRange, limit: int
) -> dict[str, str]:
    """Return by their keys how some rows differ.

    Columns are named without their values, some of which are personal.
    """
    query = f"{differences_sql(table)} LIMIT {limit}"
    rows = await read_rows(connection, DifferenceRow, query, within.values)
    return {row["key"]: _how(table, row) for row in rows}


def _how(table: Table, row: DifferenceRow) -> str:
    if row["missing"]:
        return "was missing"
    if row["extra"]:
        return "should not have been there"
    columns = zip(table.columns, row["expected"], row["actual"], strict=True)
    return (
        f"differed in {', '.join(name for name, expected, actual in columns if expected != actual)}"
    )


async def _events_of(
    connection: Connection, archive: Path | None, table: Table, keys: Sequence[str]
) -> dict[str, list[tuple[int, str]]]:
    """Return position and topic of each event of these aggregates."""
    values = {"ids": keys, "prefix": topic_prefix(table)}
    rows = await read_rows(connection, HistoryRow, EVENTS_OF, values)
    events: dict[str, list[tuple[int, str]]] = {}
    for key in keys:
        events[key] = []
    for event in await resolved(connection, archive, rows):
        key = event["originator_id"]
        events[key].append((event["notification_id"], event["topic"]))
    return events


def _difference(table: Table, row: DifferenceRow, events: Sequence[tuple[int, str]]) -> Difference:
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


# Rows folded to the present, from an earlier row or from nothing.


class _EventRow(TypedDict):
    """The columns of the log that a fold needs."""

    originator_id: ReadOnly[str]
    originator_version: ReadOnly[int]
    notification_id: ReadOnly[int]
    topic: ReadOnly[str]
    state: ReadOnly[bytes]


class _HistoryRow(_EventRow):
    """An event, or the mark of an archived history; events up to `version` are folded already."""

    archive: ReadOnly[int | None]
    positions: ReadOnly[list[int]]
    version: ReadOnly[int]


async def fold_to_present(
    connection: Connection,
    files: LogFiles,
    table: Table,
    ids: Iterable[UUID],
    rows: Mapping[UUID, ProjectedRow],
) -> dict[UUID, ProjectedRow]:
    """Return these aggregates' expected rows as of now.

    They are `rows`, with later events folded on. An aggregate without events has no row.

    Raises:
        FoldError: see `Folder.add`.
    """
    master_keys = files.master_keys
    folded = dict(rows)
    versions = dict.fromkeys(ids, 0)
    for aggregate_id, row_before in rows.items():
        versions[aggregate_id] = row_before["aggregate_version"]
    new = [aggregate_id for aggregate_id in versions if aggregate_id not in folded]
    plain = await _decrypted(first_plain_states(connection, master_keys, new))
    values = {
        "ids": list(versions),
        "versions": list(versions.values()),
        "prefix": topic_prefix(table),
    }
    marks: list[_HistoryRow] = []
    async with connection.cursor() as cursor:
        # Streamed: a run may have reported its progress a hundred thousand times.
        async for record in cursor.stream(FOLD_SOME, values):
            row = as_row(_HistoryRow, record)
            if row["archive"] is None:
                _fold_row(table, folded, row, plain)
            else:
                marks.append(row)
    for mark in marks:
        archived = await _archived_events(connection, files, mark)
        states = plain_states(connection, master_keys, map(event_of, archived))
        plain = await _decrypted(states)
        for event in archived:
            _fold_row(table, folded, event, plain)
    return folded


async def _archived_events(
    connection: Connection, files: LogFiles, mark: _HistoryRow
) -> list[EventRow]:
    """Return the events of an archived history that are not folded yet."""
    archive = mark["archive"]
    if archive is None:
        return []
    positions = mark["positions"][mark["version"] :]
    documents = await events_at(connection, files.archive, {archive: positions})
    return [to_row(documents[position]) for position in positions]


async def _decrypted(states: Awaitable[dict[UUID, bytes]]) -> dict[UUID, bytes]:
    try:
        return await states
    except CiphertextError as error:
        raise FoldError(None, f"the log cannot be folded: {error}") from None


def _fold_row(
    table: Table, folded: dict[UUID, ProjectedRow], row: _EventRow, plain: Mapping[UUID, bytes]
) -> None:
    aggregate_id = UUID(row["originator_id"])
    version = row["originator_version"]
    state = row["state"]
    if version == 1:
        state = plain.get(aggregate_id, state)
    event = (aggregate_id, version, row["notification_id"], row["topic"], state)
    folded[aggregate_id] = folded_on(table, folded.get(aggregate_id), event)


# The version of the fold that each table was written by (the table `projection_versions`).


@dataclass(frozen=True)
class Stale:
    """A table that was written by another version of its fold: older or, after a downgrade, newer.

    Attributes:
        written_by: that version; None if the table is new to the database, or its last rebuild did
            not finish.
    """

    table: Table
    written_by: int | None

    def __str__(self) -> str:
        if self.written_by is None:
            return f"{self.table.name} has not been built completely"
        return (
            f"{self.table.name} was written by version {self.written_by} of its fold,"
            f" not by {self.table.version}"
        )


class _Version(TypedDict):
    name: ReadOnly[str]
    version: ReadOnly[int]


async def stale_tables(connection: Connection, tables: Sequence[Table] = TABLES) -> list[Stale]:
    """Return the tables that must be rebuilt."""
    rows = await read_rows(connection, _Version, "SELECT name, version FROM projection_versions")
    versions = {row["name"]: row["version"] for row in rows}
    stale: list[Stale] = []
    for table in tables:
        written_by = versions.get(table.name)
        if written_by != table.version:
            stale.append(Stale(table, written_by))
    return stale


async def has_version(connection: Connection, table: Table) -> bool:
    """Return whether the table is complete: no unfinished rebuild has changed it."""
    query = "SELECT name, version FROM projection_versions WHERE name = %(name)s"
    return await read_first(connection, _Version, query, {"name": table.name}) is not None


async def delete_version(connection: Connection, table: Table) -> None:
    """Record that a rebuild has begun, so that an unfinished one is noticed."""
    await connection.execute("DELETE FROM projection_versions WHERE name = %s", (table.name,))


async def record_version(connection: Connection, table: Table) -> None:
    """Record that the table is the fold of the log by this version."""
    await connection.execute(
        "INSERT INTO projection_versions (name, version) VALUES (%(name)s, %(version)s)"
        " ON CONFLICT (name) DO UPDATE"
        " SET version = excluded.version, written_at = clock_timestamp()",
        {"name": table.name, "version": table.version},
    )


_REPAIRS = "mended batches"

RECORD_REPAIR = f"""
    INSERT INTO projection_versions (name, version) VALUES ('{_REPAIRS}', 1)
    ON CONFLICT (name) DO UPDATE SET version = projection_versions.version % 2147483647 + 1
"""
"""To be executed, under the append lock, with each repair of rows: processes that keep rows in
memory notice by `COUNT_REPAIRS` that these may be wrong."""

COUNT_REPAIRS = f"SELECT version FROM projection_versions WHERE name = '{_REPAIRS}'"
"""The number of repairs so far; no row where there were none."""


class RepairsRow(TypedDict):
    """The row of `COUNT_REPAIRS`."""

    version: ReadOnly[int]
