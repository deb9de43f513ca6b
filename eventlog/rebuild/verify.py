"""Compares the tables with the log, range by range, while the service continues to work.

`compare_ranges` has the steps: `verify` reports the differences of each range, and a rebuild stages
them. A range is compared in one snapshot, in which log and table agree unless something is wrong.

Three processes work at a time: one process of the server reads events; this process folds them;
another process of the server receives rows, or compares the previous range.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from eventlog.database.connection import Database, Progress
from eventlog.rebuild.differences import Difference, read_differences
from eventlog.rebuild.expected_rows import Range, stage_range
from eventlog.rebuild.log_by_aggregate import FIRST_ID, estimate_events
from eventlog.rebuild.snapshots import SharedSnapshots, shared_snapshots
from projections.table import Table
from runtime.tasks import end_tasks, mark_as_reported


@dataclass
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
    events: int = 0
    rows: int = 0
    differences: int = 0
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
    async def report_differences(part: Range) -> int:
        for key, reason in part.unreadable.items():
            report(Difference(table.name, key, "unreadable", reason=reason))
        differing = 0
        tables = snapshots.tables
        async for difference in read_differences(tables, snapshots.archive, table, part.keys):
            if difference.key not in part.unreadable:
                report(difference)
                differing += 1
        return differing

    return await compare_ranges(snapshots, table, report_differences, progress)


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
    estimate = await estimate_events(snapshots.log, table)
    result = Comparison(table.name, snapshots.position)

    async def compare_range(part: Range) -> None:
        result.rows += part.rows
        result.unreadable += len(part.unreadable)
        result.differences += await compare(part)
        progress(f"{table.name}: comparing", result.rows, result.rows)
        await snapshots.release()

    comparing: asyncio.Task[None] | None = None
    first: UUID | None = FIRST_ID
    try:
        while first is not None:
            part = await stage_range(snapshots, table, first, comparing)
            result.events += part.events
            progress(f"{table.name}: folding", result.events, max(result.events, estimate))
            # It is awaited by the next range before that writes, or at the end below.
            comparing = asyncio.create_task(compare_range(part))
            mark_as_reported(comparing)
            first = part.keys.next
        if comparing is not None:
            await comparing
    finally:
        await end_tasks(comparing)
    return result
