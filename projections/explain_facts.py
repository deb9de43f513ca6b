"""The facts that explain a run: the queue, the limits and the workers at one time."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from domain.ports import WorkerState
from domain.workers import Isolation, has_labels
from projections.flow.candidates import (
    NO_LIMITS,
    Candidate,
    Contender,
    JobLimits,
    Key,
    Requirements,
    key_of,
    rate_key_of,
)
from projections.flow.limits import (
    FairnessGroup,
    GroupKey,
    LimitState,
    RateWindow,
    RateWindows,
    key_limit,
)
from projections.flow.selection import serves_entry_point, starting_order
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import RunRow

NO_REQUIREMENTS = Requirements()

MAX_NAMED = 10
"""Runs or workers that a reason names, at most."""


class Member(TypedDict):
    """A worker, as far as it decides which runs it claims."""

    id: ReadOnly[str]
    state: ReadOnly[WorkerState]
    slots: ReadOnly[int]
    shared_slots: ReadOnly[int]
    busy: ReadOnly[int]
    shared_busy: ReadOnly[int]
    entry_points: ReadOnly[list[str] | None]
    labels: ReadOnly[JsonObject]


class UnderWay(Contender):
    """A run that is under way, with its worker and its start."""

    worker_id: ReadOnly[str | None]
    started_at: ReadOnly[str | None]


@dataclass(frozen=True)
class RunsBefore:
    """The due runs that come before a run in the queue.

    Attributes:
        runs: those that may start, the most urgent first, up to some number.
        is_cut: whether there are more than these.
        count: the number of all runs before it, also of those that may not start; None if it is not
            known.
        of_job: the number of those of the run's own job.
        groups: the fairness groups of these runs and of the run. If there are any, the run itself
            is among `runs`, and the other runs of its group need not be.
    """

    runs: Sequence[Candidate] = ()
    is_cut: bool = False
    count: int | None = 0
    of_job: int | None = 0
    groups: Mapping[GroupKey, FairnessGroup] = field(default_factory=dict)

    def next(self, run: Candidate) -> list[Candidate]:
        """Return the runs before it, in the order in which they start without limits."""
        starting = starting_order(self.runs, self.groups)
        return list(takewhile(lambda one: one["id"] != run["id"], starting))[: self.count]


NONE_BEFORE = RunsBefore()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The queue, the limits and the workers at one time, as far as they concern a run.

    Attributes:
        now: the time.
        limits_of_job: of its job at that time.
        paused: since when its job is paused, by whom and why; None if it is not.
        key: the `concurrencyKey` of its job; None for none, or if it was another one when the run
            was launched.
        is_of_rate: whether the run counts by the parameter that its job's rate limit names now.
        running: all runs under way.
        windows: the rate windows, as far as they are known.
        before: the runs before it in the queue.
        requirements: of jobs, by job id; jobs left out require nothing.
        fleet: the workers; None if they are not known.
        is_unreadable: whether this version of the program cannot read the run's history.
        unknown: what is not known of that time, as texts for people.
    """

    now: str
    limits_of_job: JobLimits = field(default_factory=lambda: NO_LIMITS)
    paused: JsonObject | None = None
    key: str | None = None
    is_of_rate: bool = True
    running: Sequence[UnderWay] = ()
    windows: RateWindows = field(default_factory=dict)
    before: RunsBefore = NONE_BEFORE
    requirements: Mapping[str, Requirements] = field(default_factory=dict)
    fleet: Sequence[Member] | None = ()
    is_unreadable: bool = False
    unknown: Sequence[str] = ()

    def requirements_of(self, run: Candidate) -> Requirements:
        """Return what the run's job requires of workers."""
        return self.requirements.get(run["job_definition_id"], NO_REQUIREMENTS)

    def workers_for(self, run: Candidate) -> list[Member]:
        """Return the living workers that execute the run."""
        fleet = self.fleet or ()
        return [one for one in fleet if one["state"] == "alive" and self.can_execute(one, run)]

    def can_execute(self, worker: Member, run: Candidate) -> bool:
        """Return whether a worker executes the run."""
        if not serves_entry_point(worker["entry_points"], run["entry_point"]):
            return False
        required = self.requirements_of(run)
        has_slots = slots_of(worker, required.isolation) > 0
        return has_slots and has_labels(worker["labels"], required.labels)

    def free_slots(self, worker: Member, run: Candidate) -> int:
        """Return the number of a worker's free slots for the run's isolation."""
        isolation = self.requirements_of(run).isolation
        return slots_of(worker, isolation) - busy_of(worker, isolation)

    def of_job(self, job_id: str) -> list[UnderWay]:
        """Return the runs of a job that are under way."""
        return [run for run in self.running if run["job_definition_id"] == job_id]

    def holders_of(self, key: Key | None) -> list[UnderWay]:
        """Return the runs under way that hold a key."""
        if key is None:
            return []
        return [run for run in self.running if key_of(run) == key]

    def window_of(self, run: Candidate) -> RateWindow | None:
        """Return the rate window of the run's start, None if there is none."""
        key = rate_key_of(run)
        if key is None:
            return None
        return self.windows.get(key)

    def limits(self) -> LimitState:
        """Return what the limits leave besides the runs under way."""
        running, held = self._counts()
        return LimitState(running, held, self.windows)

    def limits_with_capacity_for(self, run: Candidate) -> LimitState:
        """Return the same as if every limit left capacity for at least this run."""
        running, held = self._counts()
        job = run["job_definition_id"]
        most = run["max_concurrent_runs"]
        if most is not None:
            running[job] = min(running[job], most - 1)
        key = key_of(run)
        if key is not None:
            held[key] = min(held[key], key_limit(run) - 1)
        rate_key = rate_key_of(run)
        windows = dict(self.windows)
        if rate_key is not None and rate_key in windows:
            windows[rate_key] = RateWindow(max(windows[rate_key].remaining, 1))
        return LimitState(running, held, windows)

    def _counts(self) -> tuple[Counter[str], Counter[Key]]:
        """Return the number of runs under way by job, and by concurrency key."""
        running: Counter[str] = Counter()
        held: Counter[Key] = Counter()
        for run in self.running:
            running[run["job_definition_id"]] += 1
            key = key_of(run)
            if key is not None:
                held[key] += 1
        return running, held


@dataclass(frozen=True)
class Reason:
    """One thing that keeps a run from starting, or why it ended.

    Attributes:
        code: a stable word.
        message: for people, with the remedy if there is one.
        binding: whether the run cannot start as long as this is so.
        since: since when, None if that is not known.
        details: the evidence.
    """

    code: str
    message: str
    binding: bool
    since: str | None
    details: JsonObject

    def present(self) -> JsonObject:
        """Return the reason as clients see it (contract, section 10)."""
        return {
            "code": self.code,
            "message": self.message,
            "binding": self.binding,
            "since": self.since,
            "details": self.details,
        }


def limits_of(job: JobDefinitionRow) -> JobLimits:
    """Return the limits of a job; no run of a paused job may be under way."""
    most = job["max_concurrent_runs"]
    if job["paused"] is not None:
        most = 0
    return {
        "max_concurrent_runs": most,
        "concurrency_limit": job["concurrency_limit"],
        "rate_limit": job["rate_limit"],
        "fairness_key": job["fairness_key"],
    }


def candidate_of(run: RunRow, limits: JobLimits) -> Candidate:
    """Return a run as a candidate.

    Args:
        run: its row.
        limits: its job's.
    """
    start_by: str | None = None
    if run["execution"] == 0:
        start_by = run["start_deadline_at"]
    return {
        "id": run["id"],
        "job_definition_id": run["job_definition_id"],
        "concurrency_value": run["concurrency_value"],
        "entry_point": run["entry_point"],
        "priority": run["priority"],
        "scheduled_at": run["scheduled_at"],
        "start_by": start_by,
        "rate_value": run["rate_value"],
        "fair_value": run["fair_value"],
        **limits,
    }


def blocked_since(run: Candidate, running: Iterable[UnderWay], facts: Facts) -> str | None:
    """Return since when all of these runs together have kept a run from starting."""
    started = [one["started_at"] for one in running]
    moments = [moment for moment in started if moment is not None]
    if run["scheduled_at"] <= facts.now:
        moments.append(run["scheduled_at"])
    return max(moments, default=None)


def busy_of(worker: Member, isolation: Isolation) -> int:
    """Return how many attempts of this isolation a worker is executing."""
    return worker["shared_busy"] if isolation == "shared" else worker["busy"]


def slots_of(worker: Member, isolation: Isolation) -> int:
    """Return how many attempts of this isolation a worker can execute at a time."""
    return worker["shared_slots"] if isolation == "shared" else worker["slots"]
