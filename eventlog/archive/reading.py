"""Reads archived events as if they still stood in the log. Everything that reads the log reads them through here.

A run's history lies either in the log or in one file, never in both: statements that read histories
return a mark for a run that is archived (`archived_runs`), and `resolved` puts its events in the
mark's place. Whoever reads by position reads the log first, and merges what the files hold.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from eventlog.archive.files import ArchiveError, Block, Document, read_block, to_row
from eventlog.archive.index import blocks_around, blocks_between, blocks_holding, blocks_up_to
from eventlog.encoding.columns import LogRow
from projections.rows import Connection

Choose = Callable[[LogRow], Sequence[int]]
"""Which of the positions in a run's mark are wanted; the n-th is that of its n-th event."""


def all_positions(mark: LogRow) -> Sequence[int]:
    """Choose a run's whole history."""
    positions: list[int] = mark["positions"]
    return positions


async def resolved(
    connection: Connection,
    directory: Path | None,
    rows: Sequence[LogRow],
    choose: Choose = all_positions,
) -> list[LogRow]:
    """Return rows of a query about histories with archived events in the place of their marks.

    A mark is a row whose `archive` is the archive's number, and its `positions` those of the run's
    events.

    Raises:
        ArchiveError: they cannot be read.
    """
    marks = [row for row in rows if row["archive"] is not None]
    if not marks:
        return list(rows)
    chosen = {id(mark): list(choose(mark)) for mark in marks}
    places: dict[int, list[int]] = {}
    for mark in marks:
        places.setdefault(mark["archive"], []).extend(chosen[id(mark)])
    found = await events_at(connection, directory, places)
    result: list[LogRow] = []
    for row in rows:
        if row["archive"] is None:
            result.append(row)
        else:
            result += [to_row(found[position]) for position in chosen[id(row)]]
    return result


async def events_at(
    connection: Connection, directory: Path | None, places: Mapping[int, Sequence[int]]
) -> dict[int, Document]:
    """Return the archived events at these positions, given by the number of their archive.

    Raises:
        ArchiveError: they cannot be read.
    """
    wanted = {position for positions in places.values() for position in positions}
    blocks = await blocks_holding(connection, places)
    found = await asyncio.to_thread(_pick, directory, blocks, wanted)
    # The hashes hold, so only an index that was edited leads here.
    for position in wanted - set(found):
        names = ", ".join(sorted({block.file for block in blocks}))
        raise ArchiveError(
            names, f"has no event at position {position}, though the database's index says so"
        )
    return found


def _pick(directory: Path | None, blocks: Iterable[Block], wanted: set[int]) -> dict[int, Document]:
    return {
        document["position"]: document
        for block in blocks
        for document in read_block(directory, block)
        if document["position"] in wanted
    }


async def events_between(
    connection: Connection, directory: Path | None, after: int, until: int | None = None
) -> AsyncGenerator[list[Document]]:
    """Yield the archived events in (after, until] in the order of positions, some at a time. Use it in `aclosing`.

    Files may overlap; in memory are only the blocks that do.

    Raises:
        ArchiveError: they cannot be read.
    """
    waiting: list[tuple[int, Document]] = []
    async for block in blocks_between(connection, after, until):
        if ready := _pop_before(waiting, block.first_position):
            yield ready
        for document in await asyncio.to_thread(read_block, directory, block):
            if document["position"] > after and (until is None or document["position"] <= until):
                heappush(waiting, (document["position"], document))
    if waiting:
        yield [document for _, document in sorted(waiting, key=lambda one: one[0])]


def _pop_before(waiting: list[tuple[int, Document]], position: int) -> list[Document]:
    ready = []
    while waiting and waiting[0][0] < position:
        ready.append(heappop(waiting)[1])
    return ready


async def first_between(  # noqa: PLR0913 - a page, and what it leaves out
    connection: Connection,
    directory: Path | None,
    after: int,
    until: int | None,
    limit: int,
    passes: Callable[[LogRow], bool] = lambda _: True,
    max_bytes: int | None = None,
) -> list[LogRow]:
    """Return the first archived events in (after, until] that pass, as rows, at most `limit`.

    With `max_bytes` there may be less of them, but then their states have so many bytes together.

    Raises:
        ArchiveError: they cannot be read.
    """
    rows: list[LogRow] = []
    size = 0
    async with aclosing(events_between(connection, directory, after, until)) as chunks:
        async for chunk in chunks:
            passed = [row for row in map(to_row, chunk) if passes(row)]
            rows += passed
            size += sum(len(row["state"]) for row in passed)
            if len(rows) >= limit or (max_bytes is not None and size >= max_bytes):
                break
    return rows[:limit]


def merged(rows: Sequence[LogRow], archived: Sequence[LogRow], limit: int) -> list[LogRow]:
    """Return the first `limit` of both in the order of positions; an event that moved meanwhile is in both."""
    by_position: dict[Any, LogRow] = {row["notification_id"]: row for row in archived}
    by_position |= {row["notification_id"]: row for row in rows}
    return [by_position[position] for position in sorted(by_position)][:limit]


async def event_at(
    connection: Connection, directory: Path | None, position: int
) -> Document | None:
    """Return the archived event at a position, None if none is.

    Raises:
        ArchiveError: it cannot be read.
    """
    blocks = await blocks_around(connection, position)
    return (await asyncio.to_thread(_pick, directory, blocks, {position})).get(position)


async def last_up_to(
    connection: Connection, directory: Path | None, position: int
) -> LogRow | None:
    """Return the last archived event up to a position, None if there is none.

    Raises:
        ArchiveError: it cannot be read.
    """
    blocks = await blocks_up_to(connection, position)

    def last() -> Document | None:
        documents = [document for block in blocks for document in read_block(directory, block)]
        before = [document for document in documents if document["position"] <= position]
        return max(before, key=lambda document: int(document["position"]), default=None)

    found = await asyncio.to_thread(last) if blocks else None
    return None if found is None else to_row(found)
