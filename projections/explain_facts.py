"""What an explanation is made of: what stood around a run at one moment."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from domain.ports import Standing
from domain.workers import Isolation, has_labels
from projections.flow.candidates import (
    NO_LIMITS,
    Candidate,
    Contender,
    Demand,
    JobLimits,
    Key,
    key_of,
    rate_key_of,
)
from projections.flow.limits import Circle, Group, Limits, Room, Rooms, in_turn, key_limit, takes
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import RunRow

NO_DEMAND = Demand()

NAMED = 10
"""Runs or workers that a reason names at most."""


class Member(TypedDict):
    """A worker, as far as it counts for what it may be given."""

    id: ReadOnly[str]
    state: ReadOnly[Standing]
    slots: ReadOnly[int]
    shared_slots: ReadOnly[int]
    busy: ReadOnly[int]
    shared_busy: ReadOnly[int]
    entry_points: ReadOnly[list[str] | None]
    labels: ReadOnly[JsonObject]


class UnderWay(Contender):
    """A run that is under way, where and since when."""

    worker_id: ReadOnly[str | None]
    started_at: ReadOnly[str | None]


@dataclass(frozen=True)
class InFront:
    """The due runs that come before a run in the queue.

    Attributes:
        runs: those of them that may be started, the most urgent first, up to some number.
        is_cut: whether there are more than these.
        count: how many come before it in all, those included that may not start; None where that is
            not known.
        of_job: how many of these are of the run's own job.
        circles: whose turn it is, where any of them or the run take turns; then the run stands
            among `runs` itself, and those that take turns with it need not.
    """

    runs: Sequence[Candidate] = ()
    is_cut: bool = False
    count: int | None = 0
    of_job: int | None = 0
    circles: Mapping[Group, Circle] = field(default_factory=dict)

    def next(self, run: Candidate) -> list[Candidate]:
        """Return the runs that come before it, in their order, if no limit keeps any."""
        before = takewhile(lambda one: one["id"] != run["id"], in_turn(self.runs, self.circles))
        return list(before)[: self.count]


NOTHING_IN_FRONT = InFront()


@dataclass(frozen=True, kw_only=True)
class Around:
    """What stood around a run.

    Attributes:
        now: the moment.
        limits_of_job: those of its job at that moment.
        paused: since when its job is paused, by whom and why; None where it is not.
        key: the parameter whose values few runs of its job may share; None for none, and where the
            run was launched when it was another one.
        is_of_rate: whether the run counts by the parameter that its job's rate limit names now.
        running: all runs that were under way.
        rooms: how many more may start of those that count together, as far as that is known.
        front: what came before it in the queue.
        demands: what jobs ask of workers, by the jobs' ids; those left out ask for nothing.
        fleet: the workers; None where nobody remembers them.
        is_unreadable: whether this version of the program cannot read the run's history.
        unknown: what is not known of that moment, as texts for people.
    """

    now: str
    limits_of_job: JobLimits = field(default_factory=lambda: NO_LIMITS)
    paused: JsonObject | None = None
    key: str | None = None
    is_of_rate: bool = True
    running: Sequence[UnderWay] = ()
    rooms: Rooms = field(default_factory=dict)
    front: InFront = NOTHING_IN_FRONT
    demands: Mapping[str, Demand] = field(default_factory=dict)
    fleet: Sequence[Member] | None = ()
    is_unreadable: bool = False
    unknown: Sequence[str] = ()

    def wanted(self, run: Candidate) -> Demand:
        """Return what the run's job asks of the worker that executes it."""
        return self.demands.get(run["job_definition_id"], NO_DEMAND)

    def able(self, run: Candidate) -> list[Member]:
        """Return the workers that claim such runs."""
        fleet = self.fleet or ()
        alive = [worker for worker in fleet if worker["state"] == "alive"]
        return [worker for worker in alive if self.is_for(run, worker)]

    def is_for(self, run: Candidate, worker: Member) -> bool:
        """Return whether a worker executes such runs."""
        if not takes(worker["entry_points"], run["entry_point"]):
            return False
        wanted = self.wanted(run)
        has_slots = slots_of(worker, wanted.isolation) > 0
        return has_slots and has_labels(worker["labels"], wanted.labels)

    def free_slots(self, worker: Member, run: Candidate) -> int:
        """Return how many more of such runs a worker has room for."""
        isolation = self.wanted(run).isolation
        return slots_of(worker, isolation) - busy_of(worker, isolation)

    def of_job(self, job_id: str) -> list[UnderWay]:
        """Return the runs of a job that are under way."""
        return [run for run in self.running if run["job_definition_id"] == job_id]

    def holders_of(self, key: Key | None) -> list[UnderWay]:
        """Return the runs under way that hold a key."""
        if key is None:
            return []
        return [run for run in self.running if key_of(run) == key]

    def room_of(self, run: Candidate) -> Room | None:
        """Return how many more of those may start that a run counts with, if that is limited."""
        key = rate_key_of(run)
        if key is None:
            return None
        return self.rooms.get(key)

    def limits(self) -> Limits:
        """Return what the runs under way leave to others."""
        running, held = self._counts()
        return Limits(running, held, self.rooms)

    def limits_with_room_for(self, run: Candidate) -> Limits:
        """Return the same as if there were room for just this run beside those under way."""
        running, held = self._counts()
        job = run["job_definition_id"]
        most = run["max_concurrent_runs"]
        if most is not None:
            running[job] = min(running[job], most - 1)
        key = key_of(run)
        if key is not None:
            others = key_limit(run) - 1
            held[key] = min(held[key], others)
        rate_key = rate_key_of(run)
        rooms = dict(self.rooms)
        if rate_key is not None and rate_key in rooms:
            rooms[rate_key] = Room(max(rooms[rate_key].left, 1))
        return Limits(running, held, rooms)

    def _counts(self) -> tuple[Counter[str], Counter[Key]]:
        """Return how many runs of each job are under way, and how many hold each key."""
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
    """One thing that keeps a run from starting, or that it ended by.

    Attributes:
        code: a stable word.
        message: for people, with what to do where somebody can do anything.
        binding: whether the run cannot start as long as this is so.
        since: when it began to be so, None where that is not known.
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
    """Return what of a job decides how many of its runs may start."""
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
    """Return what of a run decides when it starts.

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


def latest(run: Candidate, running: Iterable[UnderWay], around: Around) -> str | None:
    """Return since when all of these have been in the way of a run: not before it was due."""
    started = [one["started_at"] for one in running]
    moments = [moment for moment in started if moment is not None]
    if run["scheduled_at"] <= around.now:
        moments.append(run["scheduled_at"])
    return max(moments, default=None)


def busy_of(worker: Member, isolation: Isolation) -> int:
    """Return how many attempts of this isolation a worker executes now."""
    return worker["shared_busy"] if isolation == "shared" else worker["busy"]


def slots_of(worker: Member, isolation: Isolation) -> int:
    """Return how many attempts of this isolation a worker executes at a time."""
    return worker["shared_slots"] if isolation == "shared" else worker["slots"]
