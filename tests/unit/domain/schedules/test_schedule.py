"""A schedule's versions, pauses, deletion and runs."""

from collections.abc import Callable
from uuid import UUID

import pytest

from domain.clock import to_iso
from domain.errors import ConflictError, InvalidInputError, NotFoundError
from domain.identifiers import schedule_id
from domain.json_values import JsonObject
from domain.ports import SYSTEM
from domain.schedules.schedule import Schedule
from domain.schedules.schedule_events import Paused, Revised
from domain.schedules.ticks import decide_ticks
from tests.unit.domain.schedules.given import MINUTE_MS, a_schedule, a_spec, new_events, topics_of
from tests.unit.given import NOON, at, new_topics

RUN_ID = UUID("01957000-0000-7000-8000-000000000001")


def test_a_schedule_begins_with_the_tick_after_its_creation() -> None:
    schedule = Schedule.create("Nightly", a_spec(), at(0.9))
    assert (schedule.id, schedule.current) == (schedule_id("nightly"), 1)
    assert schedule.decided_until == NOON
    assert next(schedule.undecided()).due_at == at(MINUTE_MS)
    assert new_topics(schedule) == ["schedule.registered"]


def test_large_parameters_are_not_copied_on_their_way_into_events() -> None:
    parameters: JsonObject = {"large": []}
    schedule = a_schedule(parameters=parameters)
    assert schedule.spec.parameters is parameters


def test_what_is_wrong_with_it_is_refused() -> None:
    with pytest.raises(InvalidInputError) as refused:
        Schedule.create("nightly", a_spec(cron="x"), NOON)
    assert [issue.path for issue in refused.value.issues] == ["/everyMs"]


def test_a_revision_holds_what_differs_and_begins_now() -> None:
    schedule = a_schedule()
    schedule.revise({"every_ms": 7_000, "overlap": "skip"}, at(20_500))
    [event] = new_events(schedule)
    assert isinstance(event, Revised)
    assert (event.version, event.changes) == (2, {"every_ms": 7_000})
    first = next(schedule.undecided()).due_at
    assert event.next_at == first
    assert at(20_500) < first <= at(27_500)


def test_a_revision_of_nothing_is_none() -> None:
    schedule = a_schedule()
    schedule.revise({"every_ms": MINUTE_MS, "exclude": []}, at(1))
    assert schedule.pending_events == []


def test_a_wrong_revision_leaves_it_as_it_was() -> None:
    schedule = a_schedule()
    with pytest.raises(InvalidInputError):
        schedule.revise({"every_ms": None}, at(1))
    assert schedule.pending_events == []
    assert schedule.spec == a_spec()


def test_a_rhythm_is_changed_for_the_other_kind_in_one_revision() -> None:
    schedule = a_schedule()
    schedule.revise({"every_ms": None, "cron": "0 15 * * *"}, at(1))
    assert next(schedule.undecided()).due_at == at(3 * 3_600_000)


def test_pausing_and_resuming_twice_is_once() -> None:
    schedule = a_schedule()
    schedule.pause("anna", "holidays", at(1))
    schedule.pause("bo", None, at(2))
    schedule.resume(at(3))
    schedule.resume(at(4))
    assert topics_of(schedule) == ["paused holidays", "resumed"]


@pytest.mark.parametrize("status", ["failed", "expired"])
def test_a_run_that_ends_badly_pauses_the_schedule_that_wants_it(status: str) -> None:
    schedule = a_schedule(pause_on_failure=True)
    schedule.trigger(RUN_ID, at(1))
    schedule.collect_events()
    schedule.record_end(str(RUN_ID), status, at(2))
    _ended, paused = new_events(schedule)
    assert isinstance(paused, Paused)
    assert (paused.by, paused.run_id) == (SYSTEM.actor, str(RUN_ID))
    assert (schedule.is_paused, schedule.open_runs) == (True, [])


@pytest.mark.parametrize(
    ("wants", "status"), [(True, "succeeded"), (True, "canceled"), (False, "failed")]
)
def test_other_ends_do_not(wants: bool, status: str) -> None:  # noqa: FBT001
    schedule = a_schedule(pause_on_failure=wants)
    schedule.trigger(RUN_ID, at(1))
    schedule.collect_events()
    schedule.record_end(str(RUN_ID), status, at(2))
    assert topics_of(schedule) == ["run_ended"]


def test_an_end_is_noted_once_and_only_of_its_own_runs() -> None:
    schedule = a_schedule()
    schedule.record_end(str(RUN_ID), "succeeded", at(1))
    assert schedule.pending_events == []


def test_a_triggered_run_counts_for_no_overlap_and_moves_no_tick() -> None:
    schedule = a_schedule()
    schedule.trigger(RUN_ID, at(30_000))
    decide_ticks(schedule, at(MINUTE_MS), None)
    assert topics_of(schedule) == ["triggered", "tick_launched"]


def test_a_deleted_schedule_is_there_no_more() -> None:
    schedule = a_schedule()
    schedule.delete("no longer", at(1))
    commands: list[Callable[[], None]] = [
        lambda: schedule.revise({"every_ms": 2_000}, at(2)),
        lambda: schedule.pause("anna", None, at(2)),
        lambda: schedule.resume(at(2)),
        lambda: schedule.trigger(RUN_ID, at(2)),
        lambda: schedule.delete(None, at(2)),
    ]
    for command in commands:
        with pytest.raises(NotFoundError) as refused:
            command()
        assert refused.value.code == "schedule_not_found"
    assert topics_of(schedule) == ["deleted no longer"]


def test_its_name_may_be_used_again_and_its_versions_go_on() -> None:
    schedule = a_schedule()
    with pytest.raises(ConflictError) as refused:
        schedule.recreate(a_spec(), at(1))
    assert refused.value.code == "schedule_exists"
    schedule.pause("anna", None, at(1))
    schedule.delete(None, at(2))
    schedule.recreate(a_spec(every_ms=1_000), at(10_500))
    assert (schedule.current, schedule.is_paused) == (2, False)
    assert next(schedule.undecided()).due_at == at(11_000)


def test_other_rules_of_its_zone_are_noted_once() -> None:
    schedule = a_schedule()
    schedule.replan(at(1))
    assert schedule.pending_events == []
    schedule.state = {**schedule.state, "next_at": to_iso(at(1))}  # As other rules would have it.
    schedule.replan(at(2))
    schedule.replan(at(3))
    assert (topics_of(schedule), schedule.next_at) == (["replanned"], at(MINUTE_MS))


def test_times_of_its_events_never_go_back() -> None:
    schedule = a_schedule()
    schedule.pause("anna", None, at(-5_000))
    [event] = new_events(schedule)
    assert event.timestamp == NOON
