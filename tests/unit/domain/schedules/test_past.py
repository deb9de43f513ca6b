"""Which ticks a schedule had, by the version that was valid when each was due."""

from datetime import timedelta

from domain.schedules.schedule import Schedule
from domain.schedules.ticks import Past, settle
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
    due = [tick.due_at - NOON for tick in ticks if tick.run_id is None]
    return [one / timedelta(minutes=1) for one in due]


def test_each_version_has_the_ticks_of_its_time() -> None:
    schedule = Schedule.create("nightly", a_spec(), NOON)
    schedule.revise({"every_ms": 5 * MINUTE_MS}, at(2 * MINUTE_MS))
    schedule.delete(None, at(10 * MINUTE_MS))
    schedule.recreate(a_spec(every_ms=2 * MINUTE_MS), at(13 * MINUTE_MS))
    settle(schedule, at(18 * MINUTE_MS), "job_deleted")
    past = past_of(schedule)
    assert minutes(past, 1, 17) == [1, 2, 5, 10, 14, 16]
    assert minutes(past, 2, 10) == [2, 5, 10]
    assert minutes(past, 2.5, 4.5) == []


def test_before_its_creation_a_schedule_has_the_ticks_of_its_first_version() -> None:
    schedule = Schedule.create("nightly", a_spec(exclude=["57 * * * *"]), NOON)
    schedule.revise({"every_ms": 5 * MINUTE_MS}, at(MINUTE_MS / 2))
    assert minutes(past_of(schedule), -4, 5) == [-4, -2, -1, 0]


def test_what_is_not_decided_is_no_past_tick() -> None:
    schedule = Schedule.create("nightly", a_spec(jitter_ms=MINUTE_MS), NOON)
    tick = next(schedule.undecided())
    assert minutes(past_of(schedule), 1, 9) == []
    schedule = Schedule.create("nightly", a_spec(jitter_ms=MINUTE_MS), NOON)
    schedule.revise({"overlap": "allow_all"}, tick.fires_at - timedelta(milliseconds=1))
    assert minutes(past_of(schedule), 1, 9) == []


def test_ticks_with_a_run_are_told_apart_and_excluded_ones_are_none() -> None:
    schedule = Schedule.create("nightly", a_spec(exclude=["3 * * * *"]), NOON)
    settle(schedule, at(1 * MINUTE_MS), None)
    settle(schedule, at(2 * MINUTE_MS), None)
    settle(schedule, at(5 * MINUTE_MS), None)
    schedule.backfill_tick(at(4 * MINUTE_MS), at(5 * MINUTE_MS))
    again = schedule.backfill_tick(at(4 * MINUTE_MS), at(6 * MINUTE_MS), 1)
    past = past_of(schedule)
    assert minutes(past, 0.5, 5) == [2, 5]
    ticks = past.ticks(at(1), at(5 * MINUTE_MS))
    assert [(tick.runs, tick.is_backfilled) for tick in ticks] == [
        (1, False),
        (0, False),
        (2, True),
        (0, False),
    ]
    [tick] = past.ticks(at(4 * MINUTE_MS), at(4 * MINUTE_MS))
    assert tick.run_id == again
