"""A schedule: when a job runs by itself, and what became of each tick.

Commands decide and trigger events; clocks come in. What becomes of a tick is decided by
`domain.schedules.settling.settle`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.clock import cut_to_ms, to_iso
from domain.errors import (
    ConflictError,
    InvalidInputError,
    Issue,
    NotFoundError,
    QuarantinedError,
)
from domain.identifiers import schedule_id, tick_run_id
from domain.json_values import canonical
from domain.personal.marks import erased_from
from domain.schedules import schedule_events
from domain.schedules.calendar import Calendar, Tick
from domain.schedules.cron import Stretch
from domain.schedules.deciding import MAX_BUFFERED, SkipReason
from domain.schedules.schedule_events import BY_BACKFILL, BY_CALENDAR
from domain.schedules.schedule_state import ScheduleState
from domain.schedules.spec import Spec

BY_ITSELF = "system"
"""Who pauses a schedule whose run failed."""

_BAD_ENDS = frozenset({"failed", "expired"})


class Schedule(ScheduleState, Aggregate):
    """Aggregate of a schedule in its current version."""

    TOPIC = "schedule"

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

    def __init__(
        self,
        slug: str,
        version: int,
        spec: dict[str, Any],
        next_at: datetime | None,
    ) -> None:
        super().__init__(slug, version, spec, self.created_on, next_at)

    # Commands of clients

    @classmethod
    def create(cls, slug: str, spec: Spec, now: datetime) -> Schedule:
        """Create a schedule. That its name is free is decided by the log, as with jobs.

        Raises:
            InvalidInputError: `Spec.issues` says why.
        """
        _refuse(spec.issues())
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

    def recreate(self, spec: Spec, now: datetime) -> None:
        """Create a schedule once more that was deleted.

        Raises:
            ConflictError: `schedule_exists`, it is not deleted.
            InvalidInputError: `Spec.issues` says why.
        """
        if not self.is_deleted:
            message = f"schedule {self.slug} already exists; change it by PATCH"
            raise ConflictError("schedule_exists", message)
        _refuse(spec.issues())
        at = self._at(now)
        self.trigger_event(
            Schedule.RegisteredAnew,
            timestamp=at,
            version=self.current + 1,
            spec=dict(vars(spec)),
            next_at=_next_at(self.id, spec, max(at, self.decided_until)),
        )

    def revise(self, changes: dict[str, Any], now: datetime) -> None:
        """Make a new version, unless nothing would change.

        Ticks that have fired by now must be settled before: they obey the version of their time.
        One that is due and has not fired keeps its time, and obeys the new version.

        Args:
            changes: the given fields of `Spec`.
            now: the database's present.

        Raises:
            NotFoundError: `schedule_not_found`, it is deleted.
            InvalidInputError: the new content is wrong.
        """
        self.check_not_deleted()
        differing = _differing(changes, self.spec)
        if not differing:
            return
        spec = replace(self.spec, **differing)
        _refuse(spec.issues())
        at = self._at(now)
        carried = self.calendar().not_fired(self.decided_until, at)
        if carried is not None and len(self.carried) >= MAX_BUFFERED:
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
            changes=differing,
            next_at=_next_at(self.id, spec, max(at, self.decided_until), still_to_fire),
            carried_due_at=carried.due_at if carried else None,
            carried_fires_at=carried.fires_at if carried else None,
        )

    def erase(self, names: list[str], now: datetime) -> None:
        """Take somebody's values out of the parameters, of a deleted schedule as well.

        Nothing can be launched by what is left: its job has marked these parameters. So no tick
        need be decided before.
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

    def pause(
        self,
        by: str,
        reason: str | None,
        now: datetime,
        run_id: str | None = None,
    ) -> None:
        """Skip ticks from now on, and those that are due by now and not decided.

        To pause what is paused changes nothing. Raises NotFoundError as `revise` does.
        """
        self.check_not_deleted()
        if self.is_paused:
            return
        self.trigger_event(
            Schedule.Paused,
            timestamp=self._at(now),
            by=by,
            reason=reason,
            run_id=run_id,
        )
        with suppress(QuarantinedError):  # Who knows its zone skips them later.
            self._skip_undecided("paused", now)

    def resume(self, now: datetime) -> None:
        """Launch again; ticks that are due by now belong to the pause, and are skipped.

        To resume what is not paused changes nothing. Raises NotFoundError as `revise` does.
        """
        self.check_not_deleted()
        if self.is_paused:
            self._skip_undecided("paused", now)
            self.trigger_event(Schedule.Resumed, timestamp=self._at(now))

    def delete(self, reason: str | None, now: datetime) -> None:
        """End the schedule, and skip what is due by now and not decided; its runs go on.

        Raises NotFoundError as `revise` does.
        """
        self.check_not_deleted()
        with suppress(QuarantinedError):
            self._skip_undecided("deleted", now)
        self.trigger_event(Schedule.Deleted, timestamp=self._at(now), reason=reason)

    def trigger(self, run_id: UUID, now: datetime) -> None:
        """Note a run that somebody asks for now. Raises NotFoundError as `revise` does."""
        self.check_not_deleted()
        at = self._at(now)
        self.trigger_event(Schedule.Triggered, timestamp=at, run_id=str(run_id))

    def backfill_tick(self, due_at: datetime, now: datetime, earlier: int = 0) -> UUID:
        """Launch a past tick; return the id that its run must have.

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

    def note_end(self, run_id: str, status: str, now: datetime) -> None:
        """Note that a run has ended, and pause if the schedule is to after a failure."""
        if run_id not in self.open_runs:
            return
        at = self._at(now)
        self.trigger_event(
            Schedule.RunEnded, timestamp=at, run_id=run_id, status=status
        )
        if self.is_deleted or not self.spec.pause_on_failure:
            return
        if status in _BAD_ENDS:
            self.pause(BY_ITSELF, f"run {run_id} has {status}", now, run_id)

    def launch_tick(self, due_at: datetime, now: datetime) -> UUID:
        """Launch a tick that is due, or has waited; return the id that its run must have."""
        run_id = tick_run_id(self.id, to_iso(due_at))
        self._tick(Schedule.TickLaunched, due_at, due_at, now, run_id=str(run_id))
        return run_id

    def buffer_tick(self, due_at: datetime, now: datetime) -> None:
        """Let a tick wait for the end of the runs that have not ended."""
        self._tick(Schedule.TickBuffered, due_at, due_at, now)

    def skip_tick(
        self,
        due_at: datetime,
        reason: SkipReason,
        now: datetime,
        watched_since: datetime | None = None,
    ) -> None:
        """Skip one tick, as `skip_ticks` does."""
        self.skip_ticks(Stretch(due_at, due_at, 1), reason, now, watched_since)

    def skip_ticks(
        self,
        stretch: Stretch,
        reason: SkipReason,
        now: datetime,
        watched_since: datetime | None = None,
    ) -> None:
        """Skip ticks in a row for one reason.

        Args:
            stretch: which.
            reason: what for.
            now: the database's present.
            watched_since: from when on somebody could have decided them, if they were missed.
        """
        run_id = None
        if reason == "overlap" and self.calendar_runs:
            run_id = self.calendar_runs[0]
        self._tick(
            Schedule.TickSkipped,
            stretch.first,
            stretch.last,
            now,
            last_due_at=stretch.last,
            ticks=stretch.ticks,
            reason=reason,
            run_id=run_id,
            watched_since=watched_since,
        )

    def _skip_undecided(self, reason: SkipReason, now: datetime) -> None:
        """Skip what is due by now and not decided, whether or not it has fired."""
        at = cut_to_ms(now)
        due = self.calendar().due_between(self.decided_until, at)
        for tick in self.carried:
            self.skip_tick(tick.due_at, reason, now)
        if due is not None:
            self.skip_ticks(due, reason, now)

    def replan(self, now: datetime) -> None:
        """Note when the next tick fires by the rules of its zone as they are now."""
        if self.is_deleted:
            return
        next_at = _next_at(self.id, self.spec, self.decided_until, self.carried)
        if next_at != self.next_at:
            at = self._at(now)
            self.trigger_event(Schedule.Replanned, timestamp=at, next_at=next_at)

    def undecided(self) -> Iterator[Tick]:
        """Yield the ticks that are not decided, in order; there may be no end of them."""
        if self.is_deleted:
            return iter(())
        to_come = self.calendar().ticks_after(self.decided_until)
        return chain(self.carried, to_come)

    def calendar(self) -> Calendar:
        """Return the ticks of its current version. Raises QuarantinedError as `Calendar` does."""
        return Calendar(self.id, self.spec)

    def check_not_deleted(self) -> None:
        """Raise NotFoundError `schedule_not_found` where it is deleted."""
        if self.is_deleted:
            raise NotFoundError("schedule_not_found", "schedule not found")

    def _tick(
        self,
        event: type[schedule_events.TickEvent],
        first: datetime,
        last: datetime,
        now: datetime,
        **fields: Any,
    ) -> None:
        decided_until = max(self.decided_until, last)
        still_to_fire = [
            tick for tick in self.carried if not first <= tick.due_at <= last
        ]
        self.trigger_event(
            event,
            timestamp=self._at(now),
            due_at=first,
            cause=BY_CALENDAR,
            next_at=_next_at(self.id, self.spec, decided_until, still_to_fire),
            **fields,
        )

    def _at(self, now: datetime) -> datetime:
        # Never before the previous event, however the hosts' clocks are set.
        return max(cut_to_ms(now), self.modified_on)


def _next_at(
    own_id: UUID, spec: Spec, after: datetime, carried: Sequence[Tick] = ()
) -> datetime | None:
    """Return when the first tick fires that is due after a moment, or was carried over it."""
    fire_at = [tick.fires_at for tick in carried]
    tick = Calendar(own_id, spec).next_after(after)
    if tick is not None:
        fire_at.append(tick.fires_at)
    return min(fire_at, default=None)


def _differing(changes: dict[str, Any], spec: Spec) -> dict[str, Any]:
    old = vars(spec)

    def differs(name: str) -> bool:
        return canonical(changes[name]) != canonical(old[name])

    return {name: new for name, new in changes.items() if differs(name)}


def _refuse(issues: Sequence[Issue]) -> None:
    if issues:
        raise InvalidInputError(list(issues))
