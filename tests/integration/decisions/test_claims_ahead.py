"""What a claim will probably want to know of limits is asked together with the lock."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.jobs.launching import Launch
from domain.json_values import JsonObject
from tests.integration.decisions.test_claims_by_a_hint import counted_trips
from tests.support.logs import TESTER, Parts, parts, registered

MINUTE_MS = 60_000

TENANTS = ("a", "b", "c")

EVERY_LIMIT: dict[str, Any] = {
    "max_concurrent_runs": 100,
    "concurrency_key": "tenant",
    "concurrency_limit": 10,
    "rate_limit": {"limit": 10, "periodMs": MINUTE_MS, "key": "tenant"},
    "fairness_key": "tenant",
}


async def _launched(part: Parts, slug: str, tenants: Sequence[str]) -> list[UUID]:
    run_ids: list[UUID] = []
    for tenant in tenants:
        launch = Launch(parameters={"tenant": tenant})
        launched = await part.jobs.launch(slug, launch, TESTER)
        run_ids.append(launched.run_id)
    return run_ids


async def _claimed(part: Parts, slots: int, worker: str = "w") -> list[UUID]:
    claims = await part.executions.claim(worker, slots)
    return [claim.run.id for claim in claims]


async def _trips_of_a_claim(part: Parts, slug: str) -> int:
    await _launched(part, slug, TENANTS * 3)
    # The first claim reads more: the whole queue, and what the job's version says. It gets what is
    # expected, so the second one loads its runs with the lock.
    assert len(await _claimed(part, 3)) == 3
    with counted_trips() as made:
        assert len(await _claimed(part, 3)) == 3
    assert len(await _claimed(part, 9)) == 3
    return len(made)


async def test_limits_and_turns_need_no_round_trip_of_their_own(part: Parts) -> None:
    await part.worker("w")
    plain = await registered(part.jobs, "plain")
    limited = await registered(part.jobs, "limited", **EVERY_LIMIT)
    assert await _trips_of_a_claim(part, plain) == 2
    assert await _trips_of_a_claim(part, limited) == 2


async def test_rooms_of_a_limit_that_is_another_by_now_are_asked_for_again(part: Parts) -> None:
    rate = {"limit": 9, "periodMs": 1}
    slug = await registered(part.jobs, rate_limit=rate)
    await part.worker("w")
    await _launched(part, slug, TENANTS * 3)
    assert len(await _claimed(part, 1)) == 1
    rate_now: JsonObject = {"limit": 3, "periodMs": MINUTE_MS}
    await part.jobs.revise_job(slug, {"rate_limit": rate_now}, None, TESTER)
    assert len(await _claimed(part, 4)) == 2
    assert await _claimed(part, 4) == []


async def test_turns_that_others_have_had_meanwhile_are_asked_for_again(part: Parts) -> None:
    slug = await registered(
        part.jobs, fairness_key="tenant", concurrency_key="tenant", concurrency_limit=1
    )
    await part.worker("w")
    runs = await _launched(part, slug, ("a", "a", "b", "b", "c", "c"))
    assert await _claimed(part, 1) == [runs[0]]
    async with parts(part.url) as other:
        await other.worker("v")
        # This one does not know it, and expects both b and c to be free.
        assert await _claimed(other, 1, "v") == [runs[2]]
    assert await _claimed(part, 2) == [runs[4]]
    assert await _claimed(part, 2) == []
