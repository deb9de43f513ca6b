"""Queries of runs as of an earlier position of the log.

First the runs of a position (`PastRuns`), then lists, then the table `run_checkpoints`, then counts
by status and job, present and past.

The past never changes: neither the runs that had ended by a position, nor the set of those that
were alive. So the queries select runs without reading histories; only if a selected run has changed
since are its events folded up to the position.

A checkpoint (table `run_checkpoints`) lists the runs that were pending or running at its position.
The runs with events between a checkpoint and the requested position are `ChangedRuns`.
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
from projections.runs.filters import (
    MATCHES,
    NAMED_LIKE,
    NO_IDS,
    RunFilter,
    RunSearch,
    page_values,
    sql_conditions,
)

ALIVE: tuple[str, ...] = tuple(status for status in STATUSES if status not in FINAL)
ENDED: tuple[str, ...] = tuple(status for status in STATUSES if status in FINAL)


@dataclass(frozen=True)
class ChangedRuns:
    """Runs of one job with events since a checkpoint.

    Attributes:
        status: of all of them at the requested position.
        created: the positions of their creation.
    """

    job_definition_id: str
    status: str
    created: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class PastRuns:
    """A position of the log, and the runs that were alive then.

    Attributes:
        checkpoint: the position of the last checkpoint before; 0 if there is none.
        moved: the runs with events since the checkpoint.
        job_ids: the jobs of `moved`; None for all.
    """

    position: int
    checkpoint: int = 0
    moved: Sequence[ChangedRuns] = ()
    job_ids: list[UUID] | None = None

    def created(self, *statuses: str) -> list[int]:
        """Return the created positions of `moved` runs in one of these statuses."""
        return [
            created for group in self.moved if group.status in statuses for created in group.created
        ]


class RunPosition(TypedDict):
    """A run's id and created position."""

    id: ReadOnly[str]
    created_position: ReadOnly[int]


async def checkpoint_before(connection: Connection, position: int) -> int:
    """Return the position of the last checkpoint at or before this one, 0 if there is none."""
    query = "SELECT coalesce(max(position), 0) FROM run_checkpoints WHERE position <= %(position)s"
    return await read_value(connection, int, query, {"position": position})


async def alive_at_checkpoint(connection: Connection, checkpoint: int) -> int:
    """Return the number of runs that a checkpoint lists."""
    query = """
        SELECT coalesce(sum(cardinality(pending) + cardinality(running)), 0)::bigint
        FROM run_checkpoints WHERE position = %(checkpoint)s
    """
    return await read_value(connection, int, query, {"checkpoint": checkpoint})


# Lists.


def jobs_of_search(search: RunSearch) -> list[UUID] | None:
    """Return the jobs to which a filter is restricted, None for all."""
    if search.runs.definition_id is not None:
        return [search.runs.definition_id]
    if not search.runs.is_search or search.ids != NO_IDS:
        return None
    return list(search.jobs)


def newest_first(runs: RunFilter, *, one_by_one: bool = False, columns: str = "id") -> str:
    """Return the query for a page of runs as of `%(position)s`, newest first: their ids.

    Each status is a separate branch that stops at the page's end. Ended runs are read from an index
    (…, status, created_position); pending and running ones come from the last checkpoint and from
    the runs that have changed since.

    Args:
        runs: the filter.
        one_by_one: whether to test all runs against the search, instead of reading the runs of each
            job that it matches.
        columns: `id`, `created_position`, or both.
    """
    page = " UNION ALL ".join(_branches(runs, one_by_one=one_by_one))
    return f"""
        SELECT {columns} FROM ({page}) AS page
        ORDER BY created_position DESC OFFSET %(offset)s LIMIT %(limit)s
    """


def _branches(runs: RunFilter, *, one_by_one: bool) -> list[str]:
    base = " AND ".join(["created_position <= %(position)s", *sql_conditions(runs)])
    matching = base
    ended_condition = base
    branch = _branch
    if runs.is_search:
        matching = f"{base} AND {MATCHES}"
        if one_by_one:
            ended_condition = matching
        else:
            branch = _searched_branch
    statuses = set(runs.statuses)
    if not statuses or statuses == set(STATUSES):
        return [branch(ended_condition)]
    ended = [
        branch(f"{ended_condition} AND status = '{status}' AND completed_position <= %(position)s")
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
    # OFFSET 0 makes the planner use the range of ids, which has few runs.
    return f"""(
        SELECT id, created_position FROM (
            SELECT part.* FROM unnest(%(searched_jobs)s::uuid[]) AS job (id)
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
    # NOT IN: PostgreSQL hashes the list, whatever length it expects. LATERAL with a LIMIT: the only
    # plan is an index look-up for each run, as far as the page needs them.
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


def values_of(past_runs: PastRuns, search: RunSearch, limit: int, offset: int) -> dict[str, object]:
    """Return the parameters of `newest_first`."""
    changed_alive = {f"moved_{status}": past_runs.created(status) for status in ALIVE}
    return {
        **page_values(search, limit, offset, past_runs.position),
        **changed_alive,
        "moved": past_runs.created(*STATUSES),
        "position": past_runs.position,
        "checkpoint": past_runs.checkpoint,
        "job_ids": past_runs.job_ids,
    }


async def jobs_changed_after(connection: Connection, position: int) -> list[UUID]:
    """Return the jobs that have changed since the position."""
    query = "SELECT id FROM job_definitions WHERE position > %(position)s"
    return await read_ids(connection, query, {"position": position})


class PastJob(TypedDict):
    """The fields of a past job that searches and filters need."""

    id: ReadOnly[str]
    slug: ReadOnly[str]
    name: ReadOnly[str]
    runtime: ReadOnly[str]
    module_binding: ReadOnly[JsonObject | None]
    worker_labels: ReadOnly[dict[str, str]]


def past_job(job: JobDefinitionRow) -> PastJob:
    """Return these fields of a job."""
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
    connection: Connection, search: str, position: int, changed: Sequence[PastJob]
) -> list[UUID]:
    """Return the jobs whose slug or name contained a text at the position, ignoring case.

    `changed` are the jobs that have changed since, as they were.
    """
    values = {**_values_then(position, changed), "search": search}
    return await read_ids(connection, f"{_JOBS_THEN} WHERE {NAMED_LIKE}", values)


async def jobs_for(
    connection: Connection, runtimes: Sequence[str], position: int, changed: Sequence[PastJob]
) -> list[UUID]:
    """Return the jobs that had one of these runtimes at the position."""
    values = {**_values_then(position, changed), "values": list(runtimes)}
    return await read_ids(connection, f"{_JOBS_THEN} WHERE runtime = ANY(%(values)s)", values)


async def jobs_of_modules(
    connection: Connection, modules: Sequence[str], position: int, changed: Sequence[PastJob]
) -> list[UUID]:
    """Return the jobs that belonged to one of these modules at the position."""
    values = {**_values_then(position, changed), "modules": list(modules)}
    return await read_ids(connection, f"{_JOBS_THEN} WHERE {OF_MODULES}", values)


async def jobs_labelled(
    connection: Connection, label: Label, position: int, changed: Sequence[PastJob]
) -> list[UUID]:
    """Return the jobs that required a label of workers at the position."""
    values = {**_values_then(position, changed), "name": label.name, "values": list(label.values)}
    query = f"{_JOBS_THEN} WHERE worker_labels ->> %(name)s = ANY(%(values)s)"
    return await read_ids(connection, query, values)


def _values_then(position: int, changed: Sequence[PastJob]) -> dict[str, object]:
    return {
        "position": position,
        "ids": [job["id"] for job in changed],
        "slugs": [job["slug"] for job in changed],
        "names": [job["name"] for job in changed],
        "runtimes": [job["runtime"] for job in changed],
        "bindings": [orjson.dumps(job["module_binding"]).decode() for job in changed],
        "labels": [orjson.dumps(job["worker_labels"]).decode() for job in changed],
    }


# The table `run_checkpoints`: by job, the runs that were alive at a position of the log, and how
# many had ended.


_OF_STATUS = "FILTER (WHERE status = '{status}') AS {status}"

_ARRAY = f"array_agg(created ORDER BY created DESC) {_OF_STATUS}"

_COUNT = f"count(*) {_OF_STATUS}"

_UNNESTED = " UNION ALL ".join(f"SELECT unnest({status}), '{status}'" for status in ALIVE)

WRITE_CHECKPOINT = f"""
    WITH moved AS (
        SELECT job_definition_id, unnest(created) AS created, status
        FROM json_to_recordset(%(moved)s::json)
            AS moved (job_definition_id uuid, created bigint[], status text)
    ), last AS (
        SELECT * FROM run_checkpoints WHERE position = %(last)s
    ), state AS (
        SELECT job_definition_id, created, status FROM last, LATERAL (
            {_UNNESTED}
        ) AS known (created, status)
        WHERE created NOT IN (SELECT created FROM moved)
        UNION ALL SELECT * FROM moved
    ), by_job AS (
        SELECT job_definition_id,
            {", ".join(_ARRAY.format(status=status) for status in ALIVE)},
            {", ".join(_COUNT.format(status=status) for status in ENDED)}
        FROM state GROUP BY job_definition_id
    )
    INSERT INTO run_checkpoints (position, job_definition_id, {", ".join(STATUSES)})
    SELECT %(position)s, job.id,
        {", ".join(f"coalesce(by_job.{status}, '{{}}')" for status in ALIVE)},
        {", ".join(f"coalesce(last.{one}, 0) + coalesce(by_job.{one}, 0)" for one in ENDED)}
    FROM job_definitions AS job
    LEFT JOIN last ON last.job_definition_id = job.id
    LEFT JOIN by_job ON by_job.job_definition_id = job.id
"""


# Counts of runs by status, at present or at an earlier position.


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
"""If the last checkpoint is this many positions behind the log's end, counting rows is faster than
reading the changes since. Where workers write checkpoints, it is that far behind only with half a
million pending runs."""

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
    """Return the number of runs by status at present, of these jobs or of all."""
    totals: dict[str, int] = dict.fromkeys(STATUSES, 0)
    for row in await read_rows(connection, _Present, _PRESENT, {"job_ids": job_ids}):
        totals[row["status"]] += row["runs"]
    return totals


async def counts(connection: Connection, past_runs: PastRuns) -> dict[str, int]:
    """Return the number of runs by status at a past position."""
    values = {"checkpoint": past_runs.checkpoint, "job_ids": past_runs.job_ids}
    before = await read_one(connection, _Counts, _COUNTS, values)
    counts_before: dict[str, int] = {status: before[status] for status in STATUSES}
    running = await read_rows(connection, _Created, _RUNNING, values)
    return counted(counts_before, [row["created"] for row in running], past_runs)


def counted(
    before: Mapping[str, int], running_before: Iterable[int], past_runs: PastRuns
) -> dict[str, int]:
    """Return a checkpoint's counts, advanced to the position.

    Args:
        before: the checkpoint's counts by status.
        running_before: created positions of the runs that were running at the checkpoint.
        past_runs: with the runs that have changed since.
    """
    now = Counter(before)
    running = set(running_before)
    for group in past_runs.moved:
        now[group.status] += len(group.created)
        older = _older(group, past_runs.checkpoint)
        # Only a run that was alive can change; if it was not running, it was pending.
        were_running = len(running.intersection(older))
        were_pending = len(older) - were_running
        now["running"] -= were_running
        now["pending"] -= were_pending
    return {status: now[status] for status in STATUSES}


def _older(group: ChangedRuns, checkpoint: int) -> list[int]:
    return [created for created in group.created if created <= checkpoint]


# Counts by job.


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
    """Counts of runs by job and status at a position.

    Attributes:
        by_job: by the id of the job and by status.
        running: created positions of the runs that are running.
    """

    position: int = 0
    by_job: dict[str, Counter[str]] = field(default_factory=dict)
    running: set[int] = field(default_factory=set)

    def advance(self, position: int, moved: Iterable[ChangedRuns]) -> None:
        """Advance to a later position by the runs that have changed."""
        for group in moved:
            counts = self.by_job.setdefault(group.job_definition_id, Counter())
            created = set(group.created)
            older = _older(group, self.position)
            # Only a run that was alive can change; if it was not running, it was pending.
            were_running = self.running.intersection(older)
            running_count = len(were_running)
            pending_count = len(older) - running_count
            counts["running"] -= running_count
            counts["pending"] -= pending_count
            counts[group.status] += len(created)
            self.running -= were_running
            if group.status == "running":
                self.running |= created
        self.position = position


async def present_counts_by_job(connection: Connection, position: int) -> CountsByJob:
    """Return the present counts by job; the log ends at this position."""
    totals = CountsByJob(position)
    for row in await read_rows(connection, _Present, _PRESENT, {"job_ids": None}):
        totals.by_job.setdefault(row["job_definition_id"], Counter())[row["status"]] = row["runs"]
    running = await read_rows(connection, _Created, _RUNNING_NOW)
    totals.running.update([row["created"] for row in running])
    return totals


async def counts_by_job(connection: Connection, checkpoint: int) -> CountsByJob:
    """Return a checkpoint's counts by job; 0 stands for the log's beginning."""
    totals = CountsByJob(checkpoint)
    rows = await read_rows(connection, _JobCounts, _BY_JOB, {"checkpoint": checkpoint})
    for row in rows:
        counts_of_job: Counter[str] = Counter()
        for status in STATUSES:
            counts_of_job[status] = row[status]
        totals.by_job[row["job_definition_id"]] = counts_of_job
        totals.running.update(row["runs_running"])
    return totals
