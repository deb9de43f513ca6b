"""Subjects' keys while the whole log is folded, in the fold's own snapshot and no longer."""

from contextlib import AsyncExitStack

from eventlog.database.connection import Database
from eventlog.personal import statements
from eventlog.personal.cipher import CiphertextError, decrypt, encrypted_part
from eventlog.personal.subject_keys import SubjectKeyRow, unwrapped
from projections.folder import FoldError, Stored
from projections.rows import Connection, read_first, read_rows

MAX_AT_ONCE = 50_000
"""Keys read by the first look, some ten megabytes; where there are more, the others are read one by
one."""


class SnapshotKeys:
    """Decrypts events, by a session of its own, for the log's is busy with streaming.

    It is opened when it is needed.
    """

    def __init__(self, database: Database, snapshot_id: str) -> None:
        self._database = database
        self._snapshot_id = snapshot_id
        self._stack = AsyncExitStack()
        self._session: Connection | None = None
        self._rows: dict[str, SubjectKeyRow] = {}
        self._has_all = False

    async def close(self) -> None:
        """Forget the keys, and end the session."""
        self._rows.clear()
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
            return (
                aggregate_id,
                version,
                position,
                topic,
                decrypt(aggregate_id, fields, keys),
            )
        except CiphertextError as error:
            message = f"the log cannot be folded at position {position}: {error}"
            raise FoldError(aggregate_id, message) from None

    async def _key(self, key_id: str) -> bytes | None:
        session = self._session
        if session is None:
            session = await self._opened()
        row = self._rows.get(key_id)
        if row is None and not self._has_all:
            values = {"ids": [key_id]}
            row = await read_first(
                session, SubjectKeyRow, statements.SUBJECT_KEYS, values
            )
        if row is None:
            return None
        _, key, _ = unwrapped(self._database.files.master_keys, row)
        return key

    async def _opened(self) -> Connection:
        session = await self._stack.enter_async_context(await self._database.connect())
        await session.execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
            f" SET TRANSACTION SNAPSHOT '{self._snapshot_id}';"
            " SET LOCAL idle_in_transaction_session_timeout = '1h'"
        )
        values = {"limit": MAX_AT_ONCE}
        rows = await read_rows(
            session, SubjectKeyRow, statements.SUBJECT_KEYS_PAGE, values
        )
        self._rows = {row["key_id"]: row for row in rows}
        self._has_all = len(rows) < MAX_AT_ONCE
        self._session = session
        return session
