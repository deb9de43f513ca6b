"""The rows that a table must hold, staged beside those that it does hold, and their differences.

First the temporary tables and their comparison; then the SQL that folds the whole log or some
aggregates; then differences as people read them; then rows folded on to the present (`fold_on`);
last which version of its fold each table was written by.

Rows go by COPY into a temporary table: nothing of it is left once the session ends, in whatever way
that happens. PostgreSQL itself compares, so what counts is what it stores: times to the
microsecond, JSON by its text (1 is not 1.0, but the order of keys is nothing), and SQL's NULL is
not JSON's null.
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

    One is for the expected rows, one for those of them that differ. They are without the
    constraints of the real table: what it would refuse is to be reported, not to end the
    comparison.
    """
    columns = ", ".join([f"{name} {kind}" for name, kind in table.columns.items()])
    wanted = expected(table)
    other = differing(table)
    return f"""
        CREATE TEMPORARY TABLE {wanted} ({columns});
        CREATE TEMPORARY TABLE {other} ({columns}, PRIMARY KEY ({table.key}))
    """


def expected(table: Table) -> str:
    """Return the name of the temporary table of the rows that the table must hold."""
    return f"expected_{table.name}"


def differing(table: Table) -> str:
    """Return the name of the temporary table of those that it does not hold like this.

    A row that it holds and must not is there, too: with its key, version 0 and nothing else.
    """
    return f"differing_{table.name}"


def copy_sql(table: Table, staged: str) -> str:
    """Return the statement that takes lines of `copy_line` into one of the two."""
    names = ", ".join(table.columns)
    return f"COPY {staged} ({names}) FROM STDIN"


def copy_line(table: Table) -> Callable[[Row], str]:
    """Return the function that writes a row as a line of COPY's text format."""
    writers: list[tuple[str, Callable[[object], str]]] = []
    for name, kind in table.columns.items():
        write = _WRITE_FIELD.get(kind, str)
        writers.append((name, write))

    def line(row: Row) -> str:
        # One step, for there are fifty columns, most of them empty, a million times.
        fields = [NULL if (value := row[name]) is None else write(value) for name, write in writers]
        return "\t".join(fields) + "\n"

    return line


def _write_json(value: object) -> str:
    # JSON has no bare line breaks and tabs, so the backslash is all there is to escape.
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


def note_differing_sql(table: Table) -> str:
    """Return the statement that adds to `differing` what differs in a range."""
    key = table.key
    values = {name: f"wanted.{name}" for name in table.columns}
    values[key] = f"coalesce(wanted.{key}, held.{key})"
    values["aggregate_version"] = "coalesce(wanted.aggregate_version, 0)"
    names = ", ".join(values)
    row = ", ".join(values.values())
    return f"""
        INSERT INTO {differing(table)} ({names})
        SELECT {row} {_mismatch(table)}
    """


def differences_sql(table: Table) -> str:
    """Return the query for what differs in a range of keys, from `first` to before `next`.

    Its columns are `key`, `missing`, `extra`, and `wanted` and `held`: all columns as text.
    """
    wanted = ", ".join([f"wanted.{name}::text" for name in table.columns])
    held = ", ".join([f"held.{name}::text" for name in table.columns])
    key = table.key
    return f"""
        SELECT coalesce(wanted.{key}, held.{key}) AS key,
            held.{key} IS NULL AS missing,
            wanted.{key} IS NULL AS extra,
            ARRAY[{wanted}] AS wanted, ARRAY[{held}] AS held
        {_mismatch(table)} ORDER BY 1
    """


def _mismatch(table: Table) -> str:
    """Return from where and by what condition rows differ.

    Whole rows are compared by their bytes first: nearly all are the same, and to write all their
    JSON as text takes long.
    """
    all_wanted: list[str] = []
    all_held: list[str] = []
    all_unequal: list[str] = []
    for name, kind in table.columns.items():
        all_wanted.append(f"wanted.{name}")
        all_held.append(f"held.{name}::{kind}")
        all_unequal.append(_unequal(name, kind))
    wanted = ", ".join(all_wanted)
    held = ", ".join(all_held)
    differs = " OR ".join(all_unequal)
    key = table.key
    return f"""
        FROM {expected(table)} AS wanted
        FULL JOIN (
            SELECT * FROM {table.name}
            WHERE {key} >= %(first)s::uuid AND (%(next)s::uuid IS NULL OR {key} < %(next)s::uuid)
        ) AS held ON wanted.{key} = held.{key}
        WHERE ROW({wanted})::record *<> ROW({held})::record AND ({differs})
    """


def _unequal(name: str, kind: str) -> str:
    wanted = f"wanted.{name}"
    held = f"held.{name}"
    if kind == "jsonb":
        wanted += "::text"
        held += "::text"
    return f"{wanted} IS DISTINCT FROM {held}"


# The SQL that folds the whole log, or some of its aggregates.

_FOLDED = "originator_id, originator_version, notification_id, topic, state"


CREATE_UNARCHIVED = (
    f"CREATE TEMPORARY TABLE unarchived AS SELECT {_FOLDED} FROM {EVENTS_TABLE} LIMIT 0"
)
"""Where a session that folds the whole log lays the events of the archives beside those of the
log."""


COUNT_ARCHIVED = "SELECT coalesce(sum(events), 0)::bigint FROM log_archives"


COPY_UNARCHIVED = f"COPY unarchived ({_FOLDED}) FROM STDIN"


ORDER_UNARCHIVED = """
    CREATE INDEX IF NOT EXISTS unarchived_order ON unarchived (originator_id, originator_version);
    ANALYZE unarchived
"""


def _fold_all(condition: str) -> str:
    return f"""
        SELECT {_FOLDED} FROM (
            SELECT {_FOLDED} FROM {EVENTS_TABLE} UNION ALL SELECT {_FOLDED} FROM unarchived
        ) AS event
        WHERE topic ^@ %(prefix)s {condition} ORDER BY originator_id, originator_version
    """


FOLD_ALL = _fold_all("")
"""The union stands in a subquery, so that the log can be read in the order of its primary key and
the archives merged in. A union at the top is always sorted: on the disk, and before the first event
comes out."""


FOLD_FROM = _fold_all("AND originator_id >= %(first)s::uuid")
"""The same from an aggregate on; whoever reads it stops somewhere."""


FOLD_SOME = f"""
    SELECT {_FOLDED}, NULL::bigint AS archive, NULL::bigint[] AS positions, known.version
    FROM {EVENTS_TABLE} JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS known (id, version)
      ON originator_id = known.id AND originator_version > known.version
    WHERE topic ^@ %(prefix)s
    UNION ALL
    SELECT id, head_version, NULL, NULL, NULL, archive, positions, known.version
    FROM archived_runs
    JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS known (id, version) USING (id)
    ORDER BY originator_id, originator_version
"""


PLACES = f"""
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
"""The same without what events say: enough to find one by its id."""


REBUILD_LOCK = 5_518_902_447_613_390_126
"""Key of the advisory lock that a rebuild's session holds, so that there is one at a time."""


# Differences between the staged rows, which a table must hold, and those that it holds.

DIFFERENCES_CHUNK = 50


@dataclass(frozen=True)
class Difference:
    """A row that is not what its events say.

    Attributes:
        key: the aggregate's id.
        columns: what differs, as the database writes it: expected and found; None is SQL's NULL.
            Empty where the row is missing or extra.
        events: position and topic of each event behind it, in order.
        reason: why nothing can be said about the row, where it is unreadable.
    """

    table: str
    key: str
    kind: Literal["missing", "extra", "differs", "unreadable"]
    columns: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    events: Sequence[tuple[int, str]] = ()
    reason: str | None = None

    def present(self) -> JsonObject:
        """Return the difference for programs."""
        columns: JsonObject = {}
        for name, (wanted, held) in self.columns.items():
            columns[name] = {"expected": wanted, "found": held}
        events: list[Json] = []
        for position, topic in self.events:
            events.append({"position": position, "type": topic})
        shown: JsonObject = {
            "table": self.table,
            "key": self.key,
            "kind": self.kind,
            "columns": columns,
            "events": events,
        }
        if self.reason is not None:
            shown["reason"] = self.reason
        return shown


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
    """A row of `staging.differences_sql`: columns as text, as they must be and as they are."""

    key: ReadOnly[str]
    missing: ReadOnly[bool]
    extra: ReadOnly[bool]
    wanted: ReadOnly[list[str | None]]
    held: ReadOnly[list[str | None]]


async def differences(
    connection: Connection, archive: Path | None, table: Table, within: KeyRange
) -> AsyncIterator[Difference]:
    """Yield what differs between the expected rows, which are staged, and the table's."""
    query = differences_sql(table).encode()
    async with connection.cursor("differences") as cursor:
        await cursor.execute(query, within.values)
        while fetched := await cursor.fetchmany(DIFFERENCES_CHUNK):
            rows = as_rows(DifferenceRow, fetched)
            events = await _events_of(connection, archive, table, [row["key"] for row in rows])
            for row in rows:
                yield _difference(table, row, events[row["key"]])


async def _events_of(
    connection: Connection, archive: Path | None, table: Table, keys: Sequence[str]
) -> dict[str, list[tuple[int, str]]]:
    """Return position and topic of each event of these aggregates."""
    values = {"ids": keys, "prefix": topic_prefix(table)}
    found = await read_rows(connection, HistoryRow, PLACES, values)
    events: dict[str, list[tuple[int, str]]] = {}
    for key in keys:
        events[key] = []
    for event in await resolved(connection, archive, found):
        key = event["originator_id"]
        events[key].append((event["notification_id"], event["topic"]))
    return events


def _difference(table: Table, row: DifferenceRow, events: Sequence[tuple[int, str]]) -> Difference:
    key = row["key"]
    if row["missing"]:
        return Difference(table.name, key, "missing", {}, events)
    if row["extra"]:
        return Difference(table.name, key, "extra", {}, events)
    cells = zip(table.columns, row["wanted"], row["held"], strict=True)
    columns: dict[str, tuple[str | None, str | None]] = {}
    for name, wanted, held in cells:
        if wanted != held:
            columns[name] = (wanted, held)
    return Difference(table.name, key, "differs", columns, events)


# Rows folded on to the present, from what they were or from nothing.


class _EventRow(TypedDict):
    """What of a row of the log a fold needs."""

    originator_id: ReadOnly[str]
    originator_version: ReadOnly[int]
    notification_id: ReadOnly[int]
    topic: ReadOnly[str]
    state: ReadOnly[bytes]


class _FoundRow(_EventRow):
    """An event, or the mark of an archived history; `version` is what of it is folded already."""

    archive: ReadOnly[int | None]
    positions: ReadOnly[list[int]]
    version: ReadOnly[int]


async def fold_on(
    connection: Connection,
    files: LogFiles,
    table: Table,
    ids: Iterable[UUID],
    rows: Mapping[UUID, ProjectedRow],
) -> dict[UUID, ProjectedRow]:
    """Return these aggregates' rows as they must be now.

    They are `rows`, carried on by the events that came after them. An aggregate without events has
    no row.

    Raises:
        FoldError: see `Folder.add`.
    """
    master_keys = files.master_keys
    folded = dict(rows)
    versions = dict.fromkeys(ids, 0)
    for aggregate_id, known in rows.items():
        versions[aggregate_id] = known["aggregate_version"]
    new = [aggregate_id for aggregate_id in versions if aggregate_id not in folded]
    plain = await _decrypted(first_plain_states(connection, master_keys, new))
    values = {
        "ids": list(versions),
        "versions": list(versions.values()),
        "prefix": topic_prefix(table),
    }
    marks: list[_FoundRow] = []
    async with connection.cursor() as cursor:
        # Event by event: a run may have reported its progress a hundred thousand times.
        async for found in cursor.stream(FOLD_SOME, values):
            row = as_row(_FoundRow, found)
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
    connection: Connection, files: LogFiles, mark: _FoundRow
) -> list[EventRow]:
    """Return what of an archived history is not folded yet."""
    archive = mark["archive"]
    if archive is None:
        return []
    positions = mark["positions"][mark["version"] :]
    found = await events_at(connection, files.archive, {archive: positions})
    return [to_row(found[position]) for position in positions]


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


# Which version of its fold each table was written by (the table `projection_versions`).


@dataclass(frozen=True)
class Stale:
    """A table that another version of its fold has written.

    It is an older one or, after a step back, a newer one.

    Attributes:
        written_by: that version; None if the table is new to the database, or a rebuild of it did
            not come to its end.
    """

    table: Table
    written_by: int | None

    def __str__(self) -> str:
        """Say it."""
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
    found: list[Stale] = []
    for table in tables:
        written_by = versions.get(table.name)
        if written_by != table.version:
            found.append(Stale(table, written_by))
    return found


async def has_version(connection: Connection, table: Table) -> bool:
    """Return whether the table was complete once, and no rebuild has begun to change it since."""
    query = "SELECT name, version FROM projection_versions WHERE name = %(name)s"
    return await read_first(connection, _Version, query, {"name": table.name}) is not None


async def forget_version(connection: Connection, table: Table) -> None:
    """Note that a rebuild has begun, so that one that does not come to its end is noticed."""
    await connection.execute("DELETE FROM projection_versions WHERE name = %s", (table.name,))


async def record_version(connection: Connection, table: Table) -> None:
    """Note that the table is what this version of its fold makes of the log."""
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
