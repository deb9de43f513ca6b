"""Proves that the tables equal the log, range by range, however busily the service goes on.

Log and table are compared in one moment a range, in which they agree unless something is wrong.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from eventlog.database.connection import Database
from eventlog.database.operators import Progress
from eventlog.rebuild.differences import Difference, differences
from eventlog.rebuild.moments import Moments, moments
from eventlog.rebuild.ranges import Range, Staged, ranges
from projections.table import Table


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
    seen: Moments,
    table: Table,
    report: Callable[[Difference], None],
    progress: Progress,
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


def _report_unreadable(
    table: Table, part: Range, report: Callable[[Difference], None]
) -> None:
    for error in part.staged.unreadable:
        key = str(error.aggregate_id)
        reason = str(error)
        difference = Difference(table.name, key, "unreadable", reason=reason)
        report(difference)


async def _compare(
    seen: Moments, table: Table, part: Range, report: Callable[[Difference], None]
) -> int:
    """Report what differs in a range; return how much."""
    found = 0
    left_out = part.staged.unreadable_keys
    differing = differences(seen.tables, seen.archive, table, part.keys)
    async for difference in differing:
        if difference.key not in left_out:
            report(difference)
            found += 1
    return found
