"""Proves that the tables equal the log: both are read in one snapshot, however busily the service goes on writing."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from psycopg import errors
from psycopg.rows import tuple_row

from domain.json_values import JsonObject
from eventlog import schema, staging
from eventlog.archive_check import lay_out_archives
from eventlog.archived import resolved
from eventlog.connection import Database
from eventlog.encryption import MARK
from eventlog.fold import Folder, Stored, topic_prefix
from eventlog.snapshot_keys import SnapshotKeys
from projections import job_runs
from projections.table import Connection, Table, fetch_rows

ROWS_A_WRITE = 500
EVENTS_A_READ = 100
"""Events read and rows written at a time. An event may have a megabyte, so this bounds memory."""

DIFFERENCES_CHUNK = 50

Progress = Callable[[str, int, int], None]
"""Told what is being done to which table, how far it is, and how far it goes."""


@dataclass(frozen=True)
class Difference:
    """A row that is not what its events say.

    Attributes:
        key: the aggregate's id.
        columns: what differs, as the database writes it: expected and found; None is SQL's NULL. Empty where the row
            is missing or extra.
        events: position and topic of each event behind it, in order.
    """

    table: str
    key: str
    kind: Literal["missing", "extra", "differs"]
    columns: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    events: Sequence[tuple[int, str]] = ()

    def present(self) -> JsonObject:
        """Return the difference for programs."""
        return {
            "table": self.table,
            "key": self.key,
            "kind": self.kind,
            "columns": {name: {"expected": wanted, "found": held} for name, (wanted, held) in self.columns.items()},
            "events": [{"position": position, "type": topic} for position, topic in self.events],
        }


@dataclass(frozen=True)
class Checked:
    """What came out for a table.

    Attributes:
        position: the log's last position in the snapshot.
        events: folded for it.
        rows: that it must have.
        differences: how many rows are not as they must be.
    """

    table: str
    position: int
    events: int
    rows: int
    differences: int


@dataclass(frozen=True)
class Snapshot:
    """One moment of the database, seen by two sessions: log and tables agree in it unless something is wrong.

    Attributes:
        log: streams the events.
        tables: takes the expected rows meanwhile, and compares.
        keys: decrypts personal data.
    """

    log: Connection
    tables: Connection
    position: int
    keys: SnapshotKeys


async def verify(
    database: Database, tables: Sequence[Table], report: Callable[[Difference], None], progress: Progress
) -> list[Checked]:
    """Compare the tables with the log, report each difference, and return what came out for each table.

    Raises:
        FoldError: the log cannot be folded.
        ArchiveError: an archive cannot be read.
    """
    async with (
        operator_session(database) as log,
        operator_session(database) as session,
        snapshot(database, log, session, tables) as moment,
    ):
        return [await _check(moment, table, report, progress) for table in tables]


@asynccontextmanager
async def operator_session(database: Database) -> AsyncIterator[Connection]:
    """Give a session for long statements, whose server notices within a second that the client was killed."""
    async with await database.connect() as connection:
        await connection.execute("SET statement_timeout = 0; SET work_mem = '64MB'; SET cursor_tuple_fraction = 1")
        with suppress(errors.InvalidParameterValue):  # Only Linux, macOS and the BSDs can tell.
            await connection.execute("SET client_connection_check_interval = '1s'")
        yield connection


@asynccontextmanager
async def snapshot(
    database: Database, log: Connection, session: Connection, tables: Sequence[Table]
) -> AsyncIterator[Snapshot]:
    """Hold one moment of the database in both sessions.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    for table in tables:
        await session.execute(staging.create_sql(table))
    await log.execute(schema.CREATE_UNARCHIVED)
    await log.execute(f"{_BEGIN}; {_MAY_IDLE}")
    [exported] = await fetch_rows(log, "SELECT pg_export_snapshot() AS id", {})
    await session.execute(f"{_BEGIN}; SET TRANSACTION SNAPSHOT '{exported['id']}'; {_MAY_IDLE}")
    [head] = await fetch_rows(log, schema.HEAD, {})
    if any(table.name == job_runs.TABLE.name for table in tables):  # The events of no other are ever archived.
        await lay_out_archives(log)
    keys = SnapshotKeys(database, str(exported["id"]))
    try:
        yield Snapshot(log, session, cast("int", head["head"]), keys)
    finally:
        await keys.close()
    await log.execute("COMMIT")
    await session.execute("COMMIT")


_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_MAY_IDLE = "SET LOCAL idle_in_transaction_session_timeout = '1h'"
"""One session waits while the other one works."""


async def stage(moment: Snapshot, table: Table, progress: Progress) -> tuple[int, int]:
    """Fold the table's events into its expected rows; return how many events and rows there are.

    Raises:
        FoldError: the log cannot be folded.
    """
    values = {"prefix": topic_prefix(table)}
    total = await _estimate(moment.log, schema.FOLD_ALL, values)
    folder, line = Folder(table), staging.copy_line(table)
    events = rows = 0
    lines: list[str] = []
    async with (
        moment.log.cursor(row_factory=tuple_row) as cursor,
        moment.tables.cursor().copy(staging.copy_sql(table, staging.expected(table))) as copy,
    ):
        async for event in cursor.stream(schema.FOLD_ALL, values, binary=True, size=EVENTS_A_READ):
            stored = cast("Stored", event)
            if stored[1] == 1 and stored[4].startswith(MARK):
                stored = await moment.keys.plain(stored)
            row = folder.add(stored)
            events += 1
            if row is not None:
                lines.append(line(row))
            if len(lines) >= ROWS_A_WRITE:
                await copy.write("".join(lines))
                rows += len(lines)
                lines.clear()
                progress(f"{table.name}: folding", events, max(events, total))
        row = folder.end()
        if row is not None:
            lines.append(line(row))
        await copy.write("".join(lines))
    progress(f"{table.name}: folding", events, events)
    return events, rows + len(lines)


async def _estimate(connection: Connection, query: str, values: dict[str, str]) -> int:
    """Return how many rows the planner expects: good enough for a bar, and to count a large log takes seconds."""
    [explained] = await fetch_rows(connection, f"EXPLAIN (FORMAT JSON) {query}", values)
    plans = cast("list[dict[str, dict[str, int]]]", explained["QUERY PLAN"])
    return plans[0]["Plan"]["Plan Rows"]


async def differences(moment: Snapshot, table: Table) -> AsyncIterator[Difference]:
    """Yield what differs between the expected rows, which are staged, and the table's."""
    async with moment.tables.cursor("differences") as cursor:
        await cursor.execute(staging.differences_sql(table))
        while chunk := await cursor.fetchmany(DIFFERENCES_CHUNK):
            keys = [row["key"] for row in chunk]
            places = await fetch_rows(moment.tables, schema.PLACES, {"ids": keys, "prefix": topic_prefix(table)})
            events: dict[str, list[tuple[int, str]]] = {key: [] for key in keys}
            for place in await resolved(moment.tables, places):
                events[place["originator_id"]].append((place["notification_id"], place["topic"]))
            for row in chunk:
                yield _difference(table, row, events[row["key"]])


async def _check(moment: Snapshot, table: Table, report: Callable[[Difference], None], progress: Progress) -> Checked:
    events, rows = await stage(moment, table, progress)
    progress(f"{table.name}: comparing", 0, rows)
    found = 0
    async for difference in differences(moment, table):
        report(difference)
        found += 1
    progress(f"{table.name}: comparing", rows, rows)
    return Checked(table.name, moment.position, events, rows, found)


def _difference(table: Table, row: dict[str, Any], events: Sequence[tuple[int, str]]) -> Difference:
    if row["missing"] or row["extra"]:
        return Difference(table.name, row["key"], "missing" if row["missing"] else "extra", {}, events)
    columns = {
        name: (wanted, held)
        for name, wanted, held in zip(table.columns, row["wanted"], row["held"], strict=True)
        if wanted != held
    }
    return Difference(table.name, row["key"], "differs", columns, events)
