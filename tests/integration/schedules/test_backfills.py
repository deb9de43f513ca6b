"""Past ticks that are launched later on: each once, by the version that was valid then."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent

from domain.commands import backfills
from domain.commands.backfills import Backfilled
from domain.errors import ConflictError, InvalidInputError
from domain.json_values import JsonObject
from domain.schedules.calendar import OVERLAPS
from domain.schedules.schedule import Schedule
from domain.state import rehydrate
from tests.integration.schedules.scene import Scene
from tests.support.logs import TESTER, query

CAUSED = """
    SELECT event->>'due_at', event->>'cause'
    FROM jobs_events, LATERAL (SELECT convert_from(state, 'UTF8')::jsonb) AS read (event)
    WHERE topic = 'schedule.tick_launched' ORDER BY notification_id
"""


def minutes(scene: Scene, begun: datetime, cause: str) -> list[float]:
    """Return how many minutes after a moment ticks were due that were launched for a cause."""
    return [
        (datetime.fromisoformat(due_at) - begun) / timedelta(minutes=1)
        for due_at, why in query(scene.part.url, CAUSED)
        if why == cause
    ]


async def backfill(scene: Scene, begun: datetime, first: int, last: int) -> Backfilled:
    begin = begun + timedelta(minutes=first)
    end = begun + timedelta(minutes=last)
    return await scene.schedules.backfill("often", begin, end, TESTER)


async def test_ticks_without_a_run_get_one_by_the_version_of_their_time(scene: Scene) -> None:
    begun = scene.now
    await scene.create(overlap="allow_all", parameters={"version": 1})
    await scene.tick(1)
    await scene.schedules.pause("often", None, TESTER)
    await scene.tick(3)
    changes: JsonObject = {"every_ms": 300_000, "parameters": {"version": 2}}
    await scene.schedules.revise("often", changes, TESTER)
    scene.now += timedelta(minutes=12)
    done = await backfill(scene, begun, 1, 16)
    assert minutes(scene, begun, "calendar") == [1]
    assert minutes(scene, begun, "backfill")[:3] == [2, 3, 4]
    versions = query(
        scene.part.url,
        "SELECT parameters->'version' FROM job_runs WHERE id = ANY(%s) ORDER BY context->>'dueAt'",
        done.runs,
    )
    assert [version for (version,) in versions[:3]] == [1, 1, 1]
    assert {version for (version,) in versions[3:]} == {2}
    assert len(versions) == len(done.runs) > 4
    assert done.continue_from is None
    row = await scene.row()
    assert (row["paused"] is not None, len(done.runs) + 1) == (True, _open(row))
    again = await backfill(scene, begun, 1, 16)
    assert again == Backfilled()


def _open(row: object) -> int:
    assert isinstance(row, dict)
    return len(row["open_runs"])


async def test_versions_are_told_apart_as_json_tells_their_parameters_apart(scene: Scene) -> None:
    begun = scene.now
    await scene.create(overlap="allow_all", parameters={"flag": 1})
    await scene.schedules.pause("often", None, TESTER)
    await scene.tick(2)
    changes: JsonObject = {"parameters": {"flag": True}}
    await scene.schedules.revise("often", changes, TESTER)
    await scene.tick(2)
    done = await backfill(scene, begun, 1, 4)
    flags = query(
        scene.part.url,
        "SELECT parameters->>'flag' FROM job_runs WHERE id = ANY(%s) ORDER BY context->>'dueAt'",
        done.runs,
    )
    assert [flag for (flag,) in flags] == ["1", "1", "true", "true"]


async def test_a_call_goes_so_far_and_tells_where_to_go_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfills, "MAX_BACKFILLED", 12)
    monkeypatch.setattr(backfills, "MAX_LOOKED_AT", 15)
    begun = scene.now
    await scene.create(catch_up_ms=0)
    scene.now += timedelta(minutes=30.5)
    launched: list[int] = []
    first = begun + timedelta(minutes=1)
    for _ in range(10):
        done = await scene.schedules.backfill("often", first, scene.now, TESTER)
        launched.append(len(done.runs))
        if done.continue_from is None:
            break
        first = done.continue_from
    assert launched == [12, 12, 6]
    assert minutes(scene, begun, "backfill") == list(range(1, 31))


async def test_with_the_last_tick_in_range_a_backfill_is_done(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfills, "MAX_LOOKED_AT", 3)
    begun = scene.now
    await scene.create()
    done = await backfill(scene, begun, -2, 0)
    assert (len(done.runs), done.continue_from) == (3, None)


async def test_a_call_looks_at_no_more_ticks_where_most_are_excluded(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfills, "MAX_LOOKED_AT", 15)
    begun = scene.now
    await scene.create(exclude=["* * * * *"])
    done = await backfill(scene, begun, -30, 0)
    assert done == Backfilled([], begun - timedelta(minutes=15))


async def test_two_at_the_same_moment_leave_no_tick_out(scene: Scene) -> None:
    begun = scene.now
    await scene.create(catch_up_ms=0)
    await scene.tick(10.5)
    done = await asyncio.gather(backfill(scene, begun, 1, 5), backfill(scene, begun, 3, 8))
    launched = [run_id for one in done for run_id in one.runs]
    assert len(launched) == len(set(launched)) == 8
    assert sorted(minutes(scene, begun, "backfill")) == list(range(1, 9))


async def test_up_to_the_present_of_a_clock_that_is_ahead_is_up_to_the_present(
    scene: Scene,
) -> None:
    begun = scene.now
    await scene.create(catch_up_ms=0)
    scene.now += timedelta(minutes=4, seconds=58)
    await backfill(scene, begun, 1, 5)
    assert minutes(scene, begun, "backfill") == [1, 2, 3, 4]


async def test_what_lies_ahead_or_cannot_be_launched_is_refused(scene: Scene) -> None:
    begun = scene.now
    await scene.create(catch_up_ms=0)
    scene.now += timedelta(minutes=5)
    for first, last, path in ((0, 6, "/to"), (3, 2, "/from")):
        with pytest.raises(InvalidInputError) as refused:
            await backfill(scene, begun, first, last)
        assert [issue.path for issue in refused.value.issues] == [path]
    revised: JsonObject = {"parameters_schema": {"required": ["day"]}}
    await scene.part.jobs.revise_job("job", revised, None, TESTER)
    with pytest.raises(ConflictError) as conflict:
        await backfill(scene, begun, 0, 4)
    assert conflict.value.code == "invalid_parameters"
    assert minutes(scene, begun, "backfill") == []


async def test_before_its_creation_ticks_are_by_the_first_version(scene: Scene) -> None:
    begun = scene.now
    await scene.create(parameters={"version": 1})
    changes: JsonObject = {"every_ms": 300_000, "parameters": {"version": 2}}
    await scene.schedules.revise("often", changes, TESTER)
    await backfill(scene, begun, -3, 0)
    assert minutes(scene, begun, "backfill") == [-3, -2, -1, 0]
    versions = query(scene.part.url, "SELECT DISTINCT parameters->'version' FROM job_runs")
    assert versions == [(1,)]


@pytest.mark.parametrize("year", [1, 1969])
async def test_years_that_no_calendar_begins_with_are_refused(scene: Scene, year: int) -> None:
    await scene.create()
    begin = datetime(year, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidInputError) as refused:
        await scene.schedules.backfill("often", begin, scene.now, TESTER)
    assert [issue.path for issue in refused.value.issues] == ["/from"]


@pytest.mark.parametrize("overlap", OVERLAPS)
async def test_no_tick_cancels_a_backfill_or_is_skipped_for_it(scene: Scene, overlap: str) -> None:
    begun = scene.now
    await scene.create(overlap=overlap)
    await backfill(scene, begun, -9, 0)
    await scene.tick(1)
    assert scene.outcomes()[10:] == ["launched"]
    statuses = query(scene.part.url, "SELECT status, count(*) FROM job_runs GROUP BY 1")
    assert statuses == [("pending", 11)]


async def test_a_tick_whose_backfilled_run_was_canceled_is_launched_again(scene: Scene) -> None:
    begun = scene.now
    await scene.create()
    first = await backfill(scene, begun, -2, 0)
    for run_id in first.runs[:2]:
        await scene.part.jobs.cancel(run_id, None, TESTER)
    again = await backfill(scene, begun, -2, 0)
    assert minutes(scene, begun, "backfill") == [-2, -1, 0, -2, -1]
    assert not {*first.runs} & {*again.runs}
    await scene.part.jobs.cancel(again.runs[0], None, TESTER)
    assert len((await backfill(scene, begun, -2, 0)).runs) == 1
    assert await backfill(scene, begun, -2, 0) == Backfilled()


async def test_what_has_not_fired_is_no_matter_of_a_backfill(scene: Scene) -> None:
    await scene.create(every_ms=3_600_000, jitter_ms=3_599_000)
    row = await scene.row()
    schedule = rehydrate(Schedule, UUID(str(row["aggregate_id"])), row)
    [tick] = islice(schedule.undecided(), 1)
    scene.now = tick.due_at + (tick.fires_at - tick.due_at) / 2
    done = await scene.schedules.backfill("often", tick.due_at, scene.now, TESTER)
    assert done == Backfilled()
    assert scene.outcomes() == []


async def test_a_backfill_reads_versions_and_no_ticks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = scene.now
    await scene.create(overlap="allow_all")
    for _ in range(5):
        await scene.tick(1)
    await scene.schedules.revise("often", {"parameters": {"version": 2}}, TESTER)
    log = scene.part.jobs.log_port
    events_after = log.events_after
    topics: list[str] = []

    async def recorded(
        aggregate_id: UUID, version: int, of_topics: Collection[str] = ()
    ) -> list[StoredEvent]:
        events = await events_after(aggregate_id, version, of_topics)
        topics.extend(event.topic for event in events)
        return events

    monkeypatch.setattr(log, "events_after", recorded)
    done = await backfill(scene, begun, -3, 5)
    assert minutes(scene, begun, "backfill") == [-3, -2, -1, 0]
    assert len(done.runs) == 4
    assert topics == ["schedule.registered", "schedule.revised"]
