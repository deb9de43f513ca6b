"""Something of everything: a log with every kind of event, for a recording."""

import asyncio
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from catalog.build import BuildTarget
from catalog.commands import Catalog
from catalog.follower import BUILT, COMMIT_METRIC, INGESTED, TEMPLATES_CONTEXT
from catalog.repository import App
from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Holder, Report
from domain.json_values import Json, JsonObject
from domain.log_archive import ArchivedEvents, LogArchive
from domain.run_followers import Effect
from eventlog.archive.archiver import ACTOR, APPEND
from eventlog.database import sql
from projections.rows import read_value
from tests.recorded_logs.bulk import bulk
from tests.recorded_logs.failures import failures
from tests.recorded_logs.saved_views import views
from tests.recorded_logs.schedules import schedules
from tests.recorded_logs.unique import unique
from tests.support.logs import TESTER, Parts, parts

SHA = "0123456789abcdef0123456789abcdef01234567"

EVERY_JSON: Json = {
    "numbers": [0, -1, 1.5, 1e22, 2**63],
    "text": 'ü \\ " \n \t ☃',
    "none": None,
    "deep": {"a": [[]]},
}

AT_ONCE = AttemptFailure("boom", retry_after_ms=0)


async def play(url: str) -> None:
    """Fill a migrated database's log."""
    with TemporaryDirectory() as directory:
        async with parts(url, subject_key=Path(directory) / "subjects.key") as part:
            await part.jobs.seed()
            await _jobs(part)
            await _runs(part)
            await _apps(part)
            await _subjects(part)
            await schedules(part)
            await failures(part)
            await bulk(part)
            await views(part)
            await _archive(part)


async def _jobs(part: Parts) -> None:
    spec = JobSpec(
        name="Report",
        type="batch",
        entry_point="example.report",
        parameters_schema={"type": "object", "properties": {"day": {"type": "string"}}},
        default_parameters={"day": "monday"},
        timeout_ms=60_000,
        retry_policy={"maxAttempts": 2, "strategy": "fixed", "initialDelayMs": 0},
        metadata={"team": "data"},
        concurrency_key="day",
        max_concurrent_runs=3,
        output_schema=None,
    )
    await part.jobs.register_job("Report", spec, 1, TESTER)
    await part.jobs.revise_job(
        "report", {"name": "Daily report", "timeout_ms": 90_000, "priority": 5}, None, TESTER
    )
    await part.jobs.pause_job("report", "no data yet", TESTER)
    await part.jobs.resume_job("report", TESTER)
    rate: JsonObject = {"limit": 100, "periodMs": 60_000, "key": "day"}
    kept: JsonObject = {"succeededMs": 86_400_000}
    limits: JsonObject = {
        "rate_limit": rate,
        "fairness_key": "day",
        "retention": kept,
        "isolation": "shared",
        "module_binding": {"moduleId": "reports", "targetName": "daily"},
        "owner": "reporting",
    }
    await part.jobs.revise_job("report", limits, None, TESTER)
    await unique(part)
    await part.jobs.register_job("once", spec, None, TESTER)
    await part.jobs.pause_job("once", None, TESTER)
    await part.jobs.delete_job("once", TESTER)
    again = replace(spec, name="Once more")
    await part.jobs.register_job("Once", again, None, TESTER)
    await part.jobs.register_job("gone", spec, None, TESTER)
    await part.jobs.delete_job("gone", TESTER)


async def _runs(part: Parts) -> None:
    worker, does = await part.worker("worker-a"), part.executions

    async def started(**launch: Any) -> tuple[UUID, Holder]:
        run_id = (await part.jobs.launch("report", Launch(**launch), TESTER)).run_id
        return run_id, await _claim(part, worker, run_id)

    run_id, holder = await started(
        parameters={"day": "tuesday", "more": EVERY_JSON},
        context={"from": "test"},
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    await does.progress(
        run_id, holder, Report({"rows": 1, "big": 1e22}, {"step": "one"}, "https://logs.example/1")
    )
    await does.progress(run_id, holder, Report({"rows": 2}, {"step": "two"}))
    await does.succeed(run_id, holder, EVERY_JSON, Report({"seconds": 0.25}))
    await part.jobs.retry(run_id, TESTER)
    await _claim_and(
        part, worker, lambda run_id, holder: does.succeed(run_id, holder, None, Report())
    )
    run_id, holder = await started(idempotency_key="once", body={"day": "friday"})
    await does.fail(run_id, holder, AT_ONCE, Report({"tries": 1}))
    await does.fail(
        run_id,
        await _claim(part, worker, run_id),
        AttemptFailure("boom again"),
        Report({"tries": 2}),
    )
    run_id, holder = await started(max_attempts=1)
    await does.time_out(run_id, holder, Report())
    run_id, holder = await started(max_attempts=1)
    await does.expire(run_id, holder, "too old", Report())
    run_id, holder = await started()
    await does.hand_back(run_id, holder)
    await part.jobs.cancel(run_id, "changed my mind", TESTER)
    run_id, holder = await started()
    await part.jobs.cancel(run_id, None, TESTER)
    await does.confirm_cancel(run_id, holder, "stopped", Report(logs_url="https://logs.example/2"))
    run_id, holder = await started(max_attempts=1)
    await part.sweeps.recover([(worker, 0)], "observer")
    await part.jobs.launch("report", Launch(start_deadline_ms=1, delay_ms=1), TESTER)
    while not await part.sweeps.expire_overdue():
        await asyncio.sleep(0.01)
    await part.jobs.launch("report", Launch(delay_ms=86_400_000, priority=-5), TESTER)


async def _apps(part: Parts) -> None:
    catalog, does, worker = (Catalog(part.jobs), part.executions, await part.worker("worker-b"))
    tags: list[Any] = [{"key": "language", "value": "python"}]
    app = App(
        id="shop",
        name="Shop",
        description="",
        repo_url="/srv/shop",
        dockerfile_path="Dockerfile",
        tags=tags,
    )
    await catalog.add_app(app, TESTER)
    report = Report({COMMIT_METRIC: SHA})
    run_id, holder = await _claim_next(part, worker)
    await does.progress(run_id, holder, report)
    await does.fail(run_id, holder, AT_ONCE, Report())
    record: dict[str, Json] = {
        "commit_sha": SHA,
        "name": "The shop",
        "description": "Sells things",
        "dockerfile_path": "build/Dockerfile",
        "tags": tags,
        "preview_tiles": [{"kind": "image", "src": "shop.png"}],
    }
    ingested = [Effect(INGESTED, record)]
    await _claim_and(
        part, worker, lambda run_id, holder: does.succeed(run_id, holder, None, report, ingested)
    )
    # The build that follows an ingestion.
    image: dict[str, Json] = {
        "commit_sha": SHA,
        "git_branch": "main",
        "image_tag": "shop:0123456",
        "image_digest": f"sha256:{SHA}",
    }
    built = [Effect(BUILT, image)]
    templates: list[Json] = [{"key": "PORT", "value": "80"}]
    run_id, holder = await _claim_next(part, worker)
    await does.progress(
        run_id, holder, Report({COMMIT_METRIC: SHA}, {TEMPLATES_CONTEXT: templates})
    )
    await does.succeed(run_id, holder, None, Report(), built)
    failing = await catalog.request_build("shop", BuildTarget(git_branch="main"), TESTER)
    await _claim_and(part, worker, does.hand_back)
    broken = AttemptFailure("no such base image", permanent=True)
    run_id, holder = await _claim_next(part, worker)
    await does.progress(run_id, holder, report)
    await does.fail(run_id, holder, broken, Report())
    again = await catalog.retry_build(failing.build_id, TESTER)
    assert again.row is not None
    await part.jobs.cancel(UUID(str(again.row["job_run_id"])), "enough", TESTER)
    other = App(
        id="blog",
        name="Blog",
        description="",
        repo_url="/srv/blog",
        dockerfile_path="Dockerfile",
        metadata_strategy="explicit",
    )
    await catalog.add_app(other, TESTER)
    await _claim_and(
        part, worker, lambda run_id, holder: does.fail(run_id, holder, broken, Report())
    )


async def _subjects(part: Parts) -> None:
    # All of them are erased: a recording has no keys.
    properties: dict[str, Json] = {
        "customerId": {"type": "integer", "x-subject": "customerId"},
        "address": {"type": "object", "x-subject": "customerId"},
        "friend": {"type": "string", "x-subject": "friend"},
        "day": {"type": "string"},
    }
    sql: dict[str, Json] = {"type": "object", "properties": properties}
    spec = JobSpec(name="Letter", type="batch", entry_point="example.letter", parameters_schema=sql)
    await part.jobs.register_job("letter", spec, 1, TESTER)
    worker = await part.worker("worker-c")
    parameters: dict[str, Json] = {
        "customerId": 7,
        "address": {"street": "Elm Street"},
        "friend": "bo",
        "day": "monday",
    }
    await part.jobs.launch(
        "letter", Launch(parameters=parameters, idempotency_key="letter", body=parameters), TESTER
    )
    await _claim_and(
        part,
        worker,
        lambda run_id, holder: part.executions.succeed(run_id, holder, "sent", Report()),
    )
    await part.subjects.erase("7", "as they asked", TESTER)
    await part.subjects.erase("bo", None, TESTER)


async def _archive(part: Parts) -> None:
    """Record an archive as an export has it: a restored log has all events in its table."""
    async with part.pool.connection() as connection:
        log_id = await read_value(connection, str, sql.LOG_ID)
        what = ArchivedEvents(
            number=1,
            file=f"{log_id}-000001-{SHA[:12]}.jsonl.gz",
            sha256=SHA,
            size_bytes=1_234,
            events=6,
            runs=1,
            first_position=5,
            last_position=10,
            ended_before=part.jobs.clock(),
        )
        archive = LogArchive.record(what, UUID(log_id), part.jobs.clock())
        [event] = part.jobs.stored_events([archive])
        await connection.execute(
            APPEND, (archive.id, 1, event.topic, event.state, ACTOR, archive.id)
        )


async def _claim_next(part: Parts, worker: str) -> tuple[UUID, Holder]:
    [claim] = await part.executions.claim(worker, 2)
    return claim.run.id, claim.holder


async def _claim(part: Parts, worker: str, run_id: UUID) -> Holder:
    claimed, holder = await _claim_next(part, worker)
    assert claimed == run_id
    return holder


async def _claim_and(part: Parts, worker: str, act: Any) -> None:
    await act(*await _claim_next(part, worker))
