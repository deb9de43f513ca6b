"""The whole log as stored bytes: the table's events merged with the archived ones, for seals."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from eventlog.archive.reading import events_between
from eventlog.encoding import (
    ALL,
    FIRST,
    NEXT,
    UTF8,
    RawRow,
    position_of,
    raw_cursor,
    raw_stream,
    read_event,
)
from projections.rows import Connection


async def raw_chunks(
    connection: Connection, archive: Path | None, size: int
) -> AsyncGenerator[list[RawRow]]:
    """Yield all events in the order of positions, some at a time.

    It needs a transaction; use it in `aclosing`.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    async with (
        raw_stream(connection, "events") as cursor,
        aclosing(_archived(connection, archive)) as archived,
    ):
        await cursor.execute(ALL, binary=True)
        stored: list[RawRow] = []
        archived_rows: list[RawRow] = []
        more_stored = True
        more_archived = True
        while True:
            if more_stored and not stored:
                stored = await cursor.fetchmany(size)
                more_stored = bool(stored)
            if more_archived and not archived_rows:
                archived_rows = await anext(archived, [])
                more_archived = bool(archived_rows)
            if not stored and not archived_rows:
                return
            if stored and archived_rows:
                ready, stored, archived_rows = _merged(stored, archived_rows)
                yield ready
            else:
                yield stored or archived_rows
                stored = []
                archived_rows = []


def _merged(
    stored: list[RawRow], archived: list[RawRow]
) -> tuple[list[RawRow], list[RawRow], list[RawRow]]:
    """Return the events of two chunks up to the end of the shorter one, and the rest of each."""
    bound = min(position_of(stored[-1]), position_of(archived[-1]))
    ready: list[RawRow] = []
    stored_later = _split(stored, bound, ready)
    archived_later = _split(archived, bound, ready)
    ready.sort(key=position_of)
    return ready, stored_later, archived_later


def _split(rows: list[RawRow], bound: int, ready: list[RawRow]) -> list[RawRow]:
    """Add the rows up to the bound to `ready`; return the others."""
    later: list[RawRow] = []
    for row in rows:
        if position_of(row) <= bound:
            ready.append(row)
        else:
            later.append(row)
    return later


async def raw_after(
    connection: Connection, archive: Path | None, position: int, limit: int
) -> list[RawRow]:
    """Return the next events after a position, at most `limit`.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    cursor = raw_cursor(connection)
    await connection.execute(UTF8)
    await cursor.execute(NEXT, {"after": position, "limit": limit}, binary=True)
    # The log first: an event that is archived meanwhile is in both, and none is in neither.
    stored = await cursor.fetchall()
    rows = {position_of(row): row for row in stored}
    last = max(rows, default=position)
    count = 0
    async with aclosing(_archived(connection, archive, position, last)) as archived:
        async for chunk in archived:
            rows.update((position_of(row), row) for row in chunk)
            count += len(chunk)
            if count >= limit:
                break
    return [rows[row_position] for row_position in sorted(rows)[:limit]]


async def _archived(
    connection: Connection, archive: Path | None, after: int = FIRST, until: int | None = None
) -> AsyncGenerator[list[RawRow]]:
    async with aclosing(events_between(connection, archive, after, until)) as chunks:
        async for chunk in chunks:
            yield [read_event(document) for document in chunk]
