"""The transaction in which events leave the log for their file, which an event records."""

import logging
from collections.abc import Sequence
from uuid import UUID, uuid4

from psycopg import errors

from domain.clock import from_iso
from domain.log_archive import ArchivedEvents, LogArchive
from eventlog.archive.candidates import Batch
from eventlog.archive.files import ArchiveError, Block
from eventlog.archive.role import ASSUME, STEP_BACK
from eventlog.database import sql
from eventlog.encoding.codec import PlainMapper, PlainTranscoder
from projections.rows import Connection, read_value

logger = logging.getLogger(__name__)

TRIES = 5

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
        first_correlation_id, head_correlation_id
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
    """Moves batches, each in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._mapper = PlainMapper(transcoder=PlainTranscoder())

    async def move(
        self, batch: Batch, what: ArchivedEvents, blocks: Sequence[Block], log_id: str
    ) -> float:
        """Make the file the place of these events; return for how many seconds all appends waited.

        Raises:
            ArchiveError: the log no longer holds what the file was made of.
            psycopg.Error: the database failed; if it gave no SQLSTATE, whether anything was done is
            not known.
        """
        for left in reversed(range(TRIES)):
            try:
                return await self._move(batch, what, blocks, UUID(log_id))
            except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
                await self._connection.execute("ROLLBACK")
                if not left:
                    raise
                logger.info("archiving was in somebody's way, trying again: %s", error)
            except errors.SerializationFailure as error:
                # `log_archives_check` found somebody who was faster.
                await self._connection.execute("ROLLBACK")
                raise ArchiveError(
                    what.file,
                    f"was not made: {error.diag.message_primary}; archive again",
                ) from None
            except (errors.Error, ArchiveError):
                if not self._connection.closed:
                    await self._connection.execute("ROLLBACK")
                raise
        raise AssertionError("the last try returns or raises")

    async def _move(
        self, batch: Batch, what: ArchivedEvents, blocks: Sequence[Block], log_id: UUID
    ) -> float:
        connection = self._connection
        await connection.execute(sql.BEGIN)
        now = from_iso(await read_value(connection, str, sql.NOW))
        head = await read_value(connection, int, sql.HEAD)
        archive = LogArchive.record(what, log_id, now)
        await self._write_index(batch, what, blocks, archive.id)
        await self._remove(batch, what)
        [recorded] = archive.collect_events()
        event = self._mapper.to_stored_event(recorded)
        appended = (
            archive.id,
            1,
            event.topic,
            event.state,
            ACTOR,
            uuid4(),
        )
        # Only from here on does anybody wait; all at once, so that nobody waits for this process.
        async with connection.pipeline():
            await connection.execute(sql.LOCK)
            begun = await connection.execute(sql.MOMENT)
            await connection.execute("SELECT log_archives_check(%s)", (head,))
            await connection.execute(APPEND, appended)
            await connection.execute("COMMIT")
            ended = await connection.execute(sql.MOMENT)
        [first] = await begun.fetchall()
        [last] = await ended.fetchall()
        held_s = last["s"] - first["s"]
        return float(held_s)

    async def _remove(self, batch: Batch, what: ArchivedEvents) -> None:
        """Take the events out of the log, as the archivist."""
        run_ids = list(batch.runs)
        await self._connection.execute(ASSUME)
        removed = await self._connection.execute(_REMOVE, (run_ids,))
        await self._connection.execute(STEP_BACK)
        count = removed.rowcount
        if count != what.events:
            problem = f"has {what.events} events, and the log {count}: archive again"
            raise ArchiveError(what.file, problem)

    async def _write_index(
        self,
        batch: Batch,
        what: ArchivedEvents,
        blocks: Sequence[Block],
        archive_id: UUID,
    ) -> None:
        connection = self._connection
        whole = (
            what.number,
            archive_id,
            what.file,
            what.size_bytes,
            what.sha256,
            what.events,
            what.runs,
            what.first_position,
            what.last_position,
        )
        await connection.execute(_INSERT_ARCHIVE, whole)
        async with connection.cursor().copy(_COPY_BLOCKS) as copy:
            for one in blocks:
                block = (
                    what.number,
                    one.first_position,
                    one.last_position,
                    one.place,
                    one.length,
                    one.sha256,
                )
                await copy.write_row(block)
        async with connection.cursor().copy(_COPY_RUNS) as copy:
            for run_id, history in batch.runs.items():
                positions = history.positions
                run = (
                    run_id,
                    what.number,
                    len(positions),
                    positions[0],
                    positions[-1],
                    positions,
                    history.first_correlation_id,
                    history.head_correlation_id,
                )
                await copy.write_row(run)
