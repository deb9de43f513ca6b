"""Schedules as their events left them, for rules to judge by, and how events move them."""

from dataclasses import dataclass, field
from typing import cast

from domain.json_values import JsonObject
from projections.histories.event import LoggedEvent


@dataclass(slots=True)
class LivingSchedule:
    """A schedule.

    Attributes:
        at: the time of its last event.
        decided_until: no tick that was due until then may be decided any more.
        buffered: when the ticks were due that wait.
        open_runs: its runs of which no end was told.
    """

    at: str
    overlap: str
    decided_until: str
    is_paused: bool = False
    is_deleted: bool = False
    buffered: set[str] = field(default_factory=set)
    open_runs: set[str] = field(default_factory=set)


def registered(event: LoggedEvent) -> LivingSchedule:
    """Return the schedule that its first event makes."""
    spec = cast("JsonObject", event.data["spec"])
    overlap = cast("str", spec["overlap"])
    return LivingSchedule(event.at, overlap, decided_until=event.at)


def move(schedule: LivingSchedule, event: LoggedEvent) -> None:
    """Move a schedule by an event that is not its first."""
    schedule.at = max(schedule.at, event.at)
    match event.topic:
        case "schedule.revised":
            _begin_version(schedule, event, "changes")
        case "schedule.registered_anew":
            _begin_version(schedule, event, "spec")
            schedule.is_deleted = False
            schedule.is_paused = False
        case "schedule.paused":
            schedule.is_paused = True
        case "schedule.resumed":
            schedule.is_paused = False
        case "schedule.deleted":
            schedule.is_deleted = True
            schedule.buffered.clear()
        case "schedule.triggered":
            schedule.open_runs.add(_run_id(event))
        case "schedule.run_ended":
            schedule.open_runs.discard(_run_id(event))
        case _:
            _tick(schedule, event)


def _begin_version(schedule: LivingSchedule, event: LoggedEvent, says: str) -> None:
    said = cast("JsonObject", event.data[says])
    overlap = said.get("overlap", schedule.overlap)
    schedule.overlap = cast("str", overlap)
    schedule.decided_until = max(schedule.decided_until, event.at)


def _tick(schedule: LivingSchedule, event: LoggedEvent) -> None:
    """Move a schedule by what became of a tick, or of several in a row."""
    if not event.topic.startswith("schedule.tick_"):
        return
    first = cast("str", event.data["due_at"])
    last = cast("str", event.data.get("last_due_at", first))
    schedule.decided_until = max(schedule.decided_until, last)
    decided = {due_at for due_at in schedule.buffered if first <= due_at <= last}
    schedule.buffered -= decided
    if event.topic == "schedule.tick_buffered":
        schedule.buffered.add(first)
    elif event.topic == "schedule.tick_launched":
        run_id = _run_id(event)
        schedule.open_runs.add(run_id)


def _run_id(event: LoggedEvent) -> str:
    return cast("str", event.data["run_id"])
