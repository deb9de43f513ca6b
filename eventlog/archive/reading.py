"""Reads archived events as if they still stood in the log, for all readers of the log.

First whether the archives are what was written (`check_archives`), then histories, then positions.

A run's history lies either in the log or in one file, never in both: statements that read histories
return a mark for a run that is archived (`archived_runs`), and `resolved` replaces the mark with
its events. Readers by position read the log first, and merge in what the files hold.
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
    blocks_around,
    blocks_between,
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
    """What came out for an archive.

    Attributes:
        problem: what is wrong, None if it is what was written.
    """

    file: str
    events: int
    runs: int
    problem: str | None

    def present(self) -> JsonObject:
        """Return it for programs."""
        return {"kind": "archive", **vars(self)}


_ARCHIVES = f"""
    SELECT archive.*, event.topic, event.state FROM log_archives AS archive
    LEFT JOIN {sql.EVENTS_TABLE} AS event
        ON event.originator_id = archive.id AND event.originator_version = 1
    ORDER BY number
"""


class _Entry(TypedDict):
    """What the index says of an archive, and the log's event as well."""

    number: ReadOnly[int]
    file: ReadOnly[str]
    sha256: ReadOnly[str]
    bytes: ReadOnly[int]
    events: ReadOnly[int]
    runs: ReadOnly[int]
    first_position: ReadOnly[int]
    last_position: ReadOnly[int]


class _ArchiveRow(_Entry):
    """An entry with the event that records it; its topic is None where there is none."""

    topic: ReadOnly[str | None]
    state: ReadOnly[builtins.bytes]


_FIELDS = {column: column for column in _Entry.__annotations__} | {"bytes": "size_bytes"}
"""The index's columns, and the fields of the log's event that say the same."""


async def check_archives(database: Database) -> AsyncGenerator[CheckedArchive]:
    """Compare each archive's file and entry with what the log's event says of them.

    Use it in `aclosing`.
    """
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
            problem = f"the index's {column} is not what the log's event says"
            return f"archive file {row['file']}: {problem}"
    found = await asyncio.to_thread(
        file_problem, directory, row["file"], row["bytes"], row["sha256"]
    )
    if found is None:
        return None
    return str(found)


class HistoryRow(EventRow):
    """A row of a query about histories: an event, or a mark in the place of an archived history.

    Of the event's columns a mark has its run's id alone. `archive` is the archive's number, and
    `positions` are those of the run's events.
    """

    archive: ReadOnly[int | None]
    positions: ReadOnly[list[int]]


Choose = Callable[[HistoryRow], Sequence[int]]
"""Which of the positions in a run's mark are wanted; the n-th is that of its n-th event."""


def all_positions(mark: HistoryRow) -> Sequence[int]:
    """Choose a run's whole history."""
    return mark["positions"]


async def resolved(
    connection: Connection,
    directory: Path | None,
    rows: Sequence[HistoryRow],
    choose: Choose = all_positions,
) -> list[EventRow]:
    """Return rows of a query about histories, with archived events in the place of their marks.

    Raises:
        ArchiveError: they cannot be read.
    """
    chosen: dict[int, Sequence[int]] = {}
    places: dict[int, list[int]] = {}
    for row in rows:
        archive = row["archive"]
        if archive is not None:
            positions = choose(row)
            chosen[id(row)] = positions
            in_archive = places.setdefault(archive, [])
            in_archive += positions
    if not chosen:
        return list(rows)
    found = await events_at(connection, directory, places)
    result: list[EventRow] = []
    for row in rows:
        if row["archive"] is None:
            result.append(row)
            continue
        result.extend(to_row(found[position]) for position in chosen[id(row)])
    return result


async def events_at(
    connection: Connection, directory: Path | None, places: Mapping[int, Sequence[int]]
) -> dict[int, Document]:
    """Return the archived events at these positions, given by the number of their archive.

    Raises:
        ArchiveError: they cannot be read.
    """
    wanted: set[int] = set()
    for positions in places.values():
        wanted.update(positions)
    blocks = await blocks_holding(connection, places)
    found = await asyncio.to_thread(_pick, directory, blocks, wanted)
    missing = wanted.difference(found)
    if missing:  # The hashes hold, so only an index that was edited leads here.
        names = ", ".join(sorted({block.file for block in blocks}))
        first = min(missing)
        problem = f"has no event at position {first}, though the database's index says so"
        raise ArchiveError(names, problem)
    return found


def _pick(directory: Path | None, blocks: Iterable[Block], wanted: set[int]) -> dict[int, Document]:
    found: dict[int, Document] = {}
    for block in blocks:
        for document in read_block(directory, block):
            position = document["position"]
            if position in wanted:
                found[position] = document
    return found


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
    """Take the events before a position, or all of them, out of the heap."""
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
    passes: Callable[[EventRow], bool] = lambda _: True,
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
                if passes(row):
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
        position = row["notification_id"]
        by_position[position] = row
    positions = sorted(by_position)
    return [by_position[position] for position in positions[:limit]]


def within(rows: Sequence[EventRow], max_bytes: int) -> list[EventRow]:
    """Return the rows whose states begin within so many bytes."""
    taken: list[EventRow] = []
    size = 0
    for row in rows:
        if size >= max_bytes:
            break
        taken.append(row)
        size += len(row["state"])
    return taken


async def event_at(
    connection: Connection, directory: Path | None, position: int
) -> Document | None:
    """Return the archived event at a position, None if none is.

    Raises:
        ArchiveError: it cannot be read.
    """
    blocks = await blocks_around(connection, position)
    found = await asyncio.to_thread(_pick, directory, blocks, {position})
    return found.get(position)


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
    found = await asyncio.to_thread(_last_of, directory, blocks, position)
    if found is None:
        return None
    return to_row(found)


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
