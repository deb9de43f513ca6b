"""What waits until others have started long enough ago: who passes it, and what is said of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.clock import to_iso
from domain.json_values import JsonObject
from eventlog.pending_queue import FollowedQueue
from projections.rows import Connection
from tests.integration.claims.test_explanations import explained, launched
from tests.support.logs import TESTER, Parts, parts, query, registered


async def _full(part: Parts, **rate: Any) -> str:
    """Return a run that waits for starts of others to be an hour ago."""
    limit: JsonObject = {"limit": 2, "periodMs": 3_600_000, **rate}
    slug = await registered(part.jobs, rate_limit=limit)
    await part.worker("w")
    for _ in range(2):
        await launched(part, slug, parameters={"k": "a"})
    assert len(await part.executions.claim("w", 4)) == 2
    run_id = await launched(part, slug, parameters={"k": "a"})
    assert len(await part.executions.claim("w", 4)) == 0
    return run_id


async def test_what_is_over_waits_and_others_pass_it(part: Parts) -> None:
    run_id = await _full(part, key="k")
    other = await launched(part, "job", parameters={"k": "b"})
    free = await launched(part, "job")
    claimed = await part.executions.claim("w", 4)
    assert [str(claim.run.id) for claim in claimed] == [other, free]
    explanation = await explained(part, run_id)
    assert [reason["code"] for reason in explanation["reasons"]] == ["slots_full", "rate_limited"]


async def test_an_explanation_tells_when_the_next_one_may_start(part: Parts) -> None:
    run_id = await _full(part, key="k")
    first = "SELECT min(started_at) FROM job_runs WHERE status = 'running'"
    [(started_at,)] = query(part.url, first)
    explanation = await explained(part, run_id)
    [reason] = explanation["reasons"]
    reopens_at = to_iso(started_at + timedelta(hours=1))
    assert (reason["code"], reason["binding"]) == ("rate_limited", True)
    assert reason["details"] == {
        "limit": 2,
        "periodMs": 3_600_000,
        "key": "k",
        "reopensAt": reopens_at,
    }
    assert explanation["nextChangeAt"] == reopens_at


async def test_a_worker_is_told_when_the_next_one_may_start(part: Parts) -> None:
    await _full(part)
    queue = FollowedQueue()
    async with part.pool.connection() as connection:
        assert (await queue.next_due(connection, [])).in_s == 0.0  # Nobody has counted yet.
        assert await pick_by(queue, connection) == []
        next_due = await queue.next_due(connection, [])
    assert next_due.in_s is not None
    assert 3_000 < next_due.in_s <= 3_600


async def pick_by(queue: FollowedQueue, connection: Connection) -> list[UUID]:
    async with connection.transaction():
        now = datetime.now(UTC)
        as_of = "SELECT set_config('apphub.now', %s::timestamptz::text, true)"
        await connection.execute(as_of, [now])
        return await queue.select(connection, None, now, 1)


@pytest.mark.parametrize(
    "rate", [None, {"limit": 3, "periodMs": 3_600_000}, {"limit": 2, "periodMs": 1}]
)
async def test_a_revision_counts_at_once_and_so_do_starts_before_it(
    part: Parts, rate: JsonObject | None
) -> None:
    run_id = await _full(part)
    tighter: JsonObject = {"limit": 1, "periodMs": 3_600_000}
    await part.jobs.revise_job("job", {"rate_limit": tighter}, None, TESTER)
    assert len(await part.executions.claim("w", 1)) == 0
    await part.jobs.revise_job("job", {"rate_limit": rate}, None, TESTER)
    [claim] = await part.executions.claim("w", 1)
    assert str(claim.run.id) == run_id


async def test_each_attempt_is_a_start(part: Parts) -> None:
    rate: JsonObject = {"limit": 2, "periodMs": 3_600_000}
    slug = await registered(part.jobs, rate_limit=rate)
    await part.worker("w")
    run_id = await launched(part, slug)
    for _ in range(2):
        [claim] = await part.executions.claim("w", 1)
        await part.executions.hand_back(claim.run.id, claim.holder)
    assert len(await part.executions.claim("w", 1)) == 0
    [(starts,)] = query(part.url, "SELECT starts FROM job_runs")
    assert len(starts) == 2
    async with parts(part.url) as restarted:
        assert len(await restarted.executions.claim("w", 1)) == 0
        [reason] = (await explained(restarted, run_id))["reasons"]
        assert reason["code"] == "rate_limited"


async def test_what_was_launched_before_there_was_a_limit_does_not_count(part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    for _ in range(2):
        await launched(part, slug)
    rate: JsonObject = {"limit": 1, "periodMs": 3_600_000}
    await part.jobs.revise_job(slug, {"rate_limit": rate}, None, TESTER)
    for _ in range(2):
        await launched(part, slug)
    assert len(await part.executions.claim("w", 4)) == 3
