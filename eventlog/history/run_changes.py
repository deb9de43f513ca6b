"""The runs that changed between two positions, checkpoints, and counts of runs.

First the runs that changed, and their folded rows; then checkpoints of time travel
(`Checkpoints`); then counts of runs by job and status that follow the log at little cost
(`RunCounts`).
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import orjson
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
from projections.rows import Connection, read_rows, read_value
from projections.runs import past
from projections.runs.past import (
    FAR,
    ChangedRuns,
    CountsByJob,
    counts_by_job,
    present_counts_by_job,
)
from projections.table import P, TableOf

T = TypeVar("T")

FOLD_CHUNK = 200
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
            FROM unnest(run.positions) WITH ORDINALITY AS own (position, version)
            WHERE own.position > %(after)s AND own.position <= %(position)s
        ) AS event
        WHERE int8range(run.first_position, run.last_position, '[]')
                && int8range(%(after)s, %(position)s, '(]')
            AND event.version IS NOT NULL
    ), moved AS (
        SELECT run.id, run.job_definition_id, run.created_position,
            CASE
                WHEN run.position <= %(position)s THEN run.status
                WHEN touched.version = 1 THEN %(first_status)s
            END AS past_status
        FROM touched CROSS JOIN LATERAL (
            -- A look-up by key for each: LIMIT keeps the planner from joining the whole table.
            SELECT id, job_definition_id, status, created_position, position FROM job_runs
            WHERE id = touched.originator_id LIMIT 1
        ) AS run
        WHERE %(job_ids)s::uuid[] IS NULL OR run.job_definition_id = ANY(%(job_ids)s::uuid[])
    )
    SELECT job_definition_id, past_status,
        array_agg(created_position ORDER BY created_position) AS created,
        array_agg(id ORDER BY created_position) FILTER (WHERE past_status IS NULL) AS ids
    FROM moved GROUP BY job_definition_id, past_status
"""


class _Group(TypedDict):
    """Runs of one job that had one status.

    Attributes:
        job_definition_id: the job's id.
        past_status: the status; None if it is only known once the runs are folded.
        created: the runs' `created_position`s.
        ids: the runs' ids, in the same order, if `past_status` is None.
    """

    job_definition_id: ReadOnly[str]
    past_status: ReadOnly[str | None]
    created: ReadOnly[list[int]]
    ids: ReadOnly[list[str] | None]


async def runs_changed_since(
    connection: Connection,
    files: LogFiles,
    after: int,
    position: int,
    job_ids: list[UUID] | None = None,
) -> list[ChangedRuns]:
    """Return the runs that have events in (after, position], grouped by their status at `position`.

    Most statuses need no fold: those of runs that have not changed since, and of runs that had one
    event. The other runs are folded.

    Args:
        connection: in a snapshot or transaction.
        files: the log's files.
        after: the position after which the runs changed.
        position: the position of the statuses.
        job_ids: only runs of these jobs; None: of all jobs.
    """
    values = {
        "after": after,
        "position": position,
        "first_status": FIRST_STATUS,
        "job_ids": job_ids,
    }
    changed: list[ChangedRuns] = []
    to_fold: dict[UUID, tuple[str, int]] = {}
    for group in await read_rows(connection, _Group, _MOVED, values):
        job_id = group["job_definition_id"]
        status = group["past_status"]
        created = group["created"]
        if status is not None:
            changed.append(ChangedRuns(job_id, status, created))
            continue
        ids = group["ids"] or []
        for run_id, created_position in zip(ids, created, strict=True):
            to_fold[UUID(run_id)] = (job_id, created_position)
    statuses = await fold_values(
        connection, files, job_runs.TABLE, list(to_fold), position, lambda run: run["status"]
    )
    for folded_id, (job_id, created_position) in to_fold.items():
        status = statuses.get(folded_id)
        if status is not None:
            changed.append(ChangedRuns(job_id, status, [created_position]))
    return changed


async def fold_rows(
    connection: Connection, files: LogFiles, table: TableOf[P], ids: Sequence[UUID], position: int
) -> dict[UUID, P]:
    """Return the rows of these aggregates as of a position, by the table's fold.

    Aggregates that did not exist yet are left out. Events from an aggregate's first unreadable one
    on are not folded.
    """
    rows: dict[UUID, P] = {}
    unreadable: set[UUID] = set()
    ranges = dict.fromkeys(ids, (0, END))
    while ranges:  # In parts: a history may be larger than memory.
        part = await read_parts(connection, files, ranges, position)
        for event in await envelopes(connection, files.master_keys, part.rows):
            aggregate_id = event.aggregate_id
            ranges[aggregate_id] = (event.version, END)
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
            ranges.pop(aggregate_id, None)
    return rows


async def fold_values(  # noqa: PLR0913 - `fold_rows`, and which value
    connection: Connection,
    files: LogFiles,
    table: TableOf[P],
    ids: Sequence[UUID],
    position: int,
    value_of: Callable[[P], T],
) -> dict[UUID, T]:
    """Return a value of each row of `fold_rows`; only `FOLD_CHUNK` rows are in memory at a time."""
    values: dict[UUID, T] = {}
    for start in range(0, len(ids), FOLD_CHUNK):
        chunk = ids[start : start + FOLD_CHUNK]
        rows = await fold_rows(connection, files, table, chunk, position)
        for aggregate_id, row in rows.items():
            values[aggregate_id] = value_of(row)
    return values


# Checkpoints of time travel.
#
# Each lists the runs that are pending and running at a position, and counts each job's ended runs.
# They are derived from the log and `job_runs`, and only save time: every answer is the same without
# them. A repair of `job_runs` drops them (`forget_checkpoints`). Then the watchers compute them
# again one by one, or the repair does so at once (`Checkpoints.recompute`).

logger = logging.getLogger(__name__)

MIN_DISTANCE = 10_000
"""Least number of positions between checkpoints; a query of the past reads as many events at most,
unless very many runs are alive."""

ALIVE_PER_POSITION = 10
"""The distance to the next checkpoint is also at least the number of alive runs divided by this, so
that checkpoints cost a few dozen bytes an event, however many runs are pending."""

WRITER_LOCK = 4_409_671_207_318_845_903
"""Key of the advisory lock of the process that writes checkpoints."""


class Checkpoints:
    """Writes checkpoints as the log grows."""

    def __init__(
        self, pool: AsyncConnectionPool[Connection], files: LogFiles, every: int = MIN_DISTANCE
    ) -> None:
        self._pool = pool
        self._files = files
        self._every = every

    async def write_if_due(self) -> bool:
        """Write the next checkpoint if it is due; return whether this process has done so."""
        async with borrowed(self._pool) as connection:
            try:
                if await self._due(connection) is None:
                    return False
                async with connection.transaction():
                    is_locked = await read_value(connection, bool, _TRY_LOCK)
                    return is_locked and await self._write_next(connection)
            except psycopg.Error as error:
                if is_away(error):
                    raise
                # Not fatal: answers are right without a checkpoint, and the caller has other work.
                logger.warning("cannot write a checkpoint of runs at the moment: %s", error)
                return False

    async def recompute(self) -> int:
        """Drop all checkpoints and compute them again; return their number.

        Call it after a repair of `job_runs`. Queries of the past are answered meanwhile.
        """
        async with borrowed(self._pool) as connection:
            await forget_checkpoints(connection)
            more = True
            while more:
                async with connection.transaction():
                    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (WRITER_LOCK,))
                    more = await self._write_next(connection)
            return await read_value(connection, int, _COUNT)

    async def _write_next(self, connection: Connection) -> bool:
        """Write the checkpoint that is due, if any; return whether one was.

        It needs no snapshot, since the past does not change.
        """
        due = await self._due(connection)
        if due is None:
            return False
        last, position = due
        changed = await runs_changed_since(connection, self._files, last, position)
        values = {"last": last, "position": position, "moved": orjson.dumps(changed).decode()}
        await connection.execute(past.WRITE_CHECKPOINT, values)
        return True

    async def _due(self, connection: Connection) -> tuple[int, int] | None:
        """Return the positions of the last checkpoint and of the due one, if one is due."""
        head = await read_value(connection, int, sql.HEAD)
        last = await past.checkpoint_before(connection, head)
        if head - last < self._every:
            return None
        alive = await past.alive_at_checkpoint(connection, last)
        position = next_checkpoint(head, last, max(self._every, alive // ALIVE_PER_POSITION))
        if position is None:
            return None
        return last, position


async def forget_checkpoints(connection: Connection) -> None:
    """Drop all checkpoints, also one being written; the watchers compute them again."""
    async with connection.transaction():
        # Waits as long as another process writes one.
        await connection.execute("SET LOCAL lock_timeout = 0")
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (WRITER_LOCK,))
        await connection.execute(FORGET_CHECKPOINTS)


def next_checkpoint(head: int, last: int, every: int) -> int | None:
    """Return the position of the next checkpoint; None if the log has not grown enough.

    It is the log's head, at which statuses need no fold, unless the last checkpoint is far behind:
    then it is at the least distance from that one.

    Args:
        head: the log's last position.
        last: the position of the last checkpoint.
        every: the least distance between the two.
    """
    if head - last < every:
        return None
    if head - last < 2 * every:
        return head
    return last + every


_TRY_LOCK = f"SELECT pg_try_advisory_xact_lock({WRITER_LOCK})"

_COUNT = "SELECT count(DISTINCT position) FROM run_checkpoints"

FORGET_CHECKPOINTS = "DELETE FROM run_checkpoints"
"""Not TRUNCATE: readers in a snapshot still need them."""


# Counts of runs by job and status that follow the log at little cost.

MAX_JOBS = 200
"""Jobs that are counted separately. The label of a metric must have few values, always the same
ones: these are the jobs that were registered first."""

OTHERS = "_others"
"""Stands for all other jobs; no slug starts with an underscore."""

_FIRST_JOBS = "SELECT id, slug FROM job_definitions ORDER BY created_at, id LIMIT %(limit)s"

_IS_KEPT = "SELECT EXISTS (SELECT 1 FROM run_checkpoints WHERE position = %(position)s)"


class _Job(TypedDict):
    id: ReadOnly[str]
    slug: ReadOnly[str]


Counts = Mapping[str, Mapping[str, int]]
"""By a job's slug and by status."""


@dataclass
class _CachedCounts:
    """The last counts.

    Attributes:
        checkpoint: position of the checkpoint that `counts` began with; 0 for none: then the counts
            cannot be continued.
        counts: the counts.
        slugs: the slugs, by id, of the jobs that are counted separately.
    """

    checkpoint: int = 0
    counts: CountsByJob = field(default_factory=CountsByJob)
    slugs: Mapping[str, str] = field(default_factory=dict)


class RunCounts:
    """Counts runs from the last checkpoint on, and afterwards only runs that changed since.

    A repair of `job_runs` drops the checkpoints, and so invalidates counts that began with one.
    """

    def __init__(self, files: LogFiles) -> None:
        self._files = files
        self._cached = _CachedCounts()

    def forget(self) -> None:
        """Forget the counts: the log may have been replaced."""
        self._cached = _CachedCounts()

    @property
    def slugs(self) -> Mapping[str, str]:
        """The slugs, by id, of the jobs that were counted separately."""
        return self._cached.slugs

    async def count(self, connection: Connection) -> Counts:
        """Return the number of runs by job and status, as of one snapshot.

        Calls must not overlap, since each continues the counts of the one before.

        Args:
            connection: outside of any transaction.
        """
        async with snapshot(connection):
            cached = self._cached
            await self._advance(connection, cached)
            await _read_slugs(connection, cached)
            return _by_slug(cached)

    async def _advance(self, connection: Connection, cached: _CachedCounts) -> None:
        head = await read_value(connection, int, sql.HEAD)
        checkpoint = await past.checkpoint_before(connection, head)
        counts = cached.counts
        if await _can_continue(connection, cached, checkpoint, head):
            checkpoint = cached.checkpoint
        elif head - checkpoint > FAR:
            counts = await present_counts_by_job(connection, head)
        else:
            counts = await counts_by_job(connection, checkpoint)
        counts.advance(
            head, await runs_changed_since(connection, self._files, counts.position, head)
        )
        cached.checkpoint = checkpoint
        cached.counts = counts


async def _can_continue(
    connection: Connection, cached: _CachedCounts, checkpoint: int, head: int
) -> bool:
    """Return whether the cached counts are valid, and nearer to the head than the checkpoint."""
    is_nearer = checkpoint <= cached.counts.position <= head
    if cached.checkpoint == 0 or not is_nearer:
        return False
    return await read_value(connection, bool, _IS_KEPT, {"position": cached.checkpoint})


async def is_count_of_rows_faster(connection: Connection, position: int) -> bool:
    """Return whether all rows of runs can be counted faster than changes since a checkpoint.

    That is so if the position is the log's end and the last checkpoint is far behind: without
    workers, or for a while after the checkpoints were dropped.
    """
    head = await read_value(connection, int, sql.HEAD)
    checkpoint = await past.checkpoint_before(connection, head)
    return position == head and head - checkpoint > FAR


async def _read_slugs(connection: Connection, cached: _CachedCounts) -> None:
    if len(cached.slugs) >= MAX_JOBS:
        return
    jobs = await read_rows(connection, _Job, _FIRST_JOBS, {"limit": MAX_JOBS})
    cached.slugs = {job["id"]: job["slug"] for job in jobs}


def _by_slug(cached: _CachedCounts) -> Counts:
    counts: dict[str, Counter[str]] = {}
    for slug in cached.slugs.values():
        counts[slug] = _zero_counts()
    for job_id, job_counts in cached.counts.by_job.items():
        slug = cached.slugs.get(job_id, OTHERS)
        counts.setdefault(slug, _zero_counts()).update(job_counts)
    return counts


def _zero_counts() -> Counter[str]:
    return Counter(dict.fromkeys(STATUSES, 0))
