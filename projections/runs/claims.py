"""Which due runs a worker starts now: by priority, then schedule, within all limits.

Runs that the worker does not offer to execute do not count. However many wait, little of them is
read. First come those that the process knows and a few from its frontier on
(`projections.runs.frontier`). Where these do not suffice, because jobs or keys that are full stand
in front, each job that has room is asked for its first few. Where these do not suffice either,
because runs of keys that are full stand in front, that job's keys are asked one by one. Only a job
of which thousands of keys wait, behind as many runs of a full one, is read from its front for as
long as it takes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from typing_extensions import ReadOnly, TypedDict

from projections.rows import Connection, read_rows
from projections.runs.limits import (
    CANDIDATE,
    LIMIT,
    Candidate,
    Limits,
    keyed_by_job,
    order,
)

PRESENT = """
    SELECT now, set_config('apphub.now', now::text, true)
    FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS now) AS present
"""
"""The database's present, kept for the rest of the transaction: what is asked in the same breath
can refer to it."""

FRONT, FRONT_OF_JOB = 12, 8
"""Runs looked at beyond a few for each free slot, of the queue and then of each job."""

MAX_KEYS = 2_000
"""Keys of a job that are looked at one by one; each costs some ten microseconds."""

BYPASS = "SELECT set_config('apphub.bypassed', %s::uuid[]::text, true)"
"""Names the runs that are passed over for the rest of the transaction."""

_NOT_BYPASSED = """
    NOT coalesce(
        id = ANY((SELECT nullif(current_setting('apphub.bypassed', true), ''))::uuid[]), false)
"""

_IS_OFFERED = """
    coalesce(
        entry_point = ANY((SELECT nullif(%(offered)s::text, '')::text[])::text[]), true)
"""
"""Opaque to PostgreSQL, which guesses that half of all pass, and keeps to the queue's order."""

_DUE = f"""
    SELECT {CANDIDATE} FROM job_runs
    WHERE status = 'pending' AND scheduled_at <= %(now)s AND {_NOT_BYPASSED} AND {_IS_OFFERED}
      AND (execution > 0 OR start_deadline_at IS NULL OR start_deadline_at > %(now)s)
"""

_IN_ORDER = "ORDER BY priority DESC, scheduled_at, id"

_KEYED = "(concurrency_value IS NOT NULL)::int"
"""A number, for conditions on truth values are simplified until no index knows them."""

_SHOWN = f"SELECT run.*, {LIMIT}"

_DUE_AT_PRESENT = _DUE.replace(
    "%(now)s", "(SELECT current_setting('apphub.now')::timestamptz)"
)

FRONT_OF_QUEUE = f"""
    {_SHOWN} FROM (
        SELECT run.*
        FROM json_to_recordset((SELECT %(places)s::json))
            AS place (priority integer, scheduled_at timestamptz, id uuid)
        CROSS JOIN LATERAL (
            {_DUE_AT_PRESENT} AND priority = place.priority
              AND (scheduled_at, id) >= (place.scheduled_at, place.id)
            {_IN_ORDER} LIMIT %(limit)s
        ) AS run
        {_IN_ORDER} LIMIT %(limit)s
    ) AS run
    {_IN_ORDER}
"""
"""Among runs of one priority, those that are due are a range of the index; among all, they would be
sought between those that are planned for later."""


def front_of_queue(limit: int) -> str:
    """Return the query for the first due runs from some places on, as of `PRESENT`.

    Its limit is written out. So, and with the present in a subquery, every execution has the same
    prospects, and PostgreSQL keeps one plan: to plan takes six times as long as to look.
    """
    return FRONT_OF_QUEUE.replace("%(limit)s", str(limit))


def in_front(slots: int) -> int:
    """Return how many runs to look at for so many free slots."""
    # Rounded up to a power of two: few different limits, and so few plans.
    bits = (slots - 1).bit_length()
    rounded = 1 << bits
    return 2 * rounded + FRONT


_BY_JOB = (
    f"ORDER BY job_definition_id, {_KEYED}, priority DESC, scheduled_at, id LIMIT 1"
)
"""The order of the one index that holds nothing but what waits."""

JOBS = f"""
    WITH RECURSIVE waiting (job_id) AS (
        (SELECT job_definition_id FROM job_runs WHERE status = 'pending' {_BY_JOB})
        UNION ALL
        SELECT next.* FROM waiting CROSS JOIN LATERAL (
            SELECT job_definition_id FROM job_runs
            WHERE status = 'pending' AND job_definition_id > job_id {_BY_JOB}
        ) AS next
    )
    SELECT job_id, job.max_concurrent_runs
    FROM waiting LEFT JOIN job_definitions AS job ON job.id = job_id
    WHERE job.aggregate_version > 1 OR {_IS_OFFERED}
"""
"""The jobs of which a run waits. All runs of one that was never revised are offered, or none is."""


def _first_of_jobs(due: str) -> str:
    return f"""
        {_SHOWN} FROM unnest(%(job_ids)s::uuid[]) AS job (id)
        CROSS JOIN unnest(ARRAY[0, 1]) AS kind (keyed)
        CROSS JOIN LATERAL ({due}) AS run
    """


_DUE_OF_JOB = f"{_DUE} AND job_definition_id = job.id AND {_KEYED} = kind.keyed"

FIRST_OF_JOBS = _first_of_jobs(f"{_DUE_OF_JOB} {_IN_ORDER} LIMIT %(limit)s")


def _behind(due: str) -> str:
    """Return the query for the first of these behind a place: two ranges of an index."""
    return f"""
        SELECT * FROM (
            ({due} AND priority = %(priority)s
                AND (scheduled_at, id) > (%(scheduled_at)s::timestamptz, %(id)s::uuid)
             {_IN_ORDER} LIMIT %(limit)s)
            UNION ALL
            ({due} AND priority < %(priority)s {_IN_ORDER} LIMIT %(limit)s)
        ) AS run
        {_IN_ORDER} LIMIT %(limit)s
    """


FIRST_OF_JOBS_BEHIND = _first_of_jobs(_behind(_DUE_OF_JOB))

KEYS = """
    WITH RECURSIVE waiting (key) AS (
        (SELECT concurrency_value FROM job_runs
         WHERE status = 'pending' AND job_definition_id = %(job_id)s
           AND concurrency_value IS NOT NULL
         ORDER BY concurrency_value LIMIT 1)
        UNION ALL
        SELECT next.* FROM waiting CROSS JOIN LATERAL (
            SELECT concurrency_value FROM job_runs
            WHERE status = 'pending' AND job_definition_id = %(job_id)s
              AND concurrency_value > key
            ORDER BY concurrency_value LIMIT 1
        ) AS next
    )
    SELECT key FROM waiting LIMIT %(limit)s
"""
"""The keys of a job of which a run waits."""

FIRST_OF_KEYS = f"""
    {_SHOWN} FROM unnest(%(keys)s::text[]) AS waiting (key) CROSS JOIN LATERAL (
        {_DUE} AND job_definition_id = %(job_id)s AND concurrency_value = waiting.key
        {_IN_ORDER} LIMIT 1
    ) AS run
"""

_FREE_OF_JOB = f"""
    {_DUE} AND job_definition_id = %(job_id)s AND {_KEYED} = 1
      AND NOT concurrency_value = ANY(%(taken)s::text[])
"""

FREE_OF_JOB = f"{_SHOWN} FROM ({_FREE_OF_JOB} {_IN_ORDER} LIMIT %(limit)s) AS run"

FREE_OF_JOB_BEHIND = f"{_SHOWN} FROM ({_behind(_FREE_OF_JOB)}) AS run"


class _WaitingJob(TypedDict):
    job_id: ReadOnly[str]
    max_concurrent_runs: ReadOnly[int | None]


class _WaitingKey(TypedDict):
    key: ReadOnly[str]


async def first_by_job(  # noqa: PLR0913 - all that it depends on
    connection: Connection,
    now: datetime,
    limit: int,
    limits: Limits,
    behind: Candidate | None,
    offered: str = "",
) -> list[Candidate]:
    """Return the due runs of jobs with room that may start first, in the queue's order.

    None is left out before the first `limit` of those whose keys are free.

    Args:
        connection: which has the lock.
        now: the database's present.
        limit: how many are wanted.
        limits: what the runs under way leave to others.
        behind: up to where in the queue nothing is looked at; None where all is.
        offered: the worker's entry points, as an array's text; empty for all.
    """
    values = {**(behind or {}), "now": now, "offered": offered}
    waiting = await read_rows(connection, _WaitingJob, JOBS, values)
    with_room: list[str] = []
    for row in waiting:
        job = row["job_id"]
        if not limits.is_full(job, row["max_concurrent_runs"]):
            with_room.append(job)
    looking = _Looking(connection, values, limit, limits)
    runs = await looking.first_of_jobs(with_room)
    runs.sort(key=order)
    return runs


class _Looking:
    """One look at all jobs that have room."""

    def __init__(
        self,
        connection: Connection,
        values: Mapping[str, object],
        limit: int,
        limits: Limits,
    ) -> None:
        self._connection = connection
        self._limit = limit
        self._limits = limits
        self._values = values
        self._is_behind = "priority" in values

    async def first_of_jobs(self, jobs: Sequence[str]) -> list[Candidate]:
        """Return of each job the first runs that its keys let start.

        They are at least `limit` if there are so many.
        """
        at_most = 2 * self._limit + FRONT_OF_JOB
        values = {**self._values, "limit": at_most, "job_ids": list(jobs)}
        query = FIRST_OF_JOBS_BEHIND if self._is_behind else FIRST_OF_JOBS
        runs = await read_rows(self._connection, Candidate, query, values)
        for job, first in keyed_by_job(runs).items():
            may_be_more = len(first) == at_most
            if may_be_more and self._free_keys(first) < self._limit:
                runs += await self._of_other_keys(job)
        by_id: dict[str, Candidate] = {}
        for run in runs:
            run_id = run["id"]
            by_id[run_id] = run
        return list(by_id.values())

    async def _of_other_keys(self, job: str) -> list[Candidate]:
        """Return a job's first runs of different keys, past the many whose keys are taken."""
        if self._is_behind:
            return await self._free_of_job(job)
        most = {"job_id": job, "limit": MAX_KEYS + 1}
        waiting = await read_rows(self._connection, _WaitingKey, KEYS, most)
        if len(waiting) > MAX_KEYS:
            return await self._free_of_job(job)
        keys = [row["key"] for row in waiting]
        values = {**self._values, "job_id": job, "keys": keys}
        return await read_rows(self._connection, Candidate, FIRST_OF_KEYS, values)

    async def _free_of_job(self, job: str) -> list[Candidate]:
        values = {**self._values, "limit": self._limit, "job_id": job}
        query = FREE_OF_JOB_BEHIND if self._is_behind else FREE_OF_JOB
        found: list[Candidate] = []
        while self._free_keys(found) < self._limit:
            picked = [run["concurrency_value"] for run in found]
            values["taken"] = [*self._limits.held_values(job), *picked]
            more = await read_rows(self._connection, Candidate, query, values)
            if not more:
                break
            found += more
        return found

    def _free_keys(self, runs: Sequence[Candidate]) -> int:
        """Return how many of a job's runs could start at the same time, as far as keys go."""
        free: set[str | None] = set()
        for run in runs:
            if not self._limits.is_held(run):
                key = run["concurrency_value"]
                free.add(key)
        return len(free)
