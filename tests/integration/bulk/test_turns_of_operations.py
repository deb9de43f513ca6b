"""Operations go on by turns, and what was chosen for them is kept no longer than needed."""

from uuid import UUID

import pytest

from domain import bulk
from domain.commands import bulk as steps
from eventlog.pending_work import OpenOperations
from tests.integration.bulk.scene import Scene
from tests.support.logs import TESTER, registered
from worker.followers import BulkWorker


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "FIRST", 3)
    monkeypatch.setattr(bulk, "MAX_BATCH", 3)
    monkeypatch.setattr(steps, "AT_A_TIME", 7)


async def test_operations_have_their_turns_before_one_has_ended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "BATCHES_A_TURN", 1)
    await registered(scene.part.jobs, "other")
    runs: list[UUID] = []
    for _ in range(9):
        runs.append(await scene.launch(delay_ms=3_600_000))
        runs.append(await scene.launch("other", delay_ms=3_600_000))
    operations = [await scene.start("cancel", f"job={slug}") for slug in ("job", "other")]
    quarantine = scene.part.jobs.quarantine
    worker = BulkWorker(scene.steps, OpenOperations(scene.part.pool, quarantine))
    for done in (3, 6, 7, 9):
        assert await worker.step() == 0
        for operation_id in operations:
            assert (await scene.row(operation_id))["done"] == done
    while await worker.step() == 0:
        pass
    assert set(scene.statuses(runs)) == {"canceled"}


async def test_of_an_operation_that_is_over_nothing_is_kept(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "BATCHES_A_TURN", 1)
    for _ in range(9):
        await scene.launch(delay_ms=3_600_000)
    operation_ids = [await scene.start("cancel", "all") for _ in range(2)]
    quarantine = scene.part.jobs.quarantine
    worker = BulkWorker(scene.steps, OpenOperations(scene.part.pool, quarantine))
    assert await worker.step() == 0
    assert {key[0] for key in scene.steps._remaining} == set(operation_ids)
    aborted, overtaken = operation_ids
    await scene.operations.abort(aborted, "stop", TESTER)
    await Scene(scene.part).steps.process_next(overtaken)
    assert await worker.step() > 0
    assert scene.steps._remaining == {}
