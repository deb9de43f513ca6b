"""Which due runs a worker starts now: by priority, then schedule, within all limits.

Runs that the worker does not offer to execute do not count. However many wait, a claim reads few of
them. It begins with those that the process knows and a few behind its low-water mark
(`pending_queue.py`). Where these do not suffice, because runs of jobs or keys at capacity stand
before others, it reads the first few of each job that has capacity. Where these do not suffice
either, because runs of keys at capacity stand before others, it reads that job's keys one by one.
Only a job with thousands of waiting keys, behind as many runs of a key at capacity, is read from
its beginning for as long as it takes.

Last come the queries of workers about runs: when the next one is due, which are overdue, and which
are to be canceled.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from projections.flow.candidates import (
    AT_PRESENT,
    DUE,
    IN_ORDER,
    IS_OFFERED,
    KEYED,
    LIMIT_OF_JOB,
    SHOWN,
    Candidate,
    Limited,
    behind_a_place,
    order,
)
from projections.flow.limits import Limits, key_limit, keyed_by_job
from projections.flow.rates import KnownRooms, Rated, WaitingJob, rated_job
from projections.job_runs import IS_PENDING, IS_RUNNING, RunRow
from projections.rows import Connection, read_ids, read_one, read_rows, read_texts, read_value

FRONT, FRONT_OF_JOB = 12, 8
"""Runs looked at beyond a few for each free slot, of the queue and then of each job."""

MAX_KEYS = 2_000
"""Keys of a job that are looked at one by one; each costs some ten microseconds."""

_IS_NOT_FOREIGN = """
    coalesce(job_definition_id <> ALL((SELECT %(foreign)s::text::uuid[])::uuid[]), true)
"""

_DUE_AT_PRESENT = DUE.replace("%(now)s", AT_PRESENT)

FRONT_OF_QUEUE = f"""
    {SHOWN} FROM (
        SELECT run.* FROM json_to_recordset((SELECT %(places)s::json))
            AS place (priority integer, scheduled_at timestamptz, id uuid)
        CROSS JOIN LATERAL (
            {_DUE_AT_PRESENT} AND {_IS_NOT_FOREIGN} AND priority = place.priority
              AND (scheduled_at, id) >= (place.scheduled_at, place.id)
            {IN_ORDER} LIMIT %(limit)s
        ) AS run
        {IN_ORDER} LIMIT %(limit)s
    ) AS run
    {IN_ORDER}
"""
"""Among runs of one priority, those that are due are a range of the index; among all, they would be
sought between those that are planned for later."""

_IS_OWN = """
    coalesce(job_definition_id = ANY((SELECT %(foreign)s::text::uuid[])::uuid[]), false)
"""

_FRONTS: Mapping[Limited, str] = {
    "to_none": FRONT_OF_QUEUE.replace(_IS_NOT_FOREIGN, "true"),
    "to_others": FRONT_OF_QUEUE,
    "to_these": FRONT_OF_QUEUE.replace(_IS_NOT_FOREIGN, _IS_OWN),
}


def front_of_queue(limit: int, limited: Limited = "to_none") -> str:
    """Return the query for the first due runs from some places on, as of `PRESENT`.

    Its limit is written out. So, and with the present in a subquery, every execution has the same
    prospects, and PostgreSQL keeps one plan: to plan takes six times as long as to look. Of which
    jobs runs are looked for is asked only where it is not of all.
    """
    return _FRONTS[limited].replace("%(limit)s", str(limit))


def in_front(slots: int) -> int:
    """Return how many runs to look at for so many free slots."""
    # Rounded up to a power of two: few different limits, and so few plans.
    return (2 << (slots - 1).bit_length()) + FRONT


_BY_JOB = f"ORDER BY job_definition_id, {KEYED}, priority DESC, scheduled_at, id LIMIT 1"
"""The order of the one index that holds nothing but what waits."""

JOBS = f"""
    WITH RECURSIVE waiting (job_id) AS (
        (SELECT job_definition_id FROM job_runs WHERE {IS_PENDING} {_BY_JOB})
        UNION ALL
        SELECT next.* FROM waiting CROSS JOIN LATERAL (
            SELECT job_definition_id FROM job_runs
            WHERE {IS_PENDING} AND job_definition_id > job_id {_BY_JOB}
        ) AS next
    )
    SELECT job_id, {LIMIT_OF_JOB}, job.concurrency_limit, job.rate_limit, job.fairness_key
    FROM waiting LEFT JOIN job_definitions AS job ON job.id = job_id
    WHERE job.aggregate_version > 1 OR {IS_OFFERED}
"""
"""The jobs of which a run waits. All runs of one that was never revised are offered, or none is."""


def _first_of_jobs(due: str) -> str:
    return f"""
        {SHOWN} FROM unnest((SELECT %(job_ids)s::uuid[])) AS job (id)
        CROSS JOIN unnest(ARRAY[0, 1]) AS kind (keyed)
        CROSS JOIN LATERAL ({due}) AS run
    """


_DUE_OF_JOB = f"{DUE} AND job_definition_id = job.id AND {KEYED} = kind.keyed"

FIRST_OF_JOBS = _first_of_jobs(f"{_DUE_OF_JOB} {IN_ORDER} LIMIT %(limit)s")
"""How many jobs there are is opaque to PostgreSQL: for few it would plan anew at each claim."""

FIRST_OF_JOBS_BEHIND = _first_of_jobs(behind_a_place(_DUE_OF_JOB))

KEYS = f"""
    WITH RECURSIVE waiting (key) AS (
        (SELECT concurrency_value FROM job_runs
         WHERE {IS_PENDING} AND job_definition_id = %(job_id)s
           AND concurrency_value IS NOT NULL
         ORDER BY concurrency_value LIMIT 1)
        UNION ALL
        SELECT next.* FROM waiting CROSS JOIN LATERAL (
            SELECT concurrency_value FROM job_runs
            WHERE {IS_PENDING} AND job_definition_id = %(job_id)s
              AND concurrency_value > key
            ORDER BY concurrency_value LIMIT 1
        ) AS next
    )
    SELECT key FROM waiting LIMIT %(limit)s
"""
"""The keys of a job of which a run waits."""

FIRST_OF_KEYS = f"""
    {SHOWN} FROM unnest(%(keys)s::text[]) AS waiting (key) CROSS JOIN LATERAL (
        {DUE} AND job_definition_id = %(job_id)s AND concurrency_value = waiting.key
        {IN_ORDER} LIMIT %(each)s
    ) AS run
"""

_FREE_OF_JOB = f"""
    {DUE} AND job_definition_id = %(job_id)s AND {KEYED} = 1
      AND NOT concurrency_value = ANY(%(taken)s::text[]) AND NOT id = ANY(%(found)s::uuid[])
"""

FREE_OF_JOB = f"{SHOWN} FROM ({_FREE_OF_JOB} {IN_ORDER} LIMIT %(limit)s) AS run"

FREE_OF_JOB_BEHIND = f"{SHOWN} FROM ({behind_a_place(_FREE_OF_JOB)}) AS run"


async def first_by_job(  # noqa: PLR0913 - all that it depends on
    connection: Connection,
    rooms: KnownRooms,
    limit: int,
    limits: Limits,
    behind: Candidate | None,
    offered: str = "",
) -> list[Candidate]:
    """Return the due runs of jobs with room that may start first, in the queue's order.

    None is left out before the first `limit` of those whose keys are free.

    Args:
        connection: which has the lock.
        rooms: of starts, as of the database's present; what is asked for is added.
        limit: how many are wanted.
        limits: what the runs under way leave to others; it looks into the rooms.
        behind: up to where in the queue nothing is looked at; None where all is.
        offered: the worker's entry points, as an array's text; empty for all.
    """
    values = {**(behind or {}), "now": rooms.now, "offered": offered}
    waiting = await read_rows(connection, WaitingJob, JOBS, values)
    with_room = [
        row for row in waiting if not limits.is_full(row["job_id"], row["max_concurrent_runs"])
    ]
    looking = _Looking(connection, values, limit, limits)
    job_ids = [row["job_id"] for row in with_room]
    runs = await looking.first_of_jobs(job_ids)
    rated = Rated(connection, values, limits, rooms)
    for row in with_room:
        job = rated_job(row)
        if job is not None:
            runs += await rated.first_of(job, limit, MAX_KEYS)
    by_id = {run["id"]: run for run in runs}
    return sorted(by_id.values(), key=order)


class _Looking:
    """One look at all jobs that have room."""

    def __init__(
        self, connection: Connection, values: Mapping[str, object], limit: int, limits: Limits
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
            may_be_more = len(first) == at_most and first[0]["rate_limit"] is None
            if may_be_more and self._limits.startable(first) < self._limit:
                most = key_limit(first[0])
                runs += await self._of_other_keys(job, most)
        return runs

    async def _of_other_keys(self, job: str, most: int) -> list[Candidate]:
        """Return a job's first runs of different keys, past the many whose keys are taken.

        Args:
            job: its id.
            most: how many of its runs may hold one key.
        """
        if self._is_behind:
            return await self._free_of_job(job, most)
        asked = {"job_id": job, "limit": MAX_KEYS + 1}
        keys = await read_texts(self._connection, KEYS, asked)
        if len(keys) > MAX_KEYS:
            return await self._free_of_job(job, most)
        each = min(most, self._limit)
        values = {**self._values, "job_id": job, "keys": keys, "each": each}
        return await read_rows(self._connection, Candidate, FIRST_OF_KEYS, values)

    async def _free_of_job(self, job: str, most: int) -> list[Candidate]:
        values = {**self._values, "limit": self._limit, "job_id": job}
        query = FREE_OF_JOB_BEHIND if self._is_behind else FREE_OF_JOB
        held = self._limits.held_values(job, most)
        found: list[Candidate] = []
        while self._limits.startable(found) < self._limit:
            used_up = self._limits.used_up(found)
            values["taken"] = [*held, *used_up]
            values["found"] = [run["id"] for run in found]
            more = await read_rows(self._connection, Candidate, query, values)
            if not more:
                break
            found += more
        return found


# What workers query about runs: which are due, and which must end.

LEVELS = f"""
    WITH RECURSIVE level AS (
        (SELECT priority FROM job_runs WHERE {IS_PENDING} ORDER BY priority DESC LIMIT 1)
        UNION ALL
        SELECT lower.priority FROM level CROSS JOIN LATERAL (
            SELECT priority FROM job_runs WHERE {IS_PENDING} AND priority < level.priority
            ORDER BY priority DESC LIMIT 1
        ) AS lower
    )
"""
"""The priorities that wait, a few of two hundred."""

_NOT_BYPASSED = "NOT id = ANY((SELECT %(bypassed)s::uuid[])::uuid[])"

NEXT_DUE = f"""
    {LEVELS}
    SELECT min(first.scheduled_at) AS next_at, clock_timestamp() AS now
    FROM level CROSS JOIN LATERAL (
        SELECT scheduled_at FROM job_runs WHERE {IS_PENDING} AND priority = level.priority
          AND {_NOT_BYPASSED}
        ORDER BY scheduled_at LIMIT 1
    ) AS first
"""


class NextDue(TypedDict):
    """When the next run is due, None where none is pending."""

    next_at: ReadOnly[str | None]
    now: ReadOnly[str]


async def next_due(connection: Connection, bypassed: Sequence[UUID] = ()) -> NextDue:
    """Return when the next pending run is due. Some runs may be passed over."""
    values = {"bypassed": list(bypassed)}
    return await read_one(connection, NextDue, NEXT_DUE, values)


WAITING_LONGEST = f"""
    {LEVELS}
    SELECT waiting.* FROM level CROSS JOIN LATERAL (
        SELECT * FROM job_runs WHERE {IS_PENDING} AND priority = level.priority
          AND scheduled_at <= clock_timestamp()
        ORDER BY scheduled_at, id LIMIT %(limit)s
    ) AS waiting
    ORDER BY scheduled_at, id LIMIT %(limit)s
"""


async def waiting_longest(connection: Connection, limit: int) -> list[RunRow]:
    """Return the pending runs whose time has come, those first that have waited longest."""
    return await read_rows(connection, RunRow, WAITING_LONGEST, {"limit": limit})


MARGIN = "1 minute"
"""How much later than its deadline a run may come to wait, for a look at the last to find it."""

ANY_OVERDUE = f"""
    SELECT present.now - interval '{MARGIN}' AS before, EXISTS (
        SELECT 1 FROM job_runs
        WHERE {IS_PENDING} AND execution = 0 AND start_deadline_at <= present.now
          AND start_deadline_at >= coalesce(%(since)s::timestamptz, '-infinity')
          AND {_NOT_BYPASSED}
    ) AS is_overdue
    FROM (SELECT clock_timestamp() AS now) AS present
"""


class AnyOverdue(TypedDict):
    """Whether any deadline is over, and before which time none needs to be sought again."""

    before: ReadOnly[str]
    is_overdue: ReadOnly[bool]


async def any_overdue(
    connection: Connection, since: str | None = None, bypassed: Sequence[UUID] = ()
) -> AnyOverdue:
    """Return whether a pending run's start deadline is over, of those that ended since a time."""
    values = {"since": since, "bypassed": list(bypassed)}
    return await read_one(connection, AnyOverdue, ANY_OVERDUE, values)


OVERDUE = f"""
    WITH passed AS (
        SELECT coalesce(max(start_deadline_at), '-infinity') AS deadline_at
        FROM job_runs WHERE id = %(after)s
    )
    SELECT id FROM job_runs
    WHERE {IS_PENDING} AND execution = 0 AND start_deadline_at <= %(now)s
      AND start_deadline_at >= (SELECT deadline_at FROM passed)
      AND (start_deadline_at > (SELECT deadline_at FROM passed) OR id > %(after)s)
      AND {_NOT_BYPASSED}
    ORDER BY start_deadline_at, id LIMIT %(limit)s
"""


CANCEL_REQUESTED = f"""
    SELECT id FROM job_runs
    WHERE {IS_RUNNING} AND worker_id = %(worker_id)s AND cancel_requested_at IS NOT NULL
"""


async def overdue(
    connection: Connection,
    now: datetime,
    limit: int,
    bypassed: Sequence[UUID] = (),
    after: UUID | None = None,
) -> list[UUID]:
    """Return pending runs, but none of these, that never started and no longer may.

    They come in the order of their deadlines, after some run's if one is given.
    """
    values = {"now": now, "limit": limit, "bypassed": list(bypassed), "after": after}
    return await read_ids(connection, OVERDUE, values)


async def cancel_requested(connection: Connection, worker_id: str) -> list[UUID]:
    """Return the runs that this worker holds and that somebody asked to cancel."""
    return await read_ids(connection, CANCEL_REQUESTED, {"worker_id": worker_id})


ANY_UNFINISHED = f"""
    SELECT EXISTS (
        SELECT 1 FROM job_runs WHERE job_definition_id = %(id)s AND {IS_PENDING}
    ) OR EXISTS (
        SELECT 1 FROM job_runs WHERE job_definition_id = %(id)s AND {IS_RUNNING}
    )
"""


async def has_unfinished(connection: Connection, definition_id: UUID) -> bool:
    """Return whether any run of this job is pending or running."""
    return await read_value(connection, bool, ANY_UNFINISHED, {"id": definition_id})
