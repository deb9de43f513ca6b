"""The index of archives: which block of which file holds an event.

Its tables are written once and never changed. Events only ever move from the log into a file, in
one transaction with their entries here. So whoever reads the log first and this index afterwards
misses nothing, and at worst sees an event in both.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from eventlog.archive.files import Block
from projections.rows import Connection, read_rows

_BLOCK = """
    archive.file, block.first_position, block.last_position, block.place, block.length, block.sha256
"""

_BLOCKS = "archived_blocks AS block JOIN log_archives AS archive ON archive.number = block.archive"

_SPAN = "int8range(block.first_position, block.last_position, '[]')"

BLOCKS_A_READ = 100

_AROUND = f"SELECT {_BLOCK} FROM {_BLOCKS} WHERE {_SPAN} @> %(position)s::bigint"

_NEXT = f"""
    SELECT {_BLOCK} FROM {_BLOCKS}
    WHERE block.first_position > %(after)s
        AND (%(until)s::bigint IS NULL OR block.first_position <= %(until)s)
    ORDER BY block.first_position LIMIT {BLOCKS_A_READ}
"""

_HOLDING = f"""
    SELECT DISTINCT {_BLOCK}
    FROM unnest(%(archives)s::bigint[], %(positions)s::bigint[]) AS wanted (archive, position)
    CROSS JOIN LATERAL (
        SELECT * FROM archived_blocks AS one
        WHERE one.archive = wanted.archive AND one.first_position <= wanted.position
        ORDER BY one.first_position DESC LIMIT 1
    ) AS block
    JOIN log_archives AS archive ON archive.number = block.archive
    ORDER BY block.first_position
"""

_LAST_BEFORE = f"""
    SELECT {_BLOCK} FROM {_BLOCKS} WHERE block.last_position <= %(position)s
    ORDER BY block.last_position DESC LIMIT 1
"""

_RUNS = "SELECT archive, positions FROM archived_runs WHERE"

_RUN = f"{_RUNS} id = %(id)s"

_STORY = f"{_RUNS} first_correlation_id = %(id)s"


class _BlockRow(TypedDict):
    """The fields of a `Block`."""

    file: ReadOnly[str]
    first_position: ReadOnly[int]
    last_position: ReadOnly[int]
    place: ReadOnly[int]
    length: ReadOnly[int]
    sha256: ReadOnly[bytes]


class _Place(TypedDict):
    archive: ReadOnly[int]
    positions: ReadOnly[list[int]]


async def blocks_between(
    connection: Connection, after: int, until: int | None
) -> AsyncIterator[Block]:
    """Yield the blocks that may hold events in (after, until], by their first position."""
    for block in await blocks_around(connection, after):
        if block.last_position > after:
            yield block
    values = {"after": after, "until": until}
    while rows := await read_rows(connection, _BlockRow, _NEXT, values):
        blocks = _blocks(rows)
        for block in blocks:
            yield block
        last = blocks[-1]
        values["after"] = last.first_position


async def blocks_around(connection: Connection, position: int) -> list[Block]:
    """Return the blocks that may hold the event at a position."""
    values = {"position": position}
    rows = await read_rows(connection, _BlockRow, _AROUND, values)
    return _blocks(rows)


async def blocks_up_to(connection: Connection, position: int) -> list[Block]:
    """Return blocks one of which holds the last archived event up to a position.

    There are none if there is no such event.
    """
    values = {"position": position}
    before = await read_rows(connection, _BlockRow, _LAST_BEFORE, values)
    around = await blocks_around(connection, position)
    return [*_blocks(before), *around]


async def blocks_holding(
    connection: Connection, places: Mapping[int, Sequence[int]]
) -> list[Block]:
    """Return the blocks that hold these positions, given by the number of their archive."""
    archives: list[int] = []
    wanted: list[int] = []
    for archive, positions in places.items():
        for position in positions:
            archives.append(archive)
            wanted.append(position)
    values = {"archives": archives, "positions": wanted}
    rows = await read_rows(connection, _BlockRow, _HOLDING, values)
    return _blocks(rows)


async def run_places(connection: Connection, run_id: UUID) -> dict[int, list[int]]:
    """Return where a run's events lie, nothing if it is not archived."""
    values = {"id": run_id}
    rows = await read_rows(connection, _Place, _RUN, values)
    return _places(rows)


async def story_places(
    connection: Connection, correlation_id: UUID
) -> dict[int, list[int]]:
    """Return where the events lie of all archived runs that go back to one request."""
    values = {"id": correlation_id}
    rows = await read_rows(connection, _Place, _STORY, values)
    return _places(rows)


def _places(rows: Sequence[_Place]) -> dict[int, list[int]]:
    places: dict[int, list[int]] = {}
    for row in rows:
        archive = row["archive"]
        positions = places.setdefault(archive, [])
        positions += row["positions"]
    return places


def _blocks(rows: Sequence[_BlockRow]) -> list[Block]:
    return [Block(**row) for row in rows]
