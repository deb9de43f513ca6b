"""`verify` goes range by range: no snapshot is held for long, and nothing between two is missed."""

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from domain.jobs.launching import Launch
from eventlog.database.connection import Database
from eventlog.keys import LogFiles
from eventlog.rebuild import expected_rows, log_by_aggregate
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.verify import Comparison, verify
from projections import job_runs
from tests.support.logs import TESTER, parts, query
from tests.support.sample_logs.archives import archive_now, ended_run

RUNS = 12

Progress = Callable[[str, int, int], None]

LAST_ID = UUID(int=2**128 - 1)

COPIED = """
    INSERT INTO job_runs
    SELECT copy.* FROM job_runs, LATERAL jsonb_populate_record(
        job_runs, jsonb_build_object('id', %s::uuid)) AS copy
    LIMIT 1 RETURNING 1
"""


def in_silence(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@pytest.fixture(params=[1, 5, 1_000_000])
def range_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let ranges have so many events, however long they take."""
    size = int(request.param)
    monkeypatch.setattr(expected_rows, "EVENTS_A_RANGE", size)
    monkeypatch.setattr(expected_rows, "RANGE_S", 60.0)
    # Each row is written by itself, once the range before is compared.
    for limit in ("CHARACTERS_A_WRITE", "WAITING_CHARACTERS"):
        monkeypatch.setattr(expected_rows, limit, 1)
    for limit in ("INITIAL_READ", "MAX_READ"):
        monkeypatch.setattr(log_by_aggregate, limit, 1)
    return size


@pytest.fixture
async def launched_url(database_url: str) -> str:
    """Return a database with some runs, of which a few have ended."""
    async with parts(database_url) as part:
        for _ in range(3):
            await ended_run(part, Launch())
        for _ in range(RUNS - 3):
            await part.jobs.launch("job", Launch(), TESTER)
    return database_url


async def compared(
    url: str, progress: Progress = in_silence, archive: Path | None = None
) -> tuple[list[Difference], Comparison]:
    """Compare the table of runs with the log."""
    differences: list[Difference] = []
    database = Database(url, LogFiles(archive))
    [checked] = await verify(database, [job_runs.TABLE], differences.append, progress)
    return differences, checked


def _spoil(url: str) -> dict[str, str]:
    """Spoil the first run, remove the last, add one before and one behind; return what differs."""
    ids = [str(one) for (one,) in query(url, "SELECT id FROM job_runs ORDER BY id")]
    first, last = ids[0], ids[-1]
    before, behind = str(UUID(int=0)), str(LAST_ID)
    for added in (before, behind):
        query(url, COPIED, added)
    query(url, "UPDATE job_runs SET slug = 'spoilt' WHERE id = %s RETURNING 1", first)
    query(url, "DELETE FROM job_runs WHERE id = %s RETURNING 1", last)
    return {first: "differs", last: "missing", before: "extra", behind: "extra"}


@pytest.mark.usefixtures("range_size")
async def test_every_difference_is_found_whatever_the_ranges(launched_url: str) -> None:
    expected = _spoil(launched_url)
    differences, checked = await compared(launched_url)
    assert {one.key: one.kind for one in differences} == expected
    assert (checked.rows, checked.events) == (RUNS, RUNS + 6)


@pytest.mark.usefixtures("range_size")
async def test_every_difference_is_mended_whatever_the_ranges(launched_url: str) -> None:
    expected = _spoil(launched_url)
    differences: list[Difference] = []
    rebuilt = await rebuild(Database(launched_url), job_runs.TABLE, differences.append, in_silence)
    assert rebuilt.repaired == len(expected)
    assert differences == []
    assert await compared(launched_url) == ([], rebuilt.comparison)


OLDEST = """
    SELECT min(xact_start) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
"""
"""When the oldest transaction began: its snapshot is no older."""


async def test_no_snapshot_is_held_from_one_range_to_the_next(
    launched_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expected_rows, "EVENTS_A_RANGE", 3)
    oldest: list[datetime] = []

    def look(what: str, done: int, total: int) -> None:
        if what.endswith("comparing"):
            [(began,)] = query(launched_url, OLDEST)
            oldest.append(began)

    differences, _ = await compared(launched_url, look)
    assert differences == []
    assert len(oldest) > 3
    assert oldest == sorted(set(oldest))


async def test_what_is_archived_between_two_ranges_is_looked_for_in_its_file(
    launched_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expected_rows, "EVENTS_A_RANGE", 1)
    archive = tmp_path / "archive"
    # Something is archived before, too.
    await archive_now(launched_url, archive, max_events=3)
    archived = 0

    def archive_more(what: str, done: int, total: int) -> None:
        nonlocal archived
        if what.endswith("comparing") and not archived:
            archived = 1
            archiving = archive_now(launched_url, archive)
            thread = threading.Thread(target=asyncio.run, args=(archiving,))
            thread.start()
            thread.join()

    differences, checked = await compared(launched_url, archive_more, archive)
    assert differences == []
    assert archived
    assert (checked.rows, checked.events) == (RUNS, RUNS + 6)


async def test_runs_that_come_between_two_ranges_are_no_differences(
    launched_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expected_rows, "EVENTS_A_RANGE", 4)
    launches = 0

    async def launch() -> None:
        async with parts(launched_url) as part:
            await part.jobs.launch("job", Launch(), TESTER)

    def launch_more(what: str, done: int, total: int) -> None:
        nonlocal launches
        if launches < 3:
            launches += 1
            thread = threading.Thread(target=asyncio.run, args=(launch(),))
            thread.start()
            thread.join()

    differences, checked = await compared(launched_url, launch_more)
    assert differences == []
    # Their ids are the highest: they are in the last range.
    assert checked.rows == RUNS + launches
