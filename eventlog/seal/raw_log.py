"""The whole log as it is stored, byte by byte: what stands in the table, merged with what the archives hold."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from eventlog.archive.reading import events_between
from eventlog.encoding import columns
from eventlog.encoding.columns import FIRST, RawRow
from eventlog.encoding.document import read_event
from projections.rows import Connection


async def raw_chunks(
    connection: Connection, archive: Path | None, size: int
) -> AsyncGenerator[list[RawRow]]:
    """Yield all events in the order of positions, some at a time. It needs a transaction; use it in `aclosing`.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    async with (
        columns.raw_stream(connection, "events") as cursor,
        aclosing(_archived(connection, archive)) as archived,
    ):
        await cursor.execute(columns.ALL, binary=True)
        stored: list[RawRow] = []
        kept: list[RawRow] = []
        more_stored = more_kept = True
        while True:
            if more_stored and not stored:
                stored = await cursor.fetchmany(size)
                more_stored = bool(stored)
            if more_kept and not kept:
                kept = await anext(archived, [])
                more_kept = bool(kept)
            if not stored or not kept:
                if not stored and not kept:
                    return
                yield stored or kept
                stored, kept = [], []
                continue
            bound = min(_position(stored[-1]), _position(kept[-1]))
            ready = [row for row in (*stored, *kept) if _position(row) <= bound]
            yield sorted(ready, key=_position)
            stored = [row for row in stored if _position(row) > bound]
            kept = [row for row in kept if _position(row) > bound]


async def raw_after(
    connection: Connection, archive: Path | None, position: int, limit: int
) -> list[RawRow]:
    """Return the next events after a position, at most `limit`.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    cursor = columns.raw_cursor(connection)
    await connection.execute(columns.UTF8)
    await cursor.execute(columns.NEXT, {"after": position, "limit": limit}, binary=True)
    # The log first: an event that is archived meanwhile is in both, and none is in neither.
    rows = {_position(row): row for row in await cursor.fetchall()}
    count = 0
    async with aclosing(
        _archived(connection, archive, position, max(rows, default=position))
    ) as archived:
        async for chunk in archived:
            rows |= {_position(row): row for row in chunk}
            count += len(chunk)
            if count >= limit:
                break
    return [rows[one] for one in sorted(rows)][:limit]


async def _archived(
    connection: Connection, archive: Path | None, after: int = FIRST, until: int | None = None
) -> AsyncGenerator[list[RawRow]]:
    async with aclosing(events_between(connection, archive, after, until)) as chunks:
        async for chunk in chunks:
            yield [read_event(document) for document in chunk]


def _position(row: RawRow) -> int:
    return int.from_bytes(row[0] or b"", "big", signed=True)
