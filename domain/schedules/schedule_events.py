"""The events of a schedule. Their topics and fields are the on-disk format.

`next_at` is when the next tick fires, as it was known then: tables do not work it out, for that
needs the zones' rules, which change.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from eventsourcing.domain import Aggregate

from domain.schedules.schedule_state import ScheduleState
from domain.schedules.spec import Spec


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
    """It has a new version; `changes` holds the fields that differ. Ticks from now on obey it."""

    TOPIC = "schedule.revised"
    version: int
    changes: dict[str, Any]
    next_at: datetime | None

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.spec = replace(aggregate.spec, **self.changes)
        aggregate.current = self.version
        aggregate.next_at = self.next_at
        aggregate.decide_until(self.timestamp)


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


class RegisteredAnew(ScheduleEvent):
    """After it had been deleted it was created once more; runs of before may still be going on."""

    TOPIC = "schedule.registered_anew"
    version: int
    spec: dict[str, Any]
    next_at: datetime | None

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.spec = Spec(**self.spec)
        aggregate.current = self.version
        aggregate.is_deleted = False
        aggregate.is_paused = False
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
        aggregate.drop_buffered(self.due_at, self.due_at)
        aggregate.open_runs = [*aggregate.open_runs, self.run_id]


class TickSkipped(TickEvent):
    """So many ticks in a row, up to the last one, were skipped for one reason.

    `run_id` is the run that stood in the way of them.
    """

    TOPIC = "schedule.tick_skipped"
    last_due_at: datetime
    ticks: int
    reason: str
    run_id: str | None

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.next_at = self.next_at
        aggregate.decide_until(self.last_due_at)
        aggregate.drop_buffered(self.due_at, self.last_due_at)


class TickBuffered(TickEvent):
    """The tick waits until no run of the schedule is pending or running."""

    TOPIC = "schedule.tick_buffered"

    def apply(self, aggregate: ScheduleState) -> None:
        aggregate.next_at = self.next_at
        aggregate.decide_until(self.due_at)
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
        aggregate.open_runs = [*aggregate.open_runs, self.run_id]


class RunEnded(ScheduleEvent):
    """One of its runs was found to have ended, with this status."""

    TOPIC = "schedule.run_ended"
    run_id: str
    status: str

    def apply(self, aggregate: ScheduleState) -> None:
        left = [run_id for run_id in aggregate.open_runs if run_id != self.run_id]
        aggregate.open_runs = left
