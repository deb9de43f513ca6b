"""Reads archived events as if they were still in the log.

First the check of archives (`check_archives`), then reading by history, then by position.

A run's history is either in the log or in one file, never in both: statements that read histories
return a mark for an archived run (`archived_runs`), and `resolved` replaces the mark with its
events. Readers by position read the log first, and merge in the files' events.
"""

import asyncio
import builtins
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
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
    to_row,
)
from eventlog.database import sql
from eventlog.database.connection import Database
from projections.envelope import EventRow, decode_state
from projections.rows import Connection, read_rows


@dataclass(frozen=True)
class CheckedArchive:
    """The result of checking an archive.

    Attributes:
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
    """An archive's entry in the index; the log's event has the same fields."""

    number: ReadOnly[int]
    file: ReadOnly[str]
    sha256: ReadOnly[str]
    bytes: ReadOnly[int]
    events: ReadOnly[int]
    runs: ReadOnly[int]
    first_position: ReadOnly[int]
    last_position: ReadOnly[int]


class _ArchiveRow(_IndexRow):
    """An entry with the event that records it; its topic is None where there is none."""

    topic: ReadOnly[str | None]
    state: ReadOnly[builtins.bytes]


_FIELDS = {column: column for column in _IndexRow.__annotations__} | {"bytes": "size_bytes"}
"""The index's columns, with the names of the event's fields."""


async def check_archives(database: Database) -> AsyncGenerator[CheckedArchive]:
    """Compare each archive's file and index entry with the log's event. Use it in `aclosing`."""
    async with await database.connect() as connection:
        for row in await read_rows(connection, _ArchiveRow, _ARCHIVES):
            yield CheckedArchive(
                file=row["file"],
                events=row["events"],
                runs=row["runs"],
                problem=await _problem(database.files.archive, row),
            )


async def _problem(directory: Path | None, row: _ArchiveRow) -> str | None:
    if row["topic"] is None:
        return f"archive file {row['file']}: the log has no event that records it"
    recorded = decode_state(row["topic"], row["state"])
    columns: Row = row
    for column, field in _FIELDS.items():
        if columns[column] != recorded.get(field):
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

    Of the event's columns a mark has only its run's id. `archive` is the archive's number, and
    `positions` are those of the run's events.
    """

    archive: ReadOnly[int | None]
    positions: ReadOnly[list[int]]


Choose = Callable[[HistoryRow], Sequence[int]]
"""Chooses positions of a run's mark; the n-th is that of its n-th event."""


def all_positions(mark: HistoryRow) -> Sequence[int]:
    """Choose a run's whole history."""
    return mark["positions"]


async def resolved(
    connection: Connection,
    directory: Path | None,
    rows: Sequence[HistoryRow],
    choose: Choose = all_positions,
) -> list[EventRow]:
    """Return rows of a query for histories, with marks replaced by their archived events.

    Raises:
        ArchiveError: they cannot be read.
    """
    chosen: dict[int, Sequence[int]] = {}
    positions_by_archive: dict[int, list[int]] = {}
    for row in rows:
        archive = row["archive"]
        if archive is not None:
            positions = choose(row)
            chosen[id(row)] = positions
            positions_by_archive.setdefault(archive, []).extend(positions)
    if not chosen:
        return list(rows)
    events = await events_at(connection, directory, positions_by_archive)
    result: list[EventRow] = []
    for row in rows:
        if row["archive"] is None:
            result.append(row)
            continue
        result.extend(to_row(events[position]) for position in chosen[id(row)])
    return result


async def events_at(
    connection: Connection,
    directory: Path | None,
    positions_by_archive: Mapping[int, Sequence[int]],
) -> dict[int, Document]:
    """Return the archived events at these positions, which are given by archive number.

    Raises:
        ArchiveError: they cannot be read.
    """
    all_positions: set[int] = set()
    for positions in positions_by_archive.values():
        all_positions.update(positions)
    blocks = await blocks_holding(connection, positions_by_archive)
    events = await asyncio.to_thread(_read_events, directory, blocks, all_positions)
    missing = all_positions.difference(events)
    if missing:  # The hashes are right, so the index must have been edited.
        names = ", ".join(sorted({block.file for block in blocks}))
        problem = f"has no event at position {min(missing)}, though the database's index says so"
        raise ArchiveError(names, problem)
    return events


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

    Use it in `aclosing`. Files may overlap; in memory are only the blocks that do.

    Raises:
        ArchiveError: they cannot be read.
    """
    waiting: list[tuple[int, Document]] = []
    async for block in blocks_between(connection, after, until):
        ready = _pop_before(waiting, block.first_position)
        if ready:
            yield ready
        for document in await asyncio.to_thread(read_block, directory, block):
            position = document["position"]
            is_beyond = until is not None and position > until
            if position > after and not is_beyond:
                heappush(waiting, (position, document))
    rest = _pop_before(waiting, None)
    if rest:
        yield rest


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
    """Return the first archived events in (after, until] that pass, as rows, at most `limit`.

    With `max_bytes` there may be fewer; but then their states have that many bytes together.

    Raises:
        ArchiveError: they cannot be read.
    """
    rows: list[EventRow] = []
    size = 0
    async with aclosing(events_between(connection, directory, after, until)) as chunks:
        async for chunk in chunks:
            for document in chunk:
                row = to_row(document)
                if matches(row):
                    rows.append(row)
                    size += len(row["state"])
            is_large = max_bytes is not None and size >= max_bytes
            if is_large or len(rows) >= limit:
                break
    return rows[:limit]


def merged(rows: Sequence[EventRow], archived: Sequence[EventRow], limit: int) -> list[EventRow]:
    """Return the first `limit` of both in the order of positions.

    An event that was archived meanwhile is in both.
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
    return to_row(last)


def _last_of(directory: Path | None, blocks: Iterable[Block], position: int) -> Document | None:
    last: Document | None = None
    for block in blocks:
        for document in read_block(directory, block):
            at = document["position"]
            if at > position:
                continue
            if last is None or at > last["position"]:
                last = document
    return last
