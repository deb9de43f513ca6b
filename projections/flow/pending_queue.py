"""The pending queue in memory: a process has all pending runs up to its low-water marks. Pure.

So no claim reads the beginning of the queue from the index. There, consumed rows stay as long as
any session can see them: while a session holds an old snapshot, for a report or a backup, a claim
that began there would scan all rows consumed since then, each time, under the lock.

As of a position of the log, a process has in memory: a low-water mark for each priority, all
pending runs before it, and all running runs. Every change is an event: an event touches a run,
whose row then says where it is in the queue. So runs that enter before a low-water mark (handed
back, or launched by a slow clock) are found, too.

A worker's pending queue has only the runs that it can execute, and those that it may have to fail
as no worker offers their entry point.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from typing_extensions import ReadOnly, TypedDict

from domain.ports import Offer
from projections.flow.candidates import (
    LAST_ID,
    Candidate,
    Contender,
    DueRuns,
    JobLimits,
    Key,
    QueuePosition,
    UnservedJobs,
    WaitingRuns,
    key_of,
)
from projections.flow.limits import FairnessGroup, GroupKey, LimitState, RateWindows
from projections.flow.rates import FullWindows
from projections.flow.selection import claimable, serves_entry_point

T = TypeVar("T")

LowWaterMark = tuple[str, str]
"""When a run is scheduled, and its id: the order of the queue within one priority."""

END: LowWaterMark = ("9999-12-31T23:59:59.999Z", LAST_ID)
"""Comes after all runs of a priority."""

MAX_WAITING, FEWER_WAITING = 2_000, 1_000
"""Pending runs in memory, at most, and how many of them are kept if there are more; the others are
read again from the index."""

MAX_UNSERVED = 1_000
"""Entry points that the worker does not offer and that are remembered, at most."""


class TouchedRun(Candidate):
    """A run that an event has touched, by its present row."""

    status: ReadOnly[str]


class FirstOfPriority(TypedDict):
    """The first pending run of a priority."""

    id: ReadOnly[str]
    priority: ReadOnly[int]
    scheduled_at: ReadOnly[str]


class PendingQueue:
    """The part of the queue that a process has in memory.

    Attributes:
        position: of the log, as of which everything here holds.
        low_water_marks: by priority; all pending runs before the mark are in memory. Priorities
            left out have no pending run.
        bypassed: runs that are ignored, and not in memory.
        offer: of the worker that claims here; None if it executes everything.
        unserved_entry_points: entry points that it does not offer, of runs that may be waiting.
        has_all_unserved: whether they include those of runs that waited before this began.
        unserved_jobs: jobs that the worker cannot execute; `eventlog.pending_queue` updates them.
        full_windows: rate windows that are full until some time.
    """

    def __init__(
        self,
        position: int,
        running: Iterable[Contender] = (),
        waiting: Iterable[FirstOfPriority] = (),
        offer: Offer | None = None,
        unserved_jobs: UnservedJobs | None = None,
    ) -> None:
        self.position = position
        self.offer = offer
        self.unserved_entry_points: set[str] = set()
        self.has_all_unserved = False
        self.unserved_jobs = unserved_jobs or UnservedJobs()
        self._waiting = WaitingRuns()
        self._entry_points = None if offer is None else offer.claimed_entry_points
        self.low_water_marks: dict[int, LowWaterMark] = {}
        self.bypassed: frozenset[str] = frozenset()
        self._running: dict[str, Contender] = {}
        self._running_of_job: Counter[str] = Counter()
        self._held: Counter[Key] = Counter()
        self.full_windows = FullWindows()
        for run in running:
            self._begin(run)
        for first in waiting:
            self.low_water_marks[first["priority"]] = (first["scheduled_at"], first["id"])

    @property
    def unread_marks(self) -> dict[int, LowWaterMark]:
        """The low-water marks of priorities that may have pending runs behind them."""
        return {key: mark for key, mark in self.low_water_marks.items() if mark != END}

    def limits(
        self,
        windows: RateWindows,
        groups: Mapping[GroupKey, FairnessGroup] = MappingProxyType({}),
        known_until: QueuePosition | None = None,
    ) -> LimitState:
        """Return what the limits leave besides the runs under way.

        Args:
            windows: rate windows that have been read.
            groups: fairness groups that have been read.
            known_until: see `LimitState`.
        """
        return LimitState(
            running=self._running_of_job,
            held=self._held,
            windows=windows,
            groups=groups,
            unserved_jobs=self.unserved_jobs,
            known_until=known_until,
        )

    def is_complete(self, now: str) -> bool:
        """Return whether all due runs are in memory."""
        return self.known_until(now) is None

    def due(self, now: str, without: Collection[str] = ()) -> DueRuns:
        """Return the due runs before the first one that may not be in memory.

        Args:
            now: the present.
            without: ids of runs that are ignored.
        """
        first = self._waiting.scheduled(now, self.known_until(now))
        if self.offer is not None and self.offer.abandoned:
            first = claimable(first, self.offer, now)
        return DueRuns(first, now, without)

    def still_pending(self, runs: Iterable[Candidate]) -> list[Candidate]:
        """Return those of these runs that are pending as of `position`, as they are then."""
        return [run for one in runs if (run := self._waiting.get(one["id"])) is not None]

    def known_until(self, now: str) -> QueuePosition | None:
        """Return the queue position after which due runs may not be in memory, None for none."""
        present = (now, LAST_ID)
        incomplete = [key for key, mark in self.low_water_marks.items() if mark < present]
        if not incomplete:
            return None
        priority = max(incomplete)
        return -priority, *self.low_water_marks[priority]

    def next_after(self, now: str) -> str | None:
        """Return the next time after now at which a run may start, by the runs in memory."""
        times = [run["scheduled_at"] for run in self._waiting]
        times += [scheduled_at for scheduled_at, _ in self.unread_marks.values()]
        times += self.full_windows.reopening_times()
        return min((time for time in times if time > now), default=None)

    def follow(
        self, position: int, touched: Iterable[TouchedRun], limited: Mapping[str, JobLimits]
    ) -> None:
        """Advance to a position of the log.

        Args:
            position: the new one.
            touched: all runs that events up to it have touched.
            limited: by job id, the limits of all jobs that these events have touched.
        """
        for run in touched:
            self._touch(run)
        for job_id, limits in limited.items():
            self._limit(job_id, limits)
        self.position = position
        self._forget_most()

    def extend(
        self, marks: Mapping[int, LowWaterMark], front: Sequence[Candidate], limit: int, now: str
    ) -> None:
        """Add the first due runs after the unread marks; ignore them if a mark has moved.

        Args:
            marks: the unread marks when the runs were read.
            front: the runs, the most urgent first.
            limit: of their number.
            now: the time by which they are due.
        """
        if marks != self.unread_marks:
            return
        for run in front:
            if run["job_definition_id"] not in self.unserved_jobs:
                self._waiting.put(run)
        last = front[-1] if len(front) == limit else None
        for priority, mark in marks.items():
            if last is None or priority > last["priority"]:
                self.low_water_marks[priority] = max(mark, (now, LAST_ID))
            elif priority == last["priority"]:
                self.low_water_marks[priority] = mark_of(last)
        self._forget_most()

    def extend_to_planned(
        self, marks: Mapping[int, LowWaterMark], planned: Iterable[FirstOfPriority], now: str
    ) -> None:
        """Move marks up to the first planned run, after `extend` has added all due runs.

        Args:
            marks: the unread marks when the runs were read.
            planned: the first runs of their priorities that are not due.
            now: the present.
        """
        firsts = dict.fromkeys(marks, END)
        for run in planned:
            firsts[run["priority"]] = (run["scheduled_at"], run["id"])
        for priority, first in firsts.items():
            if self.low_water_marks.get(priority) == (now, LAST_ID):  # It has all due runs.
                self.low_water_marks[priority] = first

    def bypass(self, run_ids: Collection[str]) -> None:
        """Ignore these runs from now on, instead of those that were bypassed before."""
        self.bypassed = frozenset(run_ids)
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
            mark = self.low_water_marks.setdefault(run["priority"], END)
            if mark_of(run) < mark:
                self._waiting.put(run)

    def _takes(self, run: TouchedRun) -> bool:
        """Return whether the worker may claim the run; remember an unserved entry point."""
        if run["id"] in self.bypassed:
            return False
        entry_point = run["entry_point"]
        if serves_entry_point(self._entry_points, entry_point):
            return run["job_definition_id"] not in self.unserved_jobs
        if len(self.unserved_entry_points) < MAX_UNSERVED:
            self.unserved_entry_points.add(entry_point)
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
        self.full_windows.forget(job_id)
        for run in self._waiting:
            if run["job_definition_id"] != job_id:
                continue
            if job_id in self.unserved_jobs:
                self._waiting.drop(run["id"])
            else:
                self._waiting.put({**run, **limits})

    def _forget_most(self) -> None:
        if len(self._waiting) <= MAX_WAITING:
            return
        for run in self._waiting.drop_beyond(FEWER_WAITING):
            priority = run["priority"]
            self.low_water_marks[priority] = min(self.low_water_marks[priority], mark_of(run))


def mark_of(run: Candidate) -> LowWaterMark:
    """Return the run's position among the runs of its priority."""
    return run["scheduled_at"], run["id"]


def _subtract(counter: Counter[T], name: T) -> None:
    """Subtract one from a count, and remove a count of zero."""
    counter[name] -= 1
    if not counter[name]:
        del counter[name]
