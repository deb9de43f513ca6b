"""Why a run waits: every reason, alone and beside others, by the rules that decide on claims."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import UUID

import pytest

from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.ports import Offer
from eventlog import workers
from eventlog.explain import explain_now, explain_past
from tests.support.logs import TESTER, Parts, registered

Found = dict[str, Any]

RETRIED = {"maxAttempts": 2, "strategy": "fixed", "initialDelayMs": 60_000}


async def launched(part: Parts, slug: str, **launch: Any) -> str:
    return str((await part.jobs.launch(slug, Launch(**launch), TESTER)).run_id)


async def explained(part: Parts, run_id: str) -> Found:
    async with part.pool.connection() as connection:
        quarantine = part.jobs.quarantine
        explanation = await explain_now(connection, part.files, quarantine, UUID(run_id))
    assert explanation is not None
    return cast("Found", explanation)


async def _planned(part: Parts) -> str:
    await part.worker("w")
    return await launched(part, await registered(part.jobs), delay_ms=60_000)


async def _planned_and_more(part: Parts) -> str:
    slug = await registered(part.jobs, max_concurrent_runs=1, concurrency_key="k")
    await part.worker("w")
    first = await launched(part, slug, parameters={"k": 1})
    await part.executions.claim("w", 1)
    await part.heartbeats.leave("w")
    assert (await explained(part, first))["status"] == "running"
    return await launched(part, slug, parameters={"k": 1}, delay_ms=60_000)


async def _failed_once(part: Parts) -> str:
    slug = await registered(part.jobs, retry_policy=RETRIED)
    await part.worker("w")
    run_id = await launched(part, slug)
    [claim] = await part.executions.claim("w", 1)
    await part.executions.fail(claim.run.id, claim.holder, AttemptFailure("ouch"), Report())
    return run_id


async def _too_late(part: Parts) -> str:
    await part.worker("w")
    slug = await registered(part.jobs)
    run_id = await launched(part, slug, start_deadline_ms=50)
    while (await explained(part, run_id))["nextChangeAt"] is not None:
        await asyncio.sleep(0.02)
    return run_id


async def _nobody_there(part: Parts) -> str:
    await part.worker("w")
    await part.heartbeats.leave("w")
    return await launched(part, await registered(part.jobs))


async def _nobody_can(part: Parts) -> str:
    await part.worker("w", entry_points=["other"])
    return await launched(part, await registered(part.jobs))


async def _who_could_is_drained(part: Parts) -> str:
    await part.worker("v", entry_points=["other"])
    await part.worker("w", entry_points=["test.noop"])
    async with part.pool.connection() as connection:
        await workers.drain(connection, "w")
    return await launched(part, await registered(part.jobs))


async def _all_slots_taken(part: Parts) -> str:
    slug = await registered(part.jobs)
    await part.worker("v", entry_points=["other"])
    await part.worker("w")
    for _ in range(4):
        await launched(part, slug)
    await part.executions.claim("w", 4)
    return await launched(part, slug)


async def _job_full(part: Parts) -> str:
    slug = await registered(part.jobs, max_concurrent_runs=1)
    await part.worker("w")
    await launched(part, slug)
    await part.executions.claim("w", 4)
    return await launched(part, slug)


async def _job_full_and_others_first(part: Parts) -> str:
    slug = await registered(part.jobs, max_concurrent_runs=1)
    await part.worker("w")
    for _ in range(3):
        await launched(part, slug)
    await part.executions.claim("w", 4)
    return await launched(part, slug)


async def _key_held(part: Parts) -> str:
    slug = await registered(part.jobs, concurrency_key="k")
    await part.worker("w")
    await launched(part, slug, parameters={"k": "a"})
    await part.executions.claim("w", 4)
    return await launched(part, slug, parameters={"k": "a"})


async def _others_first(part: Parts) -> str:
    slug = await registered(part.jobs)
    await part.worker("w")
    for _ in range(3):
        await launched(part, slug)
    await launched(part, await registered(part.jobs, "other"), priority=1)
    return await launched(part, slug)


async def _key_goes_to_another(part: Parts) -> str:
    slug = await registered(part.jobs, concurrency_key="k")
    await part.worker("w")
    await launched(part, slug, parameters={"k": "a"})
    return await launched(part, slug, parameters={"k": "a"})


async def _unreadable(part: Parts) -> str:
    await part.worker("w")
    run_id = await launched(part, await registered(part.jobs))
    part.jobs.quarantine.add(UUID(run_id), "of a version to come")
    return run_id


async def _asked_to_stop(part: Parts) -> str:
    await part.worker("w")
    run_id = await launched(part, await registered(part.jobs), timeout_ms=60_000)
    await part.executions.claim("w", 1)
    await part.jobs.cancel(UUID(run_id), "enough", TESTER)
    return run_id


async def _under_way(part: Parts) -> str:
    await part.worker("w")
    run_id = await launched(part, await registered(part.jobs))
    await part.executions.claim("w", 1)
    return run_id


async def _next(part: Parts) -> str:
    """Let others come first that none but another worker executes, or whose job is full."""
    full = await registered(part.jobs, "full", max_concurrent_runs=1)
    other = JobSpec(name="other", type="batch", entry_point="other")
    await part.jobs.register_job("other", other, 1, TESTER)
    await part.worker("v", entry_points=["other"])
    await part.worker("w", entry_points=["test.noop"])
    for _ in range(6):
        await launched(part, "other")
        await launched(part, full)
    await part.executions.claim("w", 1, Offer(frozenset({"test.noop"})))
    return await launched(part, await registered(part.jobs))


Story = Callable[[Parts], Awaitable[str]]

WAITING: list[tuple[Story, dict[str, bool], Found]] = [
    (_planned, {"not_due": True}, {}),
    (
        _planned_and_more,
        {"not_due": True, "no_worker": False, "job_limit": False, "key_limit": False},
        {},
    ),
    (_failed_once, {"backing_off": True}, {"attempt": 2, "errorMessage": "ouch"}),
    (_too_late, {"start_deadline": True}, {}),
    (_nobody_there, {"no_worker": True}, {"draining": [], "lost": []}),
    (
        _nobody_can,
        {"no_worker_offers_entry_point": True},
        {"entryPoint": "test.noop", "draining": []},
    ),
    (_who_could_is_drained, {"no_worker_offers_entry_point": True}, {"draining": ["w"]}),
    (_all_slots_taken, {"slots_full": True}, {"workers": [{"id": "w", "slots": 4, "busy": 4}]}),
    (_job_full, {"job_limit": True}, {"limit": 1, "running": 1}),
    (
        _job_full_and_others_first,
        {"job_limit": True, "behind_others": True},
        {"place": 3, "placeInJob": 3},
    ),
    (_key_held, {"key_limit": True}, {"parameter": "k", "workerId": "w"}),
    (_others_first, {"behind_others": True}, {"place": 5, "placeInJob": 4}),
    (_key_goes_to_another, {"behind_others": True}, {"place": 2}),
    (_unreadable, {"quarantined": True}, {}),
    (_asked_to_stop, {"cancel_requested": True}, {"by": "tester", "reason": "enough"}),
    (_under_way, {}, {}),
    (_next, {}, {}),
]


@pytest.mark.parametrize(
    ("story", "codes", "details"), WAITING, ids=[one[0].__name__ for one in WAITING]
)
async def test_each_reason_is_told_with_its_evidence(
    part: Parts, story: Story, codes: dict[str, bool], details: Found
) -> None:
    explanation = await explained(part, await story(part))
    reasons = explanation["reasons"]
    assert {reason["code"]: reason["binding"] for reason in reasons} == codes
    for reason in reasons:
        if reason["binding"]:
            assert reason["message"] in explanation["summary"]
    if details:
        evidence = reasons[-1]["details"]
        assert {name: evidence[name] for name in details} == details


async def test_who_is_in_the_way_is_named_and_since_when(part: Parts) -> None:
    run_id = await _key_held(part)
    [reason] = (await explained(part, run_id))["reasons"]
    holder = await explained(part, reason["details"]["heldBy"])
    assert holder["status"] == "running"
    assert reason["details"]["startedAt"] in holder["summary"]
    assert reason["since"] >= reason["details"]["startedAt"]


async def test_what_is_known_beforehand_of_a_change_is_told(part: Parts) -> None:
    run_id = await _planned(part)
    explanation = await explained(part, run_id)
    [reason] = explanation["reasons"]
    assert explanation["nextChangeAt"] == reason["details"]["scheduledAt"]


async def test_a_time_limit_is_a_change_that_is_known_beforehand(part: Parts) -> None:
    explanation = await explained(part, await _asked_to_stop(part))
    assert explanation["nextChangeAt"] > explanation["reasons"][0]["since"]


async def test_what_is_in_the_way_is_dated_also_before_the_run_is_due(part: Parts) -> None:
    explanation = await explained(part, await _planned_and_more(part))
    planned, _, limit, key = explanation["reasons"]
    assert limit["since"] == key["since"] == key["details"]["startedAt"]
    assert planned["since"] >= limit["since"]


async def test_a_past_moment_is_explained_as_far_as_it_is_kept(part: Parts) -> None:
    run_id = await _job_full_and_others_first(part)
    await launched(part, "job")  # So it was due before the position.
    position = await part.reader.head()
    now = await explained(part, run_id)
    [first] = now["reasons"][0]["details"]["runs"]
    await part.jobs.revise_job("job", {"max_concurrent_runs": None}, None, TESTER)
    claims = await part.executions.claim("w", 4)
    assert run_id in {str(claim.run.id) for claim in claims}
    async with part.pool.connection() as connection:
        then = await explain_past(connection, part.files, UUID(run_id), position)
        before = await explain_past(connection, part.files, UUID(run_id), 1)
    assert before is None
    assert then is not None
    explanation, shown_at = cast("tuple[Found, int]", then)
    assert shown_at == position
    assert explanation["status"] == "pending"
    assert {one["code"]: one["binding"] for one in explanation["reasons"]} == {
        "job_limit": True,
        "behind_others": True,
    }
    limit, behind = explanation["reasons"]
    assert limit["details"] == {"limit": 1, "running": 1, "runs": [first]}
    assert (behind["details"]["place"], behind["details"]["placeInJob"]) == (3, 3)
    assert len(explanation["unknown"]) == 1
    assert "workers" in explanation["unknown"][0]
    assert (await explained(part, run_id))["status"] == "running"
