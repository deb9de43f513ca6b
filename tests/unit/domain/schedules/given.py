"""Schedules that tests start from."""

from typing import Any

from domain.schedules.calendar import ScheduleSpec
from domain.schedules.schedule import Schedule
from domain.schedules.schedule_events import ScheduleEvent
from tests.unit.given import NOON, topics

MINUTE_MS = 60_000


def a_spec(**changes: Any) -> ScheduleSpec:
    """Return a rhythm of minutes for the job `report`."""
    fields: dict[str, Any] = {"job": "report", "every_ms": MINUTE_MS}
    return ScheduleSpec(**{**fields, **changes})


def a_schedule(**changes: Any) -> Schedule:
    """Return a schedule that was created at noon; its first event counts as appended."""
    schedule = Schedule.create("nightly", a_spec(**changes), NOON)
    schedule.collect_events()
    return schedule


def new_events(schedule: Schedule) -> list[ScheduleEvent]:
    """Take the new events."""
    return [event for event in schedule.collect_events() if isinstance(event, ScheduleEvent)]


def topics_of(schedule: Schedule) -> list[str]:
    """Take the new events, and return them in short: for example `tick_skipped overlap 3`."""
    events = new_events(schedule)
    names = []
    for topic, event in zip(topics(events), events, strict=True):
        fields = vars(event)
        words = [topic.removeprefix("schedule.")]
        words += [str(fields[name]) for name in ("reason", "ticks") if name in fields]
        names.append(" ".join(words))
    return names
