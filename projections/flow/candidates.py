"""Runs that compete for a start, as claims and explanations see them.

First a run with all that decides when it starts (`Candidate`, `JobLimits`), and its columns; then
which runs a claim may be given by their times and the worker's capabilities, in the queue's order;
then the jobs that a worker cannot execute at all (`ForeignJobs`); then runs by their times
(`DueRuns`), and all pending ones (`WaitingRuns`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from domain.ports import Offer
from domain.workers import Isolation, Labels, has_labels
from projections.job_runs import IS_PENDING

Key = tuple[str, str]
"""A job's id and a value of its concurrency key: few runs with both may be under way."""


class Contender(TypedDict):
    """What of a run may be in the way of others, or others in its."""

    id: ReadOnly[str]
    job_definition_id: ReadOnly[str]
    concurrency_value: ReadOnly[str | None]


class Candidate(Contender):
    """A pending run, with all that decides when it starts.

    `start_by` is its start deadline, None where it has none or was started before;
    `max_concurrent_runs` is its job's present limit, if there is one: 0 while the job is paused.
    `concurrency_limit` is that of its key, None where it has no key; `rate_limit` that of the
    starts that `rate_value` counts it with, None where it is not counted; `fairness_key` names the
    parameter whose values take turns, of which the run has `fair_value`: None where it has no turn.
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


FRONT: Candidate = {
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
"""Stands before all runs."""


class JobLimits(TypedDict):
    """How many runs of a job may run at a time, how many of each key, and start in a period.

    And by which parameter they take turns.
    """

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
"""Stands after all ids."""

Place = tuple[int, str, str]
"""Where a run stands in the queue."""


def order(run: Candidate) -> Place:
    """Return where the run stands in the queue."""
    highest_first = -run["priority"]
    return highest_first, run["scheduled_at"], run["id"]


def key_of(run: Contender) -> Key | None:
    """Return what few other runs may hold while this one is under way, if there is such a key."""
    value = run["concurrency_value"]
    if value is None:
        return None
    return run["job_definition_id"], value


def rate_key_of(run: Candidate) -> Key | None:
    """Return with which others the run's start counts; None where it is not limited."""
    value = run["rate_value"]
    if value is None or run["rate_limit"] is None:
        return None
    return run["job_definition_id"], value


# The columns of a row and its job that make a `Candidate`.

CANDIDATE = """
    id, job_definition_id, concurrency_value, entry_point, priority, scheduled_at,
    CASE WHEN execution = 0 THEN start_deadline_at END AS start_by, rate_value,
    fair_value
"""
"""What of a row makes it a `Candidate`, but for its job's limits."""

LIMIT_OF_JOB = (
    "CASE WHEN job.paused IS NULL THEN job.max_concurrent_runs ELSE 0 END AS max_concurrent_runs"
)
"""How many runs of a job may run at a time, as its row says: none of one that is paused."""

LIMIT = f"""
    (SELECT {LIMIT_OF_JOB} FROM job_definitions AS job
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
"""Runs that have no key, are not counted, or take no turns, look for no limit of it."""

LIMIT_OF_ONE_JOB = """
    job.max_concurrent_runs,
    CASE WHEN run.concurrency_value IS NOT NULL THEN job.concurrency_limit END
        AS concurrency_limit,
    CASE WHEN run.rate_value IS NOT NULL THEN job.rate_limit END AS rate_limit,
    CASE WHEN run.fair_value IS NOT NULL THEN job.fairness_key END AS fairness_key
"""
"""The same where all runs are of one job, which is at hand with `LIMIT_OF_JOB`."""


# Which runs a claim may be given by their times and the worker's capabilities, and in which order.

PRESENT = """
    SELECT now, set_config('apphub.now', now::text, true)
    FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS now) AS present
"""
"""The database's present, kept for the rest of the transaction: what is asked in the same breath
can refer to it."""

AT_PRESENT = "(SELECT current_setting('apphub.now')::timestamptz)"
"""What `PRESENT` has told, for what is asked in the same breath."""

BYPASS = "SELECT set_config('apphub.bypassed', %s::uuid[]::text, true)"
"""Names the runs that are passed over for the rest of the transaction."""

_NOT_BYPASSED = """
    NOT coalesce(
        id = ANY((SELECT nullif(current_setting('apphub.bypassed', true), ''))::uuid[]), false)
"""

IS_OFFERED = """
    coalesce(
        entry_point = ANY((SELECT nullif(%(offered)s::text, '')::text[])::text[]), true)
"""
"""Opaque to PostgreSQL, which guesses that half of all pass, and keeps to the queue's order."""

DUE = f"""
    SELECT {CANDIDATE} FROM job_runs
    WHERE {IS_PENDING} AND scheduled_at <= %(now)s AND {_NOT_BYPASSED} AND {IS_OFFERED}
      AND (execution > 0 OR start_deadline_at IS NULL OR start_deadline_at > %(now)s)
"""

IN_ORDER = "ORDER BY priority DESC, scheduled_at, id"

KEYED = "(concurrency_value IS NOT NULL)::int"
"""A number, for conditions on truth values are simplified until no index knows them."""

SHOWN = f"SELECT run.*, {LIMIT}"


def behind_a_place(due: str) -> str:
    """Return the query for the first of these behind a place: two ranges of an index."""
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


# The jobs of which a worker executes nothing, whatever entry points it has.

Limited = Literal["to_none", "to_these", "to_others"]
"""Whether runs of all jobs are looked at, of some alone, or of all but these."""


@dataclass(frozen=True)
class Demand:
    """What a job asks of the worker that executes its runs."""

    labels: Labels = field(default_factory=dict)
    isolation: Isolation = "process"


class ForeignJobs:
    """The jobs that ask for labels that a worker lacks, or for another isolation than is claimed.

    To a claim for attempts that share a process, all jobs are foreign but those that ask for it.
    """

    def __init__(
        self, offer: Offer | None = None, wanted: Mapping[str, Demand] | None = None
    ) -> None:
        """Begin.

        Args:
            offer: the worker's; None for one that takes everything.
            wanted: what jobs ask for, by their ids; those left out ask for nothing.
        """
        self._offer = offer
        self._labels = None if offer is None else dict(offer.labels)
        self._unlabelled: set[str] = set()
        self._shared: set[str] = set()
        self.learn(wanted or {})

    def __contains__(self, job_id: object) -> bool:
        """Return whether nothing of the job is for the worker."""
        if self._offer is None:
            return False
        is_shared = job_id in self._shared
        is_other = is_shared != (self._offer.isolation == "shared")
        return is_other or job_id in self._unlabelled

    def learn(self, wanted: Mapping[str, Demand]) -> bool:
        """Take in what some jobs ask for now, perhaps for nothing any more.

        Returns whether one of them is not foreign any more. Its runs have been passed over, so all
        is to be read anew.
        """
        if self._labels is None:
            return False
        is_found_again = False
        for job_id, demand in wanted.items():
            was_foreign = job_id in self
            _put(self._shared, job_id, demand.isolation == "shared")
            has_all = has_labels(self._labels, demand.labels)
            _put(self._unlabelled, job_id, not has_all)
            is_found_again |= was_foreign and job_id not in self
        return is_found_again

    def narrowed(self) -> tuple[Limited, set[str]]:
        """Return of which jobs runs are looked for."""
        if self._offer is not None and self._offer.isolation == "shared":
            return "to_these", self._shared - self._unlabelled
        foreign = self._shared | self._unlabelled
        return ("to_others" if foreign else "to_none"), foreign


def _put(ids: set[str], job_id: str, is_in: bool) -> None:  # noqa: FBT001 - what it is about
    if is_in:
        ids.add(job_id)
    else:
        ids.discard(job_id)


# Which runs may start by their times, whatever else keeps them.

Untimely = Literal["not_due", "start_deadline"]
"""What of its times keeps a run from starting: it is due later, or it is too late for it."""


def untimely(run: Candidate, now: str) -> Untimely | None:
    """Return why the run may not start at this time, whoever else waits; None where it may."""
    start_by = run["start_by"]
    if start_by is not None and start_by <= now:
        return "start_deadline"
    if run["scheduled_at"] > now:
        return "not_due"
    return None


class DueRuns:
    """Runs in the queue's order that may start by their times. Each look goes as far as needed."""

    def __init__(self, runs: Sequence[Candidate], now: str) -> None:
        """Take runs in the queue's order, due or not."""
        self._runs = runs
        self._now = now

    def __iter__(self) -> Iterator[Candidate]:
        """Yield them, the most urgent first."""
        for run in self._runs:
            if untimely(run, self._now) is None:
                yield run

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return any(True for _ in self)


# Pending runs in the queue's order: a claim looks at the first of them, however many there are.


class WaitingRuns:
    """Runs by their places in the queue and by their ids, each once."""

    def __init__(self) -> None:
        self._by_id: dict[str, Candidate] = {}
        self._places: list[Place] = []
        self._in_order: list[Candidate] = []

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._in_order)

    def __iter__(self) -> Iterator[Candidate]:
        """Return those of now, the most urgent first."""
        return iter([*self._in_order])

    def get(self, run_id: str) -> Candidate | None:
        """Return a run; None where it is not among them."""
        return self._by_id.get(run_id)

    def put(self, run: Candidate) -> None:
        """Take a run in, instead of what is known of it."""
        run_id = run["id"]
        place = order(run)
        known = self._by_id.get(run_id)
        if known is not None and order(known) == place:
            index = bisect_left(self._places, place)
            self._in_order[index] = run
        else:
            self.drop(run_id)
            index = bisect_left(self._places, place)
            self._places.insert(index, place)
            self._in_order.insert(index, run)
        self._by_id[run_id] = run

    def drop(self, run_id: str) -> None:
        """Forget a run, if it is among them."""
        run = self._by_id.pop(run_id, None)
        if run is not None:
            index = bisect_left(self._places, order(run))
            del self._places[index]
            del self._in_order[index]

    def scheduled(self, now: str, until: Place | None) -> list[Candidate]:
        """Return those that are scheduled for now or before, up to a place if there is one."""
        end = len(self._places)
        if until is not None:
            end = bisect_right(self._places, until)
        found: list[Candidate] = []
        begin = 0
        while begin < end:
            # The first ones of each priority are due, and all the others are not.
            highest_first, _, _ = self._places[begin]
            due = bisect_right(self._places, (highest_first, now, LAST_ID))
            found += self._in_order[begin : min(due, end)]
            begin = bisect_left(self._places, (highest_first + 1, "", ""))
        return found

    def drop_beyond(self, number: int) -> list[Candidate]:
        """Forget all but the first; return those that are forgotten."""
        beyond = self._in_order[number:]
        for run in beyond:
            del self._by_id[run["id"]]
        del self._places[number:]
        del self._in_order[number:]
        return beyond
