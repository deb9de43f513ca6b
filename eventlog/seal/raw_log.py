"""The whole log as it is stored, byte by byte: the table merged with what the archives hold."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from eventlog.archive.reading import events_between
from eventlog.encoding import columns
from eventlog.encoding.columns import FIRST, RawRow
from eventlog.encoding.document import read_event
from eventlog.seal.leaves import position_of
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
        columns.raw_stream(connection, "events") as cursor,
        aclosing(_archived(connection, archive)) as archived,
    ):
        await cursor.execute(columns.ALL, binary=True)
        stored: list[RawRow] = []
        kept: list[RawRow] = []
        more_stored = True
        more_kept = True
        while True:
            if more_stored and not stored:
                stored = await cursor.fetchmany(size)
                more_stored = bool(stored)
            if more_kept and not kept:
                kept = await anext(archived, [])
                more_kept = bool(kept)
            if not stored and not kept:
                return
            if stored and kept:
                ready, stored, kept = _merged(stored, kept)
                yield ready
            else:
                yield stored or kept
                stored = []
                kept = []


def _merged(
    stored: list[RawRow], kept: list[RawRow]
) -> tuple[list[RawRow], list[RawRow], list[RawRow]]:
    """Return, of two chunks, what no later event can come before, and what is left of each."""
    last_stored = position_of(stored[-1])
    last_kept = position_of(kept[-1])
    bound = min(last_stored, last_kept)
    ready: list[RawRow] = []
    stored_later = _split(stored, bound, ready)
    kept_later = _split(kept, bound, ready)
    ready.sort(key=position_of)
    return ready, stored_later, kept_later


def _split(rows: list[RawRow], bound: int, ready: list[RawRow]) -> list[RawRow]:
    """Add those up to the bound to what is ready; return those beyond."""
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
    cursor = columns.raw_cursor(connection)
    await connection.execute(columns.UTF8)
    values = {"after": position, "limit": limit}
    await cursor.execute(columns.NEXT, values, binary=True)
    # The log first: an event that is archived meanwhile is in both, and none is in neither.
    stored = await cursor.fetchall()
    rows = {position_of(row): row for row in stored}
    last = max(rows, default=position)
    count = 0
    async with aclosing(_archived(connection, archive, position, last)) as archived:
        async for chunk in archived:
            for row in chunk:
                place = position_of(row)
                rows[place] = row
            count += len(chunk)
            if count >= limit:
                break
    places = sorted(rows)
    next_places = places[:limit]
    return [rows[place] for place in next_places]


async def _archived(
    connection: Connection,
    archive: Path | None,
    after: int = FIRST,
    until: int | None = None,
) -> AsyncGenerator[list[RawRow]]:
    async with aclosing(events_between(connection, archive, after, until)) as chunks:
        async for chunk in chunks:
            yield [read_event(document) for document in chunk]
