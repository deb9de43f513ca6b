"""Checkpoints of time travel.

Each lists, as of some position, which runs are pending and running, and how many of each job have
ended. They are derived from the log and from `job_runs`, and only ever save time: without them
every answer is the same. Whoever finds `job_runs` wrong and mends it drops them
(`forget_checkpoints`; a rebuild does). Then the watchers make them anew, step by step; or whoever
dropped them recomputes them at once (`Checkpoints.recompute`).
"""

import logging

import psycopg
from psycopg_pool import AsyncConnectionPool

from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.database.failures import is_away
from eventlog.history.run_changes import moved_since
from eventlog.keys.log_files import LogFiles
from projections.rows import Connection, read_value
from projections.runs import checkpoints as run_checkpoints
from projections.runs import past

logger = logging.getLogger(__name__)

EVERY = 10_000
"""Positions from one checkpoint to the next, at least: what a question about the past may have to
look through."""

ALIVE_FOR_EACH = 10
"""A checkpoint of more alive runs than `EVERY` times this waits for one position for so many of
them: so that however many wait, checkpoints cost a few dozen bytes an event."""

WRITER_LOCK = 4_409_671_207_318_845_903
"""Key of the advisory lock of the one who writes checkpoints. Nobody else ever waits for it, least
of all appends."""


class Checkpoints:
    """Keeps the table `run_checkpoints` up with the log."""

    def __init__(
        self, pool: AsyncConnectionPool[Connection], files: LogFiles, every: int = EVERY
    ) -> None:
        self._pool = pool
        self._files = files
        self._every = every

    async def keep_up(self) -> bool:
        """Write the next checkpoint if it is due and nobody else does; return whether we did."""
        async with borrowed(self._pool) as connection:
            try:
                if await self._due(connection) is None:
                    return False
                async with connection.transaction():
                    mine = await read_value(connection, bool, _TRY_LOCK)
                    return mine and await self._step(connection)
            except psycopg.Error as error:
                if is_away(error):
                    raise
                # Those who keep up have more important things to do, and nothing is wrong without a
                # checkpoint.
                logger.warning("no checkpoint of runs at the moment: %s", error)
                return False

    async def recompute(self) -> int:
        """Drop all checkpoints and compute them anew; return how many there are then.

        For whoever has mended `job_runs`: call it afterwards. Questions about the past are answered
        all along.
        """
        async with borrowed(self._pool) as connection:
            await forget_checkpoints(connection)
            more = True
            while more:
                async with connection.transaction():
                    await connection.execute(
                        "SELECT pg_advisory_xact_lock(%s)", (WRITER_LOCK,)
                    )
                    more = await self._step(connection)
            return await read_value(connection, int, _COUNT)

    async def _step(self, connection: Connection) -> bool:
        """Write the checkpoint that is due, if one is; return whether it was.

        It needs no snapshot: what was so at a position that is in the log stays so.
        """
        due = await self._due(connection)
        if due is None:
            return False
        last, position = due
        moved = await moved_since(connection, self._files, last, position)
        job_ids: list[str] = []
        created: list[int] = []
        statuses: list[str] = []
        for group in moved:
            job_ids += [group.job_definition_id] * len(group.created)
            created += group.created
            statuses += [group.status] * len(group.created)
        values = {
            "last": last,
            "position": position,
            "job_ids": job_ids,
            "created": created,
            "statuses": statuses,
        }
        await connection.execute(run_checkpoints.WRITE_CHECKPOINT, values)
        return True

    async def _due(self, connection: Connection) -> tuple[int, int] | None:
        """Return the positions of the last checkpoint and of the one that is due, if one is."""
        head = await read_value(connection, int, sql.HEAD)
        last = await past.checkpoint_before(connection, head)
        if head - last < self._every:
            return None
        alive = await past.alive_at_checkpoint(connection, last)
        every = max(self._every, alive // ALIVE_FOR_EACH)
        position = next_checkpoint(head, last, every)
        if position is None:
            return None
        return last, position


async def forget_checkpoints(connection: Connection) -> None:
    """Drop all checkpoints, also one that is just being written; the watchers compute them anew."""
    async with connection.transaction():
        # However long that one takes.
        await connection.execute("SET LOCAL lock_timeout = 0")
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (WRITER_LOCK,))
        await connection.execute(FORGET_CHECKPOINTS)


def next_checkpoint(head: int, last: int, every: int) -> int | None:
    """Return where the next checkpoint belongs, None while the log is not that far.

    At the head, where statuses are known without a fold; whoever is far behind goes step by step.
    """
    if head - last < every:
        return None
    if head - last < 2 * every:
        return head
    return last + every


_TRY_LOCK = f"SELECT pg_try_advisory_xact_lock({WRITER_LOCK})"

_COUNT = "SELECT count(DISTINCT position) FROM run_checkpoints"

FORGET_CHECKPOINTS = "DELETE FROM run_checkpoints"
"""Not TRUNCATE: those who read in a snapshot go on reading them."""
