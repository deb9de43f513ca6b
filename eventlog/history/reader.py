"""The one tailing reader of a process: every event once, in log order, as envelopes.

Positions appear in commit order (the append lock sees to it), so "after the last one" passes over
nothing. The gaps that rollbacks leave are never filled later.
"""

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from eventlog.archive.reading import HistoryRow, first_between, merged, resolved, within
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.database.continuity import Continuity
from eventlog.database.listener import Signal
from eventlog.history import statements
from eventlog.history.statements import LastRow, NewestRow, StoredRow
from eventlog.keys.log_files import LogFiles
from eventlog.personal import statements as personal_statements
from eventlog.personal.reading import envelopes
from eventlog.personal.subject_keys import SubjectKeyRow
from eventlog.recall.pages import read_part, read_parts
from projections.envelope import Envelope, EventRow
from projections.rows import Connection, read_first, read_rows, read_value

CHUNK = 500
"""Events read at a time: bounds memory, and how long the loop is busy decoding."""

CHUNK_BYTES = 4_194_304
"""The same, by the size of their states: one may be a megabyte long."""

POLL_S = 1.0
"""The longest an event stays unseen when its notification is lost."""


class Reader:
    """Reads the log."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        files: LogFiles,
        continuity: Continuity | None = None,
    ) -> None:
        self._pool = pool
        self._continuity = continuity or Continuity()
        self._files = files
        self._archive = files.archive
        self._master_keys = files.master_keys

    async def log_id(self) -> str:
        """Return the name of this log; a restored or replaced one has another."""
        async with borrowed(self._pool) as connection:
            return await read_value(connection, str, sql.LOG_ID)

    async def head(self) -> int:
        """Return the last position, 0 for an empty log."""
        async with borrowed(self._pool) as connection:
            last = await read_first(connection, LastRow, statements.LAST)
        if last is None:
            return 0
        self._note(last, last["digest"])
        return last["notification_id"]

    def _note(self, event: LastRow | EventRow, digest: bytes) -> None:
        aggregate_id = UUID(event["originator_id"])
        position = event["notification_id"]
        version = event["originator_version"]
        self._continuity.note(position, aggregate_id, version, digest)

    async def after(
        self, position: int, limit: int = CHUNK, max_bytes: int = CHUNK_BYTES
    ) -> list[Envelope]:
        """Return the next events after a position, at least one where there is any."""
        values = {"after": position, "limit": limit, "max_bytes": max_bytes}
        async with borrowed(self._pool) as connection:
            rows: Sequence[EventRow] = ()
            stored = await read_rows(
                connection, StoredRow, statements.READ_AFTER, values
            )
            if stored:
                rows = stored
                archived_to = stored[0]["archived_to"]
                if archived_to is not None and archived_to > position:
                    until = stored[-1]["notification_id"]
                    archived = await first_between(
                        connection,
                        self._archive,
                        position,
                        until,
                        limit,
                        max_bytes=max_bytes,
                    )
                    together = merged(stored, archived, limit)
                    rows = within(together, max_bytes)
            if rows:
                last = rows[-1]
                digest = sha256(last["state"]).digest()
                self._note(last, digest)
            return await envelopes(connection, self._master_keys, rows)

    async def news(self, signal: Signal) -> None:
        """Wait until the log is said to have moved on, or may have without a word."""
        await signal.wait(POLL_S)

    async def histories(self, ids: Sequence[UUID]) -> list[Envelope]:
        """Return every event of these aggregates, one aggregate after the other, each in order."""
        async with borrowed(self._pool) as connection:
            values = {"ids": list(ids)}
            rows = await read_rows(
                connection, HistoryRow, statements.READ_SUBJECTS, values
            )
            events = await resolved(connection, self._archive, rows)
            return await envelopes(connection, self._master_keys, events)

    async def history(
        self, aggregate_id: UUID, after: int, limit: int = CHUNK
    ) -> tuple[list[Envelope], int | None]:
        """Return an aggregate's events after a version, some at a time.

        With them comes the version after which to go on, None at the end.
        """
        async with borrowed(self._pool) as connection:
            part = await read_part(
                connection,
                self._files,
                aggregate_id,
                after,
                limit,
            )
            events = await envelopes(connection, self._master_keys, part.rows)
        return events, part.next

    async def landmarks(
        self, run_id: UUID, after: int
    ) -> tuple[list[Envelope], int | None]:
        """Return the same of a run, without reports that its attempts do not tell of."""
        async with borrowed(self._pool) as connection:
            part = await read_part(
                connection, self._files, run_id, after, landmarks=True
            )
            events = await envelopes(connection, self._master_keys, part.rows)
        return events, part.next

    async def newest(
        self, aggregate_id: UUID, topics: Sequence[str], before: int, limit: int
    ) -> tuple[list[Envelope], int | None]:
        """Return an app's last events of some kinds before a version, the newest first.

        With them comes the version before which to go on, None at the end.
        """
        values = {
            "id": aggregate_id,
            "topics": list(topics),
            "before": before,
            "limit": limit,
            "max_bytes": CHUNK_BYTES,
        }
        async with borrowed(self._pool) as connection:
            rows = await read_rows(connection, NewestRow, statements.NEWEST, values)
            events = await envelopes(connection, self._master_keys, rows)
        following: int | None = None
        if rows and rows[0]["found"] > len(rows):
            following = rows[-1]["originator_version"]
        return events, following

    async def parts(self, wanted: Mapping[UUID, tuple[int, int]]) -> list[Envelope]:
        """Return the next events of each aggregate between two versions: some of each, few in all.

        Args:
            wanted: by aggregate, the version after which to begin and the one to end before.
        """
        async with borrowed(self._pool) as connection:
            part = await read_parts(connection, self._files, wanted)
            return await envelopes(connection, self._master_keys, part.rows)

    async def living_keys(self, ids: Collection[str]) -> set[str]:
        """Return those of the subjects' keys that have not been destroyed."""
        async with borrowed(self._pool) as connection:
            rows = await read_rows(
                connection,
                SubjectKeyRow,
                personal_statements.SUBJECT_KEYS,
                {"ids": list(ids)},
            )
        return {row["key_id"] for row in rows}
