"""Makes a table equal to the log while the service works.

The table is compared with its log, range by range; the rows that differ are repaired in place in
small batches, and then it is verified. Nothing is appended or announced, no table is locked,
renamed or swapped. A rebuild may end at any moment, in any way: the rows repaired so far stay
repaired, its temporary tables and its lock go with its session, and the next one begins anew.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from typing_extensions import ReadOnly, TypedDict

from eventlog.archive.files import ArchiveError
from eventlog.database import sql
from eventlog.database.connection import Database, Progress, operator_session, try_lock
from eventlog.history.run_changes import forget_checkpoints
from eventlog.rebuild import staging
from eventlog.rebuild.moments import moments
from eventlog.rebuild.repair import Repairer
from eventlog.rebuild.staging import (
    Difference,
    delete_version,
    has_version,
    record_version,
    stale_tables,
)
from eventlog.rebuild.verify import Checked, Range, Staged, ranges, verify
from eventlog.statistics import forget_statistics
from projections import job_runs
from projections.rows import Connection, read_first, read_value
from projections.table import Table
from projections.tables import FoldError

logger = logging.getLogger(__name__)

SMALL_LOG = 10_000
"""A start folds a log of this many events by itself, in a fraction of a second."""


class RebuildUnderWayError(Exception):
    """Another rebuild of this database is at work."""


@dataclass(frozen=True)
class Rebuilt:
    """The result of a rebuild.

    Attributes:
        repaired: number of rows that differed, were missing or extra.
        longest_hold_ms: the longest time that it held the append lock.
        examples: which rows differed and in what, for the first of them.
        checked: the last comparison; without differences unless something else writes to the table.
    """

    repaired: int
    longest_hold_ms: float
    checked: Checked
    examples: Sequence[str] = ()


MOST_EXAMPLES = 20


async def rebuild(
    database: Database, table: Table, report: Callable[[Difference], None], progress: Progress
) -> Rebuilt:
    """Rebuild the table; report the differences that remain.

    Raises:
        RebuildUnderWayError: another rebuild is at work.
        FoldError: the log cannot be folded.
        ArchiveError: an archive cannot be read.
    """
    async with _only_rebuild(database, table) as session:
        checked, examples = await _compare(database, session, table, progress)
        differing = checked.differences
        was_unfinished = not await has_version(session, table)
        repairer = Repairer(session, database.files, table, checked.position)
        if differing:

            def report_repaired(done: int) -> None:
                progress(f"{table.name}: repairing", done, differing)

            await delete_version(session, table)
            await repairer.repair(report_repaired)
        is_of_runs = table.name == job_runs.TABLE.name
        if is_of_runs and (differing or was_unfinished):
            # What was computed from wrong rows may be wrong, also if another rebuild began to
            # repair these.
            await forget_checkpoints(session)
            await forget_statistics(session)
        if differing:
            [checked] = await verify(database, [table], report, progress)
        if not checked.differences:
            # The first commit that waits for the disk; all earlier ones are on the disk with it.
            await session.execute("SET synchronous_commit = on")
            await record_version(session, table)
        longest_hold_ms = repairer.longest_hold_s * 1000
        return Rebuilt(differing, longest_hold_ms, checked, examples)


async def catch_up(database: Database) -> None:
    """Rebuild tables that were written by another version of their fold.

    Where the log is large, log the command that does it instead.
    """
    async with await database.connect() as connection:
        stale_list = await stale_tables(connection)
        head = await read_value(connection, int, sql.HEAD)
    for stale_table in stale_list:
        command = f"apphub-jobs projections rebuild {stale_table.table.name}"
        if head > SMALL_LOG:
            logger.warning(
                "%s: older rows may be incomplete. While the service works, run: %s",
                stale_table,
                command,
            )
            continue
        try:
            rebuilt = await rebuild(database, stale_table.table, logger.error, _no_progress)
        except (RebuildUnderWayError, FoldError, ArchiveError) as error:
            logger.warning(
                "%s, and was not rebuilt: %s. Later, run: %s", stale_table, error, command
            )
        else:
            logger.info("%s: rebuilt, %d rows changed", stale_table, rebuilt.repaired)


def _no_progress(what: str, done: int, total: int) -> None:
    del what, done, total


@asynccontextmanager
async def _only_rebuild(database: Database, table: Table) -> AsyncIterator[Connection]:
    async with operator_session(database) as session:
        name = f"apphub-jobs rebuild of {table.name}"
        # The next rebuild repairs what a crash undoes, so no batch waits for the disk while it
        # holds the lock.
        await session.execute("SET synchronous_commit = off")
        await session.execute("SELECT set_config('application_name', %s, false)", (name,))
        if not await try_lock(session, staging.REBUILD_LOCK):
            raise RebuildUnderWayError(await _describe_holder(session))
        yield session


async def _describe_holder(session: Connection) -> str:
    values = {"high": staging.REBUILD_LOCK >> 32, "low": staging.REBUILD_LOCK % 2**32}
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


async def _compare(
    database: Database, session: Connection, table: Table, progress: Progress
) -> tuple[Checked, list[str]]:
    """Stage the differing rows in the session; return their number, and examples."""
    total = Staged()
    examples: list[str] = []
    differing = 0
    async with moments(database, [table], session) as compared:
        async with aclosing(ranges(compared, table, progress)) as parts:
            async for part in parts:
                total.add(part.staged)
                staged = await _stage_differing(session, table, part)
                differing += staged
                if staged and len(examples) < MOST_EXAMPLES:
                    missing = MOST_EXAMPLES - len(examples)
                    found = await staging.examples(session, table, part.keys, missing)
                    unreadable = {str(key) for key in part.staged.unreadable_keys}
                    examples += [
                        f"{key} {how}" for key, how in found.items() if key not in unreadable
                    ]
                progress(f"{table.name}: comparing", total.rows, total.rows)
        position = compared.position
    dropping = f"DROP TABLE {staging.expected_table(table)}"
    analyzing = f"ANALYZE {staging.differing_table(table)}"
    await session.execute(f"{dropping}; {analyzing}")
    checked = Checked(
        table=table.name,
        position=position,
        events=total.events,
        rows=total.rows,
        differences=differing,
        unreadable=len(total.unreadable),
    )
    return checked, examples


async def _stage_differing(session: Connection, table: Table, part: Range) -> int:
    """Stage a range's differing rows; return their number."""
    inserted = await session.execute(staging.insert_differing_sql(table), part.keys.values)
    # Unreadable rows stay as the version that could read them has left them.
    delete_unreadable = f"""
        DELETE FROM {staging.differing_table(table)} WHERE {table.key} = ANY(%s::uuid[])
    """
    deleted = await session.execute(delete_unreadable, (list(part.staged.unreadable_keys),))
    return inserted.rowcount - deleted.rowcount
