"""What becomes of a tick: every policy in every situation."""

from dataclasses import replace

import pytest

from domain.schedules.calendar import OVERLAPS, Overlap, Tick
from domain.schedules.schedule_events import MAX_BUFFERED, SkipReason
from domain.schedules.ticks import MAX_OPEN_RUNS, Situation, Verdict, verdict
from tests.unit.domain.schedules.given import a_spec
from tests.unit.given import NOON, at

FREE = Situation(watched_since=NOON, is_paused=False, obstacle=None, open_runs=0, buffered=0)
RUNNING = replace(FREE, open_runs=1)
TICK = Tick(NOON, NOON)

LAUNCHED = Verdict("launched")
BUFFERED = Verdict("buffered")
OVERLAP = Verdict("skipped", "overlap")


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_where_nothing_is_in_the_way_a_tick_is_launched(overlap: Overlap) -> None:
    assert verdict(a_spec(overlap=overlap), TICK, FREE) == LAUNCHED


@pytest.mark.parametrize(
    ("overlap", "first", "with_one_waiting"),
    [
        ("skip", OVERLAP, OVERLAP),
        ("buffer_one", BUFFERED, OVERLAP),
        ("buffer_all", BUFFERED, BUFFERED),
        (
            "cancel_other",
            Verdict("buffered", cancels=True, displaces=True),
            Verdict("buffered", cancels=True, displaces=True),
        ),
        (
            "terminate_other",
            Verdict("launched", cancels=True, displaces=True),
            Verdict("launched", cancels=True, displaces=True),
        ),
        ("allow_all", LAUNCHED, LAUNCHED),
    ],
)
def test_while_a_run_has_not_ended_the_policy_decides(
    overlap: Overlap, first: Verdict, with_one_waiting: Verdict
) -> None:
    spec = a_spec(overlap=overlap)
    assert verdict(spec, TICK, RUNNING) == first
    assert verdict(spec, TICK, replace(RUNNING, buffered=1)) == with_one_waiting


def test_no_more_ticks_wait_than_a_row_can_hold() -> None:
    spec = a_spec(overlap="buffer_all")
    almost = replace(RUNNING, buffered=MAX_BUFFERED - 1)
    full = replace(RUNNING, buffered=MAX_BUFFERED)
    assert verdict(spec, TICK, almost) == BUFFERED
    assert verdict(spec, TICK, full) == Verdict("skipped", "buffer_full")


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_no_more_runs_are_open_than_can_be_looked_at(overlap: Overlap) -> None:
    full = replace(FREE, open_runs=MAX_OPEN_RUNS)
    decided = verdict(a_spec(overlap=overlap), TICK, full)
    assert decided == Verdict("skipped", "too_many_runs")


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_nothing_is_launched_where_a_run_is_kept_instead(overlap: Overlap) -> None:
    spec = a_spec(overlap=overlap)
    kept = replace(FREE, is_kept=True)
    assert verdict(spec, TICK, kept) == Verdict("skipped", "run_is_there")
    while_running = verdict(spec, TICK, replace(kept, open_runs=1))
    assert while_running.outcome != "launched"


EXCLUDED = Tick(NOON, NOON, is_excluded=True)
PAUSED = replace(FREE, is_paused=True)
LATE = replace(FREE, watched_since=at(60_001))


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize(
    ("tick", "situation", "reason"),
    [
        (EXCLUDED, FREE, "excluded"),
        (EXCLUDED, PAUSED, "paused"),
        (TICK, replace(PAUSED, obstacle="job_deleted"), "paused"),
        (TICK, replace(LATE, obstacle="job_deleted"), "job_deleted"),
        (TICK, replace(FREE, obstacle="invalid_parameters"), "invalid_parameters"),
        (TICK, replace(LATE, open_runs=1), "missed"),
    ],
)
def test_some_ticks_are_skipped_whatever_runs(
    overlap: Overlap, tick: Tick, situation: Situation, reason: SkipReason
) -> None:
    decided = verdict(a_spec(overlap=overlap), tick, situation)
    assert decided == Verdict("skipped", reason)


def test_a_tick_is_missed_once_it_is_later_than_may_be_caught_up_with() -> None:
    spec = a_spec(catch_up_ms=60_000)
    just = replace(FREE, watched_since=at(60_000))
    assert verdict(spec, TICK, just) == LAUNCHED
    assert verdict(spec, TICK, LATE) == Verdict("skipped", "missed")


def test_what_jitter_delays_is_not_late_for_that() -> None:
    jittered = Tick(NOON, at(50_000))
    assert verdict(a_spec(), jittered, replace(FREE, watched_since=at(110_000))) == LAUNCHED
