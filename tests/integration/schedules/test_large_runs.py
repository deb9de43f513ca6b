"""Schedules whose last runs are too large to be read together."""

import os

from domain.jobs.run_events import AttemptFailure, Report
from tests.integration.schedules.scene import Scene

CHARACTERS = 600_000
"""What two of them take is more than is read at a time, and nothing makes them smaller."""


async def end_large(scene: Scene, runs: int) -> None:
    """Let a worker execute runs that leave much behind."""
    for claim in await scene.part.executions.claim("w", runs):
        report = Report(context={"found": os.urandom(CHARACTERS // 2).hex()})
        await scene.part.executions.succeed(claim.run.id, claim.holder, None, report)


async def test_no_run_that_has_ended_is_in_the_next_one_s_way(scene: Scene) -> None:
    for number in range(4):
        await scene.create(f"often-{number}", overlap="skip")
    await scene.tick(1)
    await end_large(scene, 4)
    assert await scene.tick(1) == 4
    assert scene.outcomes() == ["launched"] * 8


async def test_a_failure_among_runs_too_large_to_be_read_pauses_a_schedule_at_once(
    scene: Scene,
) -> None:
    await scene.create(overlap="allow_all", pause_on_failure=True)
    for _ in range(4):
        await scene.tick(1)
    claims = await scene.part.executions.claim("w", 4)
    report = Report(context={"found": os.urandom(CHARACTERS // 2).hex()})
    for claim in claims:
        await scene.part.executions.progress(claim.run.id, claim.holder, report)
    failure = AttemptFailure("boom", permanent=True)
    last = claims[-1]
    await scene.part.executions.fail(last.run.id, last.holder, failure, Report())
    await scene.tick()
    row = await scene.row()
    assert row["paused"] is not None
    open_runs = row["open_runs"]
    assert isinstance(open_runs, list)
    assert len(open_runs) == 3
