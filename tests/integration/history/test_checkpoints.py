"""Checkpoints of time travel: what they say, when they are written, and whom they leave alone."""

import asyncio
import logging
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from domain.jobs.launching import Launch
from domain.jobs.run_events import FINAL, STATUSES
from domain.ports import Row
from eventlog.database import sql
from eventlog.history import run_changes
from eventlog.history.run_changes import Checkpoints, next_checkpoint
from projections.job_runs import TABLE
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.processes import eventually, started
from tests.support.sample_logs.histories import make_history
from tests.support.sample_logs.long_logs import fill
from tests.support.slow import slow

STORED = """
    SELECT position, job_definition_id::text, pending, running, succeeded, failed, canceled, expired
    FROM run_checkpoints ORDER BY position
"""


async def _folded(part: Parts, positions: list[int]) -> dict[int, dict[str, dict[str, Any]]]:
    """Return what there was at each position, by job.

    Created positions of what was alive, counts of what had ended.
    """
    counts: dict[int, dict[str, dict[str, Any]]] = {}
    rows: dict[object, Row] = {}
    after, waiting = 0, sorted(positions)
    while waiting:
        events = await part.reader.after(after)
        for event in events:
            while waiting and waiting[0] < event.position:
                counts[waiting.pop(0)] = _by_job(rows)
            if event.subject == "job_run":
                rows[event.aggregate_id] = TABLE.fold(rows.get(event.aggregate_id), event)
        if not events:
            counts.update({position: _by_job(rows) for position in waiting})
            break
        after = events[-1].position
    return counts


def _by_job(rows: dict[object, Row]) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = defaultdict(
        lambda: {status: 0 if status in FINAL else [] for status in STATUSES}
    )
    newest_first = sorted(
        rows.values(), key=lambda row: int(str(row["created_position"])), reverse=True
    )
    for row in newest_first:
        job, status = jobs[str(row["job_definition_id"])], str(row["status"])
        job[status] += 1 if status in FINAL else [row["created_position"]]
    return jobs


def _stored(url: str) -> dict[int, dict[str, dict[str, Any]]]:
    counts: dict[int, dict[str, dict[str, Any]]] = {}
    for position, job_id, *values in query(url, STORED):
        known = dict(zip(STATUSES, values, strict=True))
        jobs = counts.setdefault(position, {})
        if any(known.values()):
            jobs[job_id] = known
    return counts


@pytest.mark.parametrize("steps", [200, slow(400)])
async def test_checkpoints_hold_what_a_fold_of_the_log_finds_however_they_came_about(
    database_url: str, steps: int
) -> None:
    random = Random(3)

    async with parts(database_url) as part:
        kept = Checkpoints(part.pool, part.files, every=30)

        async def keep_up() -> None:
            while True:
                await asyncio.sleep(random.random() / 100)
                await kept.write_if_due()

        keeping = asyncio.create_task(keep_up())
        await make_history(part, random, steps)
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        live = _stored(database_url)
        assert len(live) > 1
        assert live == await _folded(part, list(live))
        assert await Checkpoints(part.pool, part.files, every=7).recompute() > 20
        anew = _stored(database_url)
        assert [later - earlier for earlier, later in zip([0, *anew], anew, strict=False)][:-1] == [
            7
        ] * (len(anew) - 1)
        assert anew == await _folded(part, list(anew))


def test_after_a_checkpoint_the_next_is_due_when_the_log_has_grown_enough() -> None:
    assert next_checkpoint(head=99, last=0, every=100) is None
    assert next_checkpoint(head=100, last=0, every=100) == 100
    assert next_checkpoint(head=199, last=0, every=100) == 199
    assert next_checkpoint(head=298, last=199, every=100) is None
    assert next_checkpoint(head=1_000, last=199, every=100) == 299


async def test_the_more_runs_wait_the_rarer_are_checkpoints(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_changes, "ALIVE_PER_POSITION", 1)

    async with parts(database_url) as part:
        kept = Checkpoints(part.pool, part.files, every=10)
        slug = await registered(part.jobs)
        for _ in range(59):
            await part.jobs.launch(slug, Launch(), TESTER)
        for _ in range(8):
            await kept.write_if_due()
        assert query(database_url, "SELECT position FROM run_checkpoints ORDER BY 1") == [
            (10,),
            (20,),
            (39,),
        ]


async def test_one_at_a_time_writes_and_waits_for_no_append(database_url: str) -> None:
    async with parts(database_url) as part, parts(database_url) as other:
        slug = await registered(part.jobs)
        for _ in range(20):
            await part.jobs.launch(slug, Launch(), TESTER)
        ours, theirs = (
            Checkpoints(part.pool, part.files, every=10),
            Checkpoints(other.pool, other.files, every=10),
        )
        with psycopg.connect(database_url, autocommit=True) as blocker:
            blocker.execute("SELECT pg_advisory_lock(%s)", (run_changes.WRITER_LOCK,))
            assert await ours.write_if_due() is False
            assert query(database_url, "SELECT * FROM run_checkpoints") == []
            blocker.execute("SELECT pg_advisory_unlock_all()")
            # Whoever appends, or hangs while appending, holds up nobody here.
            blocker.execute("SELECT pg_advisory_lock(%s)", (sql.APPEND_LOCK,))
            while any(await asyncio.gather(ours.write_if_due(), theirs.write_if_due())):
                pass
        assert query(database_url, "SELECT position FROM run_checkpoints ORDER BY 1") == [
            (10,),
            (21,),
        ]


async def test_a_checkpoint_that_fails_is_a_warning_and_no_more(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with parts(database_url) as part:
            await registered(part.jobs)
            with psycopg.connect(database_url) as connection:
                connection.execute("ALTER TABLE run_checkpoints ADD CHECK (position < 1)")
            assert await Checkpoints(part.pool, part.files, every=1).write_if_due() is False

    with caplog.at_level(logging.WARNING):
        await scenario()
    assert "cannot write a checkpoint of runs at the moment" in caplog.text


async def test_a_running_service_makes_them_by_itself_also_of_an_old_log(
    database_url: str, tmp_path: Path
) -> None:
    await fill(database_url, 8_000)
    [(head,)] = query(database_url, "SELECT max(notification_id) FROM jobs_events")
    assert 2 * run_changes.MIN_DISTANCE < head < 3 * run_changes.MIN_DISTANCE

    def written() -> list[int]:
        return [
            position
            for (position,) in query(database_url, "SELECT DISTINCT position FROM run_checkpoints")
        ]

    with started(
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(tmp_path / "data"),
        APPHUB_DATABASE_URL=database_url,
    ):
        eventually(lambda: len(written()) == 2, what="checkpoints of all of the log")
    assert min(written()) == run_changes.MIN_DISTANCE
    assert max(written()) >= head
