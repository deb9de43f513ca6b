"""Compares the tables with the log, range by range, while the service continues to work.

First how the expected rows of a range are staged; then the comparison (`compare_ranges`), by which
`verify` reports differences, and a rebuild stages them. Each range is compared in one snapshot, in
which log and table agree unless something is wrong.

Three processes work at a time: one process of the server reads events; this process folds them;
another process of the server receives rows, or compares the previous range.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, cast
from uuid import UUID

from psycopg import AsyncCopy, AsyncServerCursor
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
from runtime.tasks import end_tasks, mark_as_reported

EVENTS_A_RANGE = 100_000

RANGE_S = 0.5
"""A range ends after the aggregate at which it reaches one of the two limits."""

CHARACTERS_A_WRITE = 50_000
WAITING_CHARACTERS = 2_000_000
"""How much text of staged rows is kept in memory before it is written, and at most while the server
still compares the previous range."""

BYTES_A_READ = 500_000
MAX_READ = 2_000
INITIAL_READ = 50
"""About `BYTES_A_READ` bytes of events are read at a time, to bound memory, since an event may have
a megabyte. The number of events is estimated by the sizes of those before."""

FIRST_ID = UUID(int=0)


@dataclass
class StagedCounts:
    """The numbers of events and rows that were staged, and the aggregates that could not be."""

    events: int = 0
    rows: int = 0
    unreadable: list[FoldError] = field(default_factory=list)

    @property
    def unreadable_keys(self) -> set[str]:
        """The ids of the aggregates that were not staged."""
        return {str(error.aggregate_id) for error in self.unreadable}

    def add(self, other: "StagedCounts") -> None:
        """Add another range's numbers."""
        self.events += other.events
        self.rows += other.rows
        self.unreadable += other.unreadable


@dataclass(frozen=True)
class Range:
    """A part of a table whose expected rows are staged, in the snapshot of their events."""

    keys: KeyRange
    staged: StagedCounts


class _Stager:
    """Folds the events of a range, and stages the rows."""

    def __init__(
        self,
        snapshots: SharedSnapshots,
        table: Table,
        snapshot_id: str,
        comparing: "asyncio.Task[None] | None",
    ) -> None:
        """Begin a range.

        Args:
            snapshots: the sessions; the log's session is in the range's snapshot.
            table: the table.
            snapshot_id: the range's snapshot.
            comparing: the comparison of the previous range, which uses the tables' session; None
                for the first range.
        """
        self.staged = StagedCounts()
        self._snapshots = snapshots
        self._table = table
        self._snapshot_id = snapshot_id
        self._comparing = comparing
        self._folder = Folder(table, self.staged.unreadable.append)
        self._write_line = staging.line_writer(table)
        self._lines: list[str] = []
        self._characters = 0
        self._copying = AsyncExitStack()
        self._copy: AsyncCopy | None = None
        self._until = monotonic() + RANGE_S

    async def stage(self, first: UUID) -> UUID | None:
        """Stage the range from an id on; return the first id of the next range, None at the end."""
        next_id: UUID | None = None
        async with _events(self._snapshots.log, self._table, first) as chunks, self._copying:
            async for chunk in chunks:
                next_id = await self._fold_chunk(chunk)
                if next_id is not None:
                    break
            last = self._folder.end()
            if last is not None:
                self._keep(last)
            await self._write()
        return next_id

    def _is_write_due(self) -> bool:
        """Return whether to write the lines now, or later while the tables' session is busy."""
        if self._characters < CHARACTERS_A_WRITE:
            return False
        is_busy = self._comparing is not None and not self._comparing.done()
        return not is_busy or self._characters >= WAITING_CHARACTERS

    async def _write(self) -> None:
        """Copy the lines into the table of expected rows, once the previous range is compared."""
        if self._copy is None:
            if self._comparing is not None:
                await self._comparing
            tables = self._snapshots.tables
            expected = staging.expected_table(self._table)
            await tables.execute(f"TRUNCATE {expected}")
            await self._snapshots.share(self._snapshot_id)
            statement = staging.copy_sql(self._table, expected)
            copy = tables.cursor().copy(statement.encode())
            self._copy = await self._copying.enter_async_context(copy)
        await self._copy.write("".join(self._lines))
        self._lines.clear()
        self._characters = 0

    async def _fold_chunk(self, chunk: Sequence[Stored]) -> UUID | None:
        """Fold events; return the first id of the next range once this one is full, else None."""
        for event in chunk:
            if event[1] == 1 and self._is_full():
                return event[0]
            if event[1] == 1 and event[4].startswith(CIPHERTEXT_MARK):
                row = await self._fold_encrypted(event)
            else:
                row = self._folder.add(event)
            if row is not None:
                self._keep(row)
                if self._is_write_due():
                    await self._write()
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
        line = self._write_line(row)
        self._lines.append(line)
        self._characters += len(line)
        self.staged.rows += 1


@asynccontextmanager
async def _events(
    connection: Connection, table: Table, first: UUID
) -> AsyncIterator[AsyncIterator[Sequence[Stored]]]:
    """Yield a table's events from an aggregate on, in chunks."""
    values = {"prefix": topic_prefix(table), "first": first}
    async with connection.cursor("events", row_factory=tuple_row) as cursor:
        await cursor.execute(staging.FOLD_FROM, values, binary=True)
        async with aclosing(_chunks(cursor)) as chunks:
            yield chunks


async def _chunks(cursor: AsyncServerCursor[tuple[Any, ...]]) -> AsyncGenerator[Sequence[Stored]]:
    """Yield the cursor's events in chunks; the server reads the next chunk meanwhile."""
    # Each task is awaited below, so that no error is lost.
    fetching = asyncio.create_task(cursor.fetchmany(INITIAL_READ))
    try:
        while records := await fetching:
            chunk = cast("list[Stored]", records)
            mean_bytes = max(sum(len(state) for *_, state in chunk) // len(chunk), 1)
            size = min(max(BYTES_A_READ // mean_bytes, 1), MAX_READ)
            # `sleep` lets the task send its request now: the fold of this chunk blocks the loop.
            fetching = asyncio.create_task(cursor.fetchmany(size))
            await asyncio.sleep(0)
            yield chunk
    finally:
        await asyncio.gather(fetching, return_exceptions=True)


_ExplainRow = TypedDict("_ExplainRow", {"QUERY PLAN": list[dict[str, dict[str, int]]]})
"""The JSON of EXPLAIN."""


async def _estimate(connection: Connection, query: str, values: dict[str, str]) -> int:
    """Return the planner's estimate of a query's rows, for progress: a count would take seconds."""
    row = await read_one(connection, _ExplainRow, f"EXPLAIN (FORMAT JSON) {query}", values)
    [plan] = row["QUERY PLAN"]
    return plan["Plan"]["Plan Rows"]


@dataclass(frozen=True)
class Comparison:
    """The result of comparing a table.

    Attributes:
        table: the table's name.
        position: the log's last position when the comparison began.
        events: number of events that were folded.
        rows: number of rows that the table must have.
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
        """Return whether every row of the table was compared and is equal."""
        return not self.differences and not self.unreadable


async def verify(
    database: Database,
    tables: Sequence[Table],
    report: Callable[[Difference], None],
    progress: Progress,
) -> list[Comparison]:
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
) -> Comparison:
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
) -> Comparison:
    """Compare a table range by range. While the server compares a range, the next one is folded.

    Args:
        snapshots: the sessions.
        table: the table.
        compare: compares a range; returns the number of its differing rows.
        progress: called with the number of folded events and of compared rows.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    events = await _estimate(snapshots.log, staging.FOLD_ALL, {"prefix": topic_prefix(table)})
    total = StagedCounts()
    differing = 0

    async def compare_range(part: Range) -> None:
        nonlocal differing
        total.add(part.staged)
        differing += await compare(part)
        progress(f"{table.name}: comparing", total.rows, total.rows)
        await snapshots.release()

    folded_events = 0
    comparing: asyncio.Task[None] | None = None
    first: UUID | None = FIRST_ID
    try:
        while first is not None:
            async with snapshots.next() as snapshot_id:
                stager = _Stager(snapshots, table, snapshot_id, comparing)
                next_id = await stager.stage(first)
            folded_events += stager.staged.events
            progress(f"{table.name}: folding", folded_events, max(folded_events, events))
            part = Range(KeyRange(first, next_id), stager.staged)
            # It is awaited by the next range's stager before that writes, or at the end below.
            comparing = asyncio.create_task(compare_range(part))
            mark_as_reported(comparing)
            first = next_id
        if comparing is not None:
            await comparing
    finally:
        await end_tasks(comparing)
    return Comparison(
        table=table.name,
        position=snapshots.position,
        events=total.events,
        rows=total.rows,
        differences=differing,
        unreadable=len(total.unreadable),
    )
