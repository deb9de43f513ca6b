"""What events did to runs between two positions of the log, and what saves the work of finding out.

First the runs that have moved, and their folded rows; then checkpoints of time travel
(`Checkpoints`); then how many runs of each job there are in each status, kept up with the log at
little cost (`RunCounts`).
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.jobs.run_events import FIRST_STATUS, STATUSES
from eventlog.database import sql
from eventlog.database.connection import borrowed, snapshot
from eventlog.database.failures import is_away
from eventlog.keys import LogFiles
from eventlog.personal import envelopes
from eventlog.rehydration import END, read_parts
from projections import job_runs
from projections.envelope import UNFOLDABLE
from projections.job_runs import RunRow
from projections.rows import Connection, read_rows, read_value
from projections.runs import past
from projections.runs import past as run_checkpoints
from projections.runs.past import FAR, CountsByJob, Moved, counts_by_job, present_counts_by_job
from projections.table import P, TableOf

T = TypeVar("T")

FOLDED_AT_ONCE = 200
"""Aggregates whose events are in memory together."""

_MOVED = rf"""
    WITH touched AS (
        SELECT originator_id, max(originator_version) AS version FROM {sql.EVENTS_TABLE}
        WHERE notification_id > %(after)s AND notification_id <= %(position)s
            AND topic LIKE 'job\_run.%%'
        GROUP BY originator_id
        UNION ALL
        SELECT run.id, event.version FROM archived_runs AS run CROSS JOIN LATERAL (
            SELECT max(version) AS version
            FROM unnest(run.positions) WITH ORDINALITY AS one (position, version)
            WHERE one.position > %(after)s AND one.position <= %(position)s
        ) AS event
        WHERE int8range(run.first_position, run.last_position, '[]')
                && int8range(%(after)s, %(position)s, '(]')
            AND event.version IS NOT NULL
    ), known AS (
        SELECT run.id, run.job_definition_id, run.created_position,
            CASE
                WHEN run.position <= %(position)s THEN run.status
                WHEN touched.version = 1 THEN %(first_status)s
            END AS past_status
        FROM touched CROSS JOIN LATERAL (
            -- A look-up for each, and nothing that the planner could take for cheaper.
            SELECT id, job_definition_id, status, created_position, position FROM job_runs
            WHERE id = touched.originator_id LIMIT 1
        ) AS run
        WHERE %(job_ids)s::uuid[] IS NULL OR run.job_definition_id = ANY(%(job_ids)s::uuid[])
    )
    SELECT job_definition_id, past_status,
        array_agg(created_position ORDER BY created_position) AS created,
        array_agg(id ORDER BY created_position) FILTER (WHERE past_status IS NULL) AS ids
    FROM known GROUP BY job_definition_id, past_status
"""


class _Group(TypedDict):
    """Runs of one job in one status; where it is None, that is not known, and `ids` are given."""

    job_definition_id: ReadOnly[str]
    past_status: ReadOnly[str | None]
    created: ReadOnly[list[int]]
    ids: ReadOnly[list[str] | None]


async def moved_since(
    connection: Connection,
    files: LogFiles,
    after: int,
    position: int,
    job_ids: list[UUID] | None = None,
) -> list[Moved]:
    """Return all runs, or those of these jobs, that have events in (after, position].

    They come by the status that they had at its end. Most statuses are known without a fold: of a
    run that has not changed since the position, and of one whose first event is its only one. The
    others are folded.
    """
    values = {
        "after": after,
        "position": position,
        "first_status": FIRST_STATUS,
        "job_ids": job_ids,
    }
    moved: list[Moved] = []
    unknown: dict[UUID, tuple[str, int]] = {}
    for group in await read_rows(connection, _Group, _MOVED, values):
        job_id = group["job_definition_id"]
        status = group["past_status"]
        created = group["created"]
        if status is not None:
            moved.append(Moved(job_id, status, created))
            continue
        ids = group["ids"] or []
        for run_id, created_position in zip(ids, created, strict=True):
            unknown[UUID(run_id)] = (job_id, created_position)
    statuses = await folded_parts(
        connection, files, job_runs.TABLE, list(unknown), position, _status
    )
    for folded_id, (job_id, created_position) in unknown.items():
        status = statuses.get(folded_id)
        if status is not None:
            moved.append(Moved(job_id, status, [created_position]))
    return moved


def _status(run: RunRow) -> str:
    return run["status"]


async def folded(
    connection: Connection, files: LogFiles, table: TableOf[P], ids: Sequence[UUID], position: int
) -> dict[UUID, P]:
    """Return the rows of these aggregates as of a position, by the table's fold.

    Those that were not there yet are left out. Where an event cannot be read, the row is as the
    events before it left it.
    """
    rows: dict[UUID, P] = {}
    unreadable: set[UUID] = set()
    wanted = dict.fromkeys(ids, (0, END))
    while wanted:  # In parts: one history may be longer than memory.
        part = await read_parts(connection, files, wanted, position)
        for event in await envelopes(connection, files.master_keys, part.rows):
            aggregate_id = event.aggregate_id
            wanted[aggregate_id] = (event.version, END)
            if event.unreadable is not None:
                unreadable.add(aggregate_id)
            if aggregate_id in unreadable:
                continue
            before = rows.get(aggregate_id)
            try:
                rows[aggregate_id] = table.fold(before, event)
            except UNFOLDABLE:
                unreadable.add(aggregate_id)
        for aggregate_id in unreadable.union(part.ended):
            wanted.pop(aggregate_id, None)
    return rows


async def folded_parts(  # noqa: PLR0913 - `folded`, and which part
    connection: Connection,
    files: LogFiles,
    table: TableOf[P],
    ids: Sequence[UUID],
    position: int,
    part: Callable[[P], T],
) -> dict[UUID, T]:
    """Return a part of each of the same rows.

    So there may be many of them: few are in memory as a whole.
    """
    parts: dict[UUID, T] = {}
    for start in range(0, len(ids), FOLDED_AT_ONCE):
        chunk = ids[start : start + FOLDED_AT_ONCE]
        rows = await folded(connection, files, table, chunk, position)
        for aggregate_id, row in rows.items():
            parts[aggregate_id] = part(row)
    return parts


# Checkpoints of time travel.
#
# Each lists, as of some position, which runs are pending and running, and how many of each job have
# ended. They are derived from the log and from `job_runs`, and only ever save time: without them
# every answer is the same. A repair of `job_runs` drops them (`forget_checkpoints`; a rebuild
# does). Then the watchers compute them anew, step by step, or the repair does at once
# (`Checkpoints.recompute`).

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
                    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (WRITER_LOCK,))
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
        position = next_checkpoint(head, last, max(self._every, alive // ALIVE_FOR_EACH))
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


# How many runs of each job there are in each status, kept up with the log at little cost.

MOST_JOBS = 200
"""Jobs that are told apart. A label's values must be few, and the same each time: it is the jobs
that were registered first."""

OTHERS = "_others"
"""Stands for all other jobs; no slug begins so."""

_FIRST_JOBS = "SELECT id, slug FROM job_definitions ORDER BY created_at, id LIMIT %(most)s"

_IS_KEPT = "SELECT EXISTS (SELECT 1 FROM run_checkpoints WHERE position = %(position)s)"


class _Job(TypedDict):
    id: ReadOnly[str]
    slug: ReadOnly[str]


Counts = Mapping[str, Mapping[str, int]]
"""By a job's slug and by status."""


@dataclass
class _Kept:
    """What is remembered of a log.

    Attributes:
        checkpoint: position of the one that `counts` began with; 0 for none, and then nothing tells
            whether they are still right.
        slugs: of the jobs that are told apart, by id.
    """

    checkpoint: int = 0
    counts: CountsByJob = field(default_factory=CountsByJob)
    slugs: Mapping[str, str] = field(default_factory=dict)


class RunCounts:
    """Counts from the last checkpoint on, and remembers: the next time only what has moved counts.

    Whoever mends `job_runs` drops the checkpoints; what was counted from one goes with it.
    """

    def __init__(self, files: LogFiles) -> None:
        self._files = files
        self._kept = _Kept()

    def forget(self) -> None:
        """Forget what was counted: the log may be another one."""
        self._kept = _Kept()

    async def count(self, connection: Connection) -> Counts:
        """Count, in a snapshot of its own: checkpoints may be dropped at any time.

        One count must be over before the next begins: it goes on from what that one remembers.

        Args:
            connection: outside of any transaction.
        """
        async with snapshot(connection):
            kept = self._kept
            await self._move_on(connection, kept)
            await _learn_slugs(connection, kept)
            return _by_slug(kept)

    async def _move_on(self, connection: Connection, kept: _Kept) -> None:
        head = await read_value(connection, int, sql.HEAD)
        checkpoint = await past.checkpoint_before(connection, head)
        counts = kept.counts
        if await _goes_on(connection, kept, checkpoint, head):
            checkpoint = kept.checkpoint
        elif head - checkpoint > FAR:
            counts = await present_counts_by_job(connection, head)
        else:
            counts = await counts_by_job(connection, checkpoint)
        counts.move_on(head, await moved_since(connection, self._files, counts.position, head))
        kept.checkpoint = checkpoint
        kept.counts = counts


async def _goes_on(connection: Connection, kept: _Kept, checkpoint: int, head: int) -> bool:
    """Return whether what was counted last is right, and nearer than the last checkpoint."""
    nearer = checkpoint <= kept.counts.position <= head
    if kept.checkpoint == 0 or not nearer:
        return False
    return await read_value(connection, bool, _IS_KEPT, {"position": kept.checkpoint})


async def rows_are_counted_sooner(connection: Connection, position: int) -> bool:
    """Return whether rows stand as of this position, and no checkpoint is near.

    So it is where no worker has kept checkpoints up, or for a while after they were dropped.
    """
    head = await read_value(connection, int, sql.HEAD)
    checkpoint = await past.checkpoint_before(connection, head)
    return position == head and head - checkpoint > FAR


async def _learn_slugs(connection: Connection, kept: _Kept) -> None:
    if len(kept.slugs) >= MOST_JOBS:
        return
    jobs = await read_rows(connection, _Job, _FIRST_JOBS, {"most": MOST_JOBS})
    kept.slugs = {job["id"]: job["slug"] for job in jobs}


def _by_slug(kept: _Kept) -> Counts:
    found: dict[str, Counter[str]] = {}
    for slug in kept.slugs.values():
        found[slug] = _none()
    for job_id, of_job in kept.counts.by_job.items():
        slug = kept.slugs.get(job_id, OTHERS)
        found.setdefault(slug, _none()).update(of_job)
    return found


def _none() -> Counter[str]:
    return Counter(dict.fromkeys(STATUSES, 0))
