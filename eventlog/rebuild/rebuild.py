"""Makes a table equal to the log while the service works.

The table is compared with its log, range by range; the rows that differ are repaired in place in
small batches, and then the table is verified. No event is appended, and no table is locked, renamed
or swapped; a row that a command changes meanwhile is folded again. Readers see the rows of a batch
once it is committed; checkpoints and statistics are corrected at the end.

A rebuild may be killed at any time: committed batches stay, its temporary tables and its lock
vanish with its session, and the table is marked as incomplete until another rebuild has finished.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from typing_extensions import ReadOnly, TypedDict

from eventlog.archive.files import ArchiveError
from eventlog.database import sql
from eventlog.database.connection import Database, Progress, operator_session, try_lock
from eventlog.history.run_changes import forget_checkpoints
from eventlog.rebuild.differences import Difference, insert_differing_sql, read_examples
from eventlog.rebuild.expected_rows import Range
from eventlog.rebuild.fold_versions import is_complete, mark_complete, mark_incomplete, stale_tables
from eventlog.rebuild.repair import Repairer
from eventlog.rebuild.snapshots import shared_snapshots
from eventlog.rebuild.staging import differing_table, expected_table
from eventlog.rebuild.verify import Comparison, compare_ranges, verify
from eventlog.statistics import forget_statistics
from projections import job_runs
from projections.rows import Connection, read_first, read_value
from projections.table import Table
from projections.tables import FoldError

logger = logging.getLogger(__name__)

SMALL_LOG = 10_000
"""The longest log that a start of the service folds again by itself, in a fraction of a second."""

REBUILD_LOCK = 5_518_902_447_613_390_126
"""Key of the advisory lock that a rebuild's session holds: one rebuild runs at a time."""


class RebuildUnderWayError(Exception):
    """Another rebuild of this database is running."""


@dataclass(frozen=True)
class RebuildResult:
    """The result of a rebuild.

    Attributes:
        repaired: number of rows that differed, were missing or extra.
        longest_hold_ms: the longest time for which it held the append lock, in milliseconds.
        comparison: the comparison afterwards; without differences unless something else than the
            service writes to the table.
        examples: how the first of the rows differed, each with its key.
    """

    repaired: int
    longest_hold_ms: float
    comparison: Comparison
    examples: Sequence[str] = ()


MAX_EXAMPLES = 20


async def rebuild(
    database: Database, table: Table, report: Callable[[Difference], None], progress: Progress
) -> RebuildResult:
    """Rebuild the table; report the differences that remain.

    Raises:
        RebuildUnderWayError: another rebuild is at work.
        FoldError: the log cannot be folded.
        ArchiveError: an archive cannot be read.
    """
    async with _rebuild_session(database, table) as session:
        comparison, examples = await _stage_all_differing(database, session, table, progress)
        differing = comparison.differences
        was_complete = await is_complete(session, table)
        repairer = Repairer(session, database.files, table, comparison.position)
        if differing:

            def report_repaired(done: int) -> None:
                progress(f"{table.name}: repairing", done, differing)

            await mark_incomplete(session, table)
            await repairer.repair(report_repaired)
        if table.name == job_runs.TABLE.name and (differing or not was_complete):
            # They may have been computed from wrong rows, which this rebuild has repaired, or an
            # earlier one that did not finish.
            await forget_checkpoints(session)
            await forget_statistics(session)
        if differing:
            [comparison] = await verify(database, [table], report, progress)
        if not comparison.differences:
            # The first commit that waits for the disk; all earlier ones are on the disk with it.
            await session.execute("SET synchronous_commit = on")
            await mark_complete(session, table)
        return RebuildResult(differing, repairer.longest_hold_s * 1000, comparison, examples)


async def rebuild_stale_tables(database: Database) -> None:
    """Rebuild tables that were written by another version of their fold.

    If the log is large, only log a warning with the command that rebuilds them.
    """
    async with await database.connect() as connection:
        stale_list = await stale_tables(connection)
        head = await read_value(connection, int, sql.HEAD)
    for stale in stale_list:
        command = f"apphub-jobs projections rebuild {stale.table.name}"
        if head > SMALL_LOG:
            logger.warning(
                "%s: older rows may be incomplete. While the service works, run: %s", stale, command
            )
            continue
        try:
            result = await rebuild(database, stale.table, logger.error, lambda *_: None)
        except (RebuildUnderWayError, FoldError, ArchiveError) as error:
            logger.warning("%s, and was not rebuilt: %s. Later, run: %s", stale, error, command)
        else:
            logger.info("%s: rebuilt, %d rows changed", stale, result.repaired)


@asynccontextmanager
async def _rebuild_session(database: Database, table: Table) -> AsyncIterator[Connection]:
    """Open a session that holds the lock of rebuilds."""
    async with operator_session(database) as session:
        name = f"apphub-jobs rebuild of {table.name}"
        # Batches do not wait for the disk while they hold the append lock. If a crash of the server
        # undoes some, the next rebuild repairs their rows.
        await session.execute("SET synchronous_commit = off")
        await session.execute("SELECT set_config('application_name', %s, false)", (name,))
        if not await try_lock(session, REBUILD_LOCK):
            raise RebuildUnderWayError(await _describe_holder(session))
        yield session


async def _describe_holder(session: Connection) -> str:
    values = {"high": REBUILD_LOCK >> 32, "low": REBUILD_LOCK % 2**32}
    holder = await read_first(session, _Holder, _HOLDER, values)
    if holder is None:
        return "another rebuild was at work, and has just ended: try again"
    name, since = holder["application_name"], holder["backend_start"]
    return f"a rebuild is at work already: {name}, since {since}"


class _Holder(TypedDict):
    application_name: ReadOnly[str]
    backend_start: ReadOnly[str]


_HOLDER = """
    SELECT application_name, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND classid = %(high)s AND objid = %(low)s AND objsubid = 1
        AND granted
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def _stage_all_differing(
    database: Database, session: Connection, table: Table, progress: Progress
) -> tuple[Comparison, list[str]]:
    """Stage the differing rows in the session; return the comparison, and some examples."""
    examples: list[str] = []

    async def stage(part: Range) -> int:
        differing = await _stage_differing(session, table, part)
        limit = MAX_EXAMPLES - len(examples)
        if differing and limit > 0:
            differences = await read_examples(session, table, part.keys, limit)
            examples.extend(
                f"{difference.key} {difference.past_text}"
                for difference in differences
                if difference.key not in part.unreadable
            )
        return differing

    async with shared_snapshots(database, [table], session) as snapshots:
        comparison = await compare_ranges(snapshots, table, stage, progress)
    drop = f"DROP TABLE {expected_table(table)}"
    await session.execute(f"{drop}; ANALYZE {differing_table(table)}")
    return comparison, examples


async def _stage_differing(session: Connection, table: Table, part: Range) -> int:
    """Stage a range's differing rows; return their number."""
    inserted = await session.execute(insert_differing_sql(table), part.keys.values)
    # Unreadable rows stay as another version of the program has written them.
    delete_unreadable = f"DELETE FROM {differing_table(table)} WHERE {table.key} = ANY(%s::uuid[])"
    deleted = await session.execute(delete_unreadable, (list(part.unreadable),))
    return inserted.rowcount - deleted.rowcount
