"""While a job is paused nothing of it starts, whoever claims, however they have looked before."""

import asyncio
from random import Random
from uuid import UUID

import pytest

from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.ports import Offer
from eventlog.database.connection import Database
from projections.flow import pending_queue
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.sample_logs.promises import keep

RETRIED = {"maxAttempts": 2, "strategy": "fixed", "initialDelayMs": 0}


async def _claimed(part: Parts, slots: int = 4) -> list[UUID]:
    """Return the runs that the worker is given."""
    claims = await part.executions.claim("w", slots)
    return [claim.run.id for claim in claims]


async def _launched(part: Parts, slug: str, count: int = 1) -> list[UUID]:
    run_ids: list[UUID] = []
    for _ in range(count):
        launched = await part.jobs.launch(slug, Launch(), TESTER)
        run_ids.append(launched.run_id)
    return run_ids


async def test_what_waits_stays_and_starts_in_its_order_once_resumed(part: Parts) -> None:
    await registered(part.jobs, "paused")
    await registered(part.jobs, "other")
    await part.worker("w")
    waiting = await _launched(part, "paused", 2)
    await part.jobs.pause_job("PAUSED", "database moves", TESTER)
    waiting += await _launched(part, "paused")
    others = await _launched(part, "other")
    assert await _claimed(part) == others
    assert await _claimed(part) == []
    await part.jobs.resume_job("paused", TESTER)
    assert await _claimed(part) == waiting


async def test_what_runs_goes_on_and_its_retry_waits(part: Parts) -> None:
    await registered(part.jobs, "paused", retry_policy=RETRIED)
    await part.worker("w")
    [run_id] = await _launched(part, "paused")
    [claim] = await part.executions.claim("w", 1)
    await part.jobs.pause_job("paused", None, TESTER)
    await part.executions.progress(run_id, claim.holder, Report({"rows": 1}))
    await part.executions.fail(run_id, claim.holder, AttemptFailure("boom"), Report())
    assert await _claimed(part) == []
    await part.jobs.resume_job("paused", TESTER)
    assert await _claimed(part) == [run_id]


async def test_what_nobody_can_execute_is_not_started_to_fail(part: Parts) -> None:
    await registered(part.jobs, "paused")
    await part.worker("w", entry_points=[])
    await _launched(part, "paused")
    await part.jobs.pause_job("paused", None, TESTER)
    offer = Offer(frozenset(), abandoned=frozenset({"test.noop"}))
    assert await part.executions.claim("w", 1, offer) == []
    await part.jobs.resume_job("paused", TESTER)
    assert len(await part.executions.claim("w", 1, offer)) == 1


async def test_a_long_queue_of_a_paused_job_hides_no_other(
    part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_queue, "MAX_WAITING", 6)
    monkeypatch.setattr(pending_queue, "FEWER_WAITING", 3)
    await registered(part.jobs, "paused")
    await registered(part.jobs, "other")
    await part.worker("w")
    await _launched(part, "paused", 40)
    await part.jobs.pause_job("paused", None, TESTER)
    others = await _launched(part, "other", 2)
    assert await _claimed(part) == others


async def test_no_claim_of_several_processes_overtakes_a_pause(database_url: str) -> None:
    random = Random(7)
    async with parts(database_url) as one, parts(database_url) as two:
        await registered(one.jobs, "paused")
        await one.worker("w")
        await _launched(one, "paused", 60)
        for _ in range(10):
            steps = [
                one.executions.claim("w", 3),
                two.jobs.pause_job("paused", None, TESTER),
                two.executions.claim("w", 3),
                one.jobs.resume_job("paused", TESTER),
            ]
            random.shuffle(steps)
            await asyncio.gather(*steps)
        await keep(Database(database_url))
    topics = "SELECT count(DISTINCT topic) FROM jobs_events WHERE topic ^@ 'job_definition.'"
    assert query(database_url, topics) == [(3,)]
