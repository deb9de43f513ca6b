"""Reads the candidates of a claim: due runs that the worker executes, in the order of the queue.

However many runs wait, a claim reads few of them. It begins with those that the process has in
memory, and a few from its low-water marks on (`pending_queue.py`, `front_of_queue`). If these do
not fill the slots, because runs of jobs or keys at capacity come first, it reads the first runs of
each job that has capacity (`first_by_job`). If these do not suffice either, because runs with
saturated keys come first, it reads that job's keys one by one. Only a job with thousands of waiting
keys, behind as many runs with a saturated key, is read from its beginning for as long as it takes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from projections.flow.candidates import (
    ANY_PLAN,
    AT_PRESENT,
    BY_INDEX,
    DUE,
    IN_ORDER,
    IS_OFFERED,
    JOB_LIMIT,
    KEYED,
    LIMIT_COLUMNS_OF_ONE_JOB,
    QUEUE_OF_JOB,
    WITH_LIMITS,
    Candidate,
    JobScope,
    after_position,
    is_none_of,
    queue_position,
    waiting_values,
)
from projections.flow.limits import LimitState, key_limit
from projections.flow.rates import RatedJobReader, RateWindowReader, WaitingJob, rated_job
from projections.job_runs import IS_PENDING
from projections.rows import Connection, read_rows, read_texts

EXTRA_OF_QUEUE, EXTRA_OF_JOB = 12, 8
"""Runs that are read, of the queue and of each job, in addition to two for each free slot."""

MAX_KEYS = 2_000
"""Keys of a job that are read one by one; each costs some ten microseconds."""

_IS_SERVED_JOB = """
    coalesce(job_definition_id <> ALL((SELECT %(jobs)s::text::uuid[])::uuid[]), true)
"""

_DUE_AT_PRESENT = DUE.replace("%(now)s", AT_PRESENT)

FRONT_OF_QUEUE = f"""
    {WITH_LIMITS} FROM (
        SELECT run.* FROM json_to_recordset((SELECT %(marks)s::json))
            AS mark (priority integer, scheduled_at timestamptz, id uuid)
        CROSS JOIN LATERAL (
            {_DUE_AT_PRESENT} AND {_IS_SERVED_JOB} AND priority = mark.priority
              AND (scheduled_at, id) >= (mark.scheduled_at, mark.id)
            {IN_ORDER} LIMIT %(limit)s
        ) AS run
        {IN_ORDER} LIMIT %(limit)s
    ) AS run
    {IN_ORDER}
"""
"""Within a priority, the due runs are a range of the index; without it, the scan would also read
runs that are planned for later."""

_IS_ONE_OF_JOBS = """
    coalesce(job_definition_id = ANY((SELECT %(jobs)s::text::uuid[])::uuid[]), false)
"""

_FRONTS: Mapping[JobScope, str] = {
    "all_jobs": FRONT_OF_QUEUE.replace(_IS_SERVED_JOB, "true"),
    "all_but_these": FRONT_OF_QUEUE,
    "only_these": FRONT_OF_QUEUE.replace(_IS_SERVED_JOB, _IS_ONE_OF_JOBS),
}


def front_of_queue(limit: int, scope: JobScope = "all_jobs") -> str:
    """Return the query for the first due runs from low-water marks on, as of `PRESENT`.

    Its limit is a literal, and the present is a subquery. So the estimates of all executions are
    the same, and PostgreSQL keeps one plan: planning takes six times as long as executing. Jobs are
    filtered only if some are left out.
    """
    return _FRONTS[scope].replace("%(limit)s", str(limit))


def front_size(slots: int) -> int:
    """Return how many runs to read for this number of free slots."""
    # Rounded up to a power of two: few different limits, and so few plans.
    return (2 << (slots - 1).bit_length()) + EXTRA_OF_QUEUE


_BY_JOB = f"ORDER BY job_definition_id, {QUEUE_OF_JOB} LIMIT 1"
"""The order of the only index of pending runs alone."""

JOBS = f"""
    WITH RECURSIVE waiting (job_id) AS (
        (SELECT job_definition_id FROM job_runs WHERE {IS_PENDING} {_BY_JOB})
        UNION ALL
        SELECT next.* FROM waiting CROSS JOIN LATERAL (
            SELECT job_definition_id FROM job_runs
            WHERE {IS_PENDING} AND job_definition_id > job_id {_BY_JOB}
        ) AS next
    )
    SELECT job_id, {JOB_LIMIT}, job.concurrency_limit, job.rate_limit, job.fairness_key
    FROM waiting LEFT JOIN job_definitions AS job ON job.id = job_id
    WHERE job.aggregate_version > 1 OR {IS_OFFERED}
"""
"""The jobs with a pending run. All runs of a job that was never revised have the same entry
point."""


def _first_of_jobs(due: str) -> str:
    return f"""
        SELECT run.*, {LIMIT_COLUMNS_OF_ONE_JOB}
        FROM unnest((SELECT %(job_ids)s::uuid[])) AS waiting (job_id)
        LEFT JOIN LATERAL (
            SELECT {JOB_LIMIT}, concurrency_limit, rate_limit, fairness_key
            FROM job_definitions AS job WHERE id = waiting.job_id LIMIT 1
        ) AS job ON true
        CROSS JOIN unnest(ARRAY[0, 1]) AS kind (keyed)
        CROSS JOIN LATERAL ({due}) AS run
    """


_DUE_OF_JOB = f"{DUE} AND job_definition_id = waiting.job_id AND {KEYED} = kind.keyed"

FIRST_OF_JOBS = _first_of_jobs(f"{_DUE_OF_JOB} {IN_ORDER} LIMIT %(limit)s")
"""The number of jobs is opaque to PostgreSQL: otherwise it would plan anew at each claim."""

FIRST_OF_JOBS_AFTER = _first_of_jobs(after_position(_DUE_OF_JOB))

KEYS = waiting_values("concurrency_value")
"""The concurrency keys of the waiting runs of a job."""

FIRST_OF_KEYS = f"""
    {WITH_LIMITS} FROM unnest(%(keys)s::text[]) AS waiting (key) CROSS JOIN LATERAL (
        {DUE} AND job_definition_id = %(job_id)s AND concurrency_value = waiting.key
        {IN_ORDER} LIMIT %(of_each)s
    ) AS run
"""

_FREE_OF_JOB = f"""
    {DUE} AND job_definition_id = %(job_id)s AND {KEYED} = 1
      AND {is_none_of("concurrency_value", "saturated_keys")}
      AND NOT id = ANY(%(selected)s::uuid[])
"""

FREE_OF_JOB = f"{WITH_LIMITS} FROM ({_FREE_OF_JOB} {IN_ORDER} LIMIT %(limit)s) AS run"

FREE_OF_JOB_AFTER = f"{WITH_LIMITS} FROM ({after_position(_FREE_OF_JOB)}) AS run"


async def first_by_job(  # noqa: PLR0913 - all that it depends on
    connection: Connection,
    reader: RateWindowReader,
    slots: int,
    limits: LimitState,
    after: Candidate | None,
    offered: str = "",
) -> list[Candidate]:
    """Return the first due runs of jobs with capacity, in the order of the queue.

    They include the first `slots` runs that no limit keeps from starting.

    Args:
        connection: with the lock.
        reader: of rate windows, as of the database's present; it reads further ones.
        slots: the number of runs needed.
        limits: as of the claim; its windows are those of `reader`.
        after: only runs after this one are read; None for all.
        offered: the worker's entry points, as the text of an array; empty for all.
    """
    values = {**(after or {}), "now": reader.now, "offered": offered}
    await connection.execute(BY_INDEX)
    waiting = await read_rows(connection, WaitingJob, JOBS, values)
    jobs = [
        job
        for job in waiting
        if not limits.is_job_at_capacity(job["job_id"], job["max_concurrent_runs"])
    ]
    by_keys = _KeyedJobReader(connection, values, slots, limits)
    runs = await by_keys.first_of_jobs([job["job_id"] for job in jobs])
    by_rates = RatedJobReader(connection, values, limits, reader)
    for job in jobs:
        rated = rated_job(job)
        if rated is not None:
            runs += await by_rates.first_of(rated, slots, MAX_KEYS)
    await connection.execute(ANY_PLAN)
    by_id = {run["id"]: run for run in runs}
    return sorted(by_id.values(), key=queue_position)


class _KeyedJobReader:
    """Reads the first due runs of jobs, past those with saturated concurrency keys."""

    def __init__(
        self, connection: Connection, values: Mapping[str, object], slots: int, limits: LimitState
    ) -> None:
        self._connection = connection
        self._slots = slots
        self._limits = limits
        self._values = values
        self._is_after = "priority" in values

    async def first_of_jobs(self, jobs: Sequence[str]) -> list[Candidate]:
        """Return, of each job, the first runs that its keys let start.

        They are at least as many as the slots, or all.
        """
        at_most = 2 * self._slots + EXTRA_OF_JOB
        values = {**self._values, "limit": at_most, "job_ids": list(jobs)}
        query = FIRST_OF_JOBS_AFTER if self._is_after else FIRST_OF_JOBS
        runs = await read_rows(self._connection, Candidate, query, values)
        for job, first in _keyed_by_job(runs).items():
            may_be_more = len(first) == at_most and first[0]["rate_limit"] is None
            if may_be_more and self._limits.count_by_keys(first) < self._slots:
                runs += await self._of_other_keys(job, key_limit(first[0]))
        return runs

    async def _of_other_keys(self, job_id: str, limit_of_key: int) -> list[Candidate]:
        """Return a job's first runs of different keys, past those with saturated keys."""
        if self._is_after:
            return await self._free_of_job(job_id, limit_of_key)
        query = {"job_id": job_id, "limit": MAX_KEYS + 1}
        keys = await read_texts(self._connection, KEYS, query)
        if len(keys) > MAX_KEYS:
            return await self._free_of_job(job_id, limit_of_key)
        of_each = min(limit_of_key, self._slots)
        values = {**self._values, "job_id": job_id, "keys": keys, "of_each": of_each}
        return await read_rows(self._connection, Candidate, FIRST_OF_KEYS, values)

    async def _free_of_job(self, job_id: str, limit_of_key: int) -> list[Candidate]:
        query = FREE_OF_JOB_AFTER if self._is_after else FREE_OF_JOB
        saturated = self._limits.saturated_keys(job_id, limit_of_key)
        runs: list[Candidate] = []
        while self._limits.count_by_keys(runs) < self._slots:
            values = {
                **self._values,
                "limit": self._slots,
                "job_id": job_id,
                "saturated_keys": [*saturated, *self._limits.keys_saturated_by(runs)],
                "selected": [run["id"] for run in runs],
            }
            more = await read_rows(self._connection, Candidate, query, values)
            if not more:
                break
            runs += more
        return runs


def _keyed_by_job(runs: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    """Return by job the runs that have a concurrency key."""
    keyed: defaultdict[str, list[Candidate]] = defaultdict(list)
    for run in runs:
        if run["concurrency_value"] is not None:
            keyed[run["job_definition_id"]].append(run)
    return keyed
