"""The log as stored bytes, for seals: the table's events merged with the archived ones."""

from bisect import bisect_right
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
    to_raw_row,
)
from projections.rows import Connection


async def raw_chunks(
    connection: Connection, archive: Path | None, size: int
) -> AsyncGenerator[list[RawRow]]:
    """Yield all events in the order of positions, in chunks of `size` at most.

    Call it in a transaction, and use it in `aclosing`.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    async with (
        raw_stream(connection, "events") as cursor,
        aclosing(_archived(connection, archive)) as archived,
    ):
        await cursor.execute(ALL, binary=True)
        stored_rows: list[RawRow] = []
        archived_rows: list[RawRow] = []
        has_more_stored = True
        has_more_archived = True
        while True:
            if has_more_stored and not stored_rows:
                stored_rows = await cursor.fetchmany(size)
                has_more_stored = bool(stored_rows)
            if has_more_archived and not archived_rows:
                archived_rows = await anext(archived, [])
                has_more_archived = bool(archived_rows)
            if not stored_rows and not archived_rows:
                return
            if stored_rows and archived_rows:
                rows, stored_rows, archived_rows = _merge(stored_rows, archived_rows)
                yield rows
            else:
                yield stored_rows or archived_rows
                stored_rows = []
                archived_rows = []


def _merge(
    stored: list[RawRow], archived: list[RawRow]
) -> tuple[list[RawRow], list[RawRow], list[RawRow]]:
    """Merge two chunks up to the position at which the first of them ends.

    Returns:
        The merged rows, and the remaining ones of each chunk.
    """
    bound = min(position_of(stored[-1]), position_of(archived[-1]))
    stored_end = bisect_right(stored, bound, key=position_of)
    archived_end = bisect_right(archived, bound, key=position_of)
    merged = sorted([*stored[:stored_end], *archived[:archived_end]], key=position_of)
    return merged, stored[stored_end:], archived[archived_end:]


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
    # The log before the archives: an event that is archived meanwhile is in both, never in neither.
    rows = {position_of(row): row for row in await cursor.fetchall()}
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
            yield [to_raw_row(document) for document in chunk]
