"""The events of a schedule. Their topics and fields are the on-disk format.

`next_at` is when the next tick fires, as it was known then: tables do not work it out, for that
needs the zones' rules, which change.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from eventsourcing.domain import Aggregate

from domain.json_values import JsonObject
from domain.schedules.calendar import Tick
from domain.schedules.schedule_state import ScheduleState
from domain.schedules.spec import Spec

BY_CALENDAR = "calendar"
"""The cause of ticks that the calendar has."""

BY_BACKFILL = "backfill"
"""The cause of past ticks that somebody has launched."""


class ScheduleEvent(Aggregate.Event):
    """Base of the schedule's events."""

    TOPIC = "schedule.event"


class Registered(ScheduleEvent, Aggregate.Created):
    """The schedule exists; its ticks are those that are due later than this."""

    TOPIC = "schedule.registered"
    slug: str
    version: int
    spec: dict[str, Any]
    next_at: datetime | None


class Revised(ScheduleEvent):
    """It has a new version; `changes` holds the fields that differ. Ticks from now on obey it.

    The tick that was due at `carried_due_at`, and is late by its jitter, fires at
    `carried_fires_at` all the same.
    """

    TOPIC = "schedule.revised"
    class_version = 2
    version: int
    changes: dict[str, Any]
    next_at: datetime | None
    carried_due_at: datetime | None
    carried_fires_at: datetime | None

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from when such a tick was decided before the revision."""
        state["carried_due_at"] = None
        state["carried_fires_at"] = None

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.spec = replace(aggregate.spec, **self.changes)
        aggregate.current = self.version
        aggregate.next_at = self.next_at
        aggregate.decide_until(self.timestamp)
        if self.carried_due_at is not None and self.carried_fires_at is not None:
            tick = Tick(self.carried_due_at, self.carried_fires_at)
            carried = [*aggregate.carried, tick]
            aggregate.carried = sorted(carried, key=lambda one: one.fires_at)


class Paused(ScheduleEvent):
    """Its ticks are skipped from now on. `run_id` is the run that failed, if that is why."""

    TOPIC = "schedule.paused"
    by: str
    reason: str | None
    run_id: str | None

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.is_paused = True


class Resumed(ScheduleEvent):
    """Its ticks are launched again."""

    TOPIC = "schedule.resumed"

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.is_paused = False


class Deleted(ScheduleEvent):
    """It has no more ticks; those that waited are dropped."""

    TOPIC = "schedule.deleted"
    reason: str | None

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.is_deleted = True
        aggregate.next_at = None
        aggregate.buffered = []
        aggregate.carried = []


class RegisteredAnew(ScheduleEvent):
    """After it had been deleted it was created once more.

    Runs of before may still be going on, and are no longer its own.
    """

    TOPIC = "schedule.registered_anew"
    version: int
    spec: dict[str, Any]
    next_at: datetime | None

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.spec = Spec(**self.spec)
        aggregate.current = self.version
        aggregate.begin_anew()
        aggregate.next_at = self.next_at
        aggregate.decide_until(self.timestamp)


class TickEvent(ScheduleEvent):
    """Base of what becomes of a tick.

    `cause` is `calendar`, or `backfill` where a client asked for past ticks.
    """

    due_at: datetime
    cause: str
    next_at: datetime | None


class TickLaunched(TickEvent):
    """The tick's run was requested, in the same unit; before, the tick may have waited."""

    TOPIC = "schedule.tick_launched"
    run_id: str

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.next_at = self.next_at
        aggregate.decide_until(self.due_at)
        aggregate.drop_waiting(self.due_at, self.due_at)
        aggregate.open_run(self.run_id, is_manual=self.cause == BY_BACKFILL)


class TickSkipped(TickEvent):
    """So many ticks in a row, up to the last one, were skipped for one reason.

    `run_id` is the run that stood in the way of them. Of those that were missed, `watched_since` is
    from when on somebody could have decided them.
    """

    TOPIC = "schedule.tick_skipped"
    class_version = 2
    last_due_at: datetime
    ticks: int
    reason: str
    run_id: str | None
    watched_since: datetime | None

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from when ticks were missed that were decided late, whatever for."""
        state["watched_since"] = None

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.next_at = self.next_at
        aggregate.decide_until(self.last_due_at)
        aggregate.drop_waiting(self.due_at, self.last_due_at)


class TickBuffered(TickEvent):
    """The tick waits until no run of the schedule is pending or running."""

    TOPIC = "schedule.tick_buffered"

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.next_at = self.next_at
        aggregate.decide_until(self.due_at)
        aggregate.drop_waiting(self.due_at, self.due_at)
        aggregate.buffered = [*aggregate.buffered, self.due_at]


class Replanned(ScheduleEvent):
    """The next tick fires at another time than was known: the rules of its zone have changed."""

    TOPIC = "schedule.replanned"
    next_at: datetime | None

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.next_at = self.next_at


class Triggered(ScheduleEvent):
    """Somebody had its job run at once; no tick is due for that."""

    TOPIC = "schedule.triggered"
    run_id: str

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.open_run(self.run_id, is_manual=True)


class RunEnded(ScheduleEvent):
    """One of its runs was found to have ended, with this status."""

    TOPIC = "schedule.run_ended"
    run_id: str
    status: str

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.close_run(self.run_id)
