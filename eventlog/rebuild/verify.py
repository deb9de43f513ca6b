"""Proves that the tables equal the log, range by range, while the service continues to work.

First the ranges, whose expected rows are staged; then the comparison (`verify`). Log and table are
compared in one moment a range, in which they agree unless something is wrong.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
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
from eventlog.rebuild.moments import Moments, moments
from eventlog.rebuild.staging import Difference, KeyRange, differences
from projections.rows import Connection, read_one
from projections.table import ProjectedRow, Table
from projections.tables import Folder, FoldError, Stored, topic_prefix

EVENTS_A_RANGE = 100_000

RANGE_S = 0.5
"""How long a range is read; it ends with whichever comes first, and with an aggregate."""

ROWS_A_WRITE = 500

BYTES_A_READ = 500_000
MOST_A_READ = 2_000
FIRST_READ = 50
"""Events read at a time: about so many bytes. An event may have a megabyte, so this bounds memory;
how many they are, those before tell."""

FIRST_ID = UUID(int=0)


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

    def add(self, other: "Staged") -> None:
        """Count in another range's."""
        self.events += other.events
        self.rows += other.rows
        self.unreadable += other.unreadable


@dataclass(frozen=True)
class Range:
    """A part of a table; its expected rows are staged, in a moment that both sessions see."""

    keys: KeyRange
    staged: Staged


async def ranges(moments: Moments, table: Table, progress: Progress) -> AsyncGenerator[Range]:
    """Yield the table range by range, until all of it was seen. Use it in `aclosing`.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    total = await _estimate(moments.log, staging.FOLD_ALL, {"prefix": topic_prefix(table)})
    emptying = f"TRUNCATE {staging.expected(table)}"
    done = 0
    first: UUID | None = FIRST_ID
    while first is not None:
        await moments.tables.execute(emptying)
        async with moments.one():
            stager = _Stager(moments, table)
            following = await stager.stage(first)
            staged = stager.staged
            done += staged.events
            progress(f"{table.name}: folding", done, max(done, total))
            yield Range(KeyRange(first, following), staged)
        first = following


class _Stager:
    """Folds events from an aggregate on, and stages the rows, for as long as a range goes."""

    def __init__(self, moments: Moments, table: Table) -> None:
        self.staged = Staged()
        self._moments = moments
        self._table = table
        self._folder = Folder(table, self.staged.unreadable.append)
        self._line = staging.copy_line(table)
        self._lines: list[str] = []
        self._until = monotonic() + RANGE_S

    async def stage(self, first: UUID) -> UUID | None:
        """Return the aggregate with which the next range begins; None where this is the last."""
        table = self._table
        copying = staging.copy_sql(table, staging.expected(table))
        log = self._moments.log
        tables = self._moments.tables
        following: UUID | None = None
        async with (
            _events(log, table, first) as chunks,
            tables.cursor().copy(copying.encode()) as copy,
        ):
            async for chunk in chunks:
                following = await self._fold_chunk(chunk)
                if len(self._lines) >= ROWS_A_WRITE:
                    await copy.write(self._text())
                if following is not None:
                    break
            last = self._folder.end()
            if last is not None:
                self._keep(last)
            await copy.write(self._text())
        return following

    async def _fold_chunk(self, chunk: Sequence[Stored]) -> UUID | None:
        """Fold events; where the range is full, return the first aggregate that is left out."""
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
            event = await self._moments.keys.plain(event)
        except FoldError as error:
            return self._folder.give_up(event, error)
        return self._folder.add(event)

    def _keep(self, row: ProjectedRow) -> None:
        self._lines.append(self._line(row))
        self.staged.rows += 1

    def _text(self) -> str:
        text = "".join(self._lines)
        self._lines.clear()
        return text


@asynccontextmanager
async def _events(
    connection: Connection, table: Table, first: UUID
) -> AsyncIterator[AsyncIterator[Sequence[Stored]]]:
    """Give a table's events from an aggregate on, some at a time."""
    values = {"prefix": topic_prefix(table), "first": first}
    async with connection.cursor("events", row_factory=tuple_row) as cursor:
        await cursor.execute(staging.FOLD_FROM, values, binary=True)
        yield _chunks(cursor)


async def _chunks(cursor: AsyncServerCursor[tuple[Any, ...]]) -> AsyncGenerator[Sequence[Stored]]:
    size = FIRST_READ
    while found := await cursor.fetchmany(size):
        chunk = cast("list[Stored]", found)
        yield chunk
        mean_bytes = max(sum(len(state) for *_, state in chunk) // len(chunk), 1)
        fitting = BYTES_A_READ // mean_bytes
        size = min(max(fitting, 1), MOST_A_READ)


_Explained = TypedDict("_Explained", {"QUERY PLAN": list[dict[str, dict[str, int]]]})
"""What EXPLAIN tells in JSON."""


async def _estimate(connection: Connection, query: str, values: dict[str, str]) -> int:
    """Return how many rows the planner expects: good enough for a bar.

    To count those of a large log takes seconds.
    """
    explained = await read_one(connection, _Explained, f"EXPLAIN (FORMAT JSON) {query}", values)
    [found] = explained["QUERY PLAN"]
    return found["Plan"]["Plan Rows"]


@dataclass(frozen=True)
class Checked:
    """What came out for a table.

    Attributes:
        position: the log's last position when the comparison began.
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
    async with moments(database, tables) as seen:
        return [await _check(seen, table, report, progress) for table in tables]


async def _check(
    seen: Moments, table: Table, report: Callable[[Difference], None], progress: Progress
) -> Checked:
    total = Staged()
    found = 0
    async with aclosing(ranges(seen, table, progress)) as parts:
        async for part in parts:
            total.add(part.staged)
            _report_unreadable(table, part, report)
            found += await _compare(seen, table, part, report)
            progress(f"{table.name}: comparing", total.rows, total.rows)
    return Checked(
        table=table.name,
        position=seen.position,
        events=total.events,
        rows=total.rows,
        differences=found,
        unreadable=len(total.unreadable),
    )


def _report_unreadable(table: Table, part: Range, report: Callable[[Difference], None]) -> None:
    for error in part.staged.unreadable:
        key = str(error.aggregate_id)
        difference = Difference(table.name, key, "unreadable", reason=str(error))
        report(difference)


async def _compare(
    seen: Moments, table: Table, part: Range, report: Callable[[Difference], None]
) -> int:
    """Report what differs in a range; return how much."""
    found = 0
    left_out = part.staged.unreadable_keys
    async for difference in differences(seen.tables, seen.archive, table, part.keys):
        if difference.key not in left_out:
            report(difference)
            found += 1
    return found
