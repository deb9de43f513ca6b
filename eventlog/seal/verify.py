"""Checks the log against its seals: every hash is computed from stored bytes, in one snapshot."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

from eventlog import encoding
from eventlog.archive.stored_bytes import raw_chunks
from eventlog.database import sql
from eventlog.database.connection import Database
from eventlog.database.failures import raise_unavailable
from eventlog.encoding import RawRow
from eventlog.seal.check import END, SealCheck
from eventlog.seal.keys import SealKeys
from eventlog.seal.report import Report
from eventlog.seal.seal import SEALED_EVENTS, KeptHead, all_seals, check_seal
from eventlog.seal.tree import Leaf, to_leaves
from projections.rows import Connection, read_value

CHUNK = 500
"""Events in memory at a time; each may have a megabyte."""

SNAPSHOT = f"""
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL idle_in_transaction_session_timeout = '10min';
    {encoding.UTF8}
"""

Progress = Callable[[int, int], None]
"""Called with the number of events checked, and the estimated total."""


async def verify_seals(
    database: Database,
    keys: SealKeys,
    kept: Sequence[KeptHead] = (),
    progress: Progress = lambda *_: None,
) -> Report:
    """Compare the log with its seals, and with heads that were kept elsewhere.

    Args:
        database: the log.
        keys: the trusted keys.
        kept: the kept heads, read before this call: a head that is newer than the snapshot would
            count as a contradiction.
        progress: called with the number of events checked, and the estimated total.

    Raises:
        LogUnavailableError: the database is away.
    """
    with raise_unavailable():
        connection = await database.connect()
        try:
            await connection.execute(SNAPSHOT)
            return await _verify(connection, database.files.archive, keys, kept, progress)
        finally:
            await connection.close()


async def _verify(
    connection: Connection,
    archive: Path | None,
    keys: SealKeys,
    kept: Sequence[KeptHead],
    progress: Progress,
) -> Report:
    log_id = await read_value(connection, str, sql.LOG_ID)
    sealed = await read_value(connection, int, SEALED_EVENTS)
    check = SealCheck(log_id, kept)
    without_position = await read_value(connection, int, encoding.WITHOUT_POSITION)
    if without_position:
        check.report.add("inserted", f"{without_position} events have no position", 0)
    async with aclosing(raw_chunks(connection, archive, CHUNK)) as chunks:
        events = _Events(chunks)

        async def take_up_to(position: int) -> None:
            async for leaves in events.up_to(position):
                check.take(leaves)
                progress(check.report.events, max(check.report.events, sealed))

        async for row in all_seals(connection):
            last = check.open(check_seal(row, keys, log_id))
            if last is not None:
                await take_up_to(last)
                check.close()
        await take_up_to(END)
    return check.finish()


class _Events:
    """The log's events in order, as leaves."""

    def __init__(self, chunks: AsyncIterator[list[RawRow]]) -> None:
        self._chunks = chunks
        self._unread: list[Leaf] = []

    async def up_to(self, position: int) -> AsyncIterator[list[Leaf]]:
        """Yield the next events up to a position, inclusive."""
        while self._unread or await self._read_chunk():
            end = bisect_right(self._unread, position, key=lambda leaf: leaf[0])
            leaves, self._unread = self._unread[:end], self._unread[end:]
            if leaves:
                yield leaves
            if self._unread:  # The next event is after the position.
                return

    async def _read_chunk(self) -> bool:
        """Read the next chunk; return False at the end of the log."""
        self._unread = to_leaves(await anext(self._chunks, []))
        return bool(self._unread)
