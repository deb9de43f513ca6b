"""Ticks that wait: for a run, and then for a pause that goes on beyond the run's end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from domain.clock import to_iso
from domain.json_values import JsonObject
from tests.integration.schedules.scene import Scene
from tests.support.logs import TESTER

Act = Callable[[Scene], Awaitable[object]]


@dataclass(frozen=True)
class Pause:
    """What keeps a tick waiting, and how that ends."""

    begin: Act
    end: Act


OF_THE_SCHEDULE = Pause(
    lambda scene: scene.schedules.pause("often", None, TESTER),
    lambda scene: scene.schedules.resume("often", TESTER),
)

OF_THE_JOB = Pause(
    lambda scene: scene.part.jobs.pause_job("job", None, TESTER),
    lambda scene: scene.part.jobs.resume_job("job", TESTER),
)


async def waiting(scene: Scene, job: str = "job") -> None:
    """Let a tick wait for a run; there are no others after it."""
    await scene.create(job=job, overlap="buffer_one")
    await scene.tick(1)
    await scene.tick(1)
    assert scene.outcomes() == ["launched", "buffered"]
    last: JsonObject = {"end_at": to_iso(scene.now)}
    await scene.schedules.revise("often", last, TESTER)


async def end_its_run(scene: Scene) -> None:
    """End the run that is in the tick's way."""
    row = await scene.row()
    open_runs = row["open_runs"]
    assert isinstance(open_runs, list)
    [run_id] = open_runs
    await scene.part.jobs.cancel(UUID(str(run_id)), None, TESTER)


@pytest.mark.parametrize(
    "pause",
    [
        pytest.param(OF_THE_SCHEDULE, id="of the schedule"),
        pytest.param(OF_THE_JOB, id="of the job"),
    ],
)
async def test_a_tick_that_waited_beyond_a_pause_is_launched_after_it(
    scene: Scene, pause: Pause
) -> None:
    # The job's slug is not told apart by its case.
    await waiting(scene, job="JOB")
    await pause.begin(scene)
    await end_its_run(scene)
    await scene.tick(1)
    assert await scene.tick(1) == 0  # Nobody looks at it again and again meanwhile.
    assert await scene.ticks.awaiting(100) == []
    await pause.end(scene)
    await scene.tick(1)
    assert scene.outcomes()[2:] == ["launched"]


async def test_a_tick_that_waits_is_skipped_once_its_paused_job_is_deleted(scene: Scene) -> None:
    await waiting(scene)
    await OF_THE_JOB.begin(scene)
    await end_its_run(scene)
    await scene.tick(1)
    await scene.part.jobs.delete_job("job", TESTER)
    await scene.tick(1)
    assert scene.outcomes()[2:] == ["skipped job_deleted"]
    assert await scene.ticks.awaiting(100) == []
