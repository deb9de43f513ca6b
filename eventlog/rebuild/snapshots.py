"""Short snapshots of the database, each shared by sessions, in which log and tables must agree.

A large log is compared in ranges, each in a snapshot of its own. No snapshot is held for much
longer than a range takes, so vacuum and claims are hardly slowed, however large the log is.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from eventlog.database import sql
from eventlog.database.connection import Database, operator_session
from eventlog.personal import (
    SUBJECT_KEYS,
    SUBJECT_KEYS_PAGE,
    CiphertextError,
    SubjectKeyRow,
    decrypt,
    encrypted_part,
    unwrap,
)
from eventlog.rebuild import staging
from eventlog.rebuild.log_by_aggregate import COUNT_ARCHIVED, CREATE_UNARCHIVED, copy_archives
from projections import job_runs
from projections.rows import Connection, read_first, read_rows, read_value
from projections.table import Table
from projections.tables import FoldError, Stored

KEYS_AT_ONCE = 50_000
"""Keys that the first query reads, some ten megabytes; if there are more, they are read one by one.
"""

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_MAY_IDLE = "SET LOCAL idle_in_transaction_session_timeout = '1h'"
"""A session is idle while the other one works."""


@asynccontextmanager
async def shared_snapshots(
    database: Database, compared: Sequence[Table], tables: Connection | None = None
) -> AsyncIterator["SharedSnapshots"]:
    """Open both sessions, with temporary tables for the compared ones.

    Args:
        database: the log.
        compared: the tables to compare.
        tables: the session for the tables; None opens one.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(operator_session(database))
        if tables is None:
            tables = await stack.enter_async_context(operator_session(database))
        snapshots = SharedSnapshots(database, log, tables)
        stack.push_async_callback(snapshots.keys.close)
        await snapshots.prepare(compared)
        yield snapshots


class SharedSnapshots:
    """Two sessions that share one snapshot after the other.

    The log's session is ahead: it may hold the next snapshot while the tables' session still
    compares.

    Attributes:
        log: the session that reads events.
        tables: the session that stages the expected rows, and compares.
        archive: the directory of archive files; None if there is none.
        position: the log's last position before the first snapshot.
        keys: the keys of personal data, as of the snapshot of the log's session.
    """

    def __init__(self, database: Database, log: Connection, tables: Connection) -> None:
        self.log = log
        self.tables = tables
        self.archive: Path | None = database.files.archive
        self.position = 0
        self.keys = SnapshotKeys(database)
        self._snapshot_id = ""
        # Number of archived events that were copied; None if none are needed.
        self._copied_events: int | None = None

    async def prepare(self, compared: Sequence[Table]) -> None:
        """Make the temporary tables.

        Raises:
            ArchiveError: an archive cannot be read.
        """
        for table in compared:
            await self.tables.execute(staging.create_sql(table))
        await self.log.execute(CREATE_UNARCHIVED)
        # Its queries are not read to their end, so plans with fast first rows are best.
        await self.log.execute("SET cursor_tuple_fraction = 0.001")
        self.position = await read_value(self.log, int, sql.HEAD)
        # Only runs are archived.
        if any(table.name == job_runs.TABLE.name for table in compared):
            self._copied_events = await copy_archives(self.log, self.archive)

    @asynccontextmanager
    async def next(self) -> AsyncIterator[None]:
        """Hold the next snapshot in the log's session.

        Raises:
            ArchiveError: an archive cannot be read.
        """
        await self.log.execute(f"{_BEGIN}; {_MAY_IDLE}")
        while await self._has_new_archives():
            await self.log.execute("ROLLBACK")
            self._copied_events = await copy_archives(self.log, self.archive)
            await self.log.execute(f"{_BEGIN}; {_MAY_IDLE}")
        self._snapshot_id = await read_value(self.log, str, "SELECT pg_export_snapshot()")
        self.keys.begin(self._snapshot_id)
        try:
            yield
        finally:
            if not self.log.closed:
                await self.log.execute("ROLLBACK")
            await self.keys.end()

    async def _has_new_archives(self) -> bool:
        """Return whether events that are archived in the present snapshot have to be copied."""
        if self._copied_events is None:
            return False
        return self._copied_events != await read_value(self.log, int, COUNT_ARCHIVED)

    async def share(self) -> None:
        """Hold the snapshot of the log's session in the tables' session, too, until `release`.

        After an error, the transaction lasts until the session ends.
        """
        await _begin_in(self.tables, self._snapshot_id)

    async def release(self) -> None:
        """End the snapshot in the tables' session."""
        await self.tables.execute("COMMIT")


async def _begin_in(session: Connection, snapshot_id: str) -> None:
    await session.execute(f"{_BEGIN}; SET TRANSACTION SNAPSHOT '{snapshot_id}'; {_MAY_IDLE}")


class SnapshotKeys:
    """Subjects' keys as of a snapshot, read by a session of their own, since the log's is busy.

    That session is opened when it is first needed. The keys are read again for each snapshot, since
    some may have been erased.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stack = AsyncExitStack()
        self._session: Connection | None = None
        self._snapshot_id = ""
        self._has_begun = False
        self._rows: dict[str, SubjectKeyRow] = {}
        self._has_all = False

    def begin(self, snapshot_id: str) -> None:
        """Read the keys as of this snapshot from now on."""
        self._snapshot_id = snapshot_id

    async def end(self) -> None:
        """Forget the keys of the snapshot."""
        self._rows.clear()
        if self._session is not None and self._has_begun and not self._session.closed:
            await self._session.execute("ROLLBACK")
        self._has_begun = False

    async def close(self) -> None:
        """End the session."""
        await self._stack.aclose()

    async def decrypted(self, event: Stored) -> Stored:
        """Return the event, decrypted.

        Raises:
            FoldError: the stored event was edited.
            SubjectKeysUnavailableError: its keys cannot be unwrapped.
        """
        aggregate_id, version, position, topic, state = event
        part = encrypted_part(version, state)
        if part is None:
            return event
        fields, ids = part
        keys: dict[str, bytes] = {}
        for key_id in ids:
            key = await self._key(key_id)
            if key is not None:
                keys[key_id] = key
        try:
            return (aggregate_id, version, position, topic, decrypt(aggregate_id, fields, keys))
        except CiphertextError as error:
            message = f"the log cannot be folded at position {position}: {error}"
            raise FoldError(aggregate_id, message) from None

    async def _key(self, key_id: str) -> bytes | None:
        session = await self._session_in_snapshot()
        row = self._rows.get(key_id)
        if row is None and not self._has_all:
            row = await read_first(session, SubjectKeyRow, SUBJECT_KEYS, {"ids": [key_id]})
        if row is None:
            return None
        _, key, _ = unwrap(self._database.files.master_keys, row)
        return key

    async def _session_in_snapshot(self) -> Connection:
        session = self._session
        if session is None:
            session = await self._stack.enter_async_context(await self._database.connect())
            self._session = session
        if not self._has_begun:
            await _begin_in(session, self._snapshot_id)
            self._has_begun = True
            values = {"limit": KEYS_AT_ONCE}
            rows = await read_rows(session, SubjectKeyRow, SUBJECT_KEYS_PAGE, values)
            self._rows = {row["key_id"]: row for row in rows}
            self._has_all = len(rows) < KEYS_AT_ONCE
        return session
