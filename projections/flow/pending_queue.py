"""The pending queue in memory: up to its low-water mark a process knows all runs of the queue.

So no claim has to begin at the queue's beginning. A consumed row stays in an index as long as any
session can see it. While one session holds an old snapshot, be it for a report or a backup, all
that was consumed since then stays at the beginning of the queue and among the running runs; a claim
that began there would walk over it, each time, under the lock.

So a process remembers, as of a position of the log: for each priority a queue position, all pending
runs before it, and all running runs. Every change is an event, so what has come since is known by
the log: an event touches a run, and the run's row then says where it stands. Runs that enter behind
a queue position (handed back, launched by a slow clock) are found in this way, too.

A worker's pending queue holds no run that it cannot execute, but those of entry points that perhaps
no worker offers. Pure.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.ports import Offer
from projections.flow.candidates import (
    LAST_ID,
    Candidate,
    Contender,
    DueRuns,
    ForeignJobs,
    JobLimits,
    Key,
    WaitingRuns,
    key_of,
)
from projections.flow.limits import Limits, Rooms, takes, without_hopeful
from projections.flow.rates import Shut

T = TypeVar("T")

QueuePosition = tuple[str, str]
"""When a run is scheduled, and its id: the order of the queue within one priority."""

END: QueuePosition = ("9999-12-31T23:59:59.999Z", LAST_ID)
"""The place of which everything is before."""

MOST_WAITING, FEWER_WAITING = 2_000, 1_000
"""Pending runs to be remembered; beyond the first number, all but the first of them are left to
the index again."""

MOST_FOREIGN = 1_000
"""Entry points to be noted that the worker does not offer."""


class TouchedRun(Candidate):
    """A run that an event has touched, as it is now."""

    status: ReadOnly[str]


class FirstOfPriority(TypedDict):
    """The first pending run of a priority."""

    id: ReadOnly[str]
    priority: ReadOnly[int]
    scheduled_at: ReadOnly[str]


class Frontier:
    """What a process knows of the queue.

    Attributes:
        position: of the log, as of which all is so.
        places: by priority, the place before which no pending run is unknown. Of a priority that
            is not there, no run is pending.
        passed_over: the last runs that were left out, as somebody asked for it. They are unknown.
        offer: what the worker executes that claims here; None for anything.
        foreign: entry points that it does not offer, of runs that may still wait.
        knows_foreign: whether those are in it that waited before all that is known began.
        foreign_jobs: those that are not for the worker, by what they ask for; others change them.
        shut: what is known of starts that are limited within a period.
    """

    def __init__(
        self,
        position: int,
        running: Iterable[Contender] = (),
        waiting: Iterable[FirstOfPriority] = (),
        offer: Offer | None = None,
        foreign_jobs: ForeignJobs | None = None,
    ) -> None:
        self.position = position
        self.offer = offer
        self.foreign: set[str] = set()
        self.knows_foreign = False
        self.foreign_jobs = foreign_jobs or ForeignJobs()
        self._waiting = WaitingRuns()
        self._taken: frozenset[str] | None = None
        if offer is not None:
            self._taken = offer.entry_points | offer.given_up
        self.places: dict[int, QueuePosition] = {}
        self.passed_over: frozenset[str] = frozenset()
        self._running: dict[str, Contender] = {}
        self._running_of_job: Counter[str] = Counter()
        self._held: Counter[Key] = Counter()
        self.shut = Shut()
        for run in running:
            self._begin(run)
        for first in waiting:
            self.places[first["priority"]] = (first["scheduled_at"], first["id"])

    @property
    def unfinished_places(self) -> dict[int, QueuePosition]:
        """The places that are not the end of their priority."""
        return {key: place for key, place in self.places.items() if place != END}

    def limits(self, rooms: Rooms) -> Limits:
        """Return what the runs under way leave to others, and starts, as far as that is known."""
        return Limits(self._running_of_job, self._held, rooms, self.foreign_jobs)

    def is_complete(self, now: str) -> bool:
        """Return whether every run is known that is due."""
        return self.boundary(now) is None

    def due(self, now: str) -> DueRuns:
        """Return the first runs that may start by their times, the most urgent first.

        These are all that come before any run that may be due and is not known.
        """
        boundary = self.boundary(now)
        first = self._waiting.scheduled(now, boundary)
        if self.offer is not None and self.offer.given_up:
            first = without_hopeful(first, self.offer, now)
        return DueRuns(first, now)

    def given_up(self, run_ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return those of these runs that would be started only to fail, and their entry points."""
        found: dict[UUID, str] = {}
        if self.offer is None or not self.offer.given_up:
            return found
        for run_id in run_ids:
            run = self._waiting.get(str(run_id))
            if run is not None and run["entry_point"] in self.offer.given_up:
                found[run_id] = run["entry_point"]
        return found

    def boundary(self, now: str) -> tuple[int, str, str] | None:
        """Return after which place of the queue due runs may be unknown, if there is one."""
        present = (now, LAST_ID)
        behind = [key for key, place in self.places.items() if place < present]
        if not behind:
            return None
        priority = max(behind)
        return -priority, *self.places[priority]

    def next_after(self, now: str) -> str | None:
        """Return when the next run is due that is not due yet, if all is known before."""
        times = [run["scheduled_at"] for run in self._waiting]
        times += [scheduled_at for scheduled_at, _ in self.unfinished_places.values()]
        times += self.shut.reopening()
        later = [time for time in times if time > now]
        return min(later, default=None)

    def follow(
        self, position: int, touched: Iterable[TouchedRun], limited: Mapping[str, JobLimits]
    ) -> None:
        """Move on to a position of the log.

        Args:
            position: the new one.
            touched: all runs that events have touched up to there.
            limited: the limits of all jobs that events have touched.
        """
        for run in touched:
            self._touch(run)
        for job_id, limits in limited.items():
            self._limit(job_id, limits)
        self.position = position
        self._leave_most_to_the_index()

    def extend(
        self, asked: Mapping[int, QueuePosition], found: Sequence[Candidate], limit: int, now: str
    ) -> None:
        """Take in the first due runs from all unfinished places on.

        Args:
            asked: these places, as they were when it was asked.
            found: the runs, the most urgent first.
            limit: of their number.
            now: when they are due.
        """
        if asked != self.unfinished_places:
            return
        for run in found:
            if run["job_definition_id"] not in self.foreign_jobs:
                self._waiting.put(run)
        last = found[-1] if len(found) == limit else None
        for priority, place in asked.items():
            if last is None or priority > last["priority"]:
                self.places[priority] = max(place, (now, LAST_ID))
            elif priority == last["priority"]:
                self.places[priority] = place_of(last)
        self._leave_most_to_the_index()

    def foresee(
        self, asked: Mapping[int, QueuePosition], planned: Iterable[FirstOfPriority], now: str
    ) -> None:
        """Take in, after the front, the first runs of these priorities that are not due yet."""
        firsts = dict.fromkeys(asked, END)
        for run in planned:
            firsts[run["priority"]] = (run["scheduled_at"], run["id"])
        for priority, first in firsts.items():
            knows_all_due = self.places.get(priority) == (now, LAST_ID)
            if knows_all_due:
                self.places[priority] = first

    def pass_over(self, run_ids: Collection[str]) -> None:
        """Forget that these runs are pending; they will not be asked for either."""
        self.passed_over = frozenset(run_ids)
        for run_id in run_ids:
            self._waiting.drop(run_id)

    def _touch(self, run: TouchedRun) -> None:
        run_id = run["id"]
        self._waiting.drop(run_id)
        self._end(run_id)
        status = run["status"]
        if status == "running":
            self._begin(run)
        elif status == "pending" and self._takes(run):
            place = self.places.setdefault(run["priority"], END)
            if place_of(run) < place:
                self._waiting.put(run)

    def _takes(self, run: TouchedRun) -> bool:
        """Return whether the run may be given to the worker, and note what it does not offer."""
        if run["id"] in self.passed_over:
            return False
        entry_point = run["entry_point"]
        if takes(self._taken, entry_point):
            return run["job_definition_id"] not in self.foreign_jobs
        if len(self.foreign) < MOST_FOREIGN:
            self.foreign.add(entry_point)
        return False

    def _begin(self, run: Contender) -> None:
        self._running[run["id"]] = run
        self._running_of_job[run["job_definition_id"]] += 1
        key = key_of(run)
        if key is not None:
            self._held[key] += 1

    def _end(self, run_id: str) -> None:
        run = self._running.pop(run_id, None)
        if run is None:
            return
        _subtract(self._running_of_job, run["job_definition_id"])
        key = key_of(run)
        if key is not None:
            _subtract(self._held, key)

    def _limit(self, job_id: str, limits: JobLimits) -> None:
        self.shut.forget(job_id)
        for run in self._waiting:
            if run["job_definition_id"] != job_id:
                continue
            if job_id in self.foreign_jobs:
                self._waiting.drop(run["id"])
            else:
                self._waiting.put({**run, **limits})

    def _leave_most_to_the_index(self) -> None:
        if len(self._waiting) <= MOST_WAITING:
            return
        for run in self._waiting.drop_beyond(FEWER_WAITING):
            priority = run["priority"]
            self.places[priority] = min(self.places[priority], place_of(run))


def place_of(run: Candidate) -> QueuePosition:
    """Return where the run stands among those of its priority."""
    return run["scheduled_at"], run["id"]


def _subtract(counter: Counter[T], name: T) -> None:
    """Count one less; what is down to none is not in it any more."""
    counter[name] -= 1
    if not counter[name]:
        del counter[name]
