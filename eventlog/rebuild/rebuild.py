"""Makes a table equal to the log while the service works.

The table is compared with its log, range by range; the rows that differ are repaired in place in
small batches, and then it is verified. Nothing is appended or announced, no table is locked,
renamed or swapped. A rebuild may end at any moment, in any way: the rows repaired so far stay
repaired, its temporary tables and its lock go with its session, and the next one begins anew.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from typing_extensions import ReadOnly, TypedDict

from eventlog.archive.files import ArchiveError
from eventlog.database import sql
from eventlog.database.connection import Database, Progress, operator_session, try_lock
from eventlog.history.run_changes import forget_checkpoints
from eventlog.rebuild import staging
from eventlog.rebuild.moments import moments
from eventlog.rebuild.repair import Mender
from eventlog.rebuild.staging import (
    Difference,
    forget_version,
    has_version,
    record_version,
    stale_tables,
)
from eventlog.rebuild.verify import Checked, Range, Staged, ranges, verify
from projections import job_runs
from projections.rows import Connection, read_first, read_value
from projections.table import Table
from projections.tables import FoldError

logger = logging.getLogger(__name__)

SMALL_LOG = 10_000
"""Events that a start-up folds by itself: a fraction of a second."""


class RebuildUnderWayError(Exception):
    """Another rebuild of this database is at work."""


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did.

    Attributes:
        mended: rows that differed, were missing or extra.
        longest_hold_ms: the longest time that it held the append lock.
        checked: the last comparison; without differences unless something else writes to the table.
    """

    mended: int
    longest_hold_ms: float
    checked: Checked


async def rebuild(
    database: Database, table: Table, report: Callable[[Difference], None], progress: Progress
) -> Rebuilt:
    """Rebuild the table; report what differs even then.

    Raises:
        RebuildUnderWayError: there is one already.
        FoldError: the log cannot be folded.
        ArchiveError: an archive cannot be read.
    """
    async with _only_rebuild(database, table) as session:
        checked = await _compare(database, session, table, progress)
        differed = checked.differences
        was_unfinished = not await has_version(session, table)
        mender = Mender(session, database.files, table, checked.position)
        if differed:

            def mending(done: int) -> None:
                progress(f"{table.name}: mending", done, differed)

            await forget_version(session, table)
            await mender.mend(mending)
        is_of_runs = table.name == job_runs.TABLE.name
        if is_of_runs and (differed or was_unfinished):
            # What was derived from wrong rows may be wrong, also if it was another rebuild that
            # began to mend them.
            await forget_checkpoints(session)
        if differed:
            [checked] = await verify(database, [table], report, progress)
        if not checked.differences:
            # The first commit that waits for the disk; all before it are on the disk with it.
            await session.execute("SET synchronous_commit = on")
            await record_version(session, table)
        longest_hold_ms = mender.longest_hold_s * 1000
        return Rebuilt(differed, longest_hold_ms, checked)


async def catch_up(database: Database) -> None:
    """Rebuild tables that another version of their fold has written.

    Where the log is large, say how to do it instead.
    """
    async with await database.connect() as connection:
        stale = await stale_tables(connection)
        head = await read_value(connection, int, sql.HEAD)
    for one in stale:
        command = f"apphub-jobs projections rebuild {one.table.name}"
        if head > SMALL_LOG:
            logger.warning(
                "%s: its older rows may lack something. While the service works, run: %s",
                one,
                command,
            )
            continue
        try:
            rebuilt = await rebuild(database, one.table, logger.error, _in_silence)
        except (RebuildUnderWayError, FoldError, ArchiveError) as error:
            logger.warning("%s, and was not rebuilt: %s. Later, run: %s", one, error, command)
        else:
            logger.info("%s: rebuilt, %d rows changed", one, rebuilt.mended)


def _in_silence(what: str, done: int, total: int) -> None:
    del what, done, total


@asynccontextmanager
async def _only_rebuild(database: Database, table: Table) -> AsyncIterator[Connection]:
    async with operator_session(database) as session:
        name = f"apphub-jobs rebuild of {table.name}"
        # A commit that a crash undoes is mended by the next rebuild, so no batch waits for the disk
        # with the lock held.
        await session.execute("SET synchronous_commit = off")
        await session.execute("SELECT set_config('application_name', %s, false)", (name,))
        if not await try_lock(session, staging.REBUILD_LOCK):
            raise RebuildUnderWayError(await _who(session))
        yield session


async def _who(session: Connection) -> str:
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
) -> Checked:
    """Note in the session which rows differ."""
    total = Staged()
    differing = 0
    async with moments(database, [table], session) as seen:
        async with aclosing(ranges(seen, table, progress)) as parts:
            async for part in parts:
                total.add(part.staged)
                differing += await _note_differing(session, table, part)
                progress(f"{table.name}: comparing", total.rows, total.rows)
        position = seen.position
    dropping = f"DROP TABLE {staging.expected(table)}"
    analyzing = f"ANALYZE {staging.differing(table)}"
    await session.execute(f"{dropping}; {analyzing}")
    return Checked(
        table=table.name,
        position=position,
        events=total.events,
        rows=total.rows,
        differences=differing,
        unreadable=len(total.unreadable),
    )


async def _note_differing(session: Connection, table: Table, part: Range) -> int:
    """Note what differs in a range; return how many rows do."""
    noted = await session.execute(staging.note_differing_sql(table), part.keys.values)
    # What cannot be read stays as whoever could read it has left it.
    leaving = f"""
        DELETE FROM {staging.differing(table)} WHERE {table.key} = ANY(%s::uuid[])
    """
    left = await session.execute(leaving, (list(part.staged.unreadable_keys),))
    return noted.rowcount - left.rowcount
