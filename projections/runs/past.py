"""Reading runs as they were at an earlier position of the log.

First the position and what is known of it (`Then`), then lists, then the table `run_checkpoints`,
then counts by status and job, present and past.

What was true at a position stays true: runs that had ended by then never change, and which ones
were alive then is settled, too. So the queries here need no history; they name runs, and where one
has moved on since then, its events are folded up to the position.

A checkpoint (table `run_checkpoints`) lists the runs that were pending or running at its own
position. What events have touched between a checkpoint and the requested position is given as
`Moved`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.filters import Label
from domain.jobs.run_events import FINAL, STATUSES
from domain.json_values import JsonObject
from projections.job_definitions import OF_MODULES, JobDefinitionRow
from projections.job_runs import IS_RUNNING
from projections.rows import Connection, read_ids, read_one, read_rows, read_value
from projections.runs.lists import (
    MATCHES,
    NAMED_LIKE,
    NO_IDS,
    RunFilter,
    Sought,
    conditions,
    page_values,
)

ALIVE: tuple[str, ...] = tuple(status for status in STATUSES if status not in FINAL)
ENDED: tuple[str, ...] = tuple(status for status in STATUSES if status in FINAL)


@dataclass(frozen=True)
class Moved:
    """Runs of one job that events have touched since a checkpoint.

    Attributes:
        status: that all of them were in afterwards.
        created: their created positions.
    """

    job_definition_id: str
    status: str
    created: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Then:
    """A position of the log, and what is known of the runs that were alive at it.

    Attributes:
        checkpoint: position of the checkpoint before; 0 where there is none.
        moved: what events have touched since the checkpoint.
        job_ids: the jobs that `moved` is about; None means all.
    """

    position: int
    checkpoint: int = 0
    moved: Sequence[Moved] = ()
    job_ids: list[UUID] | None = None

    def created(self, *statuses: str) -> list[int]:
        """Return the created positions of moved runs that were in one of these statuses."""
        return [
            created for group in self.moved if group.status in statuses for created in group.created
        ]


class Place(TypedDict):
    """A run, and where it was created."""

    id: ReadOnly[str]
    created_position: ReadOnly[int]


async def checkpoint_before(connection: Connection, position: int) -> int:
    """Return the position of the last checkpoint at or before this one; 0 where there is none."""
    query = "SELECT coalesce(max(position), 0) FROM run_checkpoints WHERE position <= %(position)s"
    return await read_value(connection, int, query, {"position": position})


async def alive_at_checkpoint(connection: Connection, checkpoint: int) -> int:
    """Return how many runs a checkpoint lists."""
    query = """
        SELECT coalesce(sum(cardinality(pending) + cardinality(running)), 0)::bigint
        FROM run_checkpoints WHERE position = %(checkpoint)s
    """
    return await read_value(connection, int, query, {"checkpoint": checkpoint})


# Lists -------------------------------------------------------------------------------------------


def jobs_to_search(sought: Sought) -> list[UUID] | None:
    """Return the only jobs whose runs a filter can let pass, or None where it can be any."""
    if sought.runs.definition_id is not None:
        return [sought.runs.definition_id]
    if not sought.runs.is_sought or sought.ids != NO_IDS:
        return None
    return list(sought.jobs)


def newest_first(runs: RunFilter, *, one_by_one: bool = False, columns: str = "id") -> str:
    """Return the query for a page of runs as of `%(position)s`, newest first: their ids.

    Each status is a branch of its own that stops at the page's end. Ended ones are read off the
    index (…, status, created_position); pending and running ones come from the checkpoint before
    and from what has moved since.

    Args:
        runs: which.
        one_by_one: whether to look at all runs for those that a search matches, rather than for
            each job it names.
        columns: `id`, `created_position`, or both.
    """
    page = " UNION ALL ".join(_branches(runs, one_by_one=one_by_one))
    return f"""
        SELECT {columns} FROM ({page}) AS page
        ORDER BY created_position DESC OFFSET %(offset)s LIMIT %(limit)s
    """


def _branches(runs: RunFilter, *, one_by_one: bool) -> list[str]:
    plain = " AND ".join(["created_position <= %(position)s", *conditions(runs)])
    matching = plain
    wanted = plain
    branch = _branch
    if runs.is_sought:
        matching = f"{plain} AND {MATCHES}"
        if one_by_one:
            wanted = matching
        else:
            branch = _searched_branch
    statuses = set(runs.statuses)
    if not statuses or statuses == set(STATUSES):
        return [branch(wanted)]
    ended = [
        branch(f"{wanted} AND status = '{status}' AND completed_position <= %(position)s")
        for status in ENDED
        if status in statuses
    ]
    alive = [_alive_branch(status, matching) for status in ALIVE if status in statuses]
    return ended + alive


def _branch(condition: str) -> str:
    return f"""(
        SELECT id, created_position FROM job_runs WHERE {condition}
        ORDER BY created_position DESC LIMIT %(page_end)s)"""


def _searched_branch(condition: str) -> str:
    # OFFSET 0, for the few runs of the range are to be found by it and by nothing else.
    return f"""(
        SELECT id, created_position FROM (
            SELECT part.* FROM unnest(%(found)s::uuid[]) AS job (id)
            CROSS JOIN LATERAL (
                SELECT id, created_position FROM job_runs
                WHERE job_definition_id = job.id AND {condition}
                ORDER BY created_position DESC LIMIT %(page_end)s
            ) AS part
            UNION SELECT id, created_position FROM (
                SELECT * FROM job_runs WHERE id BETWEEN %(first_id)s AND %(last_id)s OFFSET 0
            ) AS named
            WHERE {condition}
        ) AS either
        ORDER BY created_position DESC LIMIT %(page_end)s)"""


def _alive_branch(status: str, condition: str) -> str:
    # NOT IN, for PostgreSQL hashes its list whatever it believes of the list's length. LATERAL with
    # a LIMIT, for that is an index's look-up for each run, as far as the page needs it, and can be
    # planned as nothing else.
    return f"""(
        SELECT run.id, run.created_position
        FROM (
            SELECT created FROM (
                SELECT unnest({status}) AS created FROM run_checkpoints
                WHERE position = %(checkpoint)s AND {OF_JOBS}
            ) AS known
            WHERE created NOT IN (SELECT unnest(%(moved)s::bigint[]))
            UNION ALL SELECT unnest(%(moved_{status})s::bigint[])
            ORDER BY created DESC
        ) AS candidate
        CROSS JOIN LATERAL (
            SELECT * FROM job_runs WHERE created_position = candidate.created LIMIT 1
        ) AS run
        WHERE {condition}
        ORDER BY candidate.created DESC LIMIT %(page_end)s)"""


OF_JOBS = "(%(job_ids)s::uuid[] IS NULL OR job_definition_id = ANY(%(job_ids)s::uuid[]))"


def values_of(then: Then, sought: Sought, limit: int, offset: int) -> dict[str, object]:
    """Return the parameters of `newest_first`."""
    moved_alive = {f"moved_{status}": then.created(status) for status in ALIVE}
    return {
        **page_values(sought, limit, offset, then.position),
        **moved_alive,
        "moved": then.created(*STATUSES),
        "position": then.position,
        "checkpoint": then.checkpoint,
        "job_ids": then.job_ids,
    }


async def jobs_changed_after(connection: Connection, position: int) -> list[UUID]:
    """Return the jobs whose row shows more than there was at the position."""
    query = "SELECT id FROM job_definitions WHERE position > %(position)s"
    return await read_ids(connection, query, {"position": position})


class NamedJob(TypedDict):
    """What a job was called, what for, where it belonged, and what it asked of workers."""

    id: ReadOnly[str]
    slug: ReadOnly[str]
    name: ReadOnly[str]
    runtime: ReadOnly[str]
    module_binding: ReadOnly[JsonObject | None]
    worker_labels: ReadOnly[dict[str, str]]


def named_job(job: JobDefinitionRow) -> NamedJob:
    """Return what is kept of a job as it was."""
    return {
        "id": job["id"],
        "slug": job["slug"],
        "name": job["name"],
        "runtime": job["runtime"],
        "module_binding": job["module_binding"],
        "worker_labels": job["worker_labels"],
    }


_JOBS_THEN = """
    SELECT id FROM (
        SELECT id, slug, name, runtime, module_binding, worker_labels FROM job_definitions
        WHERE position <= %(position)s
        UNION ALL
        SELECT * FROM unnest(
            %(ids)s::uuid[], %(slugs)s::text[], %(names)s::text[], %(runtimes)s::text[],
            %(bindings)s::jsonb[], %(labels)s::jsonb[]
        )
    ) AS job (id, slug, name, runtime, module_binding, worker_labels)
"""


async def jobs_named_like(
    connection: Connection, search: str, position: int, changed: Sequence[NamedJob]
) -> list[UUID]:
    """Return the jobs whose slug or name held a text at the position, in any case.

    Jobs that have changed since are given as they were (`changed`).
    """
    values = {**_values_then(position, changed), "search": search}
    return await read_ids(connection, f"{_JOBS_THEN} WHERE {NAMED_LIKE}", values)


async def jobs_for(
    connection: Connection, runtimes: Sequence[str], position: int, changed: Sequence[NamedJob]
) -> list[UUID]:
    """Return the jobs that were for one of these runtimes at the position."""
    values = {**_values_then(position, changed), "wanted": list(runtimes)}
    return await read_ids(connection, f"{_JOBS_THEN} WHERE runtime = ANY(%(wanted)s)", values)


async def jobs_of_modules(
    connection: Connection, modules: Sequence[str], position: int, changed: Sequence[NamedJob]
) -> list[UUID]:
    """Return the jobs that belonged to one of these modules at the position."""
    values = {**_values_then(position, changed), "modules": list(modules)}
    return await read_ids(connection, f"{_JOBS_THEN} WHERE {OF_MODULES}", values)


async def jobs_labelled(
    connection: Connection, label: Label, position: int, changed: Sequence[NamedJob]
) -> list[UUID]:
    """Return the jobs that asked workers for a label at the position."""
    values = {**_values_then(position, changed), "name": label.name, "wanted": list(label.values)}
    query = f"{_JOBS_THEN} WHERE worker_labels ->> %(name)s = ANY(%(wanted)s)"
    return await read_ids(connection, query, values)


def _values_then(position: int, changed: Sequence[NamedJob]) -> dict[str, object]:
    return {
        "position": position,
        "ids": [job["id"] for job in changed],
        "slugs": [job["slug"] for job in changed],
        "names": [job["name"] for job in changed],
        "runtimes": [job["runtime"] for job in changed],
        "bindings": [orjson.dumps(job["module_binding"]).decode() for job in changed],
        "labels": [orjson.dumps(job["worker_labels"]).decode() for job in changed],
    }


# Writing the table `run_checkpoints`: which runs were alive at a position of the log, and how many
# had ended, by job.


def _array_of(status: str) -> str:
    filtered = f"FILTER (WHERE status = '{status}')"
    return f"array_agg(created ORDER BY created DESC) {filtered} AS {status}"


def _count_of(status: str) -> str:
    return f"count(*) FILTER (WHERE status = '{status}') AS {status}"


def _sum_of(status: str) -> str:
    return f"coalesce(last.{status}, 0) + coalesce(by_job.{status}, 0)"


def _known_of(status: str) -> str:
    return f"SELECT unnest({status}), '{status}'"


_KNOWN = " UNION ALL ".join(map(_known_of, ALIVE))


WRITE_CHECKPOINT = f"""
    WITH moved AS (
        SELECT * FROM unnest(%(job_ids)s::uuid[], %(created)s::bigint[], %(statuses)s::text[])
            AS moved (job_definition_id, created, status)
    ), last AS (
        SELECT * FROM run_checkpoints WHERE position = %(last)s
    ), state AS (
        SELECT job_definition_id, created, status FROM last, LATERAL (
            {_KNOWN}
        ) AS known (created, status)
        WHERE created NOT IN (SELECT created FROM moved)
        UNION ALL SELECT * FROM moved
    ), by_job AS (
        SELECT job_definition_id,
            {", ".join(map(_array_of, ALIVE))},
            {", ".join(map(_count_of, ENDED))}
        FROM state GROUP BY job_definition_id
    )
    INSERT INTO run_checkpoints (position, job_definition_id, {", ".join(STATUSES)})
    SELECT %(position)s, job.id,
        {", ".join(f"coalesce(by_job.{status}, '{{}}')" for status in ALIVE)},
        {", ".join(map(_sum_of, ENDED))}
    FROM job_definitions AS job
    LEFT JOIN last ON last.job_definition_id = job.id
    LEFT JOIN by_job ON by_job.job_definition_id = job.id
"""


# How many runs there are in each status, or were at an earlier position of the log.


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


async def present_counts(connection: Connection, job_ids: list[UUID] | None) -> dict[str, int]:
    """Return how many rows there are in each status, of these jobs or of all."""
    found: dict[str, int] = dict.fromkeys(STATUSES, 0)
    for row in await read_rows(connection, _Present, _PRESENT, {"job_ids": job_ids}):
        found[row["status"]] += row["runs"]
    return found


async def counts(connection: Connection, then: Then) -> dict[str, int]:
    """Return how many runs there were in each status."""
    values = {"checkpoint": then.checkpoint, "job_ids": then.job_ids}
    before = await read_one(connection, _Counts, _COUNTS, values)
    counts_before: dict[str, int] = {status: before[status] for status in STATUSES}
    running = await read_rows(connection, _Created, _RUNNING, values)
    return counted(counts_before, [row["created"] for row in running], then)


def counted(before: Mapping[str, int], were_running: Iterable[int], then: Then) -> dict[str, int]:
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
    for row in await read_rows(connection, _Present, _PRESENT, {"job_ids": None}):
        found.by_job.setdefault(row["job_definition_id"], Counter())[row["status"]] = row["runs"]
    running = await read_rows(connection, _Created, _RUNNING_NOW)
    found.running.update([row["created"] for row in running])
    return found


async def counts_by_job(connection: Connection, checkpoint: int) -> CountsByJob:
    """Return what a checkpoint counts; 0 stands for the log's beginning."""
    found = CountsByJob(checkpoint)
    rows = await read_rows(connection, _JobCounts, _BY_JOB, {"checkpoint": checkpoint})
    for row in rows:
        counts_of_job: Counter[str] = Counter()
        for status in STATUSES:
            counts_of_job[status] = row[status]
        found.by_job[row["job_definition_id"]] = counts_of_job
        found.running.update(row["runs_running"])
    return found
