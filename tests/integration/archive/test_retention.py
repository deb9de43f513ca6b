"""Ended runs are archived as their jobs say, by whoever comes first, and by a clock of the test."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from domain.clock import Clock
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from eventlog.archive import retention
from eventlog.archive.retention import Archiving, RetentionArchiver
from eventlog.database.connection import Database
from eventlog.explain import explain_now, explain_past
from eventlog.keys import LogFiles
from projections.envelope import Envelope
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.sample_logs import promises
from tests.support.sample_logs.archives import equal_to_log, files_in

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NINETY_DAYS: JsonObject = {"succeededMs": 7_776_000_000}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
async def part(database_url: str, directory: Path) -> AsyncIterator[Parts]:
    async with parts(database_url, archive=directory) as part:
        yield part


def _clock(part: Parts, ahead: timedelta) -> Clock:
    """Return a clock that stands still, so long after the present."""
    [(now,)] = query(part.url, "SELECT clock_timestamp()")
    assert isinstance(now, datetime)
    return lambda: now + ahead


def _retainer(
    part: Parts, directory: Path | None, ahead: timedelta, how: Archiving | None = None
) -> RetentionArchiver:
    database = Database(part.url, LogFiles(directory))
    return RetentionArchiver(database, part.pool, _clock(part, ahead), how)


async def _keep_up(part: Parts, directory: Path, ahead: timedelta) -> int:
    """Let a process look that starts then; return of how many runs it archives."""
    before = _archived(part)
    retainer = _retainer(part, directory, ahead, Archiving(make_role=True))
    await retainer.archive_due_runs()
    return len(_archived(part) - before)


def _archived(part: Parts) -> set[str]:
    rows = query(part.url, "SELECT id::text FROM archived_runs")
    return {run_id for (run_id,) in rows}


async def _ended(part: Parts, slug: str, *, well: bool) -> UUID:
    run_id = (await part.jobs.launch(slug, Launch(), TESTER)).run_id
    [claim] = await part.executions.claim("w", 1)
    if well:
        await part.executions.succeed(run_id, claim.holder, {"rows": 3}, Report())
    else:
        failure = AttemptFailure("it broke", "permanent_error", permanent=True)
        await part.executions.fail(run_id, claim.holder, failure, Report())
    return run_id


async def _keep(part: Parts, retention: JsonObject | None) -> None:
    await part.jobs.revise_job("job", {"retention": retention}, None, TESTER)


async def test_runs_are_archived_so_long_after_their_end_by_their_outcome(
    part: Parts, directory: Path
) -> None:
    await registered(part.jobs, "job")
    await registered(part.jobs, "other")
    await part.worker("w")
    first = await _ended(part, "job", well=True)
    failed = await _ended(part, "job", well=False)
    second = await _ended(part, "job", well=True)
    other = await _ended(part, "other", well=True)
    await part.jobs.launch("job", Launch(delay_ms=86_400_000), TESTER)
    ended = [first, failed, second, other]
    head = await part.reader.head()
    before = await _answers(part, ended, head)

    assert await _keep_up(part, directory, 1_000 * DAY) == 0, "no job says anything"
    await _keep(part, NINETY_DAYS)
    assert await _keep_up(part, directory, 90 * DAY - HOUR) == 0, "none is old enough"
    assert await _keep_up(part, directory, 90 * DAY + HOUR) == 0, "few wait for others"
    assert await _keep_up(part, directory, 91 * DAY + HOUR) == 2
    assert _archived(part) == {str(first), str(second)}
    assert await _keep_up(part, directory, 91 * DAY + HOUR) == 0

    await _keep(part, {"failedMs": 0})
    assert await _keep_up(part, directory, 2 * DAY) == 1
    assert _archived(part) == {str(first), str(failed), str(second)}
    assert len(files_in(directory)) == 2
    marks = "SELECT count(*) FROM retention_marks WHERE status = 'succeeded'"
    assert query(part.url, marks) == [(1,)]

    assert await _answers(part, ended, head) == before
    assert await equal_to_log(part.url, directory)
    await promises.keep(Database(part.url, LogFiles(directory)))


@dataclass(frozen=True)
class Answers:
    """What readers say of runs that have ended."""

    histories: list[Envelope]
    explanations: list[JsonObject | None]
    past_explanations: list[tuple[JsonObject, int] | None]


async def _answers(part: Parts, run_ids: list[UUID], as_of: int) -> Answers:
    """Ask for histories, and for explanations of now and of a position."""
    histories = await part.reader.histories(run_ids)
    now: list[JsonObject | None] = []
    then: list[tuple[JsonObject, int] | None] = []
    quarantine = part.jobs.quarantine
    async with part.pool.connection() as connection:
        for run_id in run_ids:
            explanation = await explain_now(connection, part.files, quarantine, run_id)
            now.append(explanation)
            past = await explain_past(connection, part.files, run_id, as_of)
            then.append(past)
    return Answers(histories, now, then)


async def test_processes_do_not_archive_the_same_twice(part: Parts, directory: Path) -> None:
    await registered(part.jobs, "job", retention={"succeededMs": 0})
    await part.worker("w")
    for _ in range(3):
        await _ended(part, "job", well=True)
    how = Archiving(make_role=True)
    retainers = [_retainer(part, directory, 2 * DAY, how) for _ in range(3)]

    await asyncio.gather(*(one.archive_due_runs() for one in retainers))

    assert len(_archived(part)) == 3
    assert len(files_in(directory)) == 1
    assert await equal_to_log(part.url, directory)


@pytest.mark.parametrize(("rest", "archived"), [(0, 2), (1e9, 1)])
async def test_who_has_walked_through_all_runs_rests_the_longer_the_longer_that_took(
    part: Parts, directory: Path, monkeypatch: pytest.MonkeyPatch, rest: float, archived: int
) -> None:
    monkeypatch.setattr(retention, "REST_FACTOR", rest)
    await registered(part.jobs, "job", retention={"succeededMs": 0})
    await part.worker("w")
    retainer = _retainer(part, directory, 2 * DAY, Archiving(make_role=True))
    for _ in range(2):
        await _ended(part, "job", well=True)
        await retainer.archive_due_runs()
    assert len(_archived(part)) == archived
    # It begins anew where the log may be another one.
    retainer.forget()
    await retainer.archive_due_runs()
    assert len(_archived(part)) == 2


async def test_nothing_is_archived_where_others_would_not_find_it(
    part: Parts, directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await registered(part.jobs, "job", retention={"succeededMs": 0})
    await part.worker("w")
    await _ended(part, "job", well=True)
    nobody = _retainer(part, directory, 2 * DAY)
    with caplog.at_level(logging.WARNING, logger="eventlog.archive.retention"):
        await nobody.archive_due_runs()
        await nobody.archive_due_runs()
    [record] = caplog.records
    assert "name one archive directory for all processes by --archive" in record.message
    assert await _keep_up(part, directory, 2 * DAY) == 1
    await _ended(part, "job", well=True)
    caplog.clear()

    assert await _keep_up(part, tmp_path / "elsewhere", 4 * DAY) == 0

    assert "other processes archive into another directory" in caplog.text
    assert await _keep_up(part, directory, 4 * DAY) == 1
