"""Deciding all due ticks of a schedule: which runs are launched, canceled and recorded. Pure.

First the past of a schedule, by which backfills are decided (`Past`); then `settle`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice, pairwise
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.clock import cut_to_ms
from domain.schedules import schedule as events
from domain.schedules.calendar import (
    Calendar,
    Obstacle,
    ScheduleSpec,
    Situation,
    SkipReason,
    Stretch,
    Tick,
    Verdict,
    hindrance_of_all,
    missed_before,
    verdict,
)
from domain.schedules.schedule import Schedule

# The past of a schedule: which version was valid when.

_MS = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Span:
    """A time in which one version was valid; `spec` is None after a deletion.

    Its ticks are those that were due later than it began, up to the next one's beginning.
    """

    begun_at: datetime
    spec: ScheduleSpec | None


@dataclass(frozen=True)
class PastTick:
    """A tick that may have a run, or not.

    Attributes:
        spec: what the version of its time says.
        runs: how many it has had.
    """

    due_at: datetime
    spec: ScheduleSpec
    runs: int = 0


VERSIONS = (
    events.Registered.TOPIC,
    events.RegisteredAnew.TOPIC,
    events.Revised.TOPIC,
    events.Deleted.TOPIC,
)
"""Topics of the events that begin a time. A schedule has few of them, however many ticks it has
had."""


@dataclass
class Past:
    """Which version of a schedule was valid when.

    Attributes:
        decided_until: what was due later is no past tick.
        carried: when ticks were due that are still to fire, though they are of a former version.
    """

    schedule_id: UUID
    decided_until: datetime
    carried: Collection[datetime] = ()
    spans: list[Span] = field(default_factory=list)

    def take(self, event: Aggregate.Event) -> None:
        """Take in the next event of `VERSIONS`."""
        match event:
            case events.Registered() | events.RegisteredAnew():
                self.spans.append(Span(event.timestamp, ScheduleSpec(**event.spec)))
            case events.Revised():
                before = self.spans[-1].spec
                if before is not None:
                    self.spans.append(Span(event.timestamp, replace(before, **event.changes)))
            case events.Deleted():
                self.spans.append(Span(event.timestamp, None))

    def ticks(self, begin: datetime, end: datetime) -> Iterator[PastTick]:
        """Yield the ticks due from `begin` to `end`, both included, but those that are excluded.

        What was due before the schedule was created is its first version's. What is not decided is
        no past tick.
        """
        just_before = begin - _MS
        end = min(end, self.decided_until)
        after_last = Span(end, None)
        spans = [*self.spans, after_last]
        for span, following in pairwise(spans):
            if span.spec is None:
                continue
            is_first = span is self.spans[0]
            after = just_before if is_first else max(span.begun_at, just_before)
            last = min(following.begun_at, end)
            yield from self._ticks_of(span.spec, after, last)

    def _ticks_of(self, spec: ScheduleSpec, after: datetime, last: datetime) -> Iterator[PastTick]:
        calendar = Calendar(self.schedule_id, spec)
        for tick in calendar.ticks_after(after):
            if tick.due_at > last:
                return
            if not tick.is_excluded and tick.due_at not in self.carried:
                yield PastTick(tick.due_at, spec)


MAX_TICKS = 100
"""Ticks that are decided one by one at a time: nothing else happens meanwhile. Those that are
skipped for one reason in a row are reckoned, however many."""

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
    watched_since: datetime | None = None,
    is_kept: bool | None = None,
) -> Settled:
    """Decide what becomes of the ticks that have fired, so many of them at a time.

    Ends of runs must be noted before (`Schedule.note_end`), and which ticks that come again have
    runs (`coming_again`).

    Args:
        schedule: gets the events.
        now: the database's present.
        obstacle: what stands in the way of every launch, if anything does.
        watched_since: from when on the clock has been looked at until now; None where nobody did
            before.
        is_kept: whether a run is kept, and so none is launched; None where runs of the job are not
            unique.
    """
    if schedule.is_deleted:
        return Settled()
    # Of those that are unique, the next one gives way to the first, or takes its place.
    most_launches = MAX_LAUNCHES if is_kept is None else 1
    settlement = _Settlement(schedule, now, obstacle, watched_since or now, is_kept=bool(is_kept))
    settlement.settle_buffered()
    settlement.skip_alike()
    settlement.settled.goes_on = settlement.settle_others(most_launches)
    if schedule.comes_again or schedule.is_ahead_of(now):
        schedule.replan(now)
    return settlement.settled


def coming_again(schedule: Schedule, now: datetime) -> list[datetime]:
    """Return when the next ticks are due that have been decided before, as the clock was set back.

    As many as `settle` decides at a time. Those of them that have a run, or wait for one, must be
    in `already_launched` for that.
    """
    after = schedule.decides_after(now)
    if schedule.is_deleted or after >= schedule.decided_until:
        return []
    ticks = islice(schedule.calendar().ticks_after(after), MAX_TICKS)
    return [tick.due_at for tick in ticks if tick.due_at <= schedule.decided_until]


class _Settlement:
    """Ticks of a schedule being decided, one after the other."""

    def __init__(
        self,
        schedule: Schedule,
        now: datetime,
        obstacle: Obstacle | None,
        watched_since: datetime,
        *,
        is_kept: bool,
    ) -> None:
        self.settled = Settled()
        self._is_kept = is_kept
        self._schedule = schedule
        self._now = now
        self._after_now = cut_to_ms(now) + _MS
        self._obstacle = obstacle
        self._watched_since = watched_since
        # Ticks in a row that are skipped for one reason are one event.
        self._skipped: Stretch | None = None
        self._reason: SkipReason | None = None

    def settle_buffered(self) -> None:
        """Launch the first of the ticks that wait, if nothing is in its way any more."""
        schedule = self._schedule
        waits_on = schedule.is_paused or self._obstacle == "job_paused"
        if not schedule.buffered or waits_on:
            return
        if self._obstacle is not None:
            self._skip_buffered(self._obstacle)
        elif schedule.calendar_runs:
            return
        elif self._is_kept:
            self._skip_buffered("run_is_there")
        else:
            self._launch(schedule.buffered[0])

    def skip_alike(self) -> None:
        """Skip what fired in a time in which nothing was to be launched."""
        if self._schedule.comes_again:
            return  # Some may have runs, so each is decided by itself.
        reason = hindrance_of_all(self._situation())
        before = self._after_now
        if reason is None:
            reason = "missed"
            missed = missed_before(self._schedule.spec, self._watched_since)
            before = min(before, cut_to_ms(missed))
        for tick in self._schedule.carried:
            if tick.fires_at < before:
                self._skip(Stretch(tick.due_at, tick.due_at, 1), reason)
                self.record_skipped()
        stretch = self._firing_before(before)
        if stretch is not None:
            self._skip(stretch, reason)
            self.record_skipped()

    def settle_others(self, most_launches: int) -> bool:
        """Decide the others one by one, as far as they differ; return whether more may be due."""
        for tick in self._schedule.carried:
            if len(self.settled.launches) >= most_launches:
                return True
            if tick.fires_at <= self._now:
                self._settle(tick)
                self.record_skipped()
        due = self._due()
        undecided = len(due)
        for tick in due:
            if len(self.settled.launches) >= most_launches:
                break
            undecided -= 1
            if tick.due_at in self._schedule.already_launched:
                self.record_skipped()
                continue
            is_skipped = self._settle(tick)
            is_alike = is_skipped and not self._schedule.comes_again
            if is_alike and not self._schedule.spec.exclude:
                # Nothing has changed by that, so all the others are skipped for the same reason.
                self._skipped = self._firing_before(self._after_now)
                self.record_skipped()
                return False
        self.record_skipped()
        has_more = len(due) == MAX_TICKS
        return undecided > 0 or has_more

    def _due(self) -> list[Tick]:
        due: list[Tick] = []
        for tick in self._calendar().ticks_after(self._schedule.decides_after(self._now)):
            if tick.fires_at > self._now or len(due) == MAX_TICKS:
                break
            due.append(tick)
        return due

    def _settle(self, tick: Tick) -> bool:
        """Decide a tick; return whether it is skipped."""
        decided = verdict(self._schedule.spec, tick, self._situation())
        if decided.reason is not None:
            self._skip(Stretch(tick.due_at, tick.due_at, 1), decided.reason)
            return True
        self.record_skipped()
        self._make_room(decided)
        if decided.outcome == "launched":
            self._launch(tick.due_at)
        else:
            self._schedule.buffer_tick(tick.due_at, self._now)
        return False

    def record_skipped(self) -> None:
        """Record the ticks that were skipped last."""
        if self._reason is not None and self._skipped is not None:
            since = self._watched_since if self._reason == "missed" else None
            self._schedule.skip_ticks(self._skipped, self._reason, self._now, since)
        self._skipped = None
        self._reason = None

    def _firing_before(self, moment: datetime) -> Stretch | None:
        decided_until = self._schedule.decided_until
        return self._calendar().firing_between(decided_until, moment)

    def _calendar(self) -> Calendar:
        return self._schedule.calendar()

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

    def _skip(self, stretch: Stretch, reason: SkipReason) -> None:
        if reason != self._reason:
            self.record_skipped()
            self._reason = reason
        before = self._skipped
        self._skipped = stretch if before is None else before.followed_by(stretch)

    def _make_room(self, decided: Verdict) -> None:
        """Do away with what is in the way of a tick, if it is to be so."""
        if decided.displaces:
            self._skip_buffered("overlap")
        if decided.cancels:
            self._cancel_open_runs()

    def _skip_buffered(self, reason: SkipReason) -> None:
        for due_at in self._schedule.buffered:
            self._schedule.skip_tick(due_at, reason, self._now)

    def _cancel_open_runs(self) -> None:
        cancels = self.settled.cancels
        for text in self._schedule.calendar_runs:
            run_id = UUID(text)
            if run_id not in cancels:
                cancels.append(run_id)

    def _launch(self, due_at: datetime) -> None:
        run_id = self._schedule.launch_tick(due_at, self._now)
        self.settled.launches.append((run_id, due_at))
