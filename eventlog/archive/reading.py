"""Reads archived events as if they were still in the log.

First the check of archives (`check_archives`), then reading by history, then by position.

A run's history is either in the log or in one file, never in both. Statements that read histories
return one row for an archived run, a mark from the table `archived_runs`, and `resolve_marks`
replaces it with the run's events. Readers by position read the log first, and merge in the files'
events.
"""

import asyncio
import builtins
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from domain.ports import Row
from eventlog.archive.files import (
    ArchiveError,
    Block,
    Document,
    blocks_between,
    blocks_covering,
    blocks_holding,
    blocks_up_to,
    file_problem,
    read_block,
    to_event_row,
)
from eventlog.database import sql
from eventlog.database.connection import Database
from projections.envelope import EventRow, decode_state
from projections.rows import Connection, read_rows


@dataclass(frozen=True)
class ArchiveCheck:
    """The result of checking an archive.

    Attributes:
        file: the archive's file.
        events: number of events in it, according to the index.
        runs: number of runs in it, according to the index.
        problem: what is wrong; None if nothing is.
    """

    file: str
    events: int
    runs: int
    problem: str | None

    def present(self) -> JsonObject:
        """Return it as plain JSON."""
        return {"kind": "archive", **vars(self)}


_ARCHIVES = f"""
    SELECT archive.*, event.topic, event.state FROM log_archives AS archive
    LEFT JOIN {sql.EVENTS_TABLE} AS event
        ON event.originator_id = archive.id AND event.originator_version = 1
    ORDER BY number
"""


class _IndexRow(TypedDict):
    """An archive's entry in the index; the event that records the archive has the same fields."""

    number: ReadOnly[int]
    file: ReadOnly[str]
    sha256: ReadOnly[str]
    bytes: ReadOnly[int]
    events: ReadOnly[int]
    runs: ReadOnly[int]
    first_position: ReadOnly[int]
    last_position: ReadOnly[int]


class _ArchiveRow(_IndexRow):
    """An entry with the event that records it; the topic is None if there is no such event."""

    topic: ReadOnly[str | None]
    state: ReadOnly[builtins.bytes]


_FIELDS = {column: column for column in _IndexRow.__annotations__} | {"bytes": "size_bytes"}
"""The index's columns, with the names of the event's fields."""


async def check_archives(database: Database) -> AsyncGenerator[ArchiveCheck]:
    """Compare each archive's file and index entry with the event that records the archive.

    Use it in `aclosing`.
    """
    async with await database.connect() as connection:
        for row in await read_rows(connection, _ArchiveRow, _ARCHIVES):
            yield ArchiveCheck(
                file=row["file"],
                events=row["events"],
                runs=row["runs"],
                problem=await _problem(database.files.archive, row),
            )


async def _problem(directory: Path | None, row: _ArchiveRow) -> str | None:
    if row["topic"] is None:
        return f"archive file {row['file']}: the log has no event that records it"
    event_fields = decode_state(row["topic"], row["state"])
    columns: Row = row
    for column, field in _FIELDS.items():
        if columns[column] != event_fields.get(field):
            return (
                f"archive file {row['file']}: the index's {column} is not what the log's event says"
            )
    file_error = await asyncio.to_thread(
        file_problem, directory, row["file"], row["bytes"], row["sha256"]
    )
    if file_error is None:
        return None
    return str(file_error)


class HistoryRow(EventRow):
    """A row of a query for histories: an event, or a mark that stands for an archived history.

    Of the event's columns, a mark has only the run's id.

    Attributes:
        archive: the number of the run's archive; None if the row is an event.
        positions: the positions of the run's events, in order; only of a mark.
    """

    archive: ReadOnly[int | None]
    positions: ReadOnly[list[int]]


async def resolve_marks(
    connection: Connection, directory: Path | None, rows: Sequence[HistoryRow]
) -> list[EventRow]:
    """Return rows of a query for histories, with marks replaced by their archived events.

    Args:
        connection: to the database.
        directory: of archive files.
        rows: what the query has returned.

    Raises:
        ArchiveError: archived events cannot be read.
    """
    positions_by_archive: dict[int, list[int]] = {}
    for row in rows:
        if row["archive"] is not None:
            positions_by_archive.setdefault(row["archive"], []).extend(row["positions"])
    if not positions_by_archive:
        return list(rows)
    events = await events_at(connection, directory, positions_by_archive)
    result: list[EventRow] = []
    for row in rows:
        if row["archive"] is None:
            result.append(row)
        else:
            result.extend(to_event_row(events[position]) for position in row["positions"])
    return result


async def first_at(  # noqa: PLR0913 - a page, and what it leaves out
    connection: Connection,
    directory: Path | None,
    positions_by_archive: Mapping[int, Sequence[int]],
    max_bytes: int,
    limit: int | None = None,
    matches: Callable[[EventRow], bool] = lambda _: True,
) -> list[EventRow]:
    """Return the first of the archived events at these positions that match, as rows.

    Args:
        connection: to the database.
        directory: of archive files.
        positions_by_archive: the positions, by the archive's number.
        max_bytes: once the events' states have this many bytes, no more are read.
        limit: number of events; None for no limit.
        matches: whether an event is returned; all are by default.

    Raises:
        ArchiveError: they cannot be read.
    """
    requested_positions = _all_positions(positions_by_archive)
    blocks = await blocks_holding(connection, positions_by_archive)
    rows: list[EventRow] = []
    read_positions: set[int] = set()
    size = 0
    parts = _in_order(directory, _each(blocks), requested_positions.__contains__)
    async with aclosing(parts):
        async for documents in parts:
            for document in documents:
                read_positions.add(document["position"])
                row = to_event_row(document)
                if matches(row):
                    rows.append(row)
                    size += len(row["state"])
            if size >= max_bytes or (limit is not None and len(rows) >= limit):
                return rows[:limit]
    _require_all(requested_positions, read_positions, blocks)
    return rows


async def events_at(
    connection: Connection,
    directory: Path | None,
    positions_by_archive: Mapping[int, Sequence[int]],
) -> dict[int, Document]:
    """Return the archived events at these positions, by position.

    Args:
        connection: to the database.
        directory: of archive files.
        positions_by_archive: the positions, by the archive's number.

    Raises:
        ArchiveError: they cannot be read.
    """
    requested_positions = _all_positions(positions_by_archive)
    blocks = await blocks_holding(connection, positions_by_archive)
    events = await asyncio.to_thread(_read_events, directory, blocks, requested_positions)
    _require_all(requested_positions, events.keys(), blocks)
    return events


def _all_positions(positions_by_archive: Mapping[int, Sequence[int]]) -> set[int]:
    return {position for positions in positions_by_archive.values() for position in positions}


def _require_all(
    requested_positions: set[int], read_positions: Collection[int], blocks: Iterable[Block]
) -> None:
    missing = requested_positions.difference(read_positions)
    if missing:  # The hashes are right, so the index must have been edited.
        names = ", ".join(sorted({block.file for block in blocks}))
        problem = f"has no event at position {min(missing)}, though the database's index says so"
        raise ArchiveError(names, problem)


def _read_events(
    directory: Path | None, blocks: Iterable[Block], positions: set[int]
) -> dict[int, Document]:
    events: dict[int, Document] = {}
    for block in blocks:
        for document in read_block(directory, block):
            position = document["position"]
            if position in positions:
                events[position] = document
    return events


async def events_between(
    connection: Connection, directory: Path | None, after: int, until: int | None = None
) -> AsyncGenerator[list[Document]]:
    """Yield the archived events in (after, until] in the order of positions, some at a time.

    Use it in `aclosing`. Only blocks whose positions overlap are in memory together.

    Raises:
        ArchiveError: they cannot be read.
    """

    def is_between(position: int) -> bool:
        return position > after and (until is None or position <= until)

    parts = _in_order(directory, blocks_between(connection, after, until), is_between)
    async with aclosing(parts):
        async for documents in parts:
            yield documents


async def _in_order(
    directory: Path | None, blocks: AsyncGenerator[Block], is_requested: Callable[[int], bool]
) -> AsyncGenerator[list[Document]]:
    """Yield events of blocks in the order of positions; a block is read when it is its turn.

    The blocks come in the order of their first positions.
    """
    waiting: list[tuple[int, Document]] = []
    async with aclosing(blocks):
        async for block in blocks:
            ready = _pop_before(waiting, block.first_position)
            if ready:
                yield ready
            for document in await asyncio.to_thread(read_block, directory, block):
                position = document["position"]
                if is_requested(position):
                    heappush(waiting, (position, document))
    remaining = _pop_before(waiting, None)
    if remaining:
        yield remaining


async def _each(blocks: Iterable[Block]) -> AsyncGenerator[Block]:
    for block in blocks:
        yield block


def _pop_before(waiting: list[tuple[int, Document]], bound: int | None) -> list[Document]:
    """Pop the events before a position, or all of them."""
    ready = []
    while waiting:
        position, document = waiting[0]
        if bound is not None and position >= bound:
            break
        heappop(waiting)
        ready.append(document)
    return ready


async def first_between(  # noqa: PLR0913 - a page, and what it leaves out
    connection: Connection,
    directory: Path | None,
    after: int,
    until: int | None,
    limit: int,
    matches: Callable[[EventRow], bool] = lambda _: True,
    max_bytes: int | None = None,
) -> list[EventRow]:
    """Return the first archived events in (after, until] that match, as rows.

    Args:
        connection: to the database.
        directory: of archive files.
        after: the position after which to begin.
        until: the last position; None for no end.
        limit: number of events.
        matches: whether an event is returned; all are by default.
        max_bytes: once the events' states have this many bytes, no more are read.

    Raises:
        ArchiveError: they cannot be read.
    """
    rows: list[EventRow] = []
    size = 0
    async with aclosing(events_between(connection, directory, after, until)) as chunks:
        async for chunk in chunks:
            for document in chunk:
                row = to_event_row(document)
                if matches(row):
                    rows.append(row)
                    size += len(row["state"])
            is_large = max_bytes is not None and size >= max_bytes
            if is_large or len(rows) >= limit:
                break
    return rows[:limit]


def merge_by_position(
    rows: Sequence[EventRow], archived: Sequence[EventRow], limit: int
) -> list[EventRow]:
    """Return the first `limit` events of both, in the order of positions.

    An event that was archived between the two reads is in both; it is returned once.
    """
    by_position: dict[int, EventRow] = {}
    for row in (*archived, *rows):
        by_position[row["notification_id"]] = row
    return [by_position[position] for position in sorted(by_position)[:limit]]


def take_bytes(rows: Sequence[EventRow], max_bytes: int) -> list[EventRow]:
    """Return the first rows, until their states have `max_bytes`; the last row may exceed it."""
    result: list[EventRow] = []
    size = 0
    for row in rows:
        if size >= max_bytes:
            break
        result.append(row)
        size += len(row["state"])
    return result


async def event_at(
    connection: Connection, directory: Path | None, position: int
) -> Document | None:
    """Return the archived event at a position, None if there is none.

    Raises:
        ArchiveError: it cannot be read.
    """
    blocks = await blocks_covering(connection, position)
    events = await asyncio.to_thread(_read_events, directory, blocks, {position})
    return events.get(position)


async def last_up_to(
    connection: Connection, directory: Path | None, position: int
) -> EventRow | None:
    """Return the last archived event up to a position, None if there is none.

    Raises:
        ArchiveError: it cannot be read.
    """
    blocks = await blocks_up_to(connection, position)
    if not blocks:
        return None
    last = await asyncio.to_thread(_last_of, directory, blocks, position)
    if last is None:
        return None
    return to_event_row(last)


def _last_of(directory: Path | None, blocks: Iterable[Block], position: int) -> Document | None:
    last: Document | None = None
    for block in blocks:
        for document in read_block(directory, block):
            if document["position"] > position:
                continue
            if last is None or document["position"] > last["position"]:
                last = document
    return last
