"""What a process remembers of a run may be outdated; and one broken run stops nobody else."""

import asyncio
import logging
from uuid import UUID

import pytest

from domain.jobs.launching import Launch
from domain.ports import Locked
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.pending_work import Work
from runtime.tasks import Supervision
from tests.support.logs import TESTER, Parts, parts, query, registered
from worker.watcher import Watcher

ENOUGH_S = 20.0

BREAK = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state)
    SELECT id, aggregate_version + 1, 'job_run.of_a_version_to_come', '{}'
    FROM job_runs WHERE id = %s RETURNING 1
"""


@pytest.mark.parametrize("count", [1, 3])
async def test_a_cancel_from_elsewhere_before_the_recovery_of_a_lost_run_ends_it_as_canceled(
    database_url: str, count: int
) -> None:
    async with parts(database_url) as one, parts(database_url) as other:
        slug = await registered(one.jobs, retry_policy={"maxAttempts": 2})
        await one.worker("w")
        launched = [(await one.jobs.launch(slug, Launch(), TESTER)).run_id for _ in range(count)]
        await one.executions.claim("w", count)
        await other.jobs.cancel(launched[0], "not wanted any more", TESTER)
        assert sorted(await one.sweeps.recover([("w", 0)], "observer")) == sorted(launched)
        statuses = dict(query(database_url, "SELECT id, status FROM job_runs"))
        assert statuses == dict.fromkeys(launched, "pending") | {launched[0]: "canceled"}


async def test_a_defect_in_one_decision_fails_it_alone_and_is_written_down_with_its_place(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def defect(_: Locked) -> list[object]:
        raise KeyError("of a defect")

    async with parts(database_url) as part:
        slug = await registered(part.jobs)
        launches = (part.jobs.launch(slug, Launch(), TESTER) for _ in range(5))
        defective = part.jobs.save_under_lock(defect, TESTER)  # type: ignore[arg-type]  # it never returns
        refused, *launched = await asyncio.gather(defective, *launches, return_exceptions=True)
        assert isinstance(refused, KeyError)
        assert not [outcome for outcome in launched if isinstance(outcome, BaseException)]
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


async def test_a_lost_run_that_cannot_be_read_is_passed_over_by_the_watch(
    database_url: str, part: Parts
) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    broken = (await part.jobs.launch(slug, Launch(), TESTER)).run_id
    lost = (await part.jobs.launch(slug, Launch(max_attempts=2), TESTER)).run_id
    await part.executions.claim("w", 2)
    assert query(database_url, BREAK, broken)
    await part.heartbeats.leave("w")
    late = await part.jobs.launch(slug, Launch(start_deadline_ms=1), TESTER)
    work = Work(
        part.pool,
        part.files,
        Listener(Database(database_url)),
        part.jobs.quarantine,
        part.writer.cache.queue,
    )
    supervision = Supervision()
    watcher = Watcher("observer", part.sweeps, part.heartbeats, work)
    watcher.start(supervision)
    try:
        async with asyncio.timeout(ENOUGH_S):
            while _status(database_url, late.run_id) != "expired":
                await asyncio.sleep(0.05)
            while _status(database_url, lost) != "pending":
                await asyncio.sleep(0.05)
        assert not [state for state in supervision.states() if state.deaths]
        assert broken in part.jobs.quarantine
        assert _status(database_url, broken) == "running"
        assert "ended" not in {state.status for state in supervision.states()}
    finally:
        await watcher.stop()


def _status(database_url: str, run_id: UUID) -> str:
    [(status,)] = query(database_url, "SELECT status FROM job_runs WHERE id = %s", run_id)
    return str(status)
