"""Folds the log range by range, and stages the rows that a table must have.

Ranges are short, because each holds a snapshot. Rows are staged by the session that compares them,
so they wait in memory while the server still compares the range before.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from psycopg import AsyncCopy, DataError

from domain.ports import Row
from eventlog.personal import CIPHERTEXT_MARK
from eventlog.rebuild import staging
from eventlog.rebuild.differences import KeyRange
from eventlog.rebuild.log_by_aggregate import read_chunks
from eventlog.rebuild.snapshots import SharedSnapshots
from projections.table import ProjectedRow, Table
from projections.tables import Folder, FoldError, Stored

EVENTS_A_RANGE = 100_000

RANGE_S = 0.5
"""A range ends after the aggregate at which it reaches one of the two limits."""

CHARACTERS_A_WRITE = 50_000
WAITING_CHARACTERS = 2_000_000
"""How much text of staged rows is kept in memory before it is written, and at most while the server
still compares the previous range."""

MAX_REFUSED = 100
"""Rows of a range that PostgreSQL may refuse: for each of them, the range is folded again."""


@dataclass(frozen=True)
class Range:
    """A part of a table whose expected rows are staged, in the snapshot of their events.

    Attributes:
        keys: the ids of its aggregates.
        events: number of events that were folded.
        rows: number of rows that were staged.
        unreadable: ids of the aggregates that could not be folded, each with the reason.
    """

    keys: KeyRange
    events: int
    rows: int
    unreadable: dict[str, str]


async def stage_range(
    snapshots: SharedSnapshots, table: Table, first: UUID, comparing: "asyncio.Task[None] | None"
) -> Range:
    """Fold the next range, and stage its rows once the range before is compared.

    Args:
        snapshots: the sessions.
        table: the table.
        first: the aggregate with which the range begins.
        comparing: the comparison of the range before, which uses the tables' session; None for the
            first range.

    Raises:
        ArchiveError: an archive cannot be read.
        FoldError: PostgreSQL refuses more than `MAX_REFUSED` rows of the range.
    """
    refused: dict[int, str] = {}
    async with snapshots.next():
        while True:
            fold = _RangeFold(snapshots, table, comparing, refused)
            try:
                next_id = await fold.run(first)
            except DataError as error:
                # An edited event has a value that its column cannot take. COPY has refused all rows
                # then: again, without this one.
                refused[_refused_row(error, table, refused)] = str(error.diag.message_primary)
                await snapshots.release()
            else:
                return Range(KeyRange(first, next_id), fold.events, fold.rows, fold.unreadable)


def _refused_row(error: DataError, table: Table, refused_before: Mapping[int, str]) -> int:
    """Return the number of the row that COPY has refused: servers name it in all languages."""
    context = error.diag.context or ""
    match = re.search(rf"{staging.expected_table(table)}\D+(\d+)", context)
    if match is None or len(refused_before) == MAX_REFUSED:
        raise FoldError(None, f"the log cannot be folded: {error}") from None
    return int(match[1])


class _RangeFold:
    """The fold of a range in the present snapshot: `run` is its whole life."""

    def __init__(
        self,
        snapshots: SharedSnapshots,
        table: Table,
        comparing: "asyncio.Task[None] | None",
        refused: Mapping[int, str],
    ) -> None:
        """Begin a range.

        Args:
            snapshots: the sessions.
            table: the table.
            comparing: as of `stage_range`.
            refused: numbers of rows, from 1, that PostgreSQL refuses, each with the reason.
        """
        self.events = 0
        self.rows = 0
        self.unreadable: dict[str, str] = {}
        self._snapshots = snapshots
        self._table = table
        self._comparing = comparing
        self._refused = refused
        self._folder = Folder(table, self._record_unreadable)
        self._write_line = staging.line_writer(table)
        self._lines: list[str] = []
        self._characters = 0
        self._copying = AsyncExitStack()
        self._copy: AsyncCopy | None = None
        self._until = monotonic() + RANGE_S

    async def run(self, first: UUID) -> UUID | None:
        """Stage the range from an id on; return the first id of the next range, None at the end."""
        next_id: UUID | None = None
        chunks = read_chunks(self._snapshots.log, self._table, first)
        async with aclosing(chunks), self._copying:
            async for chunk in chunks:
                next_id = await self._fold_chunk(chunk)
                if next_id is not None:
                    break
            last = self._folder.end()
            if last is not None:
                self._add_line(last)
            await self._write()
        return next_id

    async def _fold_chunk(self, chunk: Sequence[Stored]) -> UUID | None:
        """Fold events; return the first id of the next range once this one is full, else None."""
        for event in chunk:
            is_first = event[1] == 1
            if is_first and self._is_full():
                return event[0]
            if is_first and event[4].startswith(CIPHERTEXT_MARK):
                row = await self._fold_encrypted(event)
            else:
                row = self._folder.add(event)
            if row is not None:
                self._add_line(row)
                if self._is_write_due():
                    await self._write()
            self.events += 1
        return None

    def _is_full(self) -> bool:
        return self.events >= EVENTS_A_RANGE or (self.events > 0 and monotonic() > self._until)

    async def _fold_encrypted(self, event: Stored) -> ProjectedRow | None:
        try:
            event = await self._snapshots.keys.decrypted(event)
        except FoldError as error:
            return self._folder.give_up(event, error)
        return self._folder.add(event)

    def _record_unreadable(self, error: FoldError) -> None:
        self.unreadable[str(error.aggregate_id)] = str(error)

    def _add_line(self, row: Row) -> None:
        self.rows += 1
        if self.rows in self._refused:
            row = self._give_up_row(row)
        line = self._write_line(row)
        self._lines.append(line)
        self._characters += len(line)

    def _give_up_row(self, row: Row) -> Row:
        """Record that a row is refused; return one that stands for it, as COPY counts the rows."""
        key = str(row[self._table.key])
        self.unreadable[key] = f"its row cannot be stored: {self._refused[self.rows]}"
        return {self._table.key: key}

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
            await self._snapshots.share()
            statement = staging.copy_sql(self._table, expected)
            copy = tables.cursor().copy(statement.encode())
            self._copy = await self._copying.enter_async_context(copy)
        await self._copy.write("".join(self._lines))
        self._lines.clear()
        self._characters = 0
