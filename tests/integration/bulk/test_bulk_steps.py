"""Bulk operations: which runs they are about, what they do to each, and that they do it once."""

import asyncio
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest

from domain import bulk
from domain.bulk import BulkOperation, Order
from domain.commands import bulk as steps
from domain.errors import ConflictError, InvalidInputError, VersionConflictError
from domain.identifiers import event_id
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from domain.ports import Origin
from eventlog.pending_work import OpenOperations
from tests.integration.bulk.scene import Scene
from tests.support.logs import TESTER, query, registered
from worker.followers import BulkWorker


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "FIRST", 3)
    monkeypatch.setattr(bulk, "MAX_BATCH", 3)
    monkeypatch.setattr(steps, "AT_A_TIME", 7)


async def test_all_that_matched_at_its_position_is_canceled_and_nothing_else(scene: Scene) -> None:
    await registered(scene.part.jobs, "other")
    others = [await scene.launch("other")]
    ended = [await scene.launch()]
    await scene.end()
    await scene.end()
    running = [await scene.launch()]
    await scene.part.executions.claim("w", 1)
    pending = [await scene.launch(delay_ms=3_600_000) for _ in range(16)]
    operation_id = await scene.start("cancel", "job=JOB")
    later = [await scene.launch()]
    row = await scene.finish(operation_id)
    assert (row["status"], row["total"], row["done"], row["refused"]) == ("completed", 17, 17, 0)
    assert scene.statuses(pending) == ["canceled"] * 16
    assert scene.statuses(running + later) == ["running", "pending"]
    assert scene.statuses(others + ended) == ["succeeded", "succeeded"]
    cause = event_id(operation_id, 1)
    assert scene.causes(pending, "job_run.canceled") == [cause]
    assert scene.causes(running, "job_run.cancel_requested") == [cause]
    actors = query(
        scene.part.url, "SELECT DISTINCT actor FROM jobs_events WHERE causation_id = %s", cause
    )
    assert actors == [("tester",)]
    [(reason,)] = query(
        scene.part.url, "SELECT DISTINCT error_message FROM job_runs WHERE status = 'canceled'"
    )
    assert reason == "tidy up"


async def test_what_has_ended_meanwhile_is_refused_and_told(scene: Scene) -> None:
    first = await scene.launch()
    second = await scene.launch()
    operation_id = await scene.start("cancel", "status=pending")
    assert await scene.end() == first
    row = await scene.finish(operation_id)
    assert (row["total"], row["done"], row["refused"]) == (2, 1, 1)
    assert row["refusals"] == [
        {"run": str(first), "code": "run_already_ended", "why": "run already ended"}
    ]
    assert scene.statuses([first, second]) == ["succeeded", "canceled"]


async def test_a_run_that_starts_between_decision_and_append_is_asked_to_stop(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [await scene.launch() for _ in range(3)]
    operation_id = await scene.start("cancel", "all")
    decide = scene.steps._decide
    claims = iter([2, 1])

    async def with_a_rival(*arguments: object) -> object:
        decided = await decide(*arguments)  # type: ignore[arg-type]
        for slots in claims:
            await scene.part.executions.claim("w", slots)
            break
        return decided

    monkeypatch.setattr(scene.steps, "_decide", with_a_rival)
    row = await scene.finish(operation_id)
    assert (row["done"], row["refused"]) == (3, 0)
    assert scene.statuses(runs) == ["running"] * 3
    requested = query(
        scene.part.url, "SELECT count(*) FROM job_runs WHERE cancel_requested_at IS NOT NULL"
    )
    assert requested == [(3,)]


async def test_failed_runs_are_retried_once_with_other_parameters(scene: Scene) -> None:
    failed = []
    for number in range(5):
        await scene.launch(parameters={"n": number, "region": "eu"})
        failed.append(await scene.end(well=False))
    await scene.launch(parameters={"n": 9})
    await scene.end()
    operation_id = await scene.start("retry", "job=job", "parameters.n!=0", patch={"region": "us"})
    row = await scene.finish(operation_id)
    assert (row["total"], row["done"], row["refused"]) == (4, 4, 0)
    new = query(
        scene.part.url,
        "SELECT id, context->>'retryOf', parameters FROM job_runs WHERE status = 'pending'",
    )
    assert sorted(old for _, old, _ in new) == sorted(map(str, failed[1:]))
    assert sorted(parameters["n"] for _, _, parameters in new) == [1, 2, 3, 4]
    assert {parameters["region"] for _, _, parameters in new} == {"us"}
    cause = event_id(operation_id, 1)
    assert scene.causes([run_id for run_id, _, _ in new], "job_run.requested") == [cause]


async def test_rerun_is_for_all_that_ended_and_tells_what_the_job_no_longer_takes(
    scene: Scene,
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    await registered(scene.part.jobs, "strict", parameters_schema=schema)
    runs = []
    for _ in range(2):
        await scene.launch("strict", parameters={"n": 1})
        runs.append(await scene.end())
    preview = await scene.preview("rerun", "job=strict", patch={"n": "text"})
    assert preview.selection.total == 2
    assert {one["run"] for one in preview.refused} == set(map(str, runs))
    operation_id = await scene.start("rerun", "job=strict", patch={"n": "text"})
    row = await scene.finish(operation_id)
    assert (row["done"], row["refused"]) == (0, 2)
    assert "/parameters/n" in str(row["refusals"])
    row = await scene.finish(await scene.start("rerun", "job=strict"))
    assert (row["done"], row["refused"]) == (2, 0)


async def test_an_aborted_operation_goes_no_further(scene: Scene) -> None:
    runs = [await scene.launch(delay_ms=3_600_000) for _ in range(12)]
    operation_id = await scene.start("cancel", "all")
    await scene.steps.process_next(operation_id)
    await scene.operations.abort(operation_id, "stop", TESTER)
    await scene.operations.abort(operation_id, "again", TESTER)
    assert await scene.steps.process_next(operation_id) is None
    row = await scene.row(operation_id)
    assert (row["status"], row["done"], row["abort_reason"]) == ("aborted", 7, "stop")
    assert scene.statuses(runs) == ["pending"] * 5 + ["canceled"] * 7
    done = await scene.start("cancel", "job=nobody")
    await scene.finish(done)
    with pytest.raises(ConflictError, match="completed already"):
        await scene.operations.abort(done, None, TESTER)


async def test_two_who_go_on_with_one_do_each_run_once(scene: Scene) -> None:
    other = Scene(scene.part)
    runs = [await scene.launch() for _ in range(7)]
    for _ in runs:
        await scene.end(well=False)
    operation_id = await scene.start("retry", "status=failed")
    step = scene.steps._step

    async def overtaken(*arguments: object) -> tuple[int, int]:
        await other.finish(operation_id)
        return await step(*arguments)  # type: ignore[arg-type]

    scene.steps._step = overtaken  # type: ignore[assignment]
    with pytest.raises(VersionConflictError):
        await scene.steps.process_next(operation_id)
    again = query(
        scene.part.url, "SELECT context->>'retryOf' FROM job_runs WHERE status = 'pending'"
    )
    assert sorted(again) == sorted((str(run_id),) for run_id in runs)


async def test_units_of_a_commit_are_told_their_part_of_the_time_it_held_the_lock(
    scene: Scene,
) -> None:
    jobs = scene.part.jobs
    order = Order(action="cancel", filter=["job=nobody"], reason="none there")
    operations = [
        BulkOperation.request(jobs.new_id(), order, 1, 0, "tester", jobs.clock()) for _ in range(20)
    ]
    began = monotonic()
    saved = await asyncio.gather(*(jobs.save(one) for one in operations))
    took_ms = (monotonic() - began) * 1000
    assert all(one.held_ms > 0 for one in saved)
    # Commits follow each other, so their parts together are no longer than all of it.
    assert sum(one.held_ms for one in saved) <= took_ms


async def test_an_order_under_a_key_is_given_once(scene: Scene) -> None:
    for _ in range(2):
        await scene.launch()
        await scene.end()
    patch: JsonObject = {"much": 1e22, "little": -0.0}
    order: dict[str, Any] = {"patch": patch, "key": "k"}
    first, beside = await asyncio.gather(
        scene.start("rerun", "job=job", **order),
        Scene(scene.part).start("rerun", "job=job", **order),
    )
    assert beside == first
    row = await scene.finish(first)
    assert (row["status"], row["done"]) == ("completed", 2)
    assert await scene.start("rerun", "job=job", **order) == first
    for other in (None, {**patch, "much": 1}):
        with pytest.raises(ConflictError, match="another body"):
            await scene.start("rerun", "job=job", patch=other, key="k")
    others = Origin(actor="another")
    theirs = await scene.operations.start(
        Order(action="rerun", filter=["job=nobody"], reason="mine"), others, "k"
    )
    assert theirs.operation_id != first
    assert query(scene.part.url, "SELECT count(*) FROM bulk_operations") == [(2,)]


async def test_what_a_newer_version_ordered_stands_in_nobodys_way(scene: Scene) -> None:
    jobs = scene.part.jobs
    newer = Order(action="cancel", filter=["phase=moon"], reason="newer")
    operation = BulkOperation.request(jobs.new_id(), newer, 1, 1, "tester", jobs.clock())
    await jobs.save(operation, origin=TESTER)
    runs = [await scene.launch(delay_ms=3_600_000)]
    ours = await scene.start("cancel", "all")
    worker = BulkWorker(scene.steps, OpenOperations(scene.part.pool, jobs.quarantine))
    while await worker.step() == 0:
        pass
    assert scene.statuses(runs) == ["canceled"]
    assert (await scene.row(ours))["status"] == "completed"
    assert (await scene.row(operation.id))["status"] == "running"


async def test_personal_data_are_kept_out_of_the_log(scene: Scene) -> None:
    schema = {
        "type": "object",
        "properties": {"who": {"type": "string"}, "mail": {"type": "string", "x-subject": "who"}},
    }
    await registered(scene.part.jobs, "personal", parameters_schema=schema)
    with pytest.raises(InvalidInputError) as refused:
        await scene.start("cancel", "parameters.mail=a@example.org")
    [issue] = refused.value.issues
    assert issue.path == "/filter/parameters.mail"
    assert "personal data" in issue.message
    with pytest.raises(InvalidInputError) as refused:
        await scene.start("rerun", "job=job", patch={"who": "anna"})
    assert [issue.path for issue in refused.value.issues] == ["/patch/parameters/who"]
    assert query(scene.part.url, "SELECT count(*) FROM bulk_operations") == [(0,)]


async def test_what_is_launched_anew_keeps_the_start_deadline_of_its_launch(scene: Scene) -> None:
    """It counts from the first time, which retries have moved."""
    part = scene.part
    run_id = await scene.launch(max_attempts=2, start_deadline_ms=3_600_000)
    for _ in range(2):
        [claim] = await part.executions.claim("w", 1)
        failure = AttemptFailure("boom", retry_after_ms=0)
        await part.executions.fail(run_id, claim.holder, failure, Report())
    await part.jobs.retry(run_id, TESTER)
    await scene.finish(await scene.start("retry", "job=job", "status=failed"))
    deadlines = query(
        part.url, "SELECT start_deadline_at - scheduled_at FROM job_runs WHERE status = 'pending'"
    )
    assert deadlines == [(timedelta(hours=1),)] * 2
