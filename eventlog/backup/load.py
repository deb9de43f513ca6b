"""Reads a set into an empty database, whole or up to a position, in one transaction.

The database has the schema that the set was written with. The caller upgrades it and rebuilds its
tables afterwards.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import orjson
from psycopg.sql import SQL, Identifier

from eventlog.archive.files import Document
from eventlog.backup.backup_set import ARCHIVES, BackupError, BackupSet, CopiedTable
from eventlog.backup.dump import LOG_TABLES
from eventlog.backup.subject_keys import SubjectKeys
from eventlog.database import sql
from eventlog.database.connection import Progress
from projections.rows import Connection, read_ids, read_value
from runtime.text import pluralize

T = TypeVar("T")

EVENTS_AT_ONCE = 20_000
"""Events in a statement: the log's triggers keep the new rows of one in memory."""

BYTES_AT_ONCE = 16_777_216
"""Bytes of events in a statement, which ends at the first of the two limits: one event may have
more than a megabyte."""

_EVENT_COLUMNS = (
    "notification_id, originator_id, originator_version, topic, state, recorded_at, actor,"
    " correlation_id, causation_id"
)

_SET_POSITION = f"""
    SELECT setval(
        pg_get_serial_sequence('{sql.EVENTS_TABLE}', 'notification_id'), %(drawn)s
    ) AS position
"""


@dataclass(frozen=True)
class LoadResult:
    """What was loaded into the database.

    Attributes:
        position: position of the last event.
        events: number of events, those in archive files included.
        omitted: number of events of the set that were left out: they are after the position to
            restore to.
        archives: names of the archive files that the log needs.
    """

    position: int
    events: int
    omitted: int
    archives: list[str]


async def load(
    connection: Connection,
    source: BackupSet,
    keys: SubjectKeys | None,
    to_position: int | None,
    progress: Progress,
) -> LoadResult:
    """Load a set's log.

    Args:
        connection: to an empty database, outside of any transaction.
        source: the set.
        keys: the keys of personal data to insert; None for none.
        to_position: the last position to load; None loads all events.
        progress: called with the numbers of loaded rows and of all rows of a table.

    Raises:
        BackupError: the set does not hold what its manifest says.
    """
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = 0")
        # Without their versions, tables count as incomplete until they are rebuilt.
        await connection.execute("DELETE FROM projection_versions; DELETE FROM log_identity")
        loader = _Loader(connection, source, to_position, progress)
        result = await loader.load()
        if keys is not None:
            await keys.insert(connection)
        # Positions are never given out again, even if their events are left out: else clients that
        # have seen those would miss new events at the same positions.
        drawn = max(source.manifest.drawn, result.position)
        if drawn:
            await connection.execute(_SET_POSITION, {"drawn": drawn})
    return result


class _Loader:
    def __init__(
        self, connection: Connection, source: BackupSet, to_position: int | None, progress: Progress
    ) -> None:
        self._connection = connection
        self._source = source
        self._to_position = to_position
        self._progress = progress
        self._tables = {table.name: table for table in source.manifest.tables}

    async def load(self) -> LoadResult:
        """Load table by table.

        The index of archives comes after all events: once it is there, triggers refuse events at
        lower positions.
        """
        await self._copy("log_identity")
        keep = self._is_up_to_position if self._to_position is not None else None
        await self._copy(sql.EVENTS_TABLE, keep)
        index = self._tables["log_archives"]
        archives = [_fields(index, line) for line in self._source.lines(index.file)]
        kept_archives = await self._load_archives(archives)
        await self._copy("log_seals", keep)
        position = await read_value(self._connection, int, sql.HEAD)
        count = f"SELECT count(*) AS events FROM {sql.EVENTS_TABLE}"
        events = await read_value(self._connection, int, count) + _events_in(kept_archives)
        in_set = self._source.manifest.events + _events_in(archives)
        return LoadResult(position, events, in_set - events, [row["file"] for row in kept_archives])

    async def _load_archives(self, rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        """Load the index of the archives that an event of the log records; return its rows.

        Archives that were made after the position to restore to have no such event. Their events
        are put back into the log.
        """
        recorded_ids = await self._recorded(UUID(row["id"]) for row in rows)
        kept_rows = [row for row in rows if UUID(row["id"]) in recorded_ids]
        if any(Path(row["file"]).name != row["file"] for row in rows):
            raise BackupError("the set names an archive file that is a path")
        for row in rows:
            if row not in kept_rows:
                await self._put_back(self._source.directory / ARCHIVES / row["file"])
        numbers = {row["number"].encode() for row in kept_rows}
        for name in ("log_archives", "archived_blocks", "archived_runs"):
            await self._copy(name, lambda line: line.split(b"\t", 1)[0] in numbers)
        return kept_rows

    async def _recorded(self, archives: Iterable[UUID]) -> set[UUID]:
        """Return the ids of those archives that an event of the log records."""
        query = f"""
            SELECT originator_id FROM {sql.EVENTS_TABLE}
            WHERE originator_id = ANY(%(ids)s::uuid[]) AND originator_version = 1
        """
        return set(await read_ids(self._connection, query, {"ids": list(archives)}))

    async def _put_back(self, file: Path) -> None:
        """Insert the events of an archive file, up to the position to restore to, into the log."""
        statement = f"COPY {sql.EVENTS_TABLE} ({_EVENT_COLUMNS}) FROM STDIN"
        for part in _parts(self._documents(file), lambda document: len(document["state"])):
            async with self._connection.cursor().copy(statement.encode()) as copy:
                for document in part:
                    await copy.write_row(_columns(document))
            self._progress("archive: putting events back", len(part), len(part))

    def _documents(self, file: Path) -> Iterator[Document]:
        with gzip.open(file, "rb") as lines:
            next(lines)  # The first line is about the archive.
            for line in lines:
                document = orjson.loads(line)
                if self._to_position is None or document["position"] <= self._to_position:
                    yield document

    def _is_up_to_position(self, line: bytes) -> bool:
        position = int(line.split(b"\t", 1)[0])
        return self._to_position is None or position <= self._to_position

    async def _copy(self, name: str, keep: Callable[[bytes], bool] | None = None) -> int:
        """Copy a table's file into the table; return the number of rows.

        Args:
            name: the table.
            keep: whether to copy a line of the file; None copies all lines.

        Raises:
            BackupError: the file does not hold what the manifest says.
        """
        table = self._tables.get(name)
        if table is None or table.columns[0] != LOG_TABLES[name]:
            raise BackupError(f"the set has no table {name} as this version knows it")
        statement = SQL("COPY {} ({}) FROM STDIN").format(
            Identifier(name), SQL(", ").join(map(Identifier, table.columns))
        )
        lines: Iterator[bytes] = self._source.lines(table.file)
        if keep is not None:
            lines = filter(keep, lines)
        rows = 0
        for part in _parts(lines, len):
            async with self._connection.cursor().copy(statement) as copy:
                await copy.write(b"".join(part))
            rows += len(part)
            self._progress(f"{name}: loading", rows, table.rows)
        if keep is None and rows != table.rows:
            raise BackupError(
                f"the set has {pluralize(rows, 'row')} of {name}, and its manifest says"
                f" {table.rows}"
            )
        return rows


def _parts(items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield the items in lists, each for one statement."""
    part: list[T] = []
    size_bytes = 0
    for item in items:
        part.append(item)
        size_bytes += size_of(item)
        if len(part) == EVENTS_AT_ONCE or size_bytes >= BYTES_AT_ONCE:
            yield part
            part, size_bytes = [], 0
    if part:
        yield part


def _events_in(archives: Iterable[dict[str, str]]) -> int:
    return sum(int(row["events"]) for row in archives)


def _fields(table: CopiedTable, line: bytes) -> dict[str, str]:
    """Return a line of a table's file as a row; for tables whose values need no unescaping."""
    values = line.decode().rstrip("\n").split("\t")
    return dict(zip(table.columns, values, strict=True))


def _columns(document: Document) -> tuple[object, ...]:
    return (
        document["position"],
        document["aggregateId"],
        document["version"],
        document["topic"],
        document["state"].encode(),
        document["recordedAt"],
        document["actor"],
        document["correlationId"],
        document["causationId"],
    )
