"""The rows of schedules: what clients see after each event, and by which commands decide."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.json_values import JsonObject
from domain.schedules.calendar import OVERLAPS
from domain.schedules.schedule import Schedule
from domain.schedules.ticks import decide_ticks
from projections import messages as feed
from projections import schedules
from projections.envelope import Envelope
from projections.schedules import ScheduleRow
from tests.unit.domain.schedules.given import MINUTE_MS, a_spec
from tests.unit.given import NOON, RUN_ID, at, iso, stored
from tests.unit.projections.both import Both, Command, check

SPEC = a_spec(
    overlap="buffer_one",
    exclude=["* 3 * * *"],
    parameters={"day": "monday"},
    pause_on_failure=True,
    owner="reporting",
    start_at=iso(-60_000),
)

CREATED: JsonObject = {
    "id": "Nightly",
    "version": 1,
    "job": "report",
    "parameters": {"day": "monday"},
    "cron": None,
    "everyMs": MINUTE_MS,
    "timeZone": "UTC",
    "exclude": ["* 3 * * *"],
    "overlap": "buffer_one",
    "catchUpMs": 60_000,
    "jitterMs": 0,
    "startAt": iso(-60_000),
    "endAt": None,
    "pauseOnFailure": True,
    "owner": "reporting",
    "paused": None,
    "nextAt": iso(MINUTE_MS),
    "lastTick": None,
    "openRuns": [],
    "manualRuns": [],
    "buffered": [],
    "createdAt": iso(0),
    "updatedAt": iso(0),
    "deletedAt": None,
}


def minute(number: float) -> datetime:
    return at(number * MINUTE_MS)


def presented(events: list[Envelope]) -> list[JsonObject]:
    """Return the schedule as clients see it after each event."""
    row: ScheduleRow | None = None
    seen = []
    for event in events:
        after = schedules.TABLE.fold(row, event)
        assert set(after) == set(schedules.COLUMNS)
        [message] = feed.messages(event, row, after)
        assert message.type == "schedule.updated"
        assert message.data == {"schedule": schedules.present(after)}
        seen.append(schedules.present(after))
        row = after
    return seen


def changes(events: list[Envelope]) -> list[JsonObject]:
    """Return what clients see change with each event but the first, beside `updatedAt`."""
    steps = presented(events)
    changed_rows = []
    for before, after in pairwise(steps):
        changed = {name: after[name] for name in after if after[name] != before[name]}
        changed.pop("updatedAt", None)
        changed_rows.append(changed)
    return changed_rows


def test_a_schedule_is_shown_as_it_was_created() -> None:
    schedule = Schedule.create("Nightly", SPEC, NOON)
    assert presented(stored(schedule)) == [CREATED]


def test_each_tick_shows_what_became_of_it() -> None:
    schedule = Schedule.create("Nightly", SPEC, NOON)
    [(first, _)] = decide_ticks(schedule, minute(1), None).launches
    decide_ticks(schedule, minute(2), None)
    decide_ticks(schedule, minute(3), None)
    schedule.record_end(str(first), "succeeded", minute(3.1))
    [(second, _)] = decide_ticks(schedule, minute(3.2), None).launches
    run_ids = [str(first), str(second)]
    assert changes(stored(schedule)) == [
        {
            "nextAt": iso(2 * MINUTE_MS),
            "openRuns": run_ids[:1],
            "lastTick": last_tick(1, "launched", run_id=run_ids[0]),
        },
        {
            "nextAt": iso(3 * MINUTE_MS),
            "buffered": [iso(2 * MINUTE_MS)],
            "lastTick": last_tick(2, "buffered"),
        },
        {"nextAt": iso(4 * MINUTE_MS), "lastTick": last_tick(3, "skipped", "overlap", run_ids[0])},
        {"openRuns": []},
        {
            "openRuns": run_ids[1:],
            "buffered": [],
            "lastTick": last_tick(2, "launched", run_id=run_ids[1]),
        },
    ]


def last_tick(
    number: int, outcome: str, reason: str | None = None, run_id: str | None = None
) -> JsonObject:
    return {"dueAt": iso(number * MINUTE_MS), "outcome": outcome, "reason": reason, "runId": run_id}


def test_its_versions_pauses_and_end_are_shown() -> None:
    schedule = Schedule.create("Nightly", SPEC, NOON)
    schedule.revise({"every_ms": None, "cron": "0 15 * * *"}, at(1))
    schedule.pause("anna", "holidays", at(2))
    schedule.resume(at(3))
    schedule.trigger(RUN_ID, at(4))
    schedule.record_end(str(RUN_ID), "failed", at(5))
    schedule.delete("no longer", at(6))
    schedule.recreate(SPEC, at(7))
    reason = f"run {RUN_ID} has failed"
    paused = {"by": "system", "at": iso(5), "reason": reason, "runId": str(RUN_ID)}
    assert changes(stored(schedule)) == [
        {"version": 2, "everyMs": None, "cron": "0 15 * * *", "nextAt": iso(3 * 3_600_000)},
        {"paused": {"at": iso(2), "by": "anna", "reason": "holidays", "runId": None}},
        {"paused": None},
        {"openRuns": [str(RUN_ID)], "manualRuns": [str(RUN_ID)]},
        {"openRuns": [], "manualRuns": []},
        {"paused": paused},
        {"deletedAt": iso(6), "nextAt": None},
        {
            "version": 3,
            "cron": None,
            "everyMs": MINUTE_MS,
            "paused": None,
            "nextAt": iso(MINUTE_MS),
            "deletedAt": None,
        },
    ]


# They decide as their histories do ----------------------------------------------------------------

CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "every_ms": st.integers(999, 1_500),
        "overlap": st.sampled_from(OVERLAPS),
        "jitter_ms": st.integers(0, 900),
        "catch_up_ms": st.integers(0, 3_000),
        "exclude": st.sampled_from([[], ["* 3 * * *"]]),
        "end_at": st.none() | st.just(iso(5_000)),
        "pause_on_failure": st.booleans(),
        "parameters": st.sampled_from([{}, {"day": None}]),
    },
)


def _end_first(schedule: Schedule, status: str, now: datetime) -> None:
    for run_id in schedule.open_runs[:1]:
        schedule.record_end(run_id, status, now)


def _backfill(schedule: Schedule, seconds: int, now: datetime) -> None:
    due_at = now - timedelta(seconds=seconds)
    if due_at <= schedule.decided_until:
        schedule.backfill_tick(due_at, now)


COMMANDS: st.SearchStrategy[Command] = st.one_of(
    CHANGES.map(lambda drawn: lambda one, now: one.revise(drawn, now)),
    st.sampled_from(["failed", "succeeded"]).map(
        lambda status: lambda one, now: _end_first(one, status, now)
    ),
    st.uuids().map(lambda run_id: lambda one, now: one.trigger(run_id, now)),
    st.integers(0, 5).map(lambda drawn: lambda one, now: _backfill(one, drawn, now)),
    st.sampled_from(
        [
            lambda one, now: decide_ticks(one, now, None),
            lambda one, now: decide_ticks(one, now + timedelta(seconds=3), None),
            lambda one, now: decide_ticks(one, now, None, watched_since=NOON),
            lambda one, now: decide_ticks(one, now, "job_deleted"),
            lambda one, now: one.pause("anna", None, now),
            lambda one, now: one.resume(now),
            lambda one, now: one.delete(None, now),
            lambda one, now: one.recreate(SPEC, now),
        ]
    ),
)


@given(overlap=st.sampled_from(OVERLAPS), commands=st.lists(COMMANDS, max_size=12))
def test_a_schedule_decides_by_its_row_as_by_its_history(
    overlap: str, commands: list[Command]
) -> None:
    spec = a_spec(every_ms=1_000, overlap=overlap, catch_up_ms=2_500)
    schedule = Schedule.create("Nightly", spec, NOON)
    check(Both(schedule), schedules.TABLE, commands)
