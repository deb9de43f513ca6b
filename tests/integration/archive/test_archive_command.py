"""The command: what it says, what a kill leaves, and that the service goes on meanwhile."""

import asyncio
import os
from pathlib import Path
from random import Random
from time import sleep

import orjson
import psycopg
import pytest

from domain.jobs.launching import Launch
from eventlog.archive import role
from eventlog.archive.archiver import ARCHIVE_LOCK
from eventlog.database import sql
from projections.envelope import Envelope
from tests.integration.archive.test_archiving import event
from tests.support.logs import TESTER, Parts, parts, query
from tests.support.processes import Process, eventually, started
from tests.support.sample_logs.archives import (
    archive_now,
    equal_to_log,
    exported,
    files_in,
    make_role,
    run_command,
)
from tests.support.sample_logs.big_logs import fill

KILLS = int(os.environ.get("APPHUB_ARCHIVE_KILLS", "2"))
"""`make crash` takes more."""

MAX_HOLD_MS = float(os.environ.get("APPHUB_ARCHIVE_HOLD_MS", "inf"))
"""`make rebuild-check` has a limit; beside other tests, a hold takes as long as they let it."""


ARCHIVE = ("log", "archive", "--older-than")


async def test_it_tells_people_and_programs_what_it_did(database_url: str, tmp_path: Path) -> None:
    await make_role(database_url)
    await fill(database_url, 300)
    none = run_command(database_url, tmp_path, *ARCHIVE, "1d")
    assert (none.popen.returncode, none.lines) == (0, ["archived 0 events of 0 runs in 0 files"])
    done = run_command(database_url, tmp_path, *ARCHIVE, "0s", "--json")
    assert done.popen.returncode == 0, done.errors
    file, total = map(orjson.loads, done.lines)
    [path] = files_in(tmp_path / "data" / "archive")
    assert (file["kind"], file["file"], file["events"], file["runs"]) == (
        "archived",
        path.name,
        600,
        300,
    )
    assert file["size_bytes"] == path.stat().st_size
    assert (total["kind"], total["files"], total["events"], total["runs"]) == ("sum", 1, 600, 300)
    await _end_another(database_url)
    (path.parent / f"{path.name[:36]}-000002-left.jsonl.gz").touch()
    again = run_command(database_url, tmp_path, *ARCHIVE, "0s")
    assert again.lines[0].endswith("-000002-left.jsonl.gz: no archive of this log refers to it")
    assert ": 2 events of 1 run, positions " in again.lines[1]
    assert again.lines[2].startswith(
        "archived 2 events of 1 run in 1 file; longest hold of the append lock "
    )
    for age in ("soon", "999999d"):
        assert run_command(database_url, tmp_path, *ARCHIVE, age).popen.returncode == 2
    verified = run_command(database_url, tmp_path, "verify")
    assert verified.popen.returncode == 0, verified.lines
    assert f"archive {path.name}: 600 events of 300 runs: as it was written" in verified.lines


async def _end_another(url: str) -> None:
    async with parts(url) as part:
        run_id = (await part.jobs.launch("job", Launch(), TESTER)).run_id
        await part.jobs.cancel(run_id, None, TESTER)


async def test_without_the_role_it_says_what_the_owner_must_run(
    database_url: str, tmp_path: Path
) -> None:
    await make_role(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"REVOKE ALL ON jobs_events FROM {role.ROLE}".encode())
    await fill(database_url, 20)
    refused = run_command(database_url, tmp_path, *ARCHIVE, "0s")
    assert refused.popen.returncode == 1
    statements = [line.strip() for line in refused.errors if line.startswith("    ")]
    assert f"GRANT SELECT, DELETE ON jobs_events TO {role.ROLE};" in statements
    assert query(database_url, "SELECT count(*) FROM log_archives") == [(0,)]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in statements:
            # Another database of this server has it already.
            if not statement.startswith("CREATE ROLE"):
                connection.execute(statement.encode())
    assert run_command(database_url, tmp_path, *ARCHIVE, "0s").popen.returncode == 0


@pytest.mark.slow
def test_the_private_server_gets_the_role_by_itself(tmp_path: Path) -> None:
    with started(*ARCHIVE, "0s", "--data-dir", str(tmp_path / "data")) as process:
        process.popen.wait(60)
    assert "run: apphub-jobs migrate" in process.errors[-1]
    with started("migrate", "--data-dir", str(tmp_path / "data")) as process:
        process.popen.wait(60)
    with started(*ARCHIVE, "0s", "--data-dir", str(tmp_path / "data")) as process:
        process.popen.wait(60)
    assert process.lines == ["archived 0 events of 0 runs in 0 files"]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_killed_at_random_points_each_file_is_in_the_log_or_in_the_archive(
    database_url: str, tmp_path: Path
) -> None:
    await make_role(database_url)
    directory, random = tmp_path / "archive", Random(3)
    await fill(database_url, 8_000, time_ordered=False, succeeded=True)
    [(events,)] = query(database_url, "SELECT count(*) FROM jobs_events")
    killed = 0
    for _ in range(KILLS):
        process = Process(
            (*_SMALL_FILES, database_url, str(directory)),
            {},
            module="tests.support.sample_logs.archives",
        )
        process.wait_for_line("archiving")
        sleep(random.uniform(0, 0.8))  # When it dies is what chance decides here.
        killed += process.popen.poll() is None
        process.kill_all()
        assert await equal_to_log(database_url, directory)
        kept = "SELECT count(*), coalesce(sum(events), 0)::int FROM log_archives"
        [(files, archived)] = query(database_url, kept)
        assert query(database_url, "SELECT count(*) FROM jobs_events") == [
            (events + files - archived,)
        ]
    assert killed >= KILLS // 2
    await archive_now(database_url, directory)
    assert not list(directory.glob(".*"))
    left = "SELECT count(*) FROM jobs_events WHERE topic ^@ 'job_run.'"
    assert query(database_url, left) == [(0,)]
    assert await equal_to_log(database_url, directory)
    known = {name for (name,) in query(database_url, "SELECT file FROM log_archives")}
    assert known <= {path.name for path in files_in(directory)}
    print(f"{killed} kills, {len(files_in(directory)) - len(known)} files that nobody refers to")


_SMALL_FILES = ("--max-events", "1500")


async def test_killed_between_file_and_transaction_it_leaves_a_file_that_nobody_refers_to(
    database_url: str, tmp_path: Path
) -> None:
    await make_role(database_url)
    await fill(database_url, 200)
    directory = tmp_path / "archive"
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE archived_runs IN SHARE MODE")
        process = Process(
            (*_SMALL_FILES, database_url, str(directory)),
            {},
            module="tests.support.sample_logs.archives",
        )
        eventually(lambda: query(database_url, _WAITS), what="the transaction waiting")
        process.kill_all()
        eventually(lambda: not query(database_url, _ARCHIVING), what="the end of its session")
    assert query(database_url, "SELECT count(*) FROM log_archives") == [(0,)]
    assert query(database_url, "SELECT count(*) FROM jobs_events WHERE topic ^@ 'job_run.'") == [
        (400,)
    ]
    [left] = files_in(directory)
    await _end_another(database_url)
    done = run_command(database_url, tmp_path, *ARCHIVE, "0s", "--archive", str(directory))
    assert done.lines[0] == f"{left.name}: no archive of this log refers to it"
    assert len(files_in(directory)) == 2
    assert await equal_to_log(database_url, directory)


_WAITS = """
    SELECT 1 FROM pg_locks WHERE relation = 'archived_runs'::regclass AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

_ARCHIVING = f"""
    SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND classid = {ARCHIVE_LOCK >> 32} AND objid = {ARCHIVE_LOCK % 2**32}
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_launches_go_on_meanwhile(database_url: str, tmp_path: Path) -> None:
    await make_role(database_url)
    await fill(database_url, 8_000, succeeded=True)
    directory = tmp_path / "archive"

    async def log(part: Parts, until: int) -> list[Envelope]:
        events: list[Envelope] = []
        while (after := events[-1].position if events else 0) < until:
            events += await part.reader.after(after)
        return [event for event in events if event.position <= until]

    async def export(part: Parts, until: int) -> list[Envelope]:
        return [event for event in await exported(part) if event.position <= until]

    async with parts(database_url, archive=directory) as part:
        head = await part.reader.head()
        known = await log(part, head)
        ids = list({event.aggregate_id for event in known})
        process = Process(
            (*_SMALL_FILES, database_url, str(directory)),
            {},
            module="tests.support.sample_logs.archives",
        )
        launched = 0

        async def launch() -> None:
            nonlocal launched
            while process.popen.poll() is None:
                run_id = (await part.jobs.launch("job", Launch(), TESTER)).run_id
                await part.jobs.cancel(run_id, None, TESTER)
                assert len(await part.reader.histories([run_id])) == 2
                launched += 1

        async def read() -> None:
            # Whoever reads while events move from the log into a file sees each of them once.
            while process.popen.poll() is None:
                assert await log(part, head) == known
                assert await export(part, head) == known
                some = Random(launched).sample(ids, 100)
                histories = await part.reader.histories(some)
                assert {event.aggregate_id for event in histories} == set(some)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(launch())
            tasks.create_task(read())
        assert process.popen.returncode == 0, process.errors
        holds = [orjson.loads(line)["longest_hold_ms"] for line in process.lines[1:]]
        print(f"{launched} launches meanwhile; longest hold {max(holds)} ms of {len(holds)}")
        assert max(holds) < MAX_HOLD_MS
        assert launched > 10
    assert await equal_to_log(database_url, directory)


async def test_a_run_that_is_appended_to_at_the_last_moment_is_not_archived(
    database_url: str, tmp_path: Path
) -> None:
    await make_role(database_url)
    await fill(database_url, 50)
    [(run_id,)] = query(database_url, "SELECT id FROM job_runs LIMIT 1")
    with psycopg.connect(database_url) as writer:
        writer.execute(sql.LOCK.encode())
        process = Process(
            (*ARCHIVE, "0s", "--data-dir", str(tmp_path)), {"APPHUB_DATABASE_URL": database_url}
        )
        eventually(
            lambda: query(database_url, _WAITS_FOR_APPENDS),
            what="the transaction waiting for the append lock",
        )
        writer.execute(event(run_id, 3).encode())
    assert process.popen.wait(60) == 1
    assert "a run that was being archived has been appended to; archive again" in process.errors[-1]
    assert query(database_url, "SELECT count(*) FROM jobs_events WHERE topic ^@ 'job_run.'") == [
        (101,)
    ]
    assert query(database_url, "SELECT count(*) FROM archived_runs") == [(0,)]
    assert files_in(tmp_path / "archive") == []


_WAITS_FOR_APPENDS = """
    SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
