"""A job's past, read off a real log: turns as they were, and a simulation that agrees with it."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.commands.executions import Claim
from domain.errors import TooCostlyError
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import Json
from eventlog import recorded_runs
from eventlog.keys import LogFiles
from eventlog.recorded_runs import read_job_history
from projections.job_history import History, ms_of
from projections.what_if import compare
from tests.support.logs import TESTER, Parts, query, registered
from tests.support.sample_logs.archives import archive_now

WEEK = timedelta(days=7)

NOT_YET_DUE = """
    SELECT 1 FROM job_runs
    WHERE status = 'pending' AND scheduled_at >= clock_timestamp() - interval '5 ms'
"""

SOON = {"maxAttempts": 3, "strategy": "fixed", "initialDelayMs": 1}


async def _launch(part: Parts, **launch: Any) -> UUID:
    return (await part.jobs.launch("job", Launch(**launch), TESTER)).run_id


async def _next(part: Parts) -> Claim:
    while True:
        claimed = await part.executions.claim("w", 1)
        if claimed:
            return claimed[0]


async def _read(part: Parts, archive: Path | None = None) -> History:
    async with part.pool.connection() as connection:
        history = await read_job_history(connection, LogFiles(archive), "JOB", WEEK)
    assert history is not None
    return history


async def _eventful_day(part: Parts) -> int:
    """Let runs end in every way, under two limits; return how many executions there were."""
    await registered(part.jobs, max_concurrent_runs=1, retry_policy=SOON)
    await part.worker("w")
    for _ in range(6):
        await _launch(part)
    for _ in range(2):
        await _launch(part, priority=5, start_deadline_ms=1)
    while not await part.sweeps.expire_overdue():
        pass
    given_up = await _launch(part)
    starts = 0
    for number in range(8):
        claim = await _next(part)
        starts += 1
        run_id, holder = claim.run.id, claim.holder
        if number == 0:
            await part.executions.fail(run_id, holder, AttemptFailure("ouch"), Report())
            # The log keeps milliseconds: the retry is due in an earlier one than the next claim.
            while query(part.url, NOT_YET_DUE):
                await asyncio.sleep(0.001)
        elif number == 1:
            await part.executions.hand_back(run_id, holder)
        else:
            await part.executions.succeed(run_id, holder, None, Report())
        if number == 2:
            await part.jobs.cancel(given_up, None, TESTER)
        if number == 4:
            await part.jobs.revise_job("job", {"max_concurrent_runs": 2}, None, TESTER)
    await _launch(part)
    await _next(part)
    await _launch(part, delay_ms=60_000)
    return starts + 1


async def test_unchanged_a_simulation_agrees_with_what_was(part: Parts, tmp_path: Path) -> None:
    starts = await _eventful_day(part)
    history = await _read(part)
    turns = [turn for run in history.runs for turn in run.turns]
    simulated = [turn.started_at for turn in turns if turn.started_at is not None]
    events = await part.reader.after(0)
    happened_at = [ms_of(event.at) for event in events if event.topic == "job_run.started"]
    assert sorted(simulated) == sorted(happened_at)
    assert len(simulated) == starts
    assert sum(turn.waits_until is not None for turn in turns) == 3
    assert [most for _, most in compare(history, 1).limits] == [1, 2]
    unchanged = compare(history, None)
    assert unchanged.recorded.starts == unchanged.simulated.starts == starts
    assert unchanged.deviation is not None
    assert unchanged.deviation < 0.05
    assert unchanged.most_at_a_time == 1
    # What is archived tells the same.
    files = tmp_path / "archive"
    [file] = await archive_now(part.url, files)
    assert file.runs == 9
    later = await _read(part, files)
    assert sorted(later.runs, key=_id) == sorted(history.runs, key=_id)


def _id(run: Any) -> str:
    return str(run.id)


async def test_only_what_was_there_in_the_range_is_read(part: Parts) -> None:
    await _eventful_day(part)
    async with part.pool.connection() as connection:
        assert await read_job_history(connection, part.files, "other", WEEK) is None
        none = await read_job_history(connection, part.files, "job", timedelta(milliseconds=1))
    assert none is not None
    # One waits and one is under way.
    assert len(none.runs) == 2
    assert compare(none, 1).runs == 0


@pytest.mark.parametrize("rows_a_page", [1, 3, 500])
async def test_pages_of_any_length_give_the_same_past(
    part: Parts, monkeypatch: pytest.MonkeyPatch, rows_a_page: int
) -> None:
    monkeypatch.setattr(recorded_runs, "ROWS_A_PAGE", rows_a_page)
    await _eventful_day(part)
    history = await _read(part)
    [(count,)] = query(part.url, "SELECT count(*) FROM job_runs")
    assert len({run.id for run in history.runs}) == len(history.runs) == count


async def test_too_many_runs_are_refused(part: Parts) -> None:
    await _eventful_day(part)
    async with part.pool.connection() as connection:
        with pytest.raises(TooCostlyError, match="more than 1 runs of job") as refused:
            await read_job_history(connection, part.files, "job", WEEK, max_runs=1)
    assert [issue.path for issue in refused.value.issues] == ["/lookBackMs"]


async def test_rates_and_fairness_are_part_of_the_past(part: Parts) -> None:
    rate = {"limit": 2, "periodMs": 200, "key": "tenant"}
    await registered(part.jobs, rate_limit=rate, fairness_key="tenant")
    await part.worker("w")
    for tenant in "aaaab":
        await _launch(part, parameters={"tenant": tenant})
    order: list[Json] = []
    for _ in range(5):
        claim = await _next(part)
        order.append(claim.run.parameters["tenant"])
        await part.executions.succeed(claim.run.id, claim.holder, None, Report())
    history = await _read(part)
    assert order == ["a", "b", "a", "a", "a"]
    assert sorted(run.fair_value or "" for run in history.runs) == [*['"a"'] * 4, '"b"']
    unchanged = compare(history, None)
    assert unchanged.recorded.starts == 5
    # The third run of a tenant waits for the first one to leave the period, also in the simulation.
    assert unchanged.simulated.worst_ms >= 190
    assert unchanged.deviation is not None
    assert unchanged.deviation < 0.5
