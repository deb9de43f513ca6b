"""Checks the log against its seals: all is computed from the stored bytes, in one snapshot."""

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
from eventlog.keys import SealKeys
from eventlog.seal.check import Report, SealCheck
from eventlog.seal.seal import SEALED_EVENTS, KeptHead, all_seals, check_seal
from eventlog.seal.tree import Leaf, to_leaves
from projections.rows import Connection, read_value

CHUNK = 500
"""Events in memory at a time, each of which may be a megabyte."""

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
    """Compare the log as it is now with its seals, and with heads that were kept elsewhere.

    Read the kept heads before calling this: a head that is newer than the snapshot would count as a
    contradiction.

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
    events_checked = _CheckedEvents(check, progress, sealed)
    without = await read_value(connection, int, encoding.WITHOUT_POSITION)
    if without:
        check.findings.add("inserted", 0, f"{without} events have no position")
    async with aclosing(raw_chunks(connection, archive, CHUNK)) as chunks:
        events = _Events(chunks)
        async for row in all_seals(connection):
            bound = check.open(check_seal(row, keys, log_id))
            if bound is None:
                continue
            async for leaves in events.up_to(bound):
                events_checked.take(leaves)
            check.close()
        check.open_tail()
        async for leaves in events.up_to(None):
            events_checked.take(leaves)
    return check.finish()


class _CheckedEvents:
    """Passes events to the check, and reports the progress."""

    def __init__(self, check: SealCheck, progress: Progress, total: int) -> None:
        self._check = check
        self._progress = progress
        self._total = total
        self._done = 0

    def take(self, leaves: Sequence[Leaf]) -> None:
        self._check.take(leaves)
        self._done += len(leaves)
        self._progress(self._done, max(self._done, self._total))


class _Events:
    """The log's events in order, as leaves."""

    def __init__(self, chunks: AsyncIterator[list[RawRow]]) -> None:
        self._chunks = chunks
        self._waiting: list[Leaf] = []
        self._over = False

    async def up_to(self, position: int | None) -> AsyncIterator[list[Leaf]]:
        """Yield the next events up to a position, inclusive, or all that remain."""
        while True:
            if not self._waiting and not self._over:
                self._waiting = to_leaves(await anext(self._chunks, []))
                self._over = not self._waiting
            if not self._waiting:
                return
            last, _ = self._waiting[-1]
            if position is None or last <= position:
                ready = self._waiting
                self._waiting = []
                yield ready
                continue
            cut = bisect_right(self._waiting, position, key=lambda leaf: leaf[0])
            ready = self._waiting[:cut]
            self._waiting = self._waiting[cut:]
            if ready:
                yield ready
            return
