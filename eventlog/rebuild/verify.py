"""Compares the tables with the log, range by range, while the service continues to work.

First the ranges, whose expected rows are staged; then the comparison (`compare_ranges`): `verify`
reports what differs, a rebuild stages it. Each range is compared in one snapshot, in which log and
table agree unless something is wrong.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, cast
from uuid import UUID

from psycopg import AsyncServerCursor
from psycopg.rows import tuple_row
from typing_extensions import TypedDict

from eventlog.database.connection import Database, Progress
from eventlog.personal import CIPHERTEXT_MARK
from eventlog.rebuild import staging
from eventlog.rebuild.snapshots import SharedSnapshots, shared_snapshots
from eventlog.rebuild.staging import Difference, KeyRange, differences
from projections.rows import Connection, read_one
from projections.table import ProjectedRow, Table
from projections.tables import Folder, FoldError, Stored, topic_prefix

EVENTS_A_RANGE = 100_000

RANGE_S = 0.5
"""How long a range is read; it ends at the first of the two limits, after an aggregate."""

ROWS_A_WRITE = 500

BYTES_A_READ = 500_000
MAX_READ = 2_000
INITIAL_READ = 50
"""About this many bytes of events are read at a time, which bounds memory: an event may have a
megabyte. The number of events is estimated from those read before."""

FIRST_ID = UUID(int=0)


@dataclass
class Staged:
    """The numbers of events and rows that were staged, and the rows that could not be."""

    events: int = 0
    rows: int = 0
    unreadable: list[FoldError] = field(default_factory=list)

    @property
    def unreadable_keys(self) -> set[str]:
        """The ids of the aggregates that were not staged."""
        return {str(error.aggregate_id) for error in self.unreadable}

    def add(self, other: "Staged") -> None:
        """Add another range's numbers."""
        self.events += other.events
        self.rows += other.rows
        self.unreadable += other.unreadable


@dataclass(frozen=True)
class Range:
    """A part of a table; its expected rows are staged, in a snapshot of both sessions."""

    keys: KeyRange
    staged: Staged


async def ranges(
    snapshots: SharedSnapshots, table: Table, progress: Progress
) -> AsyncGenerator[Range]:
    """Yield the table range by range. Use it in `aclosing`.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    total = await _estimate(snapshots.log, staging.FOLD_ALL, {"prefix": topic_prefix(table)})
    emptying = f"TRUNCATE {staging.expected_table(table)}"
    done = 0
    first: UUID | None = FIRST_ID
    while first is not None:
        await snapshots.tables.execute(emptying)
        async with snapshots.next():
            stager = _Stager(snapshots, table)
            next_id = await stager.stage(first)
            staged = stager.staged
            done += staged.events
            progress(f"{table.name}: folding", done, max(done, total))
            yield Range(KeyRange(first, next_id), staged)
        first = next_id


class _Stager:
    """Folds the events of a range, and stages the rows."""

    def __init__(self, snapshots: SharedSnapshots, table: Table) -> None:
        self.staged = Staged()
        self._snapshots = snapshots
        self._table = table
        self._folder = Folder(table, self.staged.unreadable.append)
        self._write_line = staging.copy_line(table)
        self._lines: list[str] = []
        self._until = monotonic() + RANGE_S

    async def stage(self, first: UUID) -> UUID | None:
        """Return the id with which the next range begins; None where this is the last."""
        table = self._table
        copying = staging.copy_sql(table, staging.expected_table(table))
        log = self._snapshots.log
        tables = self._snapshots.tables
        next_id: UUID | None = None
        async with (
            _events(log, table, first) as chunks,
            tables.cursor().copy(copying.encode()) as copy,
        ):
            async for chunk in chunks:
                next_id = await self._fold_chunk(chunk)
                if len(self._lines) >= ROWS_A_WRITE:
                    await copy.write(self._text())
                if next_id is not None:
                    break
            last = self._folder.end()
            if last is not None:
                self._keep(last)
            await copy.write(self._text())
        return next_id

    async def _fold_chunk(self, chunk: Sequence[Stored]) -> UUID | None:
        """Fold events; if the range is full, return the first id of the next range."""
        for event in chunk:
            if event[1] == 1 and self._is_full():
                return event[0]
            if event[1] == 1 and event[4].startswith(CIPHERTEXT_MARK):
                row = await self._fold_encrypted(event)
            else:
                row = self._folder.add(event)
            if row is not None:
                self._keep(row)
            self.staged.events += 1
        return None

    def _is_full(self) -> bool:
        events = self.staged.events
        return events >= EVENTS_A_RANGE or (events > 0 and monotonic() > self._until)

    async def _fold_encrypted(self, event: Stored) -> ProjectedRow | None:
        try:
            event = await self._snapshots.keys.decrypted(event)
        except FoldError as error:
            return self._folder.give_up(event, error)
        return self._folder.add(event)

    def _keep(self, row: ProjectedRow) -> None:
        self._lines.append(self._write_line(row))
        self.staged.rows += 1

    def _text(self) -> str:
        text = "".join(self._lines)
        self._lines.clear()
        return text


@asynccontextmanager
async def _events(
    connection: Connection, table: Table, first: UUID
) -> AsyncIterator[AsyncIterator[Sequence[Stored]]]:
    """Yield a table's events from an aggregate on, in chunks."""
    values = {"prefix": topic_prefix(table), "first": first}
    async with connection.cursor("events", row_factory=tuple_row) as cursor:
        await cursor.execute(staging.FOLD_FROM, values, binary=True)
        yield _chunks(cursor)


async def _chunks(cursor: AsyncServerCursor[tuple[Any, ...]]) -> AsyncGenerator[Sequence[Stored]]:
    size = INITIAL_READ
    while fetched := await cursor.fetchmany(size):
        chunk = cast("list[Stored]", fetched)
        yield chunk
        mean_bytes = max(sum(len(state) for *_, state in chunk) // len(chunk), 1)
        fitting = BYTES_A_READ // mean_bytes
        size = min(max(fitting, 1), MAX_READ)


_ExplainRow = TypedDict("_ExplainRow", {"QUERY PLAN": list[dict[str, dict[str, int]]]})
"""The JSON of EXPLAIN."""


async def _estimate(connection: Connection, query: str, values: dict[str, str]) -> int:
    """Return the planner's estimate of rows: good enough for a progress bar.

    Counting the rows of a large log takes seconds.
    """
    explained = await read_one(connection, _ExplainRow, f"EXPLAIN (FORMAT JSON) {query}", values)
    [plan] = explained["QUERY PLAN"]
    return plan["Plan"]["Plan Rows"]


@dataclass(frozen=True)
class Checked:
    """The result of comparing a table.

    Attributes:
        position: the log's last position when the comparison began.
        events: number of events folded.
        rows: number of rows that it must have.
        differences: number of rows that differ.
        unreadable: number of rows that could not be compared, because this version of the program
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
        """Return whether the table certainly equals the log."""
        return not self.differences and not self.unreadable


async def verify(
    database: Database,
    tables: Sequence[Table],
    report: Callable[[Difference], None],
    progress: Progress,
) -> list[Checked]:
    """Compare the tables with the log; report each difference and each unreadable row.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    async with shared_snapshots(database, tables) as snapshots:
        return [await _verify(snapshots, table, report, progress) for table in tables]


async def _verify(
    snapshots: SharedSnapshots,
    table: Table,
    report: Callable[[Difference], None],
    progress: Progress,
) -> Checked:
    async def compare(part: Range) -> int:
        for error in part.staged.unreadable:
            key = str(error.aggregate_id)
            report(Difference(table.name, key, "unreadable", reason=str(error)))
        differing = 0
        unreadable = part.staged.unreadable_keys
        async for difference in differences(snapshots.tables, snapshots.archive, table, part.keys):
            if difference.key not in unreadable:
                report(difference)
                differing += 1
        return differing

    return await compare_ranges(snapshots, table, compare, progress)


async def compare_ranges(
    snapshots: SharedSnapshots,
    table: Table,
    compare: Callable[[Range], Awaitable[int]],
    progress: Progress,
) -> Checked:
    """Compare a table range by range; `compare` returns the number of a range's differing rows.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    total = Staged()
    differing = 0
    async with aclosing(ranges(snapshots, table, progress)) as parts:
        async for part in parts:
            total.add(part.staged)
            differing += await compare(part)
            progress(f"{table.name}: comparing", total.rows, total.rows)
    return Checked(
        table=table.name,
        position=snapshots.position,
        events=total.events,
        rows=total.rows,
        differences=differing,
        unreadable=len(total.unreadable),
    )
