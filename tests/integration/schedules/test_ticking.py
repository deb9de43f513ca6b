"""Ticks in the log: each once, whoever decides it, with its run in the same unit."""

import asyncio
from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from itertools import chain, islice, repeat
from random import SystemRandom
from typing import Any
from uuid import UUID

import pytest

from domain.clock import to_iso
from domain.commands import ticks
from domain.commands.schedules import Schedules
from domain.errors import ConflictError, InvalidInputError, NotFoundError
from domain.identifiers import event_id, schedule_id
from domain.jobs.definition import JobSpec
from domain.json_values import JsonObject
from domain.schedules.calendar import ScheduleSpec
from domain.schedules.schedule import Schedule
from domain.schedules.ticks import MAX_LAUNCHES
from domain.state import rehydrate
from runtime.tasks import Supervision
from tests.integration.schedules.scene import EVERY_MS, Scene
from tests.support.logs import TESTER, parts, query
from worker.ticker import Ticker


def runs(scene: Scene) -> list[tuple[Any, ...]]:
    select = "SELECT id, status, context->>'dueAt' FROM job_runs ORDER BY 3, 1"
    return query(scene.part.url, select)


async def test_a_tick_is_launched_with_its_run_once_it_is_due(scene: Scene) -> None:
    await scene.create(parameters={"day": "monday"})
    assert await scene.tick(0.99) == 0
    assert await scene.tick(0.02) == 1
    assert await scene.tick() == 0
    [(run_id, status, due_at)] = runs(scene)
    row = await scene.row()
    assert status == "pending"
    assert row["open_runs"] == [str(run_id)]
    last_tick = row["last_tick"]
    assert isinstance(last_tick, dict)
    assert (last_tick["dueAt"], last_tick["runId"]) == (due_at, str(run_id))
    launched = "SELECT parameters, requested_by FROM job_runs"
    assert query(scene.part.url, launched) == [({"day": "monday"}, "schedule:often")]


async def test_of_many_who_decide_at_once_each_tick_is_one_s(
    scene: Scene, database_url: str
) -> None:
    names = [f"often-{number}" for number in range(5)]
    for name in names:
        await scene.create(name, overlap="allow_all")
    async with parts(database_url) as other:
        other.jobs.clock = lambda: scene.now
        deciders = [Schedules(scene.part.jobs), Schedules(other.jobs)]
        ids = [schedule_id(name) for name in names]
        for _ in range(6):
            scene.now += timedelta(minutes=1)
            rounds = [one.tick(part) for one in deciders for part in (ids, ids[::-1])]
            await asyncio.gather(*rounds)
    ticks = query(
        database_url,
        "SELECT originator_id, convert_from(state, 'UTF8')::jsonb->>'due_at'"
        " FROM jobs_events WHERE topic = 'schedule.tick_launched'",
    )
    assert Counter(Counter(ticks).values()) == {1: 30}
    assert len(runs(scene)) == 30


async def test_a_policy_looks_at_the_runs_of_the_log(scene: Scene) -> None:
    await scene.create(overlap="buffer_one")
    await scene.tick(1)
    await scene.tick(1)
    await scene.tick(1)
    assert scene.outcomes() == ["launched", "buffered", "skipped overlap"]
    await scene.end_run()
    assert await scene.tick() == 1
    assert scene.outcomes()[3:] == ["launched"]
    assert len(runs(scene)) == 2
    await scene.end_run()
    assert await scene.tick() == 0  # Nothing hangs on this end before the next tick.
    await scene.tick(1)
    assert scene.outcomes()[4:] == ["launched"]


async def test_the_former_run_is_canceled_with_the_launch_of_the_next(scene: Scene) -> None:
    await scene.create(overlap="terminate_other")
    await scene.tick(1)
    await scene.tick(1)
    assert [status for _, status, _ in runs(scene)] == ["canceled", "pending"]


async def test_a_failure_pauses_a_schedule_that_wants_it(scene: Scene) -> None:
    await scene.create(pause_on_failure=True)
    await scene.tick(1)
    [(run_id, _, _)] = runs(scene)
    await scene.end_run(well=False)
    assert await scene.tick() == 1
    paused = (await scene.row())["paused"]
    assert isinstance(paused, dict)
    assert (paused["by"], paused["runId"]) == ("system", str(run_id))
    await scene.tick(1)
    assert scene.outcomes() == ["launched", "skipped paused"]


async def test_ticks_obey_the_version_of_their_time(scene: Scene) -> None:
    await scene.create(overlap="allow_all", catch_up_ms=600_000)
    scene.now += timedelta(minutes=2.5)
    in_an_hour = to_iso(scene.now + timedelta(hours=1))
    changes: JsonObject = {"every_ms": 3_600_000, "start_at": in_an_hour}
    row = await scene.schedules.revise("often", changes, TESTER)
    assert (row["version"], scene.outcomes()) == (2, ["launched", "launched"])
    assert await scene.tick(2) == 0


async def test_ticks_of_a_pause_are_skipped_even_if_nobody_looked(scene: Scene) -> None:
    await scene.create()
    await scene.schedules.pause("often", "holidays", TESTER)
    scene.now += timedelta(minutes=150)
    await scene.schedules.resume("often", TESTER)
    await scene.tick(1)
    assert scene.outcomes() == ["skipped paused", "launched"]


async def test_without_its_job_s_consent_ticks_are_skipped(scene: Scene) -> None:
    await scene.create(parameters={"day": "monday"})
    schema: JsonObject = {"properties": {"day": {"type": "integer"}}}
    revised: JsonObject = {"parameters_schema": schema}
    await scene.part.jobs.revise_job("job", revised, None, TESTER)
    await scene.tick(1)
    assert scene.outcomes() == ["skipped invalid_parameters"]
    with pytest.raises(ConflictError) as refused:
        await scene.schedules.trigger("often", TESTER)
    assert refused.value.code == "invalid_parameters"
    assert runs(scene) == []


async def test_ticks_of_a_paused_job_are_skipped(scene: Scene) -> None:
    await scene.create(overlap="buffer_one")
    await scene.tick(1)
    await scene.tick(1)
    await scene.part.jobs.pause_job("job", "holidays", TESTER)
    run_id = runs(scene)[0][0]
    await scene.part.jobs.cancel(run_id, None, TESTER)
    await scene.tick(1)
    assert scene.outcomes() == ["launched", "buffered", "skipped job_paused"]
    await scene.schedules.trigger("often", TESTER)
    await scene.part.jobs.resume_job("job", TESTER)
    await scene.tick(1)
    # The run that somebody has triggered is in nobody's way.
    assert scene.outcomes()[3:] == ["launched", "buffered"]


@pytest.mark.parametrize("overlap", ["skip", "cancel_other", "terminate_other"])
async def test_somebody_may_have_it_run_at_once(scene: Scene, overlap: str) -> None:
    await scene.create(overlap=overlap)
    launched = await scene.schedules.trigger("often", TESTER)
    row = await scene.row()
    assert row["open_runs"] == row["manual_runs"] == [str(launched.run_id)]
    await scene.tick(1)
    assert scene.outcomes() == ["launched"]
    assert [status for _, status, _ in runs(scene)] == ["pending", "pending"]


async def test_so_many_runs_may_be_triggered_that_have_not_ended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks, "MAX_OPEN_RUNS", 3)
    await scene.create(overlap="allow_all")
    for _ in range(3):
        await scene.schedules.trigger("often", TESTER)
    with pytest.raises(ConflictError) as refused:
        await scene.schedules.trigger("often", TESTER)
    assert refused.value.code == "too_many_runs"
    await scene.tick(1)
    assert scene.outcomes() == ["launched"]
    await scene.end_run()
    await scene.schedules.trigger("often", TESTER)
    assert len(runs(scene)) == 5


async def test_the_lateness_of_those_who_look_makes_no_tick_missed(scene: Scene) -> None:
    await scene.create(catch_up_ms=0, overlap="allow_all")
    for _ in range(25):
        await scene.tick(0.1)  # Every six seconds: each tick is found late.
    scene.now += timedelta(seconds=25)
    await scene.tick()
    assert scene.outcomes() == ["launched"] * 2
    # Another process goes on where this one ends, and knows that somebody has looked.
    scene.schedules = Schedules(scene.part.jobs)
    await scene.tick(0.03)
    assert scene.outcomes() == ["launched"] * 2
    scene.now += timedelta(seconds=9)
    await scene.tick()
    assert scene.outcomes() == ["launched"] * 3


async def test_what_was_due_while_no_process_looked_is_missed(scene: Scene) -> None:
    await scene.create(catch_up_ms=60_000, overlap="allow_all")
    await scene.tick(0.1)
    scene.now += timedelta(minutes=5.5)
    scene.schedules = Schedules(scene.part.jobs)
    await scene.tick()
    missed_ticks = "SELECT convert_from(state, 'UTF8')::jsonb FROM jobs_events WHERE topic = %s"
    [(missed,)] = query(scene.part.url, missed_ticks, "schedule.tick_skipped")
    assert (missed["reason"], missed["ticks"]) == ("missed", 4)
    assert missed["watched_since"] == to_iso(scene.now)
    assert scene.outcomes() == ["skipped missed", "launched"]


async def test_a_pause_and_a_deletion_go_ahead_of_all_that_has_gathered(scene: Scene) -> None:
    week_ms = 7 * 24 * 3_600_000
    for name in ("paused", "deleted"):
        await scene.create(name, every_ms=1_000, overlap="allow_all", catch_up_ms=week_ms)
    scene.now += timedelta(hours=1.5)
    await asyncio.gather(
        scene.schedules.pause("paused", None, TESTER),
        scene.schedules.delete("deleted", None, TESTER),
        scene.schedules.tick([schedule_id("paused"), schedule_id("deleted")]),
    )
    before = scene.outcomes()
    assert len([one for one in before if one == "launched"]) <= 2 * MAX_LAUNCHES
    await scene.tick()
    assert scene.outcomes() == before
    assert {"skipped paused", "skipped deleted"} <= set(before)


async def test_a_revision_of_a_schedule_with_jitter_launches_nothing_early(scene: Scene) -> None:
    await scene.create(every_ms=3_600_000, jitter_ms=3_599_000)
    row = await scene.row()
    schedule = rehydrate(Schedule, UUID(str(row["aggregate_id"])), row)
    [tick] = islice(schedule.undecided(), 1)
    scene.now = tick.due_at + (tick.fires_at - tick.due_at) / 2
    assert tick.due_at < scene.now < tick.fires_at
    await scene.schedules.revise("often", {"parameters": {"day": "monday"}}, TESTER)
    assert (await scene.row())["next_at"] == to_iso(tick.fires_at)
    assert await scene.tick() == 0
    scene.now = tick.fires_at
    assert await scene.tick() == 1
    assert [due_at for _, _, due_at in runs(scene)] == [to_iso(tick.due_at)]
    assert (await scene.row())["carried"] == []
    assert await scene.tick() == 0


async def test_a_schedule_whose_zone_is_unknown_here_can_be_paused_and_deleted(
    scene: Scene,
) -> None:
    await _create_in_an_unknown_zone(scene)
    assert await scene.tick(1) == 0
    row = await scene.schedules.pause("far", "why", TESTER)
    assert row["paused"] is not None
    with pytest.raises(ConflictError, match="time zone Mars/Olympus is unknown here"):
        await scene.schedules.resume("far", TESTER)
    row = await scene.schedules.delete("far", None, TESTER)
    assert row["deleted_at"] is not None


async def test_a_schedule_created_anew_has_nothing_to_do_with_its_former_runs(scene: Scene) -> None:
    await scene.create(pause_on_failure=True)
    await scene.tick(1)
    await scene.schedules.delete("often", None, TESTER)
    await scene.create(pause_on_failure=True)
    await scene.end_run(well=False)
    await scene.tick()
    row = await scene.row()
    assert (row["paused"], row["open_runs"]) == (None, [])
    await scene.tick(1)
    assert scene.outcomes() == ["launched", "launched"]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"job": "nothing"}, "/job"),
        ({"job": "repository-ingest"}, "/job"),
        ({"every_ms": 1}, "/everyMs"),
        ({"parameters": {"n": 1}}, "/parameters/n"),
    ],
)
async def test_what_could_never_be_launched_is_refused(
    scene: Scene, spec: dict[str, Any], path: str
) -> None:
    await scene.part.jobs.revise_job(
        "job", {"parameters_schema": {"properties": {"n": {"type": "string"}}}}, None, TESTER
    )
    with pytest.raises(InvalidInputError) as refused:
        await scene.create(**spec)
    assert [issue.path for issue in refused.value.issues] == [path]
    assert query(scene.part.url, "SELECT count(*) FROM schedules") == [(0,)]


async def test_a_name_is_free_again_after_its_deletion(scene: Scene) -> None:
    await scene.create()
    with pytest.raises(ConflictError):
        await scene.create()
    await scene.schedules.delete("often", None, TESTER)
    with pytest.raises(NotFoundError):
        await scene.schedules.pause("often", None, TESTER)
    assert await scene.tick(5) == 0
    row = await scene.create()
    assert (row["version"], row["deleted_at"]) == (2, None)
    await scene.tick(1)
    assert scene.outcomes() == ["launched"]


async def test_a_ticker_looks_again_when_the_next_tick_fires(scene: Scene) -> None:
    ticker = Ticker(scene.schedules, scene.ticks, lambda: scene.now, SystemRandom())
    assert await ticker.step() == 0.5
    await scene.create()
    scene.now += timedelta(seconds=59.8)
    assert await ticker.step() == pytest.approx(0.2)
    scene.now += timedelta(seconds=0.2)
    assert await ticker.step() == 0.0
    assert await ticker.step() == 0.5


async def test_a_step_that_takes_long_delays_no_tick(scene: Scene) -> None:
    await scene.create()
    begun = scene.now + timedelta(seconds=59.8)
    readings = chain([begun], repeat(begun + timedelta(seconds=0.15)))
    ticker = Ticker(scene.schedules, scene.ticks, lambda: next(readings), SystemRandom())
    assert await ticker.step() == pytest.approx(0.05)


async def test_a_ticker_does_all_of_this_by_itself(scene: Scene) -> None:
    await scene.create()
    supervision = Supervision()
    ticker = Ticker(scene.schedules, scene.ticks, lambda: scene.now, SystemRandom())
    ticker.start(supervision)
    try:
        scene.now += timedelta(minutes=1)
        async with asyncio.timeout(90):
            while not scene.outcomes():
                await asyncio.sleep(0.05)
    finally:
        await ticker.stop()
    assert scene.outcomes() == ["launched"]
    assert not [state for state in supervision.states() if state.deaths]


async def test_what_cannot_be_read_is_in_nobody_s_way(scene: Scene) -> None:
    await scene.create("broken")
    await _create_in_an_unknown_zone(scene)
    await scene.create("often")
    broken = (
        "INSERT INTO jobs_events (originator_id, originator_version, topic, state)"
        " VALUES (%s, 2, 'schedule.of_a_version_to_come', '{}') RETURNING 1"
    )
    query(scene.part.url, broken, schedule_id("broken"))
    assert await scene.tick(1) == 1
    assert scene.outcomes() == ["launched"]
    assert await scene.ticks.due(scene.now, 100) == []


async def _create_in_an_unknown_zone(scene: Scene) -> None:
    """Register a schedule as a machine with other zones would."""
    spec = ScheduleSpec(job="job", every_ms=EVERY_MS, time_zone="Mars/Olympus")
    schedule = Schedule._create(
        Schedule.Registered,
        id=schedule_id("far"),
        timestamp=scene.now,
        slug="far",
        version=1,
        spec=asdict(spec),
        next_at=scene.now,
    )
    await scene.part.jobs.save(schedule, origin=TESTER)


async def test_schedules_that_tick_together_have_nothing_in_common(scene: Scene) -> None:
    names = ("one", "other")
    for name in names:
        await scene.create(name)
    assert await scene.tick(1) == 2
    caused = query(
        scene.part.url,
        "SELECT run.requested_by, event.correlation_id, event.causation_id"
        " FROM jobs_events AS event JOIN job_runs AS run ON run.id = originator_id"
        " ORDER BY 1",
    )
    correlations = {correlation_id for _, correlation_id, _ in caused}
    assert len(correlations) == 2
    ticks = [(f"schedule:{name}", event_id(schedule_id(name), 2)) for name in names]
    assert [(by, causation_id) for by, _, causation_id in caused] == ticks


async def test_a_lost_race_for_one_schedule_costs_the_others_nothing(scene: Scene) -> None:
    for number in range(60):
        await scene.create(f"schedule-{number}")
    scene.now += timedelta(minutes=1)
    due = await scene.ticks.due(scene.now, 100)
    await asyncio.gather(scene.schedules.tick(due[:40]), scene.schedules.tick(due[20:]))
    assert scene.outcomes() == ["launched"] * 60
    assert len(runs(scene)) == 60


async def test_of_a_job_that_is_deleted_nothing_is_launched(scene: Scene) -> None:
    await scene.create()
    jobs = scene.part.jobs
    await jobs.delete_job("job", TESTER)
    await scene.tick(1)
    assert scene.outcomes() == ["skipped job_deleted"]
    with pytest.raises(InvalidInputError, match="there is no job job"):
        await scene.create("another")
    again = JobSpec(name="again", type="batch", entry_point="test.noop")
    await jobs.register_job("job", again, None, TESTER)
    await scene.tick(1)
    assert scene.outcomes()[1:] == ["launched"]
    assert len(runs(scene)) == 1
