"""Archiving: whole histories of runs that ended long ago move from the log into a verified file.

First the transaction that moves events from the log to their file (`Mover`), then the `Archiver`,
which writes files.

A file is written under a temporary name, read back, compared with the log, and renamed. Only then
does one transaction write the index, delete the events as the archivist, and append an event that
records the archive. A command that is killed leaves either all events of a file in the log, or all
of them archived.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid4

from psycopg import errors
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from domain.json_values import JsonObject
from domain.log_archive import ArchivedEvents, LogArchive
from eventlog import encoding
from eventlog.archive.candidates import Batch, Limits, count_candidates, next_batch
from eventlog.archive.files import ArchiveError, ArchiveWriter, Block, read_block
from eventlog.archive.role import ASSUME, RESET, ensure_archivist
from eventlog.database import sql
from eventlog.database.connection import Database, Progress, operator_session, try_lock
from eventlog.encoding import PlainMapper, PlainTranscoder, RawRow, to_raw_row
from projections.rows import Connection, read_one, read_rows, read_value
from runtime.text import pluralize

logger = logging.getLogger(__name__)

MAX_TRIES = 5

ACTOR = "system"

_INSERT_ARCHIVE = """
    INSERT INTO log_archives
        (number, id, file, bytes, sha256, events, runs, first_position, last_position)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

_COPY_BLOCKS = """
    COPY archived_blocks (archive, first_position, last_position, place, length, sha256) FROM STDIN
"""

_COPY_RUNS = """
    COPY archived_runs (
        id, archive, head_version, first_position, last_position, positions,
        first_correlation_id, head_correlation_id, first_causation_id
    ) FROM STDIN
"""

_REMOVE = f"DELETE FROM {sql.EVENTS_TABLE} WHERE originator_id = ANY(%s)"

APPEND = f"""
    WITH appended AS (
        INSERT INTO {sql.EVENTS_TABLE}
            (originator_id, originator_version, topic, state, actor, correlation_id)
        VALUES (%s, %s, %s, %s, %s, %s) RETURNING notification_id
    )
    SELECT pg_notify('{sql.CHANNEL}', notification_id::text) FROM appended
"""


class Mover:
    """Moves batches of runs from the log to their files, each in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._mapper = PlainMapper(transcoder=PlainTranscoder())

    async def move(
        self, batch: Batch, record: ArchivedEvents, blocks: Sequence[Block], log_id: str
    ) -> float:
        """Move a batch's events into its file, which is complete.

        Args:
            batch: runs, with the positions of their events.
            record: what the log's event says of the file.
            blocks: the file's blocks.
            log_id: the log's id.

        Returns:
            For how many seconds appends were blocked.

        Raises:
            ArchiveError: the log no longer holds the events of the file.
            psycopg.Error: the database failed; the outcome is unknown.
        """
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                return await self._move(batch, record, blocks, UUID(log_id))
            except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
                await self._connection.execute("ROLLBACK")
                if not tries_left:
                    raise
                logger.info("archiving collided with another transaction, trying again: %s", error)
            except errors.SerializationFailure as error:
                # `log_archives_check` raises this if another archive was recorded first.
                await self._connection.execute("ROLLBACK")
                raise ArchiveError(
                    record.file, f"was not made: {error.diag.message_primary}; archive again"
                ) from None
            except (errors.Error, ArchiveError):
                if not self._connection.closed:
                    await self._connection.execute("ROLLBACK")
                raise
        raise AssertionError("the last try returns or raises")

    async def _move(
        self, batch: Batch, record: ArchivedEvents, blocks: Sequence[Block], log_id: UUID
    ) -> float:
        connection = self._connection
        await connection.execute(sql.BEGIN)
        now = from_iso(await read_value(connection, str, sql.NOW))
        head = await read_value(connection, int, sql.HEAD)
        archive = LogArchive.record(record, log_id, now)
        await self._write_index(batch, record, blocks, archive.id)
        await self._remove(batch, record)
        [domain_event] = archive.collect_events()
        event = self._mapper.to_stored_event(domain_event)
        values = (archive.id, 1, event.topic, event.state, ACTOR, uuid4())
        # Appends are blocked from here on: a pipeline, so that they never wait for this process.
        async with connection.pipeline():
            await connection.execute(sql.LOCK)
            locked_at = await connection.execute(sql.MOMENT)
            await connection.execute("SELECT log_archives_check(%s)", (head,))
            await connection.execute(APPEND, values)
            await connection.execute("COMMIT")
            committed_at = await connection.execute(sql.MOMENT)
        [locked] = await locked_at.fetchall()
        [committed] = await committed_at.fetchall()
        return float(committed["s"] - locked["s"])

    async def _remove(self, batch: Batch, record: ArchivedEvents) -> None:
        """Delete the events from the log, as the archivist."""
        await self._connection.execute(ASSUME)
        cursor = await self._connection.execute(_REMOVE, (list(batch.runs),))
        await self._connection.execute(RESET)
        count = cursor.rowcount
        if count != record.events:
            events = pluralize(record.events, "event")
            raise ArchiveError(record.file, f"has {events}, and the log has {count}: archive again")

    async def _write_index(
        self, batch: Batch, record: ArchivedEvents, blocks: Sequence[Block], archive_id: UUID
    ) -> None:
        connection = self._connection
        archive_row = (
            record.number,
            archive_id,
            record.file,
            record.size_bytes,
            record.sha256,
            record.events,
            record.runs,
            record.first_position,
            record.last_position,
        )
        await connection.execute(_INSERT_ARCHIVE, archive_row)
        async with connection.cursor().copy(_COPY_BLOCKS) as copy:
            for block in blocks:
                block_row = (
                    record.number,
                    block.first_position,
                    block.last_position,
                    block.offset,
                    block.length,
                    block.sha256,
                )
                await copy.write_row(block_row)
        async with connection.cursor().copy(_COPY_RUNS) as copy:
            for run_id, history in batch.runs.items():
                positions = history.positions
                run_row = (
                    run_id,
                    record.number,
                    len(positions),
                    positions[0],
                    positions[-1],
                    positions,
                    history.first_correlation_id,
                    history.head_correlation_id,
                    history.first_causation_id,
                )
                await copy.write_row(run_row)


MAX_EVENTS = 100_000
"""Events in a file, unless a single run has more."""

ROWS_A_READ = 500

ARCHIVE_LOCK = 1_629_350_774_128_005_397
"""Key of the advisory lock that an archiving session holds: one session archives at a time."""


class ArchivingUnderWayError(Exception):
    """Another session is archiving this log at the moment."""


@dataclass(frozen=True)
class ArchivedFile:
    """An archive file that was written.

    Attributes:
        file: its name.
        events: number of events in it.
        runs: number of runs in it.
        first_position: position of its first event.
        last_position: position of its last event.
        size_bytes: its size.
        longest_hold_ms: for how many milliseconds its transaction held the append lock.
    """

    file: str
    events: int
    runs: int
    first_position: int
    last_position: int
    size_bytes: int
    longest_hold_ms: float

    def present(self) -> JsonObject:
        """Return it as plain JSON."""
        return {"kind": "archived", **vars(self)}


class _File(TypedDict):
    file: ReadOnly[str]


class _LimitsRow(TypedDict):
    now: ReadOnly[str]
    last: ReadOnly[int]


class Archiver:
    """Archives one log. Open it by `archiver`.

    Attributes:
        connection: its session, which holds the archiving lock.
        leftovers: names of complete files of this log that no archive refers to. They are kept: a
            command was killed just before its transaction, or another copy of this database wrote
            them.
    """

    def __init__(self, connection: Connection, directory: Path, log_id: str) -> None:
        self.connection = connection
        self._directory = directory
        self._log_id = log_id
        self._mover = Mover(connection)
        self.leftovers: list[str] = []

    async def clean_up(self) -> None:
        """Remove unfinished files of killed commands, and list files that no archive refers to."""
        rows = await read_rows(self.connection, _File, "SELECT file FROM log_archives")
        referenced_files = {row["file"] for row in rows}
        complete_files = await asyncio.to_thread(self._remove_unfinished)
        self.leftovers = sorted(complete_files - referenced_files)

    def _remove_unfinished(self) -> set[str]:
        """Remove unfinished files; return the names of the complete ones. Blocks on the disk."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._directory.glob(f".{self._log_id}-*.unfinished"):
            path.unlink(missing_ok=True)
        complete = self._directory.glob(f"{self._log_id}-*.jsonl.gz")
        return {path.name for path in complete}

    async def archive(
        self, older_than: timedelta, progress: Progress, max_events: int = MAX_EVENTS
    ) -> AsyncGenerator[ArchivedFile]:
        """Archive all runs that ended longer ago than an age; yield each file once it is complete.

        Args:
            older_than: the age.
            progress: called with the numbers of archived runs and of all runs to archive.
            max_events: number of events in a file, unless a single run has more.

        Raises:
            ArchiveError: a file differs from the log.
            OSError: a file cannot be written.
        """
        connection = self.connection
        limits = await self._limits(older_than)
        total = await count_candidates(connection, limits)
        done = 0
        batch = await next_batch(connection, limits, 0, max_events)
        while batch.runs:
            yield await self.write(batch, limits, _batch_progress(progress, done, batch, total))
            done += len(batch.runs)
            batch = await next_batch(connection, limits, batch.after, max_events)
        progress("archiving", done, done)

    async def _limits(self, older_than: timedelta) -> Limits:
        row = await read_one(self.connection, _LimitsRow, _LIMITS)
        return Limits(ended_before=from_iso(row["now"]) - older_than, last_position=row["last"])

    async def write(
        self, batch: Batch, limits: Limits, progress: Callable[[float], None]
    ) -> ArchivedFile:
        """Archive a batch in a file of its own; progress is reported from 0 to 1.

        Disk access and compression run in threads.

        Raises:
            ArchiveError: the file differs from the log.
            OSError: the file cannot be written.
        """
        number = await read_value(self.connection, int, _NEXT_NUMBER)
        writer = await asyncio.to_thread(ArchiveWriter, self._directory, self._log_id, number)
        try:
            async for rows in self._rows(batch):
                await asyncio.to_thread(writer.add, rows)
                progress(0.4 * writer.events / batch.events)
            await asyncio.to_thread(writer.finish)
            await self._compare(batch, writer, progress)
        except BaseException:
            writer.discard()
            raise
        path = await asyncio.to_thread(writer.publish)
        record = _record_of(number, batch, limits, writer)
        try:
            hold_s = await self._mover.move(batch, record, writer.blocks, self._log_id)
        except ArchiveError:
            path.unlink()
            raise
        except errors.Error:
            # The transaction may have been committed nevertheless: a server that is stopped while
            # it flushes a commit ends the session right after that.
            if not self.connection.closed and not await self._is_recorded(record.file):
                path.unlink()
            raise
        progress(1)
        return ArchivedFile(
            file=record.file,
            events=record.events,
            runs=record.runs,
            first_position=record.first_position,
            last_position=record.last_position,
            size_bytes=record.size_bytes,
            longest_hold_ms=round(hold_s * 1000, 1),
        )

    async def _is_recorded(self, file: str) -> bool:
        """Return whether an archive refers to a file of this name."""
        return await read_value(self.connection, bool, _IS_RECORDED, {"file": file})

    async def _rows(self, batch: Batch) -> AsyncGenerator[list[RawRow]]:
        """Yield the batch's events in the order of positions, as stored bytes."""
        async with self.connection.transaction():
            await self.connection.execute(encoding.UTF8)
            async with encoding.raw_stream(self.connection, "archived") as cursor:
                await cursor.execute(_EVENTS, (list(batch.runs),), binary=True)
                while rows := await cursor.fetchmany(ROWS_A_READ):
                    yield rows

    async def _compare(
        self, batch: Batch, writer: ArchiveWriter, progress: Callable[[float], None]
    ) -> None:
        """Read the file back, and compare it with the log event by event."""
        rows_of_file = self._read_back(writer)
        compared_events = 0
        async for rows in self._rows(batch):
            count = len(rows)
            if await asyncio.to_thread(list, islice(rows_of_file, count)) != rows:
                raise ArchiveError(
                    writer.path, "does not hold what the log holds; nothing was archived"
                )
            compared_events += count
            progress(0.4 + 0.5 * compared_events / batch.events)
        if next(rows_of_file, None) is not None or compared_events != batch.events:
            raise ArchiveError(
                writer.path, "has not the same number of events as the log; nothing was archived"
            )

    def _read_back(self, writer: ArchiveWriter) -> Iterator[RawRow]:
        for block in writer.blocks:
            for document in read_block(self._directory, replace(block, file=writer.path.name)):
                yield to_raw_row(document)


_NEXT_NUMBER = "SELECT coalesce(max(number), 0) + 1 AS next FROM log_archives"

_IS_RECORDED = "SELECT EXISTS (SELECT FROM log_archives WHERE file = %(file)s)"

LAST_SEALED = "SELECT coalesce(max(position), 9223372036854775807) AS last FROM log_seals"
"""No event after this position is archived; the largest bigint if the log is not sealed."""

_LIMITS = f"SELECT clock_timestamp() AS now, ({LAST_SEALED}) AS last"

_EVENTS = f"""
    SELECT {encoding.COLUMNS} FROM {sql.EVENTS_TABLE} WHERE originator_id = ANY(%s)
    ORDER BY notification_id
"""


def _batch_progress(
    progress: Progress, done: int, batch: Batch, total: int
) -> Callable[[float], None]:
    """Return a function that reports the progress within a batch, from 0 to 1."""

    def report(share: float) -> None:
        progress("archiving runs", done + int(share * len(batch.runs)), max(total, done))

    return report


def _record_of(number: int, batch: Batch, limits: Limits, writer: ArchiveWriter) -> ArchivedEvents:
    return ArchivedEvents(
        number=number,
        file=writer.file,
        sha256=writer.sha256,
        size_bytes=writer.size_bytes,
        events=writer.events,
        runs=len(batch.runs),
        first_position=writer.blocks[0].first_position,
        last_position=writer.blocks[-1].last_position,
        ended_before=limits.ended_before,
    )


@asynccontextmanager
async def archiver(database: Database, *, make_role: bool) -> AsyncIterator[Archiver]:
    """Open a log for archiving.

    Args:
        database: the log; its files name the archive's directory.
        make_role: whether to create the archivist's role if it is missing.

    Raises:
        ArchiveError: no directory is given.
        ArchivingUnderWayError: another session archives.
        ArchivistMissingError: the archivist's role cannot be used.
    """
    directory = database.files.archive
    if directory is None:
        raise ArchiveError("directory", "is not given")
    async with operator_session(database) as session:
        if not await try_lock(session, ARCHIVE_LOCK):
            raise ArchivingUnderWayError(
                "another session is archiving this log at the moment; try again later"
            )
        await ensure_archivist(session, make=make_role)
        log_archiver = Archiver(session, directory, await read_value(session, str, sql.LOG_ID))
        await log_archiver.clean_up()
        yield log_archiver
