"""How many runs of each job there are in each status, kept up with the log at little cost."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from typing_extensions import ReadOnly, TypedDict

from domain.jobs.run_values import STATUSES
from eventlog.database import sql
from eventlog.database.connection import snapshot
from eventlog.history.run_changes import moved_since
from eventlog.keys.log_files import LogFiles
from projections.rows import Connection, read_rows, read_value
from projections.runs import past
from projections.runs.counts import (
    FAR,
    CountsByJob,
    counts_by_job,
    present_counts_by_job,
)

MOST_JOBS = 200
"""Jobs that are told apart. A label's values must be few, and the same each time: it is the jobs
that were registered first."""

OTHERS = "_others"
"""Stands for all other jobs; no slug begins so."""

_FIRST_JOBS = (
    "SELECT id, slug FROM job_definitions ORDER BY created_at, id LIMIT %(most)s"
)

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
        moved = await moved_since(connection, self._files, counts.position, head)
        counts.move_on(head, moved)
        kept.checkpoint = checkpoint
        kept.counts = counts


async def _goes_on(
    connection: Connection, kept: _Kept, checkpoint: int, head: int
) -> bool:
    """Return whether what was counted last is right, and nearer than the last checkpoint."""
    nearer = checkpoint <= kept.counts.position <= head
    if kept.checkpoint == 0 or not nearer:
        return False
    values = {"position": kept.checkpoint}
    return await read_value(connection, bool, _IS_KEPT, values)


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
    values = {"most": MOST_JOBS}
    jobs = await read_rows(connection, _Job, _FIRST_JOBS, values)
    kept.slugs = {job["id"]: job["slug"] for job in jobs}


def _by_slug(kept: _Kept) -> Counts:
    found: dict[str, Counter[str]] = {}
    for slug in kept.slugs.values():
        found[slug] = _none()
    for job_id, of_job in kept.counts.by_job.items():
        slug = kept.slugs.get(job_id, OTHERS)
        of_slug = found.setdefault(slug, _none())
        of_slug.update(of_job)
    return found


def _none() -> Counter[str]:
    return Counter(dict.fromkeys(STATUSES, 0))
