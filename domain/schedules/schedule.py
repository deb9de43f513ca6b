"""A schedule: it launches a job at its ticks, and records what became of each.

Commands decide and trigger events (`schedule_events.py`); the time is an argument. `ticks.py`
decides what becomes of a due tick; ticks that are due when a schedule is paused, resumed or deleted
are skipped here (`_skip_undecided`).
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any, Self, cast
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.clock import CLOCK_STEP, cut_to_ms, from_iso, later, to_iso
from domain.errors import ConflictError, NotFoundError, QuarantinedError, refuse
from domain.identifiers import schedule_id, tick_run_id
from domain.json_values import differing
from domain.personal import erased_from
from domain.ports import SYSTEM
from domain.schedules import schedule_events
from domain.schedules.calendar import Calendar, ScheduleSpec, Tick
from domain.schedules.cron import TickRange
from domain.schedules.schedule_events import (
    BY_BACKFILL,
    BY_CALENDAR,
    MAX_BUFFERED,
    ScheduleState,
    SkipReason,
    TickEvent,
)
from domain.state import Stateful

_BAD_ENDS = frozenset({"failed", "expired"})

_SPEC_FIELDS = tuple(one.name for one in fields(ScheduleSpec))


class Schedule(Stateful[ScheduleState], Aggregate):
    """Aggregate of a schedule in its current version."""

    TOPIC = "schedule"
    STATE = ScheduleState
    CACHED = ("spec", "buffered", "carried")

    already_launched = cast("Collection[datetime]", frozenset())
    """Due times of ticks that are decided again, but have a run or wait for one. No part of the
    state: commands look them up before a decision."""

    Event = schedule_events.ScheduleEvent
    Registered = schedule_events.Registered
    Revised = schedule_events.Revised
    Paused = schedule_events.Paused
    Resumed = schedule_events.Resumed
    Deleted = schedule_events.Deleted
    RegisteredAnew = schedule_events.RegisteredAnew
    TickLaunched = schedule_events.TickLaunched
    TickSkipped = schedule_events.TickSkipped
    TickBuffered = schedule_events.TickBuffered
    Replanned = schedule_events.Replanned
    Triggered = schedule_events.Triggered
    RunEnded = schedule_events.RunEnded

    @property
    def slug(self) -> str:
        """The name that clients give it."""
        return self.state["id"]

    @property
    def public_id(self) -> str:
        return self.slug

    @property
    def current(self) -> int:
        """The number of the current version."""
        return self.state["version"]

    @cached_property
    def spec(self) -> ScheduleSpec:
        """The content of the current version."""
        content: dict[str, Any] = {**self.state}
        return ScheduleSpec(**{name: content[name] for name in _SPEC_FIELDS})

    @property
    def is_paused(self) -> bool:
        return self.state["paused"] is not None

    @property
    def is_deleted(self) -> bool:
        return self.state["deleted_at"] is not None

    @property
    def decided_until(self) -> datetime:
        return from_iso(self.state["decided_until"])

    @property
    def next_at(self) -> datetime | None:
        next_at = self.state["next_at"]
        return None if next_at is None else from_iso(next_at)

    @property
    def redecides_ticks(self) -> bool:
        """Whether it decides ticks again, as the clock was set back."""
        return self.next_at is not None and self.next_at <= self.decided_until

    def is_ahead_of(self, now: datetime) -> bool:
        """Return whether future ticks have been decided, as the clock was set back."""
        return self.decided_until > now + CLOCK_STEP

    @property
    def open_runs(self) -> list[str]:
        return self.state["open_runs"]

    @property
    def manual_runs(self) -> list[str]:
        return self.state["manual_runs"]

    @property
    def calendar_runs(self) -> list[str]:
        """Its open runs that ticks launched; `overlap` counts only these."""
        manual = set(self.manual_runs)
        return [run_id for run_id in self.open_runs if run_id not in manual]

    @cached_property
    def buffered(self) -> list[datetime]:
        """The due times of the ticks that wait, in order."""
        return [from_iso(due_at) for due_at in self.state["buffered"]]

    @cached_property
    def carried(self) -> list[Tick]:
        """Ticks of earlier versions that have not fired, in the order in which they fire."""
        return [
            Tick(from_iso(cast("str", tick["dueAt"])), from_iso(cast("str", tick["firesAt"])))
            for tick in self.state["carried"]
        ]

    # Commands of clients

    @classmethod
    def create(cls, slug: str, spec: ScheduleSpec, now: datetime) -> Self:
        """Create a schedule. The log refuses a name that is taken, as the id is derived from it.

        Raises:
            InvalidInputError: `ScheduleSpec.issues` says why.
        """
        refuse(spec.issues())
        own_id = schedule_id(slug)
        at = cut_to_ms(now)
        return cls._create(
            cls.Registered,
            id=own_id,
            timestamp=at,
            slug=slug,
            version=1,
            spec=dict(vars(spec)),
            next_at=_next_at(own_id, spec, at),
        )

    def recreate(self, spec: ScheduleSpec, now: datetime) -> None:
        """Create a deleted schedule again.

        Raises:
            ConflictError: `schedule_exists`, it is not deleted.
            InvalidInputError: `ScheduleSpec.issues` says why.
        """
        if not self.is_deleted:
            message = f"schedule {self.slug} already exists; change it by PATCH"
            raise ConflictError("schedule_exists", message)
        refuse(spec.issues())
        at = self._at(now)
        self.trigger_event(
            Schedule.RegisteredAnew,
            timestamp=at,
            version=self.current + 1,
            spec=dict(vars(spec)),
            next_at=_next_at(self.id, spec, self._begins_after(at, now)),
        )

    def revise(self, changes: dict[str, Any], now: datetime) -> None:
        """Make a new version, unless nothing would change.

        Ticks that have fired must have been decided by the version before. A tick that is due and
        has not fired keeps its time, and is decided by the new version.

        Args:
            changes: new values of fields of `ScheduleSpec`.
            now: the database's present.

        Raises:
            NotFoundError: `schedule_not_found`, it is deleted.
            InvalidInputError: the new content is wrong.
        """
        self.check_not_deleted()
        changed = differing(changes, vars(self.spec))
        if not changed:
            return
        spec = replace(self.spec, **changed)
        refuse(spec.issues())
        at = self._at(now)
        carried = self.calendar().delayed_tick(self.decides_after(now), cut_to_ms(now))
        if carried is not None and carried.due_at in self.already_launched:
            carried = None
        elif carried is not None and len(self.carried) >= MAX_BUFFERED:
            self.skip_tick(carried.due_at, "buffer_full", now)
            carried = None
        elif carried is not None and carried.is_excluded:
            self.skip_tick(carried.due_at, "excluded", now)
            carried = None
        still_to_fire = self.carried if carried is None else [*self.carried, carried]
        self.trigger_event(
            Schedule.Revised,
            timestamp=at,
            version=self.current + 1,
            changes=changed,
            next_at=_next_at(self.id, spec, self._begins_after(at, now), still_to_fire),
            carried_due_at=carried.due_at if carried else None,
            carried_fires_at=carried.fires_at if carried else None,
        )

    def erase(self, names: list[str], now: datetime) -> None:
        """Remove a subject's values from the parameters, also of a deleted schedule.

        Ticks need not be decided before: they launch nothing, as the job has marked these
        parameters as personal data.
        """
        self.trigger_event(
            Schedule.Revised,
            timestamp=self._at(now),
            version=self.current + 1,
            changes={"parameters": erased_from(self.spec.parameters, names)},
            next_at=self.next_at,
            carried_due_at=None,
            carried_fires_at=None,
        )

    def pause(self, by: str, reason: str | None, now: datetime, run_id: str | None = None) -> None:
        """Skip ticks from now on, and those that are due but not decided.

        Repeating changes nothing. Raises NotFoundError as `revise` does.
        """
        self.check_not_deleted()
        if self.is_paused:
            return
        self.trigger_event(
            Schedule.Paused, timestamp=self._at(now), by=by, reason=reason, run_id=run_id
        )
        with suppress(QuarantinedError):  # A process that knows the zone skips them later.
            self._skip_undecided("paused", now)

    def resume(self, now: datetime) -> None:
        """Launch ticks again; those that are due by now belong to the pause, and are skipped.

        Repeating changes nothing. Raises NotFoundError as `revise` does.
        """
        self.check_not_deleted()
        if self.is_paused:
            self._skip_undecided("paused", now)
            self.trigger_event(Schedule.Resumed, timestamp=self._at(now))

    def delete(self, reason: str | None, now: datetime) -> None:
        """Delete the schedule, and skip ticks that are due but not decided; its runs continue.

        Raises NotFoundError as `revise` does.
        """
        self.check_not_deleted()
        with suppress(QuarantinedError):
            self._skip_undecided("deleted", now)
        self.trigger_event(Schedule.Deleted, timestamp=self._at(now), reason=reason)

    def trigger(self, run_id: UUID, now: datetime) -> None:
        """Record a run that a client launches now. Raises NotFoundError as `revise` does."""
        self.check_not_deleted()
        self.trigger_event(Schedule.Triggered, timestamp=self._at(now), run_id=str(run_id))

    def backfill_tick(self, due_at: datetime, now: datetime, earlier: int = 0) -> UUID:
        """Launch a past tick, and return the id of its run.

        Raises NotFoundError as `revise` does.

        Args:
            due_at: when it was due.
            now: the database's present.
            earlier: how many runs it has had, each of which was canceled.
        """
        self.check_not_deleted()
        run_id = tick_run_id(self.id, to_iso(due_at), earlier)
        self.trigger_event(
            Schedule.TickLaunched,
            timestamp=self._at(now),
            due_at=due_at,
            cause=BY_BACKFILL,
            next_at=self.next_at,
            run_id=str(run_id),
        )
        return run_id

    # Commands of the clock

    def record_end(self, run_id: str, status: str, now: datetime) -> None:
        """Record that a run has ended; if it failed, pause a schedule that pauses on failures."""
        if run_id not in self.open_runs:
            return
        at = self._at(now)
        self.trigger_event(Schedule.RunEnded, timestamp=at, run_id=run_id, status=status)
        if self.is_deleted or not self.spec.pause_on_failure:
            return
        if status in _BAD_ENDS:
            self.pause(SYSTEM.actor, f"run {run_id} has {status}", now, run_id)

    def launch_tick(self, due_at: datetime, now: datetime) -> UUID:
        """Launch a tick that is due, or has waited, and return the id of its run."""
        run_id = tick_run_id(self.id, to_iso(due_at))
        self._tick(Schedule.TickLaunched, due_at, due_at, now, run_id=str(run_id))
        return run_id

    def buffer_tick(self, due_at: datetime, now: datetime) -> None:
        """Let a tick wait until the open runs have ended."""
        self._tick(Schedule.TickBuffered, due_at, due_at, now)

    def skip_tick(
        self,
        due_at: datetime,
        reason: SkipReason,
        now: datetime,
        watched_since: datetime | None = None,
    ) -> None:
        """Skip one tick, as `skip_ticks` does."""
        self.skip_ticks(TickRange(due_at, due_at, 1), reason, now, watched_since)

    def skip_ticks(
        self,
        tick_range: TickRange,
        reason: SkipReason,
        now: datetime,
        watched_since: datetime | None = None,
    ) -> None:
        """Skip consecutive ticks for one reason.

        Args:
            tick_range: the ticks.
            reason: why.
            now: the database's present.
            watched_since: for missed ticks, since when a process has watched the clock.
        """
        run_id = None
        if reason == "overlap" and self.calendar_runs:
            run_id = self.calendar_runs[0]
        self._tick(
            Schedule.TickSkipped,
            tick_range.first,
            tick_range.last,
            now,
            last_due_at=tick_range.last,
            ticks=tick_range.ticks,
            reason=reason,
            run_id=run_id,
            watched_since=watched_since,
        )

    def _skip_undecided(self, reason: SkipReason, now: datetime) -> None:
        """Skip the ticks that are due but not decided, whether they have fired or not.

        Ticks that are decided again are left to `ticks.decide_ticks`, as some may have runs.
        """
        at = cut_to_ms(now)
        due = self.calendar().due_between(self.decided_until, at)
        for tick in self.carried:
            self.skip_tick(tick.due_at, reason, now)
        if due is not None and not self.redecides_ticks:
            self.skip_ticks(due, reason, now)

    def replan(self, now: datetime) -> None:
        """Record when the next tick fires, by the present rules of its zone and the present time.

        If the clock was set back, it is the first tick after the present that has no run.
        """
        if self.is_deleted:
            return
        after = self.decides_after(now)
        next_at = _next_at(self.id, self.spec, after, self.carried, self.already_launched)
        if next_at != self.next_at:
            at = self._at(now)
            self.trigger_event(Schedule.Replanned, timestamp=at, next_at=next_at)

    def undecided(self) -> Iterator[Tick]:
        """Yield the ticks that are not decided, in order, maybe infinitely many."""
        if self.is_deleted:
            return iter(())
        to_come = self.calendar().ticks_after(self._decided_to())
        return chain(self.carried, to_come)

    def decides_after(self, now: datetime) -> datetime:
        """Return the time after which ticks are not decided."""
        decided_to = self._decided_to()
        if not self.is_ahead_of(now):
            return decided_to
        after_now = later(cut_to_ms(now), 1)
        return min(decided_to, self.calendar().fired_before(after_now))

    def calendar(self) -> Calendar:
        """Return the calendar of the current version. Raises QuarantinedError as `Calendar`."""
        return Calendar(self.id, self.spec)

    def check_not_deleted(self) -> None:
        """Raise NotFoundError `schedule_not_found` if it is deleted."""
        if self.is_deleted:
            raise NotFoundError("schedule_not_found", "schedule not found")

    def _tick(
        self, event: type[TickEvent], first: datetime, last: datetime, now: datetime, **fields: Any
    ) -> None:
        after = max(self._decided_to(), last)
        still_to_fire = [tick for tick in self.carried if not first <= tick.due_at <= last]
        self.trigger_event(
            event,
            timestamp=self._at(now),
            due_at=first,
            cause=BY_CALENDAR,
            next_at=_next_at(self.id, self.spec, after, still_to_fire, self.already_launched),
            **fields,
        )

    def _decided_to(self) -> datetime:
        """Return the time until which ticks are decided, and not decided again."""
        if self.redecides_ticks and self.next_at is not None:
            return self.calendar().fired_before(self.next_at)
        return self.decided_until

    def _begins_after(self, at: datetime, now: datetime) -> datetime:
        """Return the time after which the ticks of a new version are due; its event is at `at`."""
        return cut_to_ms(now) if self.is_ahead_of(now) else max(at, self.decided_until)


def _next_at(
    own_id: UUID,
    spec: ScheduleSpec,
    after: datetime,
    carried: Sequence[Tick] = (),
    but_for: Collection[datetime] = (),
) -> datetime | None:
    """Return when the next tick fires: one due after a moment and not `but_for`, or carried."""
    fire_at = [tick.fires_at for tick in carried]
    for tick in Calendar(own_id, spec).ticks_after(after):
        if tick.due_at not in but_for:
            fire_at.append(tick.fires_at)
            break
    return min(fire_at, default=None)
