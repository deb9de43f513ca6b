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
        catch_up_ms: for how long nobody may have looked at the clock before a tick is missed.
        buffered: when the ticks were due that wait.
        carried: when ticks of former versions were due that are still to fire.
        open_runs: those of its runs that ticks launched and of which no end was told.
        other_runs: the same of those that people launched, or that are of its former life.
    """

    at: str
    overlap: str
    decided_until: str
    catch_up_ms: int = 0
    is_paused: bool = False
    is_deleted: bool = False
    buffered: set[str] = field(default_factory=set)
    carried: set[str] = field(default_factory=set)
    open_runs: set[str] = field(default_factory=set)
    other_runs: set[str] = field(default_factory=set)


def registered(event: LoggedEvent) -> LivingSchedule:
    """Return the schedule that its first event makes."""
    schedule = LivingSchedule(event.at, "", decided_until=event.at)
    _begin_version(schedule, event, "spec")
    return schedule


def move(schedule: LivingSchedule, event: LoggedEvent) -> None:
    """Move a schedule by an event that is not its first."""
    schedule.at = max(schedule.at, event.at)
    match event.topic:
        case "schedule.revised":
            _begin_version(schedule, event, "changes")
            carried = event.data.get("carried_due_at")
            if carried is not None:
                schedule.carried.add(cast("str", carried))
        case "schedule.registered_anew":
            _begin_version(schedule, event, "spec")
            schedule.is_deleted = False
            schedule.is_paused = False
            schedule.other_runs |= schedule.open_runs
            schedule.open_runs.clear()
        case "schedule.paused":
            schedule.is_paused = True
        case "schedule.resumed":
            schedule.is_paused = False
        case "schedule.deleted":
            schedule.is_deleted = True
            schedule.buffered.clear()
            schedule.carried.clear()
        case "schedule.triggered":
            schedule.other_runs.add(_run_id(event))
        case "schedule.run_ended":
            schedule.open_runs.discard(_run_id(event))
            schedule.other_runs.discard(_run_id(event))
        case _:
            _tick(schedule, event)


def _begin_version(schedule: LivingSchedule, event: LoggedEvent, says: str) -> None:
    said = cast("JsonObject", event.data[says])
    overlap = said.get("overlap", schedule.overlap)
    schedule.overlap = cast("str", overlap)
    catch_up_ms = said.get("catch_up_ms", schedule.catch_up_ms)
    schedule.catch_up_ms = cast("int", catch_up_ms)
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
    schedule.carried -= {one for one in schedule.carried if first <= one <= last}
    if event.topic == "schedule.tick_buffered":
        schedule.buffered.add(first)
    elif event.topic == "schedule.tick_launched":
        is_backfill = event.data.get("cause") == "backfill"
        runs = schedule.other_runs if is_backfill else schedule.open_runs
        runs.add(_run_id(event))


def _run_id(event: LoggedEvent) -> str:
    return cast("str", event.data["run_id"])
