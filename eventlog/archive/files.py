"""Archive files and their index: events as JSON Lines, in blocks that can be read independently.

First the files. Each block is compressed by itself, and together they are an ordinary gzip file:
`zcat` shows a line about the archive, and then every event in the order of positions, with the
exact content of the log's columns (`eventlog.encoding`). Then the index, which says which block of
which file holds an event.
"""

import gzip
import os
import zlib
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.errors import LogUnavailableError
from eventlog.encoding import RawRow, UnrepresentableEventError, to_document
from projections.envelope import EventRow
from projections.rows import Connection, read_rows
from runtime.files import private_opener, sync_directory

FORMAT = "apphub-jobs archive 1"

EVENTS_A_BLOCK = 256
BYTES_A_BLOCK = 262_144
"""A block ends at the first of the two limits: to read one event, a whole block is read."""

Document = dict[str, Any]
"""An event in an archive file: what `encoding.to_document` returns."""


class ArchiveError(LogUnavailableError):
    """Archived events cannot be read; the message names the file and says what to do."""

    def __init__(self, file: Path | str, problem: str) -> None:
        super().__init__(f"archive file {file} {problem}")
        self.file = Path(file).name


@dataclass(frozen=True)
class Block:
    """A part of a file that can be read by itself.

    Attributes:
        file: the file's name.
        first_position: position of its first event.
        last_position: position of its last event.
        offset: where it begins in the file, in bytes.
        length: number of its compressed bytes.
        sha256: hash of these bytes.
    """

    file: str
    first_position: int
    last_position: int
    offset: int
    length: int
    sha256: bytes


class ArchiveWriter:
    """Writes a file, under a temporary name until `publish`. Its methods block on the disk.

    Attributes:
        path: the temporary path.
        blocks: the blocks written so far; they name no file yet.
        size_bytes: number of bytes written so far.
        events: number of events written so far.
    """

    def __init__(self, directory: Path, log_id: str, number: int) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._stem = f"{log_id}-{number:06}"
        self.path = directory / f".{self._stem}.unfinished"
        self.blocks: list[Block] = []
        self.size_bytes = 0
        self.events = 0
        self._hash = sha256()
        self._lines: list[bytes] = []
        self._positions: list[int] = []
        self._buffered_bytes = 0
        self._output: BinaryIO = open(self.path, "wb", opener=private_opener)  # noqa: SIM115
        first_line = orjson.dumps({"format": FORMAT, "logId": log_id, "number": number})
        self._write(_compress([first_line]))

    @property
    def file(self) -> str:
        """The file's name once it is published; it contains a hash of the content."""
        return f"{self._stem}-{self.sha256[:12]}.jsonl.gz"

    @property
    def sha256(self) -> str:
        """The hash of all that was written."""
        return self._hash.hexdigest()

    def add(self, rows: Iterable[RawRow]) -> None:
        """Write events, in the order of their positions.

        Raises:
            ArchiveError: an event cannot be written as JSON.
        """
        for row in rows:
            try:
                document = to_document(row)
            except UnrepresentableEventError as error:
                raise ArchiveError(self.path, f"cannot take an event: {error}") from None
            line = orjson.dumps(document)
            self._lines.append(line)
            self._positions.append(document["position"])
            self._buffered_bytes += len(line)
            if len(self._lines) >= EVENTS_A_BLOCK or self._buffered_bytes >= BYTES_A_BLOCK:
                self._end_block()

    def finish(self) -> None:
        """Write the last block, and wait until everything is on the disk."""
        self._end_block()
        self._output.flush()
        os.fsync(self._output.fileno())
        self._output.close()

    def publish(self) -> Path:
        """Give the finished file its name, wait until that is on the disk, and return the path."""
        path = self._directory / self.file
        self.path.rename(path)
        sync_directory(self._directory)
        return path

    def discard(self) -> None:
        """Remove the unfinished file, if there is one."""
        self._output.close()
        with suppress(FileNotFoundError):
            self.path.unlink()

    def _end_block(self) -> None:
        if not self._lines:
            return
        data = _compress(self._lines)
        block = Block(
            file="",  # The name contains a hash of the whole file.
            first_position=self._positions[0],
            last_position=self._positions[-1],
            offset=self.size_bytes,
            length=len(data),
            sha256=sha256(data).digest(),
        )
        self.blocks.append(block)
        self.events += len(self._lines)
        self._lines.clear()
        self._positions.clear()
        self._buffered_bytes = 0
        self._write(data)

    def _write(self, data: bytes) -> None:
        self._output.write(data)
        self._hash.update(data)
        self.size_bytes += len(data)


def _compress(lines: Sequence[bytes]) -> bytes:
    return gzip.compress(b"\n".join(lines) + b"\n", compresslevel=6, mtime=0)


def read_block(directory: Path | None, block: Block) -> list[Document]:
    """Return a block's events. It waits for the disk: call it in a thread.

    Raises:
        ArchiveError: the file is missing or damaged.
    """
    if directory is None:
        raise ArchiveError(block.file, "is needed, but this process has no archive directory")
    path = directory / block.file
    try:
        with path.open("rb") as file:
            file.seek(block.offset)
            data = file.read(block.length)
    except OSError as error:
        raise unreadable(path, error) from None
    if sha256(data).digest() != block.sha256:
        raise damaged(
            path, f"the {block.length} bytes after byte {block.offset} are not what was written"
        )
    try:
        return [orjson.loads(line) for line in gzip.decompress(data).splitlines()]
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise damaged(path, f"byte {block.offset}: {error}") from None


def file_problem(
    directory: Path | None, file: str, size_bytes: int, sha256_hex: str
) -> ArchiveError | None:
    """Read a whole file, and compare it with its size and hash; return None if both are right."""
    if directory is None:
        return ArchiveError(file, "cannot be checked: there is no archive directory")
    path = directory / file
    try:
        with path.open("rb") as content:
            actual_hash = file_digest(content, "sha256").hexdigest()
            size = content.tell()
    except OSError as error:
        return unreadable(path, error)
    if size != size_bytes:
        return damaged(path, f"it has {size} bytes, not {size_bytes}")
    if actual_hash != sha256_hex:
        return damaged(path, f"its SHA-256 is {actual_hash}, not {sha256_hex}")
    return None


def unreadable(path: Path, error: OSError) -> ArchiveError:
    """Return the error of a file that cannot be opened or read."""
    problem = f"cannot be read ({error.strerror})"
    if isinstance(error, FileNotFoundError):
        problem = "is missing"
    return ArchiveError(
        path, f"{problem}: put it back from a copy, or name its directory by --archive"
    )


def damaged(path: Path, damage: str) -> ArchiveError:
    """Return the error of a damaged file."""
    return ArchiveError(path, f"is damaged ({damage}): put it back from a copy")


def to_event_row(document: Document) -> EventRow:
    """Return the event as queries of the log return it."""
    return {
        "notification_id": document["position"],
        "originator_id": document["aggregateId"],
        "originator_version": document["version"],
        "topic": document["topic"],
        "state": document["state"].encode(),
        "recorded_at": f"{document['recordedAt'][:23]}Z",
        "actor": document["actor"],
        "correlation_id": document["correlationId"],
        "causation_id": document["causationId"],
    }


# The index's rows never change. Events move from the log into a file in the transaction that writes
# their rows here. So a reader that reads the log first and then this index misses no event; at
# worst it sees an event in both.

_BLOCK = """
    archive.file, block.first_position, block.last_position, block.place AS offset, block.length,
    block.sha256
"""

_BLOCKS = "archived_blocks AS block JOIN log_archives AS archive ON archive.number = block.archive"

_SPAN = "int8range(block.first_position, block.last_position, '[]')"

BLOCKS_A_READ = 100

_COVERING = f"SELECT {_BLOCK} FROM {_BLOCKS} WHERE {_SPAN} @> %(position)s::bigint"

_NEXT = f"""
    SELECT {_BLOCK} FROM {_BLOCKS}
    WHERE block.first_position > %(after)s
        AND (%(until)s::bigint IS NULL OR block.first_position <= %(until)s)
    ORDER BY block.first_position LIMIT {BLOCKS_A_READ}
"""

_HOLDING = f"""
    SELECT DISTINCT {_BLOCK}
    FROM unnest(%(archives)s::bigint[], %(positions)s::bigint[]) AS target (archive, position)
    CROSS JOIN LATERAL (
        SELECT * FROM archived_blocks AS candidate
        WHERE candidate.archive = target.archive AND candidate.first_position <= target.position
        ORDER BY candidate.first_position DESC LIMIT 1
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

_CORRELATED = f"{_RUNS} first_correlation_id = %(id)s"


class _BlockRow(TypedDict):
    """The fields of a `Block`."""

    file: ReadOnly[str]
    first_position: ReadOnly[int]
    last_position: ReadOnly[int]
    offset: ReadOnly[int]
    length: ReadOnly[int]
    sha256: ReadOnly[bytes]


class _ArchivedPositions(TypedDict):
    archive: ReadOnly[int]
    positions: ReadOnly[list[int]]


async def blocks_between(
    connection: Connection, after: int, until: int | None
) -> AsyncGenerator[Block]:
    """Yield the blocks that may hold events in (after, until], by their first position."""
    for block in await blocks_covering(connection, after):
        if block.last_position > after:
            yield block
    values = {"after": after, "until": until}
    while rows := await read_rows(connection, _BlockRow, _NEXT, values):
        blocks = _blocks(rows)
        for block in blocks:
            yield block
        values["after"] = blocks[-1].first_position


async def blocks_covering(connection: Connection, position: int) -> list[Block]:
    """Return the blocks that may hold the event at a position."""
    rows = await read_rows(connection, _BlockRow, _COVERING, {"position": position})
    return _blocks(rows)


async def blocks_up_to(connection: Connection, position: int) -> list[Block]:
    """Return the blocks that may hold the last archived event up to a position."""
    before = await read_rows(connection, _BlockRow, _LAST_BEFORE, {"position": position})
    covering = await blocks_covering(connection, position)
    return [*_blocks(before), *covering]


async def blocks_holding(
    connection: Connection, positions_by_archive: Mapping[int, Sequence[int]]
) -> list[Block]:
    """Return the blocks that hold these positions.

    Args:
        connection: to the database.
        positions_by_archive: the positions, by the archive's number.
    """
    archives: list[int] = []
    all_positions: list[int] = []
    for archive, positions in positions_by_archive.items():
        for position in positions:
            archives.append(archive)
            all_positions.append(position)
    values = {"archives": archives, "positions": all_positions}
    return _blocks(await read_rows(connection, _BlockRow, _HOLDING, values))


async def run_positions(connection: Connection, run_id: UUID) -> dict[int, list[int]]:
    """Return the positions of a run's events by archive; empty if it is not archived."""
    rows = await read_rows(connection, _ArchivedPositions, _RUN, {"id": run_id})
    return _by_archive(rows)


async def correlated_positions(
    connection: Connection, correlation_id: UUID
) -> dict[int, list[int]]:
    """Return, by archive, the positions of all archived runs that go back to one request."""
    rows = await read_rows(connection, _ArchivedPositions, _CORRELATED, {"id": correlation_id})
    return _by_archive(rows)


def _by_archive(rows: Sequence[_ArchivedPositions]) -> dict[int, list[int]]:
    positions_by_archive: dict[int, list[int]] = {}
    for row in rows:
        positions_by_archive.setdefault(row["archive"], []).extend(row["positions"])
    return positions_by_archive


def _blocks(rows: Sequence[_BlockRow]) -> list[Block]:
    return [Block(**row) for row in rows]
