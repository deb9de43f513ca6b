"""Candidates: pending runs with everything that decides when they start.

First the run (`Candidate`, `JobLimits`) and its columns; then the queries for due runs that a
worker executes, in the order of the queue; then the jobs that a worker cannot execute
(`UnservedJobs`); then the due ones of some runs (`DueRuns`), and the pending runs that a process
has in memory (`WaitingRuns`). docs/claims.md says what in the SQL is there for PostgreSQL's plans.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from domain.ports import Offer
from domain.workers import Isolation, Labels, has_labels
from projections.job_runs import IS_PENDING

Key = tuple[str, str]
"""A job's id, and a value of its concurrency key or of its rate limit's key."""


class Contender(TypedDict):
    """A run, as far as concurrency limits count it."""

    id: ReadOnly[str]
    job_definition_id: ReadOnly[str]
    concurrency_value: ReadOnly[str | None]


class Candidate(Contender):
    """A pending run, with everything that decides when it starts.

    `start_by` is its start deadline, None if it has none or was started before.
    `max_concurrent_runs` is its job's present limit, None for no limit, 0 while the job is paused.
    `concurrency_limit` is the limit of its concurrency key, None if it has no key. `rate_limit` is
    the limit of the starts that are counted by `rate_value`, None if its starts are not counted.
    `fairness_key` names the parameter whose values are served round-robin, and `fair_value` is the
    run's value; None if it is in no fairness group.
    """

    entry_point: ReadOnly[str]
    priority: ReadOnly[int]
    scheduled_at: ReadOnly[str]
    start_by: ReadOnly[str | None]
    max_concurrent_runs: ReadOnly[int | None]
    concurrency_limit: ReadOnly[int | None]
    rate_value: ReadOnly[str | None]
    rate_limit: ReadOnly[JsonObject | None]
    fair_value: ReadOnly[str | None]
    fairness_key: ReadOnly[str | None]


QUEUE_START: Candidate = {
    "id": "00000000-0000-0000-0000-000000000000",
    "job_definition_id": "",
    "concurrency_value": None,
    "entry_point": "",
    "priority": 1_000,
    "scheduled_at": "-infinity",
    "start_by": None,
    "max_concurrent_runs": None,
    "concurrency_limit": None,
    "rate_value": None,
    "rate_limit": None,
    "fair_value": None,
    "fairness_key": None,
}
"""Comes before all runs."""


class JobLimits(TypedDict):
    """The limits of a job: of its runs, of those with the same key, and of starts."""

    max_concurrent_runs: ReadOnly[int | None]
    concurrency_limit: ReadOnly[int | None]
    rate_limit: ReadOnly[JsonObject | None]
    fairness_key: ReadOnly[str | None]


NO_LIMITS: JobLimits = {
    "max_concurrent_runs": None,
    "concurrency_limit": None,
    "rate_limit": None,
    "fairness_key": None,
}


LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
"""Comes after all ids."""

QueuePosition = tuple[int, str, str]
"""The negative priority, the scheduled time and the id: the order of the queue."""


def queue_position(run: Candidate) -> QueuePosition:
    """Return the run's position in the queue."""
    return -run["priority"], run["scheduled_at"], run["id"]


def key_of(run: Contender) -> Key | None:
    """Return the concurrency key that the run holds while it is under way, None for none."""
    value = run["concurrency_value"]
    if value is None:
        return None
    return run["job_definition_id"], value


def rate_key_of(run: Candidate) -> Key | None:
    """Return the key by which the run's starts are counted, None if no rate limits them."""
    value = run["rate_value"]
    if value is None or run["rate_limit"] is None:
        return None
    return run["job_definition_id"], value


# The columns of a `Candidate`, from the run's row and its job's.

CANDIDATE_COLUMNS = """
    id, job_definition_id, concurrency_value, entry_point, priority, scheduled_at,
    CASE WHEN execution = 0 THEN start_deadline_at END AS start_by, rate_value,
    fair_value
"""
"""Those of the run's row."""

JOB_LIMIT = (
    "CASE WHEN job.paused IS NULL THEN job.max_concurrent_runs ELSE 0 END AS max_concurrent_runs"
)
"""How many runs of a job may be under way, by its row; none of a paused job."""

LIMIT_COLUMNS = f"""
    (SELECT {JOB_LIMIT} FROM job_definitions AS job
     WHERE job.id = run.job_definition_id) AS max_concurrent_runs,
    CASE WHEN run.concurrency_value IS NOT NULL THEN
        (SELECT job.concurrency_limit FROM job_definitions AS job
         WHERE job.id = run.job_definition_id) END AS concurrency_limit,
    CASE WHEN run.rate_value IS NOT NULL THEN
        (SELECT job.rate_limit FROM job_definitions AS job
         WHERE job.id = run.job_definition_id) END AS rate_limit,
    CASE WHEN run.fair_value IS NOT NULL THEN
        (SELECT job.fairness_key FROM job_definitions AS job
         WHERE job.id = run.job_definition_id) END AS fairness_key
"""
"""The limits of the run's job; each is looked up only for runs that it concerns."""

LIMIT_COLUMNS_OF_ONE_JOB = """
    job.max_concurrent_runs,
    CASE WHEN run.concurrency_value IS NOT NULL THEN job.concurrency_limit END
        AS concurrency_limit,
    CASE WHEN run.rate_value IS NOT NULL THEN job.rate_limit END AS rate_limit,
    CASE WHEN run.fair_value IS NOT NULL THEN job.fairness_key END AS fairness_key
"""
"""The same for runs of one job, which is joined as `job` with `JOB_LIMIT`."""


# Queries for due runs that a worker executes, in the order of the queue.

PRESENT = """
    SELECT now, set_config('apphub.now', now::text, true)
    FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS now) AS present
"""
"""Reads the database's present, and keeps it for the rest of the transaction, so that other
statements of the same round trip can refer to it."""

AT_PRESENT = "(SELECT current_setting('apphub.now')::timestamptz)"
"""The answer to `PRESENT`, for other statements of the same round trip."""

BYPASS = "SELECT set_config('apphub.bypassed', %s::uuid[]::text, true)"
"""Sets the runs that are skipped for the rest of the transaction."""

_NOT_BYPASSED = """
    NOT coalesce(
        id = ANY((SELECT nullif(current_setting('apphub.bypassed', true), ''))::uuid[]), false)
"""

IS_OFFERED = """
    coalesce(
        entry_point = ANY((SELECT nullif(%(offered)s::text, '')::text[])::text[]), true)
"""
"""Opaque to PostgreSQL, which guesses that half of all runs pass, and keeps the queue's order."""

DUE = f"""
    SELECT {CANDIDATE_COLUMNS} FROM job_runs
    WHERE {IS_PENDING} AND scheduled_at <= %(now)s AND {_NOT_BYPASSED} AND {IS_OFFERED}
      AND (execution > 0 OR start_deadline_at IS NULL OR start_deadline_at > %(now)s)
"""

IN_ORDER = "ORDER BY priority DESC, scheduled_at, id"

KEYED = "(concurrency_value IS NOT NULL)::int"
"""A number, as PostgreSQL rewrites conditions on booleans such that no index matches them."""

QUEUE_OF_JOB = f"{KEYED}, priority DESC, scheduled_at, id"
"""The order of the index `job_runs_waiting` within a job, which no other index has: so only the
first few pending runs of a job are read."""

BY_INDEX = "SELECT set_config('enable_sort', 'off', true)"
ANY_PLAN = """
    SELECT set_config('enable_sort', 'on', true), set_config('plan_cache_mode', 'auto', true)
"""
"""Let PostgreSQL read runs in the order of an index, until any plan will do again. Before the first
ANALYZE it expects one run of a job, or of a value: it would read all pending runs of the job for
each value, by an index whose keys are shorter, and sort them: 15 s instead of 5 ms
(docs/performance.md)."""


def is_none_of(column: str, parameter: str) -> str:
    """Return the condition that a text is NULL, or not among a parameter's texts, however many.

    PostgreSQL hashes the result of a query, but it compares each element of a parameter's array:
    107 ms instead of 22 for a claim beside 499 of them (docs/performance.md).
    """
    return f"({column} IS NULL OR {column} NOT IN (SELECT unnest(%({parameter})s::text[])))"


WITH_LIMITS = f"SELECT run.*, {LIMIT_COLUMNS}"


def after_position(due: str) -> str:
    """Return the query for the first due runs after a queue position: two ranges of an index."""
    return f"""
        SELECT * FROM (
            ({due} AND priority = %(priority)s
                AND (scheduled_at, id) > (%(scheduled_at)s::timestamptz, %(id)s::uuid)
             {IN_ORDER} LIMIT %(limit)s)
            UNION ALL
            ({due} AND priority < %(priority)s {IN_ORDER} LIMIT %(limit)s)
        ) AS run
        {IN_ORDER} LIMIT %(limit)s
    """


def waiting_values(column: str) -> str:
    """Return the query for the distinct values of a column in the waiting runs of a job.

    It steps from value to value in an index, however many runs have each.
    """
    waiting = f"SELECT {column} FROM job_runs WHERE {IS_PENDING} AND job_definition_id = %(job_id)s"
    return f"""
        WITH RECURSIVE waiting (value) AS (
            ({waiting} AND {column} IS NOT NULL ORDER BY {column} LIMIT 1)
            UNION ALL
            SELECT next.* FROM waiting CROSS JOIN LATERAL (
                {waiting} AND {column} > value ORDER BY {column} LIMIT 1
            ) AS next
        )
        SELECT value FROM waiting LIMIT %(limit)s
    """


# The jobs whose runs a worker cannot execute, whatever its entry points.

JobScope = Literal["all_jobs", "only_these", "all_but_these"]
"""The jobs whose runs are read: all, only some, or all but some."""


@dataclass(frozen=True)
class Requirements:
    """What a job requires of the workers of its runs."""

    labels: Labels = field(default_factory=dict)
    isolation: Isolation = "process"


class UnservedJobs:
    """The jobs that require labels that a worker lacks, or an isolation that it does not claim for.

    A claim for attempts that share a process serves only jobs that require this.
    """

    def __init__(
        self, offer: Offer | None = None, requirements: Mapping[str, Requirements] | None = None
    ) -> None:
        """Begin.

        Args:
            offer: the worker's; None for a worker that executes everything.
            requirements: by job id; jobs left out require nothing.
        """
        self._offer = offer
        self._labels = None if offer is None else dict(offer.labels)
        self._unlabelled: set[str] = set()
        self._shared: set[str] = set()
        self.update(requirements or {})

    def __contains__(self, job_id: object) -> bool:
        """Return whether the worker cannot execute the job's runs."""
        if self._offer is None:
            return False
        is_shared = job_id in self._shared
        is_other = is_shared != (self._offer.isolation == "shared")
        return is_other or job_id in self._unlabelled

    def update(self, requirements: Mapping[str, Requirements]) -> bool:
        """Change what some jobs require.

        Return whether one of them is served again: its runs were skipped so far, so the queue must
        be read again.
        """
        if self._labels is None:
            return False
        is_served_again = False
        for job_id, required in requirements.items():
            was_unserved = job_id in self
            _put(self._shared, job_id, required.isolation == "shared")
            has_all = has_labels(self._labels, required.labels)
            _put(self._unlabelled, job_id, not has_all)
            is_served_again |= was_unserved and job_id not in self
        return is_served_again

    def job_scope(self) -> tuple[JobScope, set[str]]:
        """Return the jobs whose runs a claim reads."""
        if self._offer is not None and self._offer.isolation == "shared":
            return "only_these", self._shared - self._unlabelled
        unserved = self._shared | self._unlabelled
        return ("all_but_these" if unserved else "all_jobs"), unserved


def _put(ids: set[str], job_id: str, is_in: bool) -> None:  # noqa: FBT001 - what it is about
    if is_in:
        ids.add(job_id)
    else:
        ids.discard(job_id)


# Due runs.

Untimely = Literal["not_due", "start_deadline"]
"""Why a run may not start at a time: it is due later, or its start deadline has passed."""


def untimely(run: Candidate, now: str) -> Untimely | None:
    """Return why the run may not start at this time, None if it may."""
    start_by = run["start_by"]
    if start_by is not None and start_by <= now:
        return "start_deadline"
    if run["scheduled_at"] > now:
        return "not_due"
    return None


class DueRuns:
    """The due ones of some runs, in the order of the queue; each is examined only when needed."""

    def __init__(self, runs: Sequence[Candidate], now: str, without: Collection[str] = ()) -> None:
        """Begin.

        Args:
            runs: in the order of the queue, due or not.
            now: the present.
            without: ids of runs that are left out.
        """
        self._runs = runs
        self._now = now
        self._without = without

    def __iter__(self) -> Iterator[Candidate]:
        """Yield them, the most urgent first."""
        for run in self._runs:
            if untimely(run, self._now) is None and run["id"] not in self._without:
                yield run

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return any(True for _ in self)


# Pending runs in memory: a claim examines the first of them, however many there are.


class WaitingRuns:
    """Runs by queue position and by id, each once."""

    def __init__(self) -> None:
        self._by_id: dict[str, Candidate] = {}
        self._positions: list[QueuePosition] = []
        self._in_order: list[Candidate] = []

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._in_order)

    def __iter__(self) -> Iterator[Candidate]:
        """Return the present runs, the most urgent first."""
        return iter([*self._in_order])

    def get(self, run_id: str) -> Candidate | None:
        """Return a run, None if it is not here."""
        return self._by_id.get(run_id)

    def put(self, run: Candidate) -> None:
        """Add a run, or replace it."""
        run_id = run["id"]
        position = queue_position(run)
        before = self._by_id.get(run_id)
        if before is not None and queue_position(before) == position:
            index = bisect_left(self._positions, position)
            self._in_order[index] = run
        else:
            self.drop(run_id)
            index = bisect_left(self._positions, position)
            self._positions.insert(index, position)
            self._in_order.insert(index, run)
        self._by_id[run_id] = run

    def drop(self, run_id: str) -> None:
        """Remove a run, if it is here."""
        run = self._by_id.pop(run_id, None)
        if run is not None:
            index = bisect_left(self._positions, queue_position(run))
            del self._positions[index]
            del self._in_order[index]

    def scheduled(self, now: str, until: QueuePosition | None) -> list[Candidate]:
        """Return the runs scheduled for now or before, up to a queue position if one is given."""
        end = len(self._positions)
        if until is not None:
            end = bisect_right(self._positions, until)
        scheduled: list[Candidate] = []
        begin = 0
        while begin < end:
            # Within a priority, runs are in the order of their times.
            highest_first, _, _ = self._positions[begin]
            due = bisect_right(self._positions, (highest_first, now, LAST_ID))
            scheduled += self._in_order[begin : min(due, end)]
            begin = bisect_left(self._positions, (highest_first + 1, "", ""))
        return scheduled

    def drop_beyond(self, number: int) -> list[Candidate]:
        """Remove all but the first `number` runs; return the removed ones."""
        beyond = self._in_order[number:]
        for run in beyond:
            del self._by_id[run["id"]]
        del self._positions[number:]
        del self._in_order[number:]
        return beyond
