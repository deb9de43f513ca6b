"""All ticks that are due: what is launched, canceled and recorded."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import to_iso
from domain.identifiers import tick_run_id
from domain.schedules.calendar import MAX_CATCH_UP_MS, OVERLAPS, Overlap
from domain.schedules.schedule import Schedule
from domain.schedules.schedule_events import TickEvent, TickLaunched, TickSkipped
from domain.schedules.ticks import (
    MAX_LAUNCHES,
    MAX_TICKS,
    DecidedTicks,
    decide_ticks,
    ticks_to_redecide,
)
from tests.unit.domain.schedules.given import MINUTE_MS, a_schedule, a_spec, new_events, topics_of
from tests.unit.given import NOON, at

HOUR_MS = 60 * MINUTE_MS


def minute(number: float) -> datetime:
    return at(number * MINUTE_MS)


def end_run(schedule: Schedule, now: datetime, status: str = "succeeded") -> None:
    schedule.record_end(schedule.open_runs[0], status, now)


def test_before_a_tick_is_due_nothing_happens() -> None:
    schedule = a_schedule()
    assert decide_ticks(schedule, at(MINUTE_MS - 1), None) == DecidedTicks()
    assert schedule.pending_events == []


def test_a_tick_that_is_due_is_launched_with_an_id_of_its_own() -> None:
    schedule = a_schedule()
    decided = decide_ticks(schedule, minute(1.5), None)
    run_id = tick_run_id(schedule.id, to_iso(minute(1)))
    assert decided == DecidedTicks([(run_id, minute(1))])
    [event] = new_events(schedule)
    assert isinstance(event, TickLaunched)
    assert (event.due_at, event.run_id) == (minute(1), str(run_id))
    assert (event.timestamp, event.next_at) == (minute(1.5), minute(2))
    assert decide_ticks(schedule, minute(1.9), None) == DecidedTicks()


def test_ticks_that_are_skipped_for_one_reason_in_a_row_are_one_event() -> None:
    schedule = a_schedule(catch_up_ms=150_000)
    decided = decide_ticks(schedule, minute(6), None)
    assert topics_of(schedule) == [
        "tick_skipped missed 3",
        "tick_launched",
        "tick_skipped overlap 2",
    ]
    assert [due_at for _, due_at in decided.launches] == [minute(4)]


def test_what_is_caught_up_with_to_the_millisecond_is_not_missed() -> None:
    schedule = a_schedule(catch_up_ms=MINUTE_MS, overlap="allow_all")
    decided = decide_ticks(schedule, minute(3) + timedelta(microseconds=500), None)
    assert topics_of(schedule) == ["tick_skipped missed 1", "tick_launched", "tick_launched"]
    assert [due_at for _, due_at in decided.launches] == [minute(2), minute(3)]


@pytest.mark.parametrize(
    ("overlap", "events", "launched", "canceled"),
    [
        ("skip", ["tick_launched", "tick_skipped overlap 2"], 1, 0),
        ("buffer_one", ["tick_launched", "tick_buffered", "tick_skipped overlap 1"], 1, 0),
        ("buffer_all", ["tick_launched", "tick_buffered", "tick_buffered"], 1, 0),
        (
            "cancel_other",
            ["tick_launched", "tick_buffered", "tick_skipped overlap 1", "tick_buffered"],
            1,
            1,
        ),
        ("terminate_other", ["tick_launched"] * 3, 3, 2),
        ("allow_all", ["tick_launched"] * 3, 3, 0),
    ],
)
def test_three_ticks_at_once_by_each_policy(
    overlap: Overlap, events: list[str], launched: int, canceled: int
) -> None:
    schedule = a_schedule(overlap=overlap, catch_up_ms=3 * MINUTE_MS)
    decided = decide_ticks(schedule, minute(3), None)
    assert topics_of(schedule) == events
    assert (len(decided.launches), len(decided.cancels)) == (launched, canceled)


def test_ticks_that_wait_are_launched_one_after_the_other() -> None:
    schedule = a_schedule(overlap="buffer_all", catch_up_ms=3 * MINUTE_MS)
    decide_ticks(schedule, minute(3), None)
    assert schedule.buffered == [minute(2), minute(3)]
    due = []
    for second in (1, 2):
        end_run(schedule, minute(3))
        decided = decide_ticks(schedule, minute(3) + timedelta(seconds=second), None)
        due += [due_at for _, due_at in decided.launches]
    assert due == [minute(2), minute(3)]
    assert (schedule.buffered, len(schedule.open_runs)) == ([], 1)


def test_what_waits_keeps_its_place_before_a_tick_that_comes_then() -> None:
    schedule = a_schedule(overlap="buffer_all")
    decide_ticks(schedule, minute(1), None)
    decide_ticks(schedule, minute(2), None)
    end_run(schedule, minute(2.5))
    schedule.collect_events()
    decided = decide_ticks(schedule, minute(3), None)
    assert [due_at for _, due_at in decided.launches] == [minute(2)]
    assert schedule.buffered == [minute(3)]


def test_a_canceled_run_makes_room_once_it_has_stopped() -> None:
    schedule = a_schedule(overlap="cancel_other")
    [(first, _)] = decide_ticks(schedule, minute(1), None).launches
    decided = decide_ticks(schedule, minute(2), None)
    assert (decided.launches, decided.cancels) == ([], [first])
    end_run(schedule, minute(2.1), "canceled")
    decided = decide_ticks(schedule, minute(2.2), None)
    assert [due_at for _, due_at in decided.launches] == [minute(2)]


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_what_people_launch_is_in_no_tick_s_way_and_is_not_canceled(overlap: Overlap) -> None:
    schedule = a_schedule(overlap=overlap)
    schedule.trigger(UUID(int=1), at(1))
    schedule.backfill_tick(minute(-5), at(2))
    schedule.collect_events()
    decided = decide_ticks(schedule, minute(1), None)
    assert topics_of(schedule) == ["tick_launched"]
    assert decided.cancels == []
    assert len(schedule.open_runs) == 3


def test_what_waits_does_not_wait_for_what_people_launch() -> None:
    schedule = a_schedule(overlap="buffer_one")
    [(first, _)] = decide_ticks(schedule, minute(1), None).launches
    decide_ticks(schedule, minute(2), None)
    schedule.trigger(UUID(int=1), minute(2.1))
    schedule.record_end(str(first), "succeeded", minute(2.2))
    decided = decide_ticks(schedule, minute(2.3), None)
    assert [due_at for _, due_at in decided.launches] == [minute(2)]


def test_a_pause_and_a_deletion_skip_what_is_due_and_has_not_fired() -> None:
    for act, reason in ((_pause, "paused"), (_delete, "deleted")):
        schedule = a_schedule(jitter_ms=MINUTE_MS)
        tick = next(schedule.undecided())
        before = tick.fires_at - timedelta(milliseconds=1)
        act(schedule, before)
        assert f"tick_skipped {reason} 1" in topics_of(schedule)
        assert decide_ticks(schedule, tick.fires_at, None) == DecidedTicks()
        assert schedule.decided_until == tick.due_at


def _pause(schedule: Schedule, now: datetime) -> None:
    schedule.pause("anna", None, now)


def _delete(schedule: Schedule, now: datetime) -> None:
    schedule.delete(None, now)


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"day": "monday"}},
        {"every_ms": 3_600_000},
        {"every_ms": None, "cron": "* * * * *", "jitter_ms": 0},
    ],
)
def test_a_revision_keeps_the_time_of_what_is_due_and_has_not_fired(
    changes: dict[str, Any],
) -> None:
    schedule = a_schedule(jitter_ms=MINUTE_MS, overlap="allow_all")
    tick = next(schedule.undecided())
    before = tick.fires_at - timedelta(milliseconds=1)
    schedule.revise(changes, before)
    assert (topics_of(schedule), schedule.next_at) == (["revised"], tick.fires_at)
    assert decide_ticks(schedule, before, None) == DecidedTicks()
    decided = decide_ticks(schedule, tick.fires_at, None)
    assert [due_at for _, due_at in decided.launches] == [tick.due_at]
    assert decide_ticks(schedule, tick.fires_at, None) == DecidedTicks()
    assert next(schedule.undecided()).due_at > tick.due_at


def test_a_schedule_that_is_created_anew_knows_no_run_of_its_former_life() -> None:
    schedule = a_schedule(pause_on_failure=True)
    [(former, _)] = decide_ticks(schedule, minute(1), None).launches
    schedule.delete(None, minute(1.5))
    schedule.recreate(a_spec(pause_on_failure=True), minute(1.6))
    schedule.collect_events()
    schedule.record_end(str(former), "failed", minute(1.7))
    assert (schedule.is_paused, schedule.open_runs) == (False, [])
    decide_ticks(schedule, minute(2), None)
    assert topics_of(schedule) == ["tick_launched"]


def test_a_paused_schedule_skips_and_what_waits_goes_on_waiting() -> None:
    schedule = a_schedule(overlap="buffer_one")
    decide_ticks(schedule, minute(1), None)
    decide_ticks(schedule, minute(2), None)
    end_run(schedule, minute(2.1))
    schedule.pause("anna", "holidays", minute(2.2))
    schedule.collect_events()
    decide_ticks(schedule, minute(3), None)
    assert topics_of(schedule) == ["tick_skipped paused 1"]
    schedule.resume(minute(3.1))
    decided = decide_ticks(schedule, minute(3.2), None)
    assert [due_at for _, due_at in decided.launches] == [minute(2)]


def test_without_its_job_nothing_is_launched_and_nothing_waits() -> None:
    schedule = a_schedule(overlap="buffer_one")
    decide_ticks(schedule, minute(1), None)
    decide_ticks(schedule, minute(2), None)
    schedule.collect_events()
    assert decide_ticks(schedule, minute(3), "job_deleted") == DecidedTicks()
    assert topics_of(schedule) == ["tick_skipped job_deleted 1", "tick_skipped job_deleted 1"]
    assert schedule.buffered == []


def test_a_skipped_tick_names_the_run_in_its_way() -> None:
    schedule = a_schedule()
    decide_ticks(schedule, minute(1), None)
    schedule.collect_events()
    decide_ticks(schedule, minute(2), None)
    [event] = new_events(schedule)
    assert isinstance(event, TickSkipped)
    assert [event.run_id] == schedule.open_runs


def test_jitter_delays_the_decision() -> None:
    schedule = a_schedule(jitter_ms=MINUTE_MS)
    [tick] = [next(schedule.undecided())]
    before = tick.fires_at - timedelta(milliseconds=1)
    assert before >= tick.due_at  # Else the schedule of this test must be called otherwise.
    assert decide_ticks(schedule, before, None) == DecidedTicks()
    assert len(decide_ticks(schedule, tick.fires_at, None).launches) == 1


@pytest.mark.parametrize("catch_up_ms", [0, 1, 5, 20])
def test_how_late_a_running_service_decides_is_no_matter(catch_up_ms: int) -> None:
    schedule = a_schedule(catch_up_ms=catch_up_ms, overlap="allow_all")
    decided = decide_ticks(schedule, minute(3.5), None, watched_since=NOON)
    assert len(decided.launches) == 3


def test_ticks_are_missed_if_nobody_looked_for_longer_than_is_caught_up_with() -> None:
    schedule = a_schedule(catch_up_ms=MINUTE_MS, overlap="allow_all")
    decided = decide_ticks(schedule, minute(5.9), None, watched_since=minute(3.5))
    assert topics_of(schedule) == ["tick_skipped missed 2", *["tick_launched"] * 3]
    assert len(decided.launches) == 3


def test_a_stretch_of_missed_ticks_says_since_when_somebody_looked() -> None:
    schedule = a_schedule(catch_up_ms=0)
    decide_ticks(schedule, minute(5.5), None, watched_since=minute(5.25))
    [event] = new_events(schedule)
    assert isinstance(event, TickSkipped)
    assert (event.due_at, event.last_due_at, event.ticks) == (minute(1), minute(5), 5)
    assert event.watched_since == minute(5.25)


@pytest.mark.parametrize(
    "rhythm",
    [
        {"every_ms": 1_000},
        {"every_ms": 1_000, "jitter_ms": 900},
        {"every_ms": None, "cron": "* * * * *", "time_zone": "Europe/Berlin"},
        {"every_ms": None, "cron": "* * * * *", "exclude": ["* 3 * * *"]},
    ],
)
@pytest.mark.parametrize(
    ("acts", "reason"),
    [
        (lambda one, now: decide_ticks(one, now, None), "missed"),
        (lambda one, now: decide_ticks(one, now, "job_deleted"), "job_deleted"),
        (lambda one, now: one.pause("anna", None, now), "paused"),
        (lambda one, now: one.delete(None, now), "deleted"),
    ],
)
def test_millions_of_ticks_that_are_skipped_are_one_event(
    rhythm: dict[str, Any], acts: Callable[[Schedule, datetime], object], reason: str
) -> None:
    schedule = a_schedule(catch_up_ms=0, **rhythm)
    years = 3
    now = NOON + timedelta(days=365 * years, seconds=0.5)
    acts(schedule, now)
    [event] = [one for one in new_events(schedule) if isinstance(one, TickSkipped)]
    every = timedelta(seconds=1) if schedule.spec.every_ms else timedelta(minutes=1)
    assert event.reason == reason
    assert event.ticks == (event.last_due_at - event.due_at) // every + 1
    assert event.ticks >= years * 365 * 24 * 60
    assert now - event.last_due_at <= 2 * every


def test_policies_skip_what_has_gathered_as_one_event() -> None:
    schedule = a_schedule(every_ms=1_000, catch_up_ms=MAX_CATCH_UP_MS)
    now = NOON + timedelta(days=12)
    assert not decide_ticks(schedule, now, None).has_more
    assert topics_of(schedule) == ["tick_launched", "tick_skipped overlap 1036799"]


def test_very_many_ticks_with_exceptions_are_decided_in_parts() -> None:
    schedule = a_schedule(every_ms=1_000, exclude=["59 * 31 12 *"], catch_up_ms=MAX_CATCH_UP_MS)
    schedule.launch_tick(at(1_000), at(1_500))
    schedule.collect_events()
    now = at(251_500)
    parts = 1
    while decide_ticks(schedule, now, None).has_more:
        parts += 1
    events = new_events(schedule)
    counted = [event.ticks for event in events if isinstance(event, TickSkipped)]
    assert (parts, counted) == (3, [MAX_TICKS, MAX_TICKS, 50])


def test_very_many_runs_are_launched_in_parts() -> None:
    schedule = a_schedule(every_ms=1_000, catch_up_ms=60_000, overlap="allow_all")
    now = at(25_500)
    parts = []
    has_more = True
    while has_more:
        decided = decide_ticks(schedule, now, None)
        parts.append(len(decided.launches))
        has_more = decided.has_more
    assert parts == [MAX_LAUNCHES, MAX_LAUNCHES, 5]
    assert schedule.decided_until == at(25_000)


def set_back(schedule: Schedule, now: datetime, launched: Sequence[datetime] = ()) -> DecidedTicks:
    """Decide by a clock that may have been set back, with these ticks' runs in the log."""
    again = ticks_to_redecide(schedule, now)
    schedule.already_launched = {*again} & {*launched, *schedule.buffered}
    return decide_ticks(schedule, now, None, watched_since=now - timedelta(minutes=1))


def test_by_a_clock_that_is_set_back_no_tick_is_launched_twice() -> None:
    schedule = a_schedule(overlap="allow_all", catch_up_ms=HOUR_MS)
    launched = [due_at for _, due_at in decide_ticks(schedule, minute(3), None).launches]
    assert launched == [minute(1), minute(2), minute(3)]
    schedule.collect_events()
    assert set_back(schedule, minute(0.5), launched) == DecidedTicks()
    assert topics_of(schedule) == []
    assert schedule.next_at == minute(4)
    for now in (1, 2, 3):
        assert set_back(schedule, minute(now), launched) == DecidedTicks()
    assert [due_at for _, due_at in set_back(schedule, minute(4), launched).launches] == [minute(4)]


def test_by_a_clock_that_is_set_back_ticks_that_were_skipped_are_decided_by_the_present() -> None:
    schedule = a_schedule()
    # The clock was a year ahead: all that had been due by then was missed, but for the last one.
    year = MAX_CATCH_UP_MS // MINUTE_MS
    decide_ticks(schedule, minute(year), None)
    end_run(schedule, minute(year))
    schedule.collect_events()
    set_back(schedule, minute(10.5))
    assert topics_of(schedule) == ["replanned"]
    assert schedule.next_at == minute(11)
    assert set_back(schedule, minute(10.9)) == DecidedTicks()
    for number in (11, 12):
        [(run_id, due_at)] = set_back(schedule, minute(number)).launches
        assert (run_id, due_at) == (tick_run_id(schedule.id, to_iso(due_at)), minute(number))
        assert schedule.next_at == minute(number + 1)
        end_run(schedule, minute(number))
    times = [event.timestamp for event in new_events(schedule)]
    assert times == [minute(year)] * len(times)  # They never go back.


@pytest.mark.parametrize("jitter_ms", [0, 20_000, 59_999])
def test_ticks_that_come_again_are_decided_once_each_in_order(jitter_ms: int) -> None:
    schedule = a_schedule(jitter_ms=jitter_ms, overlap="allow_all", catch_up_ms=0)
    decide_ticks(schedule, minute(500), None, watched_since=minute(300))
    had_runs = [event.due_at for event in new_events(schedule) if isinstance(event, TickLaunched)]
    first = had_runs[0]
    assert first > minute(290)
    launched = list(had_runs)
    for step in range(250 * 4, 320 * 4):
        has_more = True
        while has_more:
            decided = set_back(schedule, minute(step / 4), launched)
            launched += [due_at for _, due_at in decided.launches]
            has_more = decided.has_more
    assert len(set(launched)) == len(launched)
    again = [due_at for due_at in launched[len(had_runs) :] if due_at < first]
    assert again == sorted(again)
    assert again[-1] == first - timedelta(minutes=1)
    assert again[0] <= minute(251)
    assert len(again) == (again[-1] - again[0]) // timedelta(minutes=1) + 1


def test_a_clock_may_be_set_back_again() -> None:
    schedule = a_schedule(catch_up_ms=0)
    decide_ticks(schedule, minute(100), None)
    set_back(schedule, minute(50.5))
    assert schedule.next_at == minute(51)
    set_back(schedule, minute(20.5))
    assert schedule.next_at == minute(21)


def test_what_is_changed_by_a_clock_that_was_set_back_goes_by_the_present() -> None:
    schedule = a_schedule()
    decide_ticks(schedule, minute(100), None)
    set_back(schedule, minute(50.5))
    schedule.revise({"every_ms": 5 * MINUTE_MS}, minute(51.5))
    assert schedule.next_at == minute(55)
    schedule.delete(None, minute(52))
    schedule.recreate(a_spec(every_ms=2 * MINUTE_MS), minute(53))
    assert schedule.next_at == minute(54)


def test_a_deleted_schedule_has_no_ticks() -> None:
    schedule = a_schedule()
    schedule.delete(None, minute(0.5))
    schedule.collect_events()
    assert decide_ticks(schedule, minute(3), None) == DecidedTicks()
    assert list(schedule.undecided()) == []


STEPS = st.lists(st.tuples(st.integers(1, 400_000), st.booleans(), st.booleans()), max_size=20)


@given(overlap=st.sampled_from(OVERLAPS), steps=STEPS, jitter_ms=st.integers(0, 90_000))
def test_every_tick_gets_one_outcome_whatever_happens(
    overlap: Overlap, steps: list[tuple[int, bool, bool]], jitter_ms: int
) -> None:
    schedule = a_schedule(overlap=overlap, jitter_ms=jitter_ms, catch_up_ms=100_000)
    now = NOON
    for ms, ends, toggles in steps:
        now += timedelta(milliseconds=ms)
        if ends and schedule.open_runs:
            end_run(schedule, now)
        if toggles and schedule.is_paused:
            schedule.resume(now)
        elif toggles:
            schedule.pause("anna", None, now)
        decide_ticks(schedule, now, None)
    events = new_events(schedule)
    outcomes: dict[datetime, list[str]] = {}
    for event in events:
        if isinstance(event, TickEvent):
            for due_at in _ticks_of(event):
                outcomes.setdefault(due_at, []).append(type(event).__name__)
    due = [minute(number) for number in range(1, len(outcomes) + 1)]
    assert sorted(outcomes) == due
    undecided = next(schedule.undecided())
    assert undecided.due_at == minute(len(outcomes) + 1)
    assert undecided.fires_at > now
    for due_at, told_of_it in outcomes.items():
        first, *later = told_of_it
        if first != "TickBuffered" or due_at in schedule.buffered:
            assert later == []
        else:
            assert len(later) == 1
    if overlap not in {"allow_all", "terminate_other"}:
        assert len(schedule.open_runs) <= 1


def _ticks_of(event: TickEvent) -> list[datetime]:
    if not isinstance(event, TickSkipped):
        return [event.due_at]
    return [
        event.due_at + timedelta(milliseconds=number * MINUTE_MS) for number in range(event.ticks)
    ]
