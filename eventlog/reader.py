"""The one tailing reader of a process: every event once, in log order, as envelopes.

Positions appear in commit order (the append lock sees to it), so "after the last one" passes over nothing. The gaps
that rollbacks leave are never filled later.
"""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from eventlog import schema
from eventlog.connection import borrowed
from eventlog.decryption import envelopes
from projections.envelope import Envelope
from projections.table import Connection, fetch_rows

CHUNK = 500
"""Events read at a time: bounds memory, and how long the loop is busy decoding."""

CHUNK_BYTES = 4_194_304
"""The same, by the size of their states: one may be a megabyte long."""

POLL_S = 1.0
"""The longest an event stays unseen when its notification is lost."""


class Reader:
    """Reads the log."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    async def log_id(self) -> str:
        """Return the name of this log; a restored or replaced one has another."""
        async with borrowed(self._pool) as connection:
            return str((await fetch_rows(connection, schema.LOG_ID, {}))[0]["id"])

    async def head(self) -> int:
        """Return the last position, 0 for an empty log."""
        async with borrowed(self._pool) as connection:
            head = (await fetch_rows(connection, schema.HEAD, {}))[0]["head"]
        return head if isinstance(head, int) else 0

    async def after(self, position: int, limit: int = CHUNK, max_bytes: int = CHUNK_BYTES) -> list[Envelope]:
        """Return the next events after a position, at least one where there is any."""
        values = {"after": position, "limit": limit, "max_bytes": max_bytes}
        async with borrowed(self._pool) as connection:
            return await envelopes(connection, await fetch_rows(connection, schema.READ_AFTER, values))

    async def histories(self, ids: Sequence[UUID]) -> list[Envelope]:
        """Return every event of these aggregates, one aggregate after the other, each in order."""
        async with borrowed(self._pool) as connection:
            rows = await fetch_rows(connection, schema.READ_SUBJECTS, {"ids": list(ids)})
            return await envelopes(connection, rows)

    async def parts(self, wanted: Mapping[UUID, tuple[int, int]]) -> list[Envelope]:
        """Return the next events of each of these aggregates between two versions; some of each, but few in all."""
        values = {
            "ids": list(wanted),
            "after": [after for after, _ in wanted.values()],
            "before": [before for _, before in wanted.values()],
            "limit": max(1, CHUNK // len(wanted)),
        }
        async with borrowed(self._pool) as connection:
            return await envelopes(connection, await fetch_rows(connection, schema.READ_PARTS, values))

    async def living_keys(self, ids: Collection[str]) -> set[str]:
        """Return those of the subjects' keys that have not been destroyed."""
        async with borrowed(self._pool) as connection:
            rows = await fetch_rows(connection, schema.SUBJECT_KEYS, {"ids": list(ids)})
        return {str(row["key_id"]) for row in rows}
