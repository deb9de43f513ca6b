"""Deciding all ticks of a schedule that are due: what is launched, canceled, and recorded. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.schedules.calendar import Tick
from domain.schedules.deciding import (
    Obstacle,
    Situation,
    SkipReason,
    Verdict,
    verdict,
)
from domain.schedules.schedule import Schedule

MAX_TICKS = 100
"""Ticks that are decided at a time: nothing else happens meanwhile."""

MAX_LAUNCHES = 10
"""Of them are launched at a time, for all is appended at once, and the log is locked meanwhile."""


@dataclass
class Settled:
    """What follows from the ticks that were decided, beside the schedule's own events.

    Attributes:
        launches: runs to request, each with when its tick was due.
        cancels: runs to cancel; some of the launches may be among them.
        goes_on: whether more ticks may be due.
    """

    launches: list[tuple[UUID, datetime]] = field(default_factory=list)
    cancels: list[UUID] = field(default_factory=list)
    goes_on: bool = False


def settle(
    schedule: Schedule,
    now: datetime,
    obstacle: Obstacle | None,
    *,
    ahead_of_jitter: bool = False,
    is_kept: bool | None = None,
) -> Settled:
    """Decide what becomes of the ticks that are due, so many of them at a time.

    Ends of runs must be noted before (`Schedule.note_end`).

    Args:
        schedule: gets the events.
        now: the database's present.
        obstacle: what stands in the way of every launch, if anything does.
        ahead_of_jitter: whether ticks are decided as well that are due, but late by their jitter.
        is_kept: whether a run is kept, and so none is launched; None where runs of the job are not
            unique.
    """
    settlement = _Settlement(schedule, now, obstacle, is_kept=bool(is_kept))
    # Of those that are unique, the next one gives way to the first, or takes its place.
    most_launches = MAX_LAUNCHES if is_kept is None else 1
    settlement.settle_buffered()
    due = _due(schedule, now, ahead_of_jitter=ahead_of_jitter)
    settled = settlement.settled
    undecided = len(due)
    for tick in due:
        launches = len(settled.launches)
        if launches >= most_launches:
            break
        settlement.settle(tick)
        undecided -= 1
    settlement.record_skipped()
    has_more = len(due) == MAX_TICKS
    settled.goes_on = undecided > 0 or has_more
    return settled


def _due(schedule: Schedule, now: datetime, *, ahead_of_jitter: bool) -> list[Tick]:
    due: list[Tick] = []
    for tick in schedule.undecided():
        begins_at = tick.due_at if ahead_of_jitter else tick.fires_at
        if begins_at > now or len(due) == MAX_TICKS:
            break
        due.append(tick)
    return due


class _Settlement:
    """Ticks of a schedule being decided, one after the other."""

    def __init__(
        self,
        schedule: Schedule,
        now: datetime,
        obstacle: Obstacle | None,
        *,
        is_kept: bool,
    ) -> None:
        self.settled = Settled()
        self._is_kept = is_kept
        self._schedule = schedule
        self._now = now
        self._obstacle = obstacle
        # Ticks in a row that are skipped for one reason are one event.
        self._skipped: list[datetime] = []
        self._reason: SkipReason | None = None

    def settle_buffered(self) -> None:
        """Launch the first of the ticks that wait, if nothing is in its way any more."""
        schedule = self._schedule
        waits_on = schedule.is_paused or self._obstacle == "job_paused"
        if not schedule.buffered or waits_on:
            return
        if self._obstacle is not None:
            self._skip_buffered(self._obstacle)
        elif schedule.open_runs:
            return
        elif self._is_kept:
            self._skip_buffered("run_is_there")
        else:
            self._launch(schedule.buffered[0])

    def settle(self, tick: Tick) -> None:
        """Decide a tick."""
        decided = verdict(self._schedule.spec, tick, self._situation())
        if decided.reason is not None:
            self._skip(tick.due_at, decided.reason)
            return
        self.record_skipped()
        self._make_room(decided)
        if decided.outcome == "launched":
            self._launch(tick.due_at)
        else:
            self._schedule.buffer_tick(tick.due_at, self._now)

    def record_skipped(self) -> None:
        """Record the ticks that were skipped last."""
        if self._reason is not None:
            self._schedule.skip_ticks(self._skipped, self._reason, self._now)
        self._skipped = []
        self._reason = None

    def _situation(self) -> Situation:
        schedule = self._schedule
        return Situation(
            now=self._now,
            is_paused=schedule.is_paused,
            obstacle=self._obstacle,
            open_runs=len(schedule.open_runs),
            buffered=len(schedule.buffered),
            is_kept=self._is_kept,
        )

    def _skip(self, due_at: datetime, reason: SkipReason) -> None:
        if reason != self._reason:
            self.record_skipped()
            self._reason = reason
        self._skipped.append(due_at)

    def _make_room(self, decided: Verdict) -> None:
        """Do away with what is in the way of a tick, if it is to be so."""
        if decided.displaces:
            self._skip_buffered("overlap")
        if decided.cancels:
            self._cancel_open_runs()

    def _skip_buffered(self, reason: SkipReason) -> None:
        for due_at in self._schedule.buffered:
            self._schedule.skip_ticks([due_at], reason, self._now)

    def _cancel_open_runs(self) -> None:
        cancels = self.settled.cancels
        for text in self._schedule.open_runs:
            run_id = UUID(text)
            if run_id not in cancels:
                cancels.append(run_id)

    def _launch(self, due_at: datetime) -> None:
        run_id = self._schedule.launch_tick(due_at, self._now)
        self.settled.launches.append((run_id, due_at))
