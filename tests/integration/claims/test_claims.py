"""Claims: who gets what, never twice, never too many; and no run is left to nobody."""

import asyncio
from typing import Any

import pytest

from apphub_jobs.contract import JobResult
from catalog.handler_settings import BUILD_ENTRY_POINT
from domain.errors import StaleExecutionError, WorkerLostError
from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from tests.support.logs import TESTER, Parts, query, registered
from worker.executors.port import Outcome
from worker.outcomes import ClaimedRun


async def _launch(part: Parts, slug: str, count: int = 1, **launch: Any) -> list[str]:
    return [
        str((await part.jobs.launch(slug, Launch(**launch), TESTER)).run_id) for _ in range(count)
    ]


async def _claimed(part: Parts, slots: int) -> list[str]:
    return [str(claim.run.id) for claim in await part.executions.claim("w", slots)]


async def test_claims_follow_priority_then_schedule_and_never_exceed_the_free_slots(
    part: Parts,
) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    first, second = await _launch(part, slug, 2)
    [urgent] = await _launch(part, slug, priority=5)
    [idle] = await _launch(part, slug, priority=-5)
    await _launch(part, slug, delay_ms=60_000, priority=100)
    assert await _claimed(part, 2) == [urgent, first]
    assert await _claimed(part, 10) == [second, idle]
    assert await _claimed(part, 10) == []


async def test_a_full_job_does_not_hide_the_runs_behind_it(part: Parts) -> None:
    limited = await registered(part.jobs, "limited", max_concurrent_runs=2)
    keyed = await registered(part.jobs, "keyed", concurrency_key="k")
    free = await registered(part.jobs, "free")
    await part.worker("w")
    in_limit = await _launch(part, limited, 30, priority=10)
    same_key = await _launch(part, keyed, 30, priority=5, parameters={"k": {"b": 1, "a": [2]}})
    [other_key] = await _launch(part, keyed, parameters={"k": "other"})
    [behind] = await _launch(part, free)
    assert await _claimed(part, 10) == [*in_limit[:2], same_key[0], other_key, behind]
    assert await _claimed(part, 10) == []


async def test_a_revised_limit_holds_for_runs_that_wait_already(part: Parts) -> None:
    slug = await registered(part.jobs, max_concurrent_runs=1)
    await part.worker("w")
    await _launch(part, slug, 3)
    assert len(await _claimed(part, 10)) == 1
    await part.jobs.revise_job(slug, {"max_concurrent_runs": 2}, None, TESTER)
    assert len(await _claimed(part, 10)) == 1


async def test_a_worker_declared_dead_gets_nothing(database_url: str, part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    await _launch(part, slug)
    await part.heartbeats.leave("w")
    with pytest.raises(WorkerLostError):
        await part.executions.claim("w", 1)
    assert query(database_url, "SELECT status FROM job_runs") == [("pending",)]


async def test_an_idle_worker_that_fell_silent_is_lost_once_and_for_all(part: Parts) -> None:
    await part.worker("w")
    assert await part.sweeps.recover([("w", 0)], "observer") == []
    assert await part.heartbeats.living() == []


async def test_a_worker_that_beat_after_all_is_not_lost(database_url: str, part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    await _launch(part, slug)
    await part.executions.claim("w", 1)
    assert await part.heartbeats.beat("w") == "alive"
    assert await part.sweeps.recover([("w", 0)], "observer") == []
    assert query(database_url, "SELECT status FROM job_runs") == [("running",)]


async def test_runs_that_no_living_worker_holds_are_recovered_and_the_late_result_is_refused(
    database_url: str, part: Parts
) -> None:
    slug = await registered(part.jobs, retry_policy={"maxAttempts": 2})
    await part.worker("w")
    await _launch(part, slug)
    [claim] = await part.executions.claim("w", 1)
    # However it came to leave without recording the run's end.
    await part.heartbeats.leave("w")
    assert await part.heartbeats.has_orphaned_runs()
    assert await part.sweeps.recover([], "observer") == [claim.run.id]
    assert not await part.heartbeats.has_orphaned_runs()
    with pytest.raises(StaleExecutionError):
        await part.executions.succeed(claim.run.id, claim.holder, "late", Report())
    await part.worker("w2")
    [again] = await part.executions.claim("w2", 1)
    await part.executions.succeed(again.run.id, again.holder, "in time", Report())
    events = await part.reader.histories([claim.run.id])
    history = [(event.topic.removeprefix("job_run."), event.actor) for event in events]
    assert history == [
        ("requested", "tester"),
        ("started", "worker:w"),
        ("attempt_lost", "observer"),
        ("started", "worker:w2"),
        ("succeeded", "worker:w2"),
    ]
    assert query(database_url, "SELECT status, attempt, execution, result FROM job_runs") == [
        ("succeeded", 2, 2, "in time")
    ]


async def test_a_result_that_breaks_the_output_schema_fails_the_run_and_says_where(
    database_url: str, part: Parts
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    slug = await registered(part.jobs, output_schema=schema)
    await part.worker("w")
    await _launch(part, slug, 2)
    good, bad = await part.executions.claim("w", 2)
    await part.executions.succeed(good.run.id, good.holder, {"n": 1}, Report())
    await part.executions.succeed(bad.run.id, bad.holder, {"n": "one"}, Report())
    [(status, reason, message)] = query(
        database_url,
        "SELECT status, failure_reason, error_message FROM job_runs WHERE id = %s",
        bad.run.id,
    )
    assert (status, reason) == ("failed", "invalid_result")
    assert "/result/n" in message


BUILT = {"kind": "build.finished", "data": {}}


@pytest.mark.parametrize(
    ("entry_point", "effects", "problem"),
    [
        ("some", [BUILT], '/effects breaks "maxItems": runs of this entry point'),
        ("some", [{"a": 1}], "/effects/0: must have a kind, which is a text"),
        ("some", ["x"], "/effects/0: must be an object"),
        ("some", 5, "/effects: must be a list"),
        ("some", {"a": 1}, "/effects: must be a list"),
        (BUILD_ENTRY_POINT, [{"kind": "k"}], "/effects/0/data: must be an object"),
        (BUILD_ENTRY_POINT, [{"kind": []}], "/effects/0: must have a kind"),
        (BUILD_ENTRY_POINT, [BUILT], "/effects/0/data"),
    ],
)
async def test_effects_that_may_not_be_are_an_invalid_result(
    part: Parts, entry_point: str, effects: object, problem: str
) -> None:
    slug = await registered(part.jobs, entry_point=entry_point)
    message = await _ended(part, slug, effects)
    assert message.startswith(f"invalid result: {problem}")


@pytest.mark.parametrize("effects", [[], None])
async def test_no_effects_are_none_however_that_is_said(part: Parts, effects: object) -> None:
    slug = await registered(part.jobs)
    assert await _ended(part, slug, effects) is None


async def _ended(part: Parts, slug: str, effects: object) -> Any:
    """Let a run end with a success that has these effects, and return its error."""
    await part.worker("w")
    await _launch(part, slug)
    [claim] = await part.executions.claim("w", 1)
    result = vars(JobResult()) | {"effects": effects}
    await ClaimedRun(part.executions, claim).end(Outcome("result", result))
    [(message,)] = query(part.url, "SELECT error_message FROM job_runs")
    return message


async def test_start_deadlines_expire_only_what_never_started(
    database_url: str, part: Parts
) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    [started] = await _launch(part, slug, start_deadline_ms=2_000, priority=1)
    [waiting] = await _launch(part, slug, start_deadline_ms=2_000)
    [claim] = await part.executions.claim("w", 1)
    await part.executions.hand_back(claim.run.id, claim.holder)
    while await part.sweeps.expire_overdue() == 0:
        await asyncio.sleep(0.05)
    rows = dict(query(database_url, "SELECT id::text, status FROM job_runs"))
    assert rows == {started: "pending", waiting: "expired"}
    assert await _claimed(part, 10) == [started]


async def test_runs_that_are_claimed_together_go_on_with_stories_of_their_own(part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    await _launch(part, slug, 2)
    assert len(await _claimed(part, 2)) == 2
    stories = query(
        part.url,
        "SELECT array_agg(DISTINCT correlation_id) FROM jobs_events"
        " WHERE topic LIKE 'job_run.%%' GROUP BY originator_id",
    )
    by_story = [ids for (ids,) in stories]
    assert [len(ids) for ids in by_story] == [1, 1]
    assert by_story[0] != by_story[1]


async def test_who_is_dead_and_holds_nothing_is_not_asked_about_again(
    database_url: str, part: Parts
) -> None:
    slug = await registered(part.jobs, retry_policy={"maxAttempts": 2})
    await part.worker("w")
    await part.worker("idle")
    await _launch(part, slug)
    await part.executions.claim("w", 1)
    assert not await part.heartbeats.has_orphaned_runs()
    for worker_id in ("w", "idle"):
        await part.heartbeats.leave(worker_id)
    recovered = "SELECT id FROM workers WHERE recovered_at IS NOT NULL ORDER BY id"
    assert await part.heartbeats.has_orphaned_runs()
    assert query(database_url, recovered) == [("idle",)]
    assert len(await part.sweeps.recover([], "observer")) == 1
    assert not await part.heartbeats.has_orphaned_runs()
    assert query(database_url, recovered) == [("idle",), ("w",)]


async def test_a_run_of_a_worker_that_nobody_knows_is_recovered_beside_the_dead(
    database_url: str, part: Parts
) -> None:
    slug = await registered(part.jobs, retry_policy={"maxAttempts": 2})
    await part.worker("w")
    [run_id] = await _launch(part, slug)
    await part.executions.claim("w", 1)
    query(database_url, "DELETE FROM workers RETURNING 1")
    await part.worker("dead")
    await part.heartbeats.leave("dead")
    assert await part.heartbeats.has_orphaned_runs()
    recovered = await part.sweeps.recover([], "observer")
    assert [str(recovered_id) for recovered_id in recovered] == [run_id]
    assert not await part.heartbeats.has_orphaned_runs()
