"""Which ticks a schedule had, by the version that was valid when each was due."""

from datetime import timedelta

from domain.schedules.past_ticks import VERSIONS, PastTicks
from domain.schedules.schedule import Schedule
from domain.schedules.ticks import decide_ticks
from tests.unit.domain.schedules.given import MINUTE_MS, a_spec, new_events
from tests.unit.given import NOON, at


def past_of(schedule: Schedule) -> PastTicks:
    carried = {tick.due_at for tick in schedule.carried}
    past = PastTicks(schedule.id, schedule.decided_until, carried)
    for event in new_events(schedule):
        if event.TOPIC in VERSIONS:
            past.apply(event)
    return past


def minutes(past: PastTicks, begin: float, end: float) -> list[float]:
    """Return the minutes after noon at which ticks were due."""
    ticks = past.ticks(at(begin * MINUTE_MS), at(end * MINUTE_MS))
    due = [tick.due_at - NOON for tick in ticks if not tick.is_excluded]
    return [one / timedelta(minutes=1) for one in due]


def test_each_version_has_the_ticks_of_its_time() -> None:
    schedule = Schedule.create("nightly", a_spec(), NOON)
    schedule.revise({"every_ms": 5 * MINUTE_MS}, at(2 * MINUTE_MS))
    schedule.delete(None, at(10 * MINUTE_MS))
    schedule.recreate(a_spec(every_ms=2 * MINUTE_MS), at(13 * MINUTE_MS))
    decide_ticks(schedule, at(18 * MINUTE_MS), "job_deleted")
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


def test_excluded_ticks_are_none() -> None:
    schedule = Schedule.create("nightly", a_spec(exclude=["3 * * * *"]), NOON)
    decide_ticks(schedule, at(5 * MINUTE_MS), None)
    assert minutes(past_of(schedule), 0.5, 5) == [1, 2, 4, 5]
