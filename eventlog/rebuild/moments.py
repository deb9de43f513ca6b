"""Short moments of the database, each seen by two sessions, in which log and tables must agree.

Whoever compares a large log does it in ranges, each in a moment of its own: no snapshot is held for
much longer than a range takes, so that vacuum and claims hardly notice, however large the log is.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import LiteralString
from uuid import UUID

from eventlog import personal as personal_statements
from eventlog.archive.files import ArchiveError, Document
from eventlog.archive.reading import events_between
from eventlog.database import sql
from eventlog.database.connection import Database, operator_session
from eventlog.personal import CiphertextError, SubjectKeyRow, decrypt, encrypted_part, unwrapped
from eventlog.rebuild import staging
from projections import job_runs
from projections.rows import Connection, read_first, read_rows, read_value
from projections.table import Table
from projections.tables import FoldError, Stored

MAX_AT_ONCE = 50_000
"""Keys read by the first look, some ten megabytes; where there are more, the others are read one by
one."""

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_MAY_IDLE = "SET LOCAL idle_in_transaction_session_timeout = '1h'"
"""One session waits while the other one works."""


@asynccontextmanager
async def moments(
    database: Database, compared: Sequence[Table], tables: Connection | None = None
) -> AsyncIterator["Moments"]:
    """Give both sessions, with temporary tables for what is compared.

    Args:
        database: whose.
        compared: tables.
        tables: one of the sessions, where somebody goes on with it afterwards.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(operator_session(database))
        if tables is None:
            tables = await stack.enter_async_context(operator_session(database))
        seen = Moments(database, log, tables)
        stack.push_async_callback(seen.keys.close)
        await seen.prepare(compared)
        yield seen


class Moments:
    """Two sessions that see the same moments, one after the other.

    Attributes:
        log: streams events.
        tables: takes the expected rows meanwhile, and compares.
        archive: the directory of archive files, if there is one.
        position: the log's last one in the first moment.
    """

    def __init__(self, database: Database, log: Connection, tables: Connection) -> None:
        self.log = log
        self.tables = tables
        self.archive: Path | None = database.files.archive
        self.position = 0
        self.keys = SnapshotKeys(database)
        # How many archived events lie beside the log's; None where none are needed.
        self._laid: int | None = None

    async def prepare(self, compared: Sequence[Table]) -> None:
        """Make the temporary tables.

        Raises:
            ArchiveError: an archive cannot be read.
        """
        for table in compared:
            await self.tables.execute(staging.create_sql(table))
        await self.log.execute(staging.CREATE_UNARCHIVED)
        # Its queries are to yield the first rows soon, for they are not read to their end.
        await self.log.execute("SET cursor_tuple_fraction = 0.001")
        # The events of no other table are ever archived.
        if job_runs.TABLE.name in {table.name for table in compared}:
            await self._lay_out_archives()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold one moment in both sessions.

        Raises:
            ArchiveError: an archive cannot be read.
        """
        while not await self._begun():
            await self._lay_out_archives()
        try:
            yield
        except BaseException:
            await self._end("ROLLBACK")
            raise
        await self._end("COMMIT")

    async def _end(self, how: LiteralString) -> None:
        for session in (self.tables, self.log):
            if not session.closed:
                await session.execute(how)
        await self.keys.end()

    async def _begun(self) -> bool:
        """Begin; return False, and do not, where events have been archived meanwhile."""
        await self.log.execute(f"{_BEGIN}; {_MAY_IDLE}")
        exported = await read_value(self.log, str, "SELECT pg_export_snapshot()")
        if self._laid not in {None, await read_value(self.log, int, staging.COUNT_ARCHIVED)}:
            await self.log.execute("ROLLBACK")
            return False
        await self.tables.execute(f"{_BEGIN}; SET TRANSACTION SNAPSHOT '{exported}'; {_MAY_IDLE}")
        self.keys.begin(exported)
        if not self.position:
            self.position = await read_value(self.log, int, sql.HEAD)
        return True

    async def _lay_out_archives(self) -> None:
        """Fill the temporary table `unarchived` with all archived events."""
        told = await read_value(self.log, int, staging.COUNT_ARCHIVED)
        await self.log.execute("TRUNCATE unarchived")
        laid = 0
        # Chunks are read first: a session does one thing at a time, and COPY is one thing.
        async with aclosing(events_between(self.log, self.archive, 0)) as chunks:
            async for chunk in chunks:
                await self._lay_out(chunk)
                laid += len(chunk)
        now = await read_value(self.log, int, staging.COUNT_ARCHIVED)
        if laid != told and told == now:
            problem = f"leads to {laid} of {told} archived events: it was edited"
            raise ArchiveError("index", problem)
        # Where more was archived meanwhile, the next moment will tell.
        self._laid = laid
        if laid:
            await self.log.execute(staging.ORDER_UNARCHIVED)

    async def _lay_out(self, chunk: Sequence[Document]) -> None:
        async with self.log.cursor().copy(staging.COPY_UNARCHIVED) as copy:
            for event in chunk:
                row = (
                    UUID(event["aggregateId"]),
                    event["version"],
                    event["position"],
                    event["topic"],
                    event["state"].encode(),
                )
                await copy.write_row(row)


class SnapshotKeys:
    """Subjects' keys as of a moment, by a session of their own, for the log's is busy.

    It is opened when it is needed. A key that another moment has seen may be gone.
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
        """Read, from now on, as of this snapshot."""
        self._snapshot_id = snapshot_id

    async def end(self) -> None:
        """Forget the keys."""
        self._rows.clear()
        session = self._session
        if session is not None and self._has_begun and not session.closed:
            await session.execute("ROLLBACK")
        self._has_begun = False

    async def close(self) -> None:
        """End the session."""
        await self._stack.aclose()

    async def plain(self, event: Stored) -> Stored:
        """Return the event, decrypted.

        Raises:
            FoldError: somebody has changed what was stored.
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
        session = await self._begun()
        row = self._rows.get(key_id)
        if row is None and not self._has_all:
            values = {"ids": [key_id]}
            row = await read_first(session, SubjectKeyRow, personal_statements.SUBJECT_KEYS, values)
        if row is None:
            return None
        _, key, _ = unwrapped(self._database.files.master_keys, row)
        return key

    async def _begun(self) -> Connection:
        session = self._session
        if session is None:
            connecting = await self._database.connect()
            session = await self._stack.enter_async_context(connecting)
            self._session = session
        if not self._has_begun:
            await session.execute(
                f"{_BEGIN}; SET TRANSACTION SNAPSHOT '{self._snapshot_id}'; {_MAY_IDLE}"
            )
            self._has_begun = True
            values = {"limit": MAX_AT_ONCE}
            rows = await read_rows(
                session, SubjectKeyRow, personal_statements.SUBJECT_KEYS_PAGE, values
            )
            self._rows = {row["key_id"]: row for row in rows}
            self._has_all = len(rows) < MAX_AT_ONCE
        return session
