"""Checks the log against its seals: everything is computed anew from the stored bytes, in one snapshot, streaming."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

import psycopg

from domain.errors import LogUnavailableError
from eventlog.database import sql
from eventlog.database.connection import Database, is_away
from eventlog.encoding import columns
from eventlog.encoding.columns import RawRow
from eventlog.keys.sealing import SealKeys
from eventlog.seal import leaves as stored_events
from eventlog.seal import statements as seal_statements
from eventlog.seal.head_files import KeptHead
from eventlog.seal.leaves import Leaf
from eventlog.seal.raw_log import raw_chunks
from eventlog.seal.rows import all_seals, judge
from eventlog.seal.verification.check import SealCheck
from eventlog.seal.verification.findings import Report
from projections.rows import Connection, fetch_rows

CHUNK = 500
"""Events in memory at a time, each of which may be a megabyte."""

SNAPSHOT = f"""
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL idle_in_transaction_session_timeout = '10min';
    {columns.UTF8}
"""

Progress = Callable[[int, int], None]
"""Told how many events have been looked at, and about how many there are."""


def _silent(done: int, total: int) -> None:
    del done, total


async def verify_seals(
    database: Database, keys: SealKeys, kept: Sequence[KeptHead] = (), progress: Progress = _silent
) -> Report:
    """Compare the log as it is now with its seals, and with heads that were kept elsewhere.

    Read the kept heads before calling this: a head that is newer than the snapshot would count as a
    contradiction.

    Raises:
        LogUnavailableError: the database is away.
    """
    try:
        connection = await database.connect()
        try:
            await connection.execute(SNAPSHOT)
            return await _verify(connection, database.files.archive, keys, kept, progress)
        finally:
            await connection.close()
    except psycopg.Error as error:
        if not is_away(error):
            raise
        raise LogUnavailableError(f"the database cannot be read: {error}") from error


async def _verify(
    connection: Connection,
    archive: Path | None,
    keys: SealKeys,
    kept: Sequence[KeptHead],
    progress: Progress,
) -> Report:
    log_id = str((await fetch_rows(connection, sql.LOG_ID, {}))[0]["id"])
    total = int(str((await fetch_rows(connection, seal_statements.SEALED_EVENTS, {}))[0]["events"]))
    check = SealCheck(log_id, kept)
    [without] = await fetch_rows(connection, columns.WITHOUT_POSITION, {})
    if without["events"]:
        check.findings.add("inserted", 0, f"{without['events']} events have no position")
    async with aclosing(raw_chunks(connection, archive, CHUNK)) as chunks:
        events, done = _Events(chunks), 0
        async for row in all_seals(connection):
            bound = check.open(judge(row, keys, log_id))
            if bound is None:
                continue
            async for leaves in events.up_to(bound):
                check.take(leaves)
                progress(done := done + len(leaves), max(done, total))
            check.close()
        check.open_tail()
        async for leaves in events.up_to(None):
            check.take(leaves)
            progress(done := done + len(leaves), max(done, total))
    return check.finish()


class _Events:
    """The log's events in order, as leaves."""

    def __init__(self, chunks: AsyncIterator[list[RawRow]]) -> None:
        self._chunks = chunks
        self._waiting: list[Leaf] = []
        self._over = False

    async def up_to(self, position: int | None) -> AsyncIterator[list[Leaf]]:
        """Yield the next events up to and with a position, or all that are left."""
        while True:
            if not self._waiting and not self._over:
                self._waiting = stored_events.to_leaves(await anext(self._chunks, []))
                self._over = not self._waiting
            if not self._waiting:
                return
            whole = position is None or self._waiting[-1][0] <= position
            cut = (
                len(self._waiting)
                if whole
                else bisect_right(self._waiting, position, key=lambda leaf: leaf[0])
            )
            taken, self._waiting = self._waiting[:cut], self._waiting[cut:]
            if taken:
                yield taken
            if not whole:
                return
