"""How many runs there are in each status, or were at an earlier position of the log."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.jobs.run_values import STATUSES
from projections.job_runs import IS_RUNNING
from projections.rows import Connection, read_one, read_rows
from projections.runs.past import ALIVE, ENDED, OF_JOBS, Moved, Then


def _sum(what: str, status: str) -> str:
    return f"coalesce(sum({what}), 0)::bigint AS {status}"


_COUNTS = f"""
    SELECT
        {", ".join(_sum(f"cardinality({status})", status) for status in ALIVE)},
        {", ".join(_sum(status, status) for status in ENDED)}
    FROM run_checkpoints WHERE position = %(checkpoint)s AND {OF_JOBS}
"""

_RUNNING = f"""
    SELECT unnest(running) AS created FROM run_checkpoints
    WHERE position = %(checkpoint)s AND {OF_JOBS}
"""


FAR = 50_000
"""Positions behind the log's end from which on rows are counted sooner than what events have
touched since a checkpoint. Where workers keep checkpoints up, one is so far only beside half a
million runs that wait."""

_PRESENT = f"""
    SELECT job_definition_id, status, count(*) AS runs FROM job_runs
    WHERE {OF_JOBS} GROUP BY job_definition_id, status
"""

_RUNNING_NOW = f"SELECT created_position AS created FROM job_runs WHERE {IS_RUNNING}"


class _Present(TypedDict):
    job_definition_id: ReadOnly[str]
    status: ReadOnly[str]
    runs: ReadOnly[int]


class _Counts(TypedDict):
    pending: ReadOnly[int]
    running: ReadOnly[int]
    succeeded: ReadOnly[int]
    failed: ReadOnly[int]
    canceled: ReadOnly[int]
    expired: ReadOnly[int]


class _Created(TypedDict):
    created: ReadOnly[int]


async def present_counts(
    connection: Connection, job_ids: list[UUID] | None
) -> dict[str, int]:
    """Return how many rows there are in each status, of these jobs or of all."""
    found: dict[str, int] = dict.fromkeys(STATUSES, 0)
    values = {"job_ids": job_ids}
    for row in await read_rows(connection, _Present, _PRESENT, values):
        found[row["status"]] += row["runs"]
    return found


async def counts(connection: Connection, then: Then) -> dict[str, int]:
    """Return how many runs there were in each status."""
    values = {"checkpoint": then.checkpoint, "job_ids": then.job_ids}
    before = await read_one(connection, _Counts, _COUNTS, values)
    counts_before: dict[str, int] = {status: before[status] for status in STATUSES}
    running = await read_rows(connection, _Created, _RUNNING, values)
    were_running = [row["created"] for row in running]
    return counted(counts_before, were_running, then)


def counted(
    before: Mapping[str, int], were_running: Iterable[int], then: Then
) -> dict[str, int]:
    """Return the counts of a checkpoint, moved on.

    Args:
        before: the checkpoint's counts by status.
        were_running: created positions of the runs that were running at the checkpoint.
        then: what has moved since.
    """
    now = Counter(before)
    running = set(were_running)
    for group in then.moved:
        now[group.status] += len(group.created)
        older = _older(group, then.checkpoint)
        # Only what was alive can move: what was not running then, but there, was pending.
        ran = len(running.intersection(older))
        waited = len(older) - ran
        now["running"] -= ran
        now["pending"] -= waited
    return {status: now[status] for status in STATUSES}


def _older(group: Moved, checkpoint: int) -> list[int]:
    return [created for created in group.created if created <= checkpoint]


# By job ------------------------------------------------------------------------------------------


_BY_JOB = f"""
    SELECT job_definition_id, running AS runs_running,
        {", ".join(f"cardinality({status})::bigint AS {status}" for status in ALIVE)},
        {", ".join(ENDED)}
    FROM run_checkpoints WHERE position = %(checkpoint)s
"""


class _JobCounts(_Counts):
    job_definition_id: ReadOnly[str]
    runs_running: ReadOnly[list[int]]


@dataclass
class CountsByJob:
    """How many runs of each job there are in each status at a position of the log.

    Attributes:
        by_job: by the id of the job and by status.
        running: created positions of the runs that are running.
    """

    position: int = 0
    by_job: dict[str, Counter[str]] = field(default_factory=dict)
    running: set[int] = field(default_factory=set)

    def move_on(self, position: int, moved: Iterable[Moved]) -> None:
        """Go on to a later position, by what has moved since."""
        for group in moved:
            counts = self.by_job.setdefault(group.job_definition_id, Counter())
            created = set(group.created)
            older = _older(group, self.position)
            # Only what was alive can move: what was not running then, but there, was pending.
            ran = self.running.intersection(older)
            ran_count = len(ran)
            waited_count = len(older) - ran_count
            counts["running"] -= ran_count
            counts["pending"] -= waited_count
            counts[group.status] += len(created)
            self.running -= ran
            if group.status == "running":
                self.running |= created
        self.position = position


async def present_counts_by_job(connection: Connection, position: int) -> CountsByJob:
    """Return the same by job, where the log ends at this position."""
    found = CountsByJob(position)
    values = {"job_ids": None}
    for row in await read_rows(connection, _Present, _PRESENT, values):
        of_job = found.by_job.setdefault(row["job_definition_id"], Counter())
        of_job[row["status"]] = row["runs"]
    running = await read_rows(connection, _Created, _RUNNING_NOW)
    are_running = [row["created"] for row in running]
    found.running.update(are_running)
    return found


async def counts_by_job(connection: Connection, checkpoint: int) -> CountsByJob:
    """Return what a checkpoint counts; 0 stands for the log's beginning."""
    found = CountsByJob(checkpoint)
    rows = await read_rows(connection, _JobCounts, _BY_JOB, {"checkpoint": checkpoint})
    for row in rows:
        counts_of_job: Counter[str] = Counter()
        for status in STATUSES:
            counts_of_job[status] = row[status]
        job_id = row["job_definition_id"]
        found.by_job[job_id] = counts_of_job
        found.running.update(row["runs_running"])
    return found
