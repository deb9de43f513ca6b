"""A database's clock that is set back: whoever decides goes by the present at once."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from random import SystemRandom
from typing import cast

import pytest

from domain.clock import from_iso
from domain.commands.schedules import Schedules
from domain.errors import VersionConflictError
from domain.identifiers import schedule_id
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from domain.schedules.calendar import ScheduleSpec
from eventlog.database.clock import DatabaseClock
from eventlog.pending_work import Ticks
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.stepped import SteppedClock
from worker.ticker import Ticker

HOUR = timedelta(hours=1)

RETRY: JsonObject = {"maxAttempts": 3, "strategy": "fixed", "initialDelayMs": 60_000}


@pytest.fixture
def clock(database_url: str) -> SteppedClock:
    """Give the clock of the test's database."""
    return SteppedClock(database_url)


@pytest.fixture
async def stepped(clock: SteppedClock) -> AsyncIterator[Parts]:
    """Give parts on that database that measured its clock once, and then no more."""
    async with parts(clock.url, follows_clock=True) as part:
        yield part


def present(part: Parts) -> datetime:
    [[now]] = query(part.url, "SELECT clock_timestamp()")
    assert isinstance(now, datetime)
    return now


async def measure(part: Parts) -> None:
    await cast("DatabaseClock", part.jobs.clock).sync()


async def test_a_back_off_goes_by_the_present_also_before_the_clock_is_measured_anew(
    stepped: Parts, clock: SteppedClock
) -> None:
    await registered(stepped.jobs, retry_policy=RETRY)
    worker_id = await stepped.worker("w")
    launched = await stepped.jobs.launch("job", Launch(), TESTER)
    [claim] = await stepped.executions.claim(worker_id, 1)
    clock.set(-HOUR)
    await stepped.executions.fail(launched.run_id, claim.holder, AttemptFailure("boom"), Report())
    [[status, scheduled_at]] = query(stepped.url, "SELECT status, scheduled_at FROM job_runs")
    assert status == "pending"
    assert scheduled_at <= present(stepped) + timedelta(minutes=1)


async def test_a_launch_is_due_at_once_also_before_the_clock_is_measured_anew(
    stepped: Parts, clock: SteppedClock
) -> None:
    await registered(stepped.jobs)
    worker_id = await stepped.worker("w")
    clock.set(-HOUR)
    launched = await stepped.jobs.launch("job", Launch(), TESTER)
    [claim] = await stepped.executions.claim(worker_id, 1)
    assert claim.run.id == launched.run_id
    assert stepped.jobs.clock() <= present(stepped)


async def test_what_was_decided_by_a_present_still_to_come_is_refused(
    stepped: Parts, clock: SteppedClock
) -> None:
    schedules = Schedules(stepped.jobs)
    await registered(stepped.jobs)
    await schedules.create("often", ScheduleSpec(job="job", every_ms=60_000), TESTER)
    own_id = schedule_id("often")
    at = stepped.jobs.clock() + timedelta(minutes=2)
    prepared = await schedules.prepare([own_id], at)
    assert list(prepared) == [own_id]
    with pytest.raises(VersionConflictError, match="set back"):
        await stepped.jobs.log_port.append(prepared[own_id])
    clock.set(timedelta(minutes=3))
    assert await schedules.append(prepared.values()) == 1


async def test_a_ticker_that_sees_the_clock_set_back_goes_by_the_present(
    stepped: Parts, clock: SteppedClock
) -> None:
    """Nearly all ticks of the hour ahead were missed; of those that come again none has a run."""
    schedules = Schedules(stepped.jobs)
    ticks = Ticks(stepped.pool, stepped.jobs.quarantine)
    ticker = Ticker(schedules, ticks, stepped.jobs.clock, SystemRandom())
    await registered(stepped.jobs)
    await schedules.create(
        "often", ScheduleSpec(job="job", every_ms=60_000, overlap="allow_all"), TESTER
    )
    await ticker.step()
    clock.set(HOUR)
    await measure(stepped)
    while await ticker.step() == 0:
        pass
    [[reason, missed]] = query(stepped.url, _SKIPPED)
    assert (reason, missed >= 58) == ("missed", True)
    clock.set(timedelta())
    await measure(stepped)
    while await ticker.step() == 0:
        pass
    [[next_at]] = query(stepped.url, "SELECT next_at FROM schedules")
    now = present(stepped)
    assert now - timedelta(minutes=1) < next_at <= now + timedelta(minutes=1)
    clock.set(next_at - now)
    await measure(stepped)
    while await ticker.step() == 0:
        pass
    runs = query(stepped.url, "SELECT context->>'dueAt' FROM job_runs")
    due = sorted(from_iso(due_at) for (due_at,) in runs)
    assert due[0] == next_at
    assert len(set(due)) == len(due)


_SKIPPED = """
    SELECT convert_from(state, 'UTF8')::jsonb->>'reason',
        (convert_from(state, 'UTF8')::jsonb->>'ticks')::int
    FROM jobs_events WHERE topic = 'schedule.tick_skipped'
"""
