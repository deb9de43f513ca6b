"""Which ticks a schedule had, by the version that was valid when each was due."""

from datetime import timedelta

from domain.schedules.past import Past
from domain.schedules.schedule import Schedule
from domain.schedules.settling import settle
from tests.unit.domain.schedules.given import MINUTE_MS, a_spec, new_events
from tests.unit.given import NOON, at


def past_of(schedule: Schedule) -> Past:
    past = Past(schedule.id)
    for event in new_events(schedule):
        past.tell(event)
    return past


def minutes(past: Past, begin: float, end: float) -> list[float]:
    """Return the minutes after noon at which ticks without a run were due."""
    ticks = past.ticks(at(begin * MINUTE_MS), at(end * MINUTE_MS))
    due = [tick.due_at - NOON for tick in ticks if not tick.has_run]
    return [one / timedelta(minutes=1) for one in due]


def test_each_version_has_the_ticks_of_its_time() -> None:
    schedule = Schedule.create("nightly", a_spec(), NOON)
    schedule.revise({"every_ms": 5 * MINUTE_MS}, at(2 * MINUTE_MS))
    schedule.delete(None, at(10 * MINUTE_MS))
    schedule.recreate(a_spec(every_ms=2 * MINUTE_MS), at(13 * MINUTE_MS))
    past = past_of(schedule)
    assert minutes(past, -10, 17) == [1, 2, 5, 10, 14, 16]
    assert minutes(past, 2, 10) == [2, 5, 10]
    assert minutes(past, 2.5, 4.5) == []


def test_ticks_with_a_run_are_told_apart_and_excluded_ones_are_none() -> None:
    schedule = Schedule.create("nightly", a_spec(exclude=["3 * * * *"]), NOON)
    settle(schedule, at(1 * MINUTE_MS), None)
    settle(schedule, at(2 * MINUTE_MS), None)
    schedule.backfill_tick(at(4 * MINUTE_MS), at(5 * MINUTE_MS))
    past = past_of(schedule)
    assert minutes(past, 0, 5) == [2, 5]
    ticks = past.ticks(NOON, at(5 * MINUTE_MS))
    assert [tick.has_run for tick in ticks] == [True, False, True, False]
