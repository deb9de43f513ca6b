"""Which due runs a worker starts now: by priority, then schedule, within all limits.

However many runs wait, little of them is read. First a few from the front of the queue. Where these
do not suffice, because jobs or keys that are full stand in front, each job that has room is asked
for its first few. Where these do not suffice either, because runs of keys that are full stand in
front, that job's keys are asked one by one. Only a job of which thousands of keys wait, behind as
many runs of a full one, is read from its front for as long as it takes.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from projections.rows import Connection, as_rows, read_rows
from projections.runs.limits import Candidate, Limited, Limits

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

LEVELS = """
    WITH RECURSIVE level AS (
        (SELECT priority FROM job_runs WHERE status = 'pending' ORDER BY priority DESC LIMIT 1)
        UNION ALL
        SELECT lower.priority FROM level CROSS JOIN LATERAL (
            SELECT priority FROM job_runs WHERE status = 'pending' AND priority < level.priority
            ORDER BY priority DESC LIMIT 1
        ) AS lower
    )
"""
"""The priorities that wait, a few of two hundred. Among runs of one priority, those that are due
are a range of the index; among all, they would be sought between those that are planned for
later."""

BYPASS = "SELECT set_config('apphub.bypassed', %s::uuid[]::text, true)"
"""Names the runs that are passed over for the rest of the transaction."""

_NOT_BYPASSED = """
    NOT coalesce(
        id = ANY((SELECT nullif(current_setting('apphub.bypassed', true), ''))::uuid[]), false)
"""

_DUE = f"""
    SELECT id, job_definition_id, concurrency_value, priority, scheduled_at FROM job_runs
    WHERE status = 'pending' AND scheduled_at <= %(now)s AND {_NOT_BYPASSED}
      AND (execution > 0 OR start_deadline_at IS NULL OR start_deadline_at > %(now)s)
"""

_IN_ORDER = "ORDER BY priority DESC, scheduled_at, id"

_KEYED = "(concurrency_value IS NOT NULL)::int"
"""A number, for conditions on truth values are simplified until no index knows them."""

_KEY_RUNS = """
    SELECT 1 FROM job_runs AS running
    WHERE running.status = 'running' AND running.job_definition_id = run.job_definition_id
      AND running.concurrency_value = run.concurrency_value
"""

_SHOWN = f"""
    SELECT run.*, run.concurrency_value IS NOT NULL AND EXISTS ({_KEY_RUNS}) AS key_runs
"""

FRONT_OF_QUEUE = f"""
    {LEVELS} {_SHOWN} FROM (
        SELECT run.* FROM level CROSS JOIN LATERAL (
            {_DUE.replace("%(now)s", "(SELECT %(now)s::timestamptz)")} AND priority = level.priority
            {_IN_ORDER} LIMIT %(limit)s
        ) AS run
        {_IN_ORDER} LIMIT %(limit)s
    ) AS run
    {_IN_ORDER}
"""


def front_of_queue(limit: int) -> str:
    """Return the query for the front of the queue, with its limit written out.

    So, and with the present in a subquery, every execution has the same prospects, and PostgreSQL
    keeps one plan: to plan takes six times as long as to look.
    """
    return FRONT_OF_QUEUE.replace("%(limit)s", str(limit))


def first_questions(slots: int) -> tuple[str, str]:
    """Return what `candidates` looks at first: the limits, and the front as of `PRESENT`.

    They are statements without parameters.
    """
    in_front = _in_front(slots)
    front = front_of_queue(in_front)
    as_of_present = front.replace("%(now)s", "current_setting('apphub.now')")
    return _LIMITED, as_of_present


def _in_front(slots: int) -> int:
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
    SELECT job_id FROM waiting
"""
"""The jobs of which a run waits."""

FIRST_OF_JOBS = f"""
    {_SHOWN} FROM unnest(%(job_ids)s::uuid[]) AS job (id)
    CROSS JOIN unnest(ARRAY[0, 1]) AS kind (keyed)
    CROSS JOIN LATERAL (
        {_DUE} AND job_definition_id = job.id AND {_KEYED} = kind.keyed
        {_IN_ORDER} LIMIT %(limit)s
    ) AS run
"""

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

FREE_OF_JOB = f"""
    SELECT run.*, false AS key_runs FROM (
        {_DUE.replace("FROM job_runs", "FROM job_runs AS run")}
          AND job_definition_id = %(job_id)s AND {_KEYED} = 1
          AND NOT concurrency_value = ANY(%(taken)s::text[]) AND NOT EXISTS ({_KEY_RUNS})
        {_IN_ORDER} LIMIT %(limit)s
    ) AS run
"""

_LIMITED = """
    SELECT definition.id, definition.max_concurrent_runs, count(run.id) AS running
    FROM job_definitions AS definition
    LEFT JOIN job_runs AS run ON run.job_definition_id = definition.id AND run.status = 'running'
    WHERE definition.max_concurrent_runs IS NOT NULL
    GROUP BY definition.id
"""


class _WaitingJob(TypedDict):
    job_id: ReadOnly[str]


class _WaitingKey(TypedDict):
    key: ReadOnly[str]


async def claim_candidates(
    connection: Connection, now: datetime, limit: int
) -> list[UUID]:
    """Return the due runs to start now. Exact only under the log's lock."""
    query = front_of_queue(_in_front(limit))
    async with connection.pipeline():
        limits = await connection.execute(_LIMITED)
        front = await connection.execute(query, {"now": now})
    limited = await limits.fetchall()
    first = await front.fetchall()
    return await candidates(
        connection, now, limit, as_rows(Limited, limited), as_rows(Candidate, first)
    )


async def candidates(
    connection: Connection,
    now: datetime,
    limit: int,
    limited: Sequence[Limited],
    front: Sequence[Candidate],
) -> list[UUID]:
    """Return the same, by the answers to `first_questions`."""
    limits = Limits(limited)
    picked = limits.pick(front, limit)
    if len(picked) == limit:
        return picked
    saw_all = len(front) < _in_front(limit)
    if saw_all:
        return picked
    # Anew: what was picked counts no more.
    limits = Limits(limited)
    waiting = await read_rows(connection, _WaitingJob, JOBS)
    with_room: list[str] = []
    for row in waiting:
        job = row["job_id"]
        if not limits.is_full(job):
            with_room.append(job)
    runs = await _first_of_jobs(connection, now, limit, with_room)
    runs.sort(key=_order)
    return limits.pick(runs, limit)


async def _first_of_jobs(
    connection: Connection, now: datetime, limit: int, jobs: Sequence[str]
) -> list[Candidate]:
    """Return of each job the first runs that its keys let start, at least `limit` if there are."""
    at_most = 2 * limit + FRONT_OF_JOB
    values = {"now": now, "limit": at_most, "job_ids": list(jobs)}
    runs = await read_rows(connection, Candidate, FIRST_OF_JOBS, values)
    for job, first in _keyed_by_job(runs).items():
        may_be_more = len(first) == at_most
        if may_be_more and _free_keys(first) < limit:
            runs += await _first_of_keys(connection, now, limit, job)
    by_id: dict[str, Candidate] = {}
    for run in runs:
        run_id = run["id"]
        by_id[run_id] = run
    return list(by_id.values())


def _keyed_by_job(runs: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    keyed: dict[str, list[Candidate]] = {}
    for run in runs:
        if run["concurrency_value"] is None:
            continue
        job = run["job_definition_id"]
        of_job = keyed.setdefault(job, [])
        of_job.append(run)
    return keyed


async def _first_of_keys(
    connection: Connection, now: datetime, limit: int, job: str
) -> list[Candidate]:
    """Return a job's first runs of different keys, past the many whose keys are taken."""
    most = {"job_id": job, "limit": MAX_KEYS + 1}
    waiting = await read_rows(connection, _WaitingKey, KEYS, most)
    values: dict[str, object] = {"now": now, "limit": limit, "job_id": job}
    if len(waiting) <= MAX_KEYS:
        values["keys"] = [row["key"] for row in waiting]
        return await read_rows(connection, Candidate, FIRST_OF_KEYS, values)
    found: list[Candidate] = []
    while _free_keys(found) < limit:
        values["taken"] = [run["concurrency_value"] for run in found]
        more = await read_rows(connection, Candidate, FREE_OF_JOB, values)
        if not more:
            break
        found += more
    return found


def _free_keys(runs: Sequence[Candidate]) -> int:
    """Return how many of a job's runs could start at the same time, as far as their keys go."""
    free: set[str | None] = set()
    for run in runs:
        if not run["key_runs"]:
            key = run["concurrency_value"]
            free.add(key)
    return len(free)


def _order(run: Candidate) -> tuple[int, str, str]:
    highest_first = -run["priority"]
    return highest_first, run["scheduled_at"], run["id"]
