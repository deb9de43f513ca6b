"""Why a run waits for room: pauses, and keys that several runs share."""

from typing import cast
from uuid import UUID

import pytest

from domain.ports import Offer
from eventlog import workers
from eventlog.explain import explain_past
from tests.integration.claims.test_explanations import Found, Story, explained, launched
from tests.support.logs import TESTER, Parts, registered


async def _job_paused(part: Parts) -> str:
    slug = await registered(part.jobs, max_concurrent_runs=1)
    await part.worker("w")
    await launched(part, slug)
    await part.executions.claim("w", 4)
    run_id = await launched(part, slug)
    await part.jobs.pause_job(slug, "no data yet", TESTER)
    return run_id


async def _job_paused_and_others_first(part: Parts) -> str:
    slug = await registered(part.jobs)
    await part.worker("w")
    await part.jobs.pause_job(slug, None, TESTER)
    for _ in range(4):
        await launched(part, slug)
    return await launched(part, slug)


async def _job_paused_and_room_for_all(part: Parts) -> str:
    await registered(part.jobs, "other")
    slug = await registered(part.jobs, fairness_key="t")
    await part.worker("w")
    await part.jobs.pause_job(slug, None, TESTER)
    await launched(part, "other")
    await launched(part, slug, parameters={"t": "b"})
    return await launched(part, slug, parameters={"t": "a"})


async def _key_held_by_two(part: Parts) -> str:
    slug = await registered(part.jobs, concurrency_key="k", concurrency_limit=2)
    await part.worker("w")
    for _ in range(3):
        await launched(part, slug, parameters={"k": "a"})
    claims = await part.executions.claim("w", 4)
    assert len(claims) == 2
    return await launched(part, slug, parameters={"k": "a"})


async def _nobody_has_the_labels(part: Parts) -> str:
    slug = await registered(part.jobs, worker_labels={"zone": "eu"})
    await part.worker("v", labels={"zone": "us"})
    await part.worker("w", labels={"zone": "eu"}, entry_points=["other"])
    return await launched(part, slug)


async def _who_has_the_labels_is_drained(part: Parts) -> str:
    slug = await registered(part.jobs, worker_labels={"zone": "eu"})
    await part.worker("v")
    await part.worker("w", labels={"zone": "eu"})
    async with part.pool.connection() as connection:
        await workers.drain(connection, "w")
    return await launched(part, slug)


async def _nobody_lets_attempts_share(part: Parts) -> str:
    slug = await registered(part.jobs, isolation="shared")
    await part.worker("w")
    return await launched(part, slug)


async def _all_that_share_have_their_slots_full(part: Parts) -> str:
    slug = await registered(part.jobs, isolation="shared")
    await part.worker("v")
    await part.worker("w", shared_slots=1)
    await launched(part, slug)
    offer = Offer(frozenset({"test.noop"}), isolation="shared")
    assert len(await part.executions.claim("w", 1, offer)) == 1
    return await launched(part, slug)


async def _cluster_of_the_worker_is_full(part: Parts) -> str:
    await part.worker("w")
    assert await part.heartbeats.beat("w", 0) == "alive"
    return await launched(part, await registered(part.jobs))


WAITING: list[tuple[Story, dict[str, bool], Found]] = [
    (_job_paused, {"job_paused": True}, {"by": "tester", "reason": "no data yet"}),
    (
        _job_paused_and_others_first,
        {"job_paused": True, "behind_others": True},
        {"place": 5, "placeInJob": 5},
    ),
    (_job_paused_and_room_for_all, {"job_paused": True}, {"by": "tester"}),
    (_key_held_by_two, {"key_limit": True, "behind_others": True}, {"place": 2, "placeInJob": 2}),
    (
        _nobody_has_the_labels,
        {"no_worker_has_labels": True},
        {"workerLabels": {"zone": "eu"}, "draining": []},
    ),
    (_who_has_the_labels_is_drained, {"no_worker_has_labels": True}, {"draining": ["w"]}),
    (_nobody_lets_attempts_share, {"no_worker_shares": True}, {"isolation": "shared"}),
    (
        _all_that_share_have_their_slots_full,
        {"slots_full": True},
        {"workers": [{"id": "w", "slots": 1, "busy": 1}]},
    ),
    (
        _cluster_of_the_worker_is_full,
        {"slots_full": True},
        {"workers": [{"id": "w", "slots": 0, "busy": 0}]},
    ),
]


@pytest.mark.parametrize(
    ("story", "codes", "details"), WAITING, ids=[one[0].__name__ for one in WAITING]
)
async def test_each_limit_is_told_with_its_evidence(
    part: Parts, story: Story, codes: dict[str, bool], details: Found
) -> None:
    explanation = await explained(part, await story(part))
    reasons = explanation["reasons"]
    assert {reason["code"]: reason["binding"] for reason in reasons} == codes
    evidence = reasons[-1]["details"]
    assert {name: evidence[name] for name in details} == details


async def test_all_who_share_a_key_are_named(part: Parts) -> None:
    explanation = await explained(part, await _key_held_by_two(part))
    details = explanation["reasons"][0]["details"]
    assert (details["limit"], len(details["runs"])) == (2, 2)
    assert details["heldBy"] == details["runs"][0]


REVISED: list[tuple[str, Found, Found, Found]] = [
    (
        "key_limit",
        {"concurrency_key": "k"},
        {"concurrency_key": "n"},
        {"parameter": None, "limit": 1},
    ),
    (
        "rate_limited",
        {"rate_limit": {"limit": 1, "periodMs": 60_000, "key": "k"}},
        {"rate_limit": {"limit": 1, "periodMs": 60_000, "key": "n"}},
        {"key": None, "limit": 1},
    ),
]


@pytest.mark.parametrize(("code", "spec", "changes", "details"), REVISED)
async def test_no_parameter_is_named_that_the_runs_do_not_have_in_common(
    part: Parts, code: str, spec: Found, changes: Found, details: Found
) -> None:
    slug = await registered(part.jobs, **spec)
    await part.worker("w")
    await launched(part, slug, parameters={"k": "a", "n": 1})
    await part.executions.claim("w", 1)
    run_id = await launched(part, slug, parameters={"k": "a", "n": 2})
    await part.jobs.revise_job(slug, changes, None, TESTER)
    [reason] = (await explained(part, run_id))["reasons"]
    assert reason["code"] == code
    assert {name: reason["details"][name] for name in details} == details
    assert "value of n" not in reason["message"]


async def test_a_pause_of_the_past_is_explained_after_its_end(part: Parts) -> None:
    run_id = await _job_paused(part)
    position = await part.reader.head()
    await part.jobs.resume_job("job", TESTER)
    async with part.pool.connection() as connection:
        then = await explain_past(connection, part.files, UUID(run_id), position)
    explanation, _ = cast("tuple[Found, int]", then)
    [reason] = explanation["reasons"]
    assert (reason["code"], reason["details"]["reason"]) == ("job_paused", "no data yet")
    now = await explained(part, run_id)
    assert [reason["code"] for reason in now["reasons"]] == ["job_limit"]
