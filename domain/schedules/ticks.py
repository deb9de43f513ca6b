"""Decides due ticks: which runs are launched and canceled, and what is recorded. Pure.

First the verdict on one tick (`verdict`), then all due ticks of a schedule (`decide_ticks`).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Literal
from uuid import UUID

from domain.clock import cut_to_ms, later
from domain.schedules.calendar import ScheduleSpec, Tick
from domain.schedules.cron import TickRange
from domain.schedules.schedule import Schedule
from domain.schedules.schedule_events import MAX_BUFFERED, SkipReason

_MS = timedelta(milliseconds=1)

# The verdict on one tick: launched, skipped or buffered.

Obstacle = Literal["job_deleted", "invalid_parameters", "job_paused"]
"""Why nothing is launched: the job is deleted, does not accept the schedule's parameters any more,
or is paused."""

MAX_OPEN_RUNS = 1_000
"""Open runs of a schedule: all of them are read when a tick is decided. The limit holds for the
runs of its ticks, and separately for those that people launched."""


@dataclass(frozen=True)
class Situation:
    """What a verdict depends on.

    Attributes:
        watched_since: since when the clock has been watched without a gap.
        is_paused: whether the schedule is.
        obstacle: why no tick can launch anything, if so.
        open_runs: how many runs of its ticks have not ended.
        buffered: how many ticks wait.
        is_kept: whether another run is kept instead of a new one, as runs of the job are unique.
    """

    watched_since: datetime
    is_paused: bool
    obstacle: Obstacle | None
    open_runs: int
    buffered: int
    is_kept: bool = False


@dataclass(frozen=True)
class Verdict:
    """What becomes of a tick.

    Attributes:
        outcome: the tick's own.
        reason: why it is skipped; None if it is not.
        cancels: whether the open runs of earlier ticks are canceled for it.
        displaces: whether ticks that wait are skipped for it.
    """

    outcome: Literal["launched", "skipped", "buffered"]
    reason: SkipReason | None = None
    cancels: bool = False
    displaces: bool = False


LAUNCHED = Verdict("launched")
BUFFERED = Verdict("buffered")


def verdict(spec: ScheduleSpec, tick: Tick, situation: Situation) -> Verdict:
    """Return what becomes of a due tick: the first rule that applies decides."""
    reason = reason_to_skip_all(situation)
    if reason is not None:
        return _skipped(reason)
    if tick.fires_at < missed_before(spec, situation.watched_since):
        return _skipped("missed")
    if tick.is_excluded:
        return _skipped("excluded")
    if situation.open_runs >= MAX_OPEN_RUNS:
        return _skipped("too_many_runs")
    decided = LAUNCHED
    if situation.open_runs or situation.buffered:
        decided = _by_overlap_policy(spec, situation)
    if decided.outcome == "launched" and situation.is_kept:
        return _skipped("run_is_there")
    return decided


def reason_to_skip_all(situation: Situation) -> SkipReason | None:
    """Return why every due tick is skipped; None if each is decided by itself."""
    return "paused" if situation.is_paused else situation.obstacle


def missed_before(spec: ScheduleSpec, watched_since: datetime) -> datetime:
    """Return the time before which ticks have been missed that are not decided.

    Ticks are missed only if no process watched the clock, not if one looked at it late.
    """
    return later(cut_to_ms(watched_since), -spec.catch_up_ms)


def _by_overlap_policy(spec: ScheduleSpec, situation: Situation) -> Verdict:
    """Return what becomes of a tick while runs of earlier ticks are open, or ticks wait."""
    match spec.overlap:
        case "skip":
            return _skipped("overlap")
        case "buffer_one":
            return _skipped("overlap") if situation.buffered else BUFFERED
        case "buffer_all":
            is_full = situation.buffered >= MAX_BUFFERED
            return _skipped("buffer_full") if is_full else BUFFERED
        case "cancel_other":
            # Its run is launched once the others have really stopped.
            return Verdict("buffered", cancels=True, displaces=True)
        case "terminate_other":
            # Its run does not wait for that. Canceled runs stop in the same way under both
            # policies: a process that does not stop by itself is killed.
            return Verdict("launched", cancels=True, displaces=True)
        case "allow_all":
            return LAUNCHED


def _skipped(reason: SkipReason) -> Verdict:
    return Verdict("skipped", reason)


# All due ticks of a schedule.

MAX_TICKS = 100
"""Ticks that one call decides one by one, as that blocks the event loop. Consecutive ticks that are
skipped for one reason are only counted, however many they are."""

MAX_LAUNCHES = 10
"""Launches of one call, as they are appended as one unit, under the log's lock."""


@dataclass
class DecidedTicks:
    """What follows from the decided ticks, besides the schedule's own events.

    Attributes:
        launches: the ids of the runs to launch, each with the time at which its tick was due.
        cancels: the runs to cancel, which may be among the launches.
        has_more: whether more ticks may be due.
    """

    launches: list[tuple[UUID, datetime]] = field(default_factory=list)
    cancels: list[UUID] = field(default_factory=list)
    has_more: bool = False


def decide_ticks(
    schedule: Schedule,
    now: datetime,
    obstacle: Obstacle | None,
    *,
    watched_since: datetime | None = None,
    is_kept: bool | None = None,
) -> DecidedTicks:
    """Decide the ticks that have fired, up to `MAX_TICKS` at a time.

    Before, the ends of its runs must be recorded (`Schedule.record_end`), and `already_launched`
    set to those of `ticks_to_redecide` that have a run or wait for one.

    Args:
        schedule: gets the events.
        now: the database's present.
        obstacle: why nothing can be launched, if so.
        watched_since: since when the clock has been watched without a gap; None for now.
        is_kept: whether another run is kept instead of a new one; None if runs of the job are not
            unique.
    """
    if schedule.is_deleted:
        return DecidedTicks()
    # If runs are unique, a second one would be refused, or replace the first.
    most_launches = MAX_LAUNCHES if is_kept is None else 1
    decider = _Decider(schedule, now, obstacle, watched_since or now, is_kept=bool(is_kept))
    decider.decide_buffered()
    decider.skip_ranges()
    decider.decided.has_more = decider.decide_one_by_one(most_launches)
    if schedule.redecides_ticks or schedule.is_ahead_of(now):
        schedule.replan(now)
    return decider.decided


def ticks_to_redecide(schedule: Schedule, now: datetime) -> list[datetime]:
    """Return the due times of the ticks that `decide_ticks` would decide again.

    There are such ticks if the clock was set back.
    """
    after = schedule.decides_after(now)
    if schedule.is_deleted or after >= schedule.decided_until:
        return []
    ticks = islice(schedule.calendar().ticks_after(after), MAX_TICKS)
    return [tick.due_at for tick in ticks if tick.due_at <= schedule.decided_until]


class _Decider:
    """Decides the ticks of a schedule, in order."""

    def __init__(
        self,
        schedule: Schedule,
        now: datetime,
        obstacle: Obstacle | None,
        watched_since: datetime,
        *,
        is_kept: bool,
    ) -> None:
        self.decided = DecidedTicks()
        self._is_kept = is_kept
        self._schedule = schedule
        self._now = now
        self._after_now = cut_to_ms(now) + _MS
        self._obstacle = obstacle
        self._watched_since = watched_since
        # Consecutive ticks that are skipped for one reason are one event.
        self._skipped: TickRange | None = None
        self._reason: SkipReason | None = None

    def decide_buffered(self) -> None:
        """Launch the first of the ticks that wait, if no run is open any more."""
        schedule = self._schedule
        if not schedule.buffered or schedule.is_paused or self._obstacle == "job_paused":
            return
        if self._obstacle is not None:
            self._skip_buffered(self._obstacle)
        elif schedule.calendar_runs:
            return
        elif self._is_kept:
            self._skip_buffered("run_is_there")
        else:
            self._launch(schedule.buffered[0])

    def skip_ranges(self) -> None:
        """Skip together the ticks that are skipped whatever the others are."""
        if self._schedule.redecides_ticks:
            return  # Some of them may have runs, so each is decided by itself.
        reason = reason_to_skip_all(self._situation())
        before = self._after_now
        if reason is None:
            reason = "missed"
            before = min(before, missed_before(self._schedule.spec, self._watched_since))
        for tick in self._schedule.carried:
            if tick.fires_at < before:
                self._skip(TickRange(tick.due_at, tick.due_at, 1), reason)
                self._record_skipped()
        tick_range = self._firing_before(before)
        if tick_range is not None:
            self._skip(tick_range, reason)
            self._record_skipped()

    def decide_one_by_one(self, most_launches: int) -> bool:
        """Decide the other ticks; return whether more may be due."""
        schedule = self._schedule
        for tick in schedule.carried:
            if len(self.decided.launches) >= most_launches:
                return True
            if tick.fires_at <= self._now:
                self._decide(tick)
                self._record_skipped()
        to_come = schedule.calendar().ticks_after(schedule.decides_after(self._now))
        fired = takewhile(lambda tick: tick.fires_at <= self._now, to_come)
        due = list(islice(fired, MAX_TICKS))
        undecided = len(due)
        for tick in due:
            if len(self.decided.launches) >= most_launches:
                break
            undecided -= 1
            if tick.due_at in schedule.already_launched:
                self._record_skipped()
                continue
            is_skipped = self._decide(tick)
            if is_skipped and not schedule.redecides_ticks and not schedule.spec.exclude:
                # That changes nothing, so all the others are skipped for the same reason.
                self._skipped = self._firing_before(self._after_now)
                self._record_skipped()
                return False
        self._record_skipped()
        return undecided > 0 or len(due) == MAX_TICKS

    def _decide(self, tick: Tick) -> bool:
        """Decide a tick; return whether it is skipped."""
        schedule = self._schedule
        decided = verdict(schedule.spec, tick, self._situation())
        if decided.reason is not None:
            self._skip(TickRange(tick.due_at, tick.due_at, 1), decided.reason)
            return True
        self._record_skipped()
        if decided.displaces:
            self._skip_buffered("overlap")
        if decided.cancels:
            cancels = self.decided.cancels
            cancels += [one for one in map(UUID, schedule.calendar_runs) if one not in cancels]
        if decided.outcome == "launched":
            self._launch(tick.due_at)
        else:
            schedule.buffer_tick(tick.due_at, self._now)
        return False

    def _situation(self) -> Situation:
        schedule = self._schedule
        return Situation(
            watched_since=self._watched_since,
            is_paused=schedule.is_paused,
            obstacle=self._obstacle,
            open_runs=len(schedule.calendar_runs),
            buffered=len(schedule.buffered),
            is_kept=self._is_kept,
        )

    def _firing_before(self, moment: datetime) -> TickRange | None:
        return self._schedule.calendar().firing_between(self._schedule.decided_until, moment)

    def _skip(self, tick_range: TickRange, reason: SkipReason) -> None:
        if reason != self._reason:
            self._record_skipped()
            self._reason = reason
        before = self._skipped
        self._skipped = tick_range if before is None else before.followed_by(tick_range)

    def _record_skipped(self) -> None:
        """Record the last skipped ticks as one event."""
        if self._reason is not None and self._skipped is not None:
            since = self._watched_since if self._reason == "missed" else None
            self._schedule.skip_ticks(self._skipped, self._reason, self._now, since)
        self._skipped = None
        self._reason = None

    def _skip_buffered(self, reason: SkipReason) -> None:
        for due_at in self._schedule.buffered:
            self._schedule.skip_tick(due_at, reason, self._now)

    def _launch(self, due_at: datetime) -> None:
        run_id = self._schedule.launch_tick(due_at, self._now)
        self.decided.launches.append((run_id, due_at))
