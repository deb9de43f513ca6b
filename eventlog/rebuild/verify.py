"""Proves that the tables equal the log.

Both are read in one snapshot, however busily the service goes on writing.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import tuple_row
from typing_extensions import TypedDict

from eventlog.archive.files import ArchiveError
from eventlog.archive.reading import events_between
from eventlog.database import sql
from eventlog.database.connection import Database
from eventlog.database.operators import Progress, operator_session
from eventlog.personal.cipher import MARK
from eventlog.rebuild import staging, statements
from eventlog.rebuild.differences import Difference, differences
from eventlog.rebuild.snapshot_keys import SnapshotKeys
from projections import job_runs
from projections.folder import Folder, FoldError, Stored, topic_prefix
from projections.rows import Connection, read_one, read_value
from projections.table import ProjectedRow, Table

ROWS_A_WRITE = 500
EVENTS_A_READ = 100
"""Events read and rows written at a time. An event may have a megabyte, so this bounds memory."""


@dataclass(frozen=True)
class Checked:
    """What came out for a table.

    Attributes:
        position: the log's last position in the snapshot.
        events: folded for it.
        rows: that it must have.
        differences: how many rows are not as they must be.
        unreadable: how many rows nothing can be said about, because this version of the program
            cannot read their events.
    """

    table: str
    position: int
    events: int
    rows: int
    differences: int
    unreadable: int = 0

    @property
    def is_equal(self) -> bool:
        """Return whether the table is certainly equal to the log."""
        return not self.differences and not self.unreadable


@dataclass
class Staged:
    """What was laid beside a table: of so many events, so many rows, and those left out."""

    events: int = 0
    rows: int = 0
    unreadable: list[FoldError] = field(default_factory=list)

    @property
    def unreadable_keys(self) -> set[str]:
        """The ids of the aggregates that are left out."""
        return {str(error.aggregate_id) for error in self.unreadable}


@dataclass(frozen=True)
class Snapshot:
    """One moment of the database, seen by two sessions.

    Log and tables agree in it unless something is wrong.

    Attributes:
        log: streams the events.
        tables: takes the expected rows meanwhile, and compares.
        keys: decrypts personal data.
        archive: the directory of archive files, if there is one.
    """

    log: Connection
    tables: Connection
    position: int
    keys: SnapshotKeys
    archive: Path | None


async def verify(
    database: Database,
    tables: Sequence[Table],
    report: Callable[[Difference], None],
    progress: Progress,
) -> list[Checked]:
    """Compare the tables with the log, and report each difference and what cannot be read.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    async with (
        operator_session(database) as log,
        operator_session(database) as session,
        snapshot(database, log, session, tables) as moment,
    ):
        return [await _check(moment, table, report, progress) for table in tables]


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
    await log.execute(statements.CREATE_UNARCHIVED)
    await log.execute(f"{_BEGIN}; {_MAY_IDLE}")
    exported = await read_value(log, str, "SELECT pg_export_snapshot()")
    await session.execute(
        f"{_BEGIN}; SET TRANSACTION SNAPSHOT '{exported}'; {_MAY_IDLE}"
    )
    head = await read_value(log, int, sql.HEAD)
    # The events of no other table are ever archived.
    if job_runs.TABLE.name in {table.name for table in tables}:
        await lay_out_archives(log, database.files.archive)
    keys = SnapshotKeys(database, exported)
    try:
        yield Snapshot(log, session, head, keys, database.files.archive)
    finally:
        await keys.close()
    await log.execute("COMMIT")
    await session.execute("COMMIT")


_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_MAY_IDLE = "SET LOCAL idle_in_transaction_session_timeout = '1h'"
"""One session waits while the other one works."""


async def stage(moment: Snapshot, table: Table, progress: Progress) -> Staged:
    """Fold the table's events into its expected rows; return what came of it."""
    values = {"prefix": topic_prefix(table)}
    total = await _estimate(moment.log, statements.FOLD_ALL, values)
    staged = Staged()
    folder = Folder(table, staged.unreadable.append)
    line = staging.copy_line(table)
    copying = staging.copy_sql(table, staging.expected(table)).encode()
    lines: list[str] = []
    async with (
        moment.log.cursor(row_factory=tuple_row) as cursor,
        moment.tables.cursor().copy(copying) as copy,
        # Closed in any case: a stream that is left open keeps its session locked.
        aclosing(_stream(cursor, values)) as stream,
    ):
        async for stored in stream:
            row = await _fold(moment, folder, stored)
            staged.events += 1
            if row is not None:
                lines.append(line(row))
            if len(lines) >= ROWS_A_WRITE:
                await copy.write("".join(lines))
                staged.rows += len(lines)
                lines.clear()
                done = staged.events
                progress(f"{table.name}: folding", done, max(done, total))
        row = folder.end()
        if row is not None:
            lines.append(line(row))
        await copy.write("".join(lines))
    progress(f"{table.name}: folding", staged.events, staged.events)
    staged.rows += len(lines)
    return staged


async def _fold(moment: Snapshot, folder: Folder, event: Stored) -> ProjectedRow | None:
    if event[1] == 1 and event[4].startswith(MARK):
        try:
            event = await moment.keys.plain(event)
        except FoldError as error:
            return folder.give_up(event, error)
    return folder.add(event)


def _stream(
    cursor: AsyncCursor[tuple[Any, ...]], values: Mapping[str, object]
) -> AsyncGenerator[Stored]:
    events = cursor.stream(statements.FOLD_ALL, values, binary=True, size=EVENTS_A_READ)
    return cast("AsyncGenerator[Stored]", events)


_Explained = TypedDict("_Explained", {"QUERY PLAN": list[dict[str, dict[str, int]]]})
"""What EXPLAIN tells in JSON."""


async def _estimate(connection: Connection, query: str, values: dict[str, str]) -> int:
    """Return how many rows the planner expects: good enough for a bar.

    To count those of a large log takes seconds.
    """
    explained = await read_one(
        connection, _Explained, f"EXPLAIN (FORMAT JSON) {query}", values
    )
    [found] = explained["QUERY PLAN"]
    return found["Plan"]["Plan Rows"]


async def _check(
    moment: Snapshot,
    table: Table,
    report: Callable[[Difference], None],
    progress: Progress,
) -> Checked:
    staged = await stage(moment, table, progress)
    rows = staged.rows
    for error in staged.unreadable:
        key = str(error.aggregate_id)
        report(Difference(table.name, key, "unreadable", reason=str(error)))
    progress(f"{table.name}: comparing", 0, rows)
    found = 0
    left_out = staged.unreadable_keys
    async for difference in differences(moment.tables, moment.archive, table):
        if difference.key not in left_out:
            report(difference)
            found += 1
    progress(f"{table.name}: comparing", rows, rows)
    return Checked(
        table.name, moment.position, staged.events, rows, found, len(left_out)
    )


async def lay_out_archives(connection: Connection, archive: Path | None) -> None:
    """Fill the session's temporary table `unarchived` with all archived events of its snapshot.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    told = await read_value(connection, int, statements.COUNT_ARCHIVED)
    if not told:
        return
    laid = 0
    # Chunks are read first: a session does one thing at a time, and COPY is one thing.
    async with aclosing(events_between(connection, archive, 0)) as chunks:
        async for chunk in chunks:
            async with connection.cursor().copy(statements.COPY_UNARCHIVED) as copy:
                for event in chunk:
                    aggregate_id = UUID(event["aggregateId"])
                    key = (aggregate_id, event["version"], event["position"])
                    state = event["state"].encode()
                    await copy.write_row((*key, event["topic"], state))
            laid += len(chunk)
    if laid != told:
        raise ArchiveError(
            "index", f"leads to {laid} of {told} archived events: it was edited"
        )
    await connection.execute("ANALYZE unarchived")
