"""The command: what it says, what a kill leaves, that the service goes on meanwhile; and files that are not well."""

import asyncio
from pathlib import Path
from random import Random
from time import sleep
from typing import Any

import httpx
import orjson
import psycopg
import pytest

from domain.launching import Launch
from eventlog import archivist
from eventlog.archiving import ARCHIVE_LOCK
from tests.integration.test_archiving import ended_run, equal_to_log
from tests.support.archives import archive, files_in, make_role
from tests.support.big_logs import fill
from tests.support.logs import TESTER, parts, query
from tests.support.processes import Process, eventually, started

KILLS = 8

LONGEST_HOLD_MS = 1_000


def run_command(url: str, tmp_path: Path, *arguments: str) -> Process:
    with started(*arguments, "--data-dir", str(tmp_path / "data"), APPHUB_DATABASE_URL=url) as process:
        process.popen.wait(60)
    return process


ARCHIVE = ("log", "archive", "--older-than")


def test_it_tells_people_and_programs_what_it_did(database_url: str, tmp_path: Path) -> None:
    make_role(database_url)
    fill(database_url, 300)
    none = run_command(database_url, tmp_path, *ARCHIVE, "1d")
    assert (none.popen.returncode, none.lines) == (0, ["archived 0 events of 0 runs in 0 files"])
    done = run_command(database_url, tmp_path, *ARCHIVE, "0s", "--json")
    assert done.popen.returncode == 0, done.errors
    file, total = map(orjson.loads, done.lines)
    [path] = files_in(tmp_path / "data" / "archive")
    assert (file["kind"], file["file"], file["events"], file["runs"]) == ("archived", path.name, 600, 300)
    assert file["size_bytes"] == path.stat().st_size
    assert (total["kind"], total["files"], total["events"], total["runs"]) == ("sum", 1, 600, 300)
    asyncio.run(_end_another(database_url))
    (path.parent / f"{path.name[:36]}-000002-left.jsonl.gz").touch()
    again = run_command(database_url, tmp_path, *ARCHIVE, "0s")
    assert again.lines[0].endswith("-000002-left.jsonl.gz: no archive of this log refers to it")
    assert ": 2 events of 1 runs, positions " in again.lines[1]
    assert again.lines[2].startswith("archived 2 events of 1 runs in 1 files; longest hold of the append lock ")
    assert run_command(database_url, tmp_path, *ARCHIVE, "soon").popen.returncode == 2
    verified = run_command(database_url, tmp_path, "verify")
    assert verified.popen.returncode == 0, verified.lines
    assert f"archive {path.name}: 600 events of 300 runs: as it was written" in verified.lines


async def _end_another(url: str) -> None:
    async with parts(url) as part:
        run_id = (await part.jobs.launch("job", Launch(), TESTER)).run_id
        await part.jobs.cancel(run_id, None, TESTER)


def test_without_the_role_it_says_what_the_owner_must_run(database_url: str, tmp_path: Path) -> None:
    make_role(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"REVOKE ALL ON jobs_events FROM {archivist.ROLE}".encode())
    fill(database_url, 20)
    refused = run_command(database_url, tmp_path, *ARCHIVE, "0s")
    assert refused.popen.returncode == 1
    statements = [line.strip() for line in refused.errors if line.startswith("    ")]
    assert f"GRANT SELECT, DELETE ON jobs_events TO {archivist.ROLE};" in statements
    assert query(database_url, "SELECT count(*) FROM log_archives") == [(0,)]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in statements:
            if not statement.startswith("CREATE ROLE"):  # Another database of this server has it already.
                connection.execute(statement.encode())
    assert run_command(database_url, tmp_path, *ARCHIVE, "0s").popen.returncode == 0


def test_the_private_server_gets_the_role_by_itself(tmp_path: Path) -> None:
    with started(*ARCHIVE, "0s", "--data-dir", str(tmp_path / "data")) as process:
        process.popen.wait(60)
    assert "run: apphub-jobs migrate" in process.errors[-1]
    with started("migrate", "--data-dir", str(tmp_path / "data")) as process:
        process.popen.wait(60)
    with started(*ARCHIVE, "0s", "--data-dir", str(tmp_path / "data")) as process:
        process.popen.wait(60)
    assert process.lines == ["archived 0 events of 0 runs in 0 files"]


@pytest.mark.timeout(300)
def test_killed_at_random_points_each_file_is_in_the_log_or_in_the_archive(database_url: str, tmp_path: Path) -> None:
    make_role(database_url)
    directory, random = tmp_path / "archive", Random(3)
    fill(database_url, 12_000, time_ordered=False, succeeded=True)
    [(events,)] = query(database_url, "SELECT count(*) FROM jobs_events")
    killed = 0
    for _ in range(KILLS):
        process = Process((*_SMALL_FILES, database_url, str(directory)), {}, module="tests.support.archives")
        process.wait_for_line("archiving")
        sleep(random.uniform(0, 1.5))  # When it dies is what chance decides here.
        killed += process.popen.poll() is None
        process.kill_all()
        assert equal_to_log(database_url, directory)
        kept = "SELECT count(*), coalesce(sum(events), 0)::int FROM log_archives"
        [(files, archived)] = query(database_url, kept)
        assert query(database_url, "SELECT count(*) FROM jobs_events") == [(events + files - archived,)]
    assert killed > KILLS // 2
    archive(database_url, directory)
    assert not list(directory.glob(".*"))
    left = "SELECT count(*) FROM jobs_events WHERE topic ^@ 'job_run.'"
    assert query(database_url, left) == [(0,)]
    assert equal_to_log(database_url, directory)
    known = {name for (name,) in query(database_url, "SELECT file FROM log_archives")}
    assert known <= {path.name for path in files_in(directory)}
    print(f"{killed} kills, {len(files_in(directory)) - len(known)} files that nobody refers to")


_SMALL_FILES = ("--max-events", "1500")


def test_killed_between_file_and_transaction_it_leaves_a_file_that_nobody_refers_to(
    database_url: str, tmp_path: Path
) -> None:
    make_role(database_url)
    fill(database_url, 200)
    directory = tmp_path / "archive"
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE archived_runs IN SHARE MODE")
        process = Process((*_SMALL_FILES, database_url, str(directory)), {}, module="tests.support.archives")
        eventually(lambda: query(database_url, _WAITS), what="the transaction waiting")
        process.kill_all()
        eventually(lambda: not query(database_url, _ARCHIVING), what="the end of its session")
    assert query(database_url, "SELECT count(*) FROM log_archives") == [(0,)]
    assert query(database_url, "SELECT count(*) FROM jobs_events WHERE topic ^@ 'job_run.'") == [(400,)]
    [left] = files_in(directory)
    asyncio.run(_end_another(database_url))
    told = run_command(database_url, tmp_path, *ARCHIVE, "0s", "--archive", str(directory))
    assert told.lines[0] == f"{left.name}: no archive of this log refers to it"
    assert len(files_in(directory)) == 2
    assert equal_to_log(database_url, directory)


_WAITS = """
    SELECT 1 FROM pg_locks WHERE relation = 'archived_runs'::regclass AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

_ARCHIVING = f"""
    SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND classid = {ARCHIVE_LOCK >> 32} AND objid = {ARCHIVE_LOCK % 2**32}
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.mark.timeout(300)
def test_launches_go_on_meanwhile(database_url: str, tmp_path: Path) -> None:
    make_role(database_url)
    fill(database_url, 8_000, succeeded=True)
    directory = tmp_path / "archive"

    async def scenario() -> int:
        async with parts(database_url, archive=directory) as part:
            process = Process((*_SMALL_FILES, database_url, str(directory)), {}, module="tests.support.archives")
            launched = 0
            while process.popen.poll() is None:
                for _ in range(10):
                    run_id = (await part.jobs.launch("job", Launch(), TESTER)).run_id
                    await part.jobs.cancel(run_id, None, TESTER)
                    assert len(await part.reader.histories([run_id])) == 2
                    launched += 1
            assert process.popen.returncode == 0, process.errors
            holds = [orjson.loads(line)["longest_hold_ms"] for line in process.lines[1:]]
            print(f"{launched} launches meanwhile; longest hold {max(holds)} ms of {len(holds)}")
            assert max(holds) < LONGEST_HOLD_MS
            return launched

    assert asyncio.run(scenario()) > 10
    assert equal_to_log(database_url, directory)


@pytest.fixture
def damaged(database_url: str, tmp_path: Path) -> tuple[str, Path, str]:
    """Give a database with an archived run, its file, and the run's id."""

    async def run() -> str:
        async with parts(database_url) as part:
            return str(await ended_run(part))

    run_id = asyncio.run(run())
    archive(database_url, tmp_path / "data" / "archive")
    return database_url, files_in(tmp_path / "data" / "archive")[0], run_id


DAMAGE: dict[str, Any] = {
    "is missing": lambda path: path.unlink(),
    "is damaged": lambda path: path.write_bytes(path.read_bytes()[:-30] + bytes(30)),
    "is damaged (it has": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_not_what_was_written_is_named(
    damaged: tuple[str, Path, str], tmp_path: Path, damage: str
) -> None:
    url, path, run_id = damaged
    DAMAGE[damage](path)
    for extra in ((), ("--json",)):
        found = run_command(url, tmp_path, "verify", *extra)
        assert found.popen.returncode == 1
        [line] = found.lines
        assert f"{path} {damage}" in line
        assert "put it back" in line
    if damage.endswith("has"):
        return
    rebuilt = run_command(url, tmp_path, "projections", "rebuild", "job_runs")
    assert rebuilt.popen.returncode == 1
    assert f"archive file {path} {damage}" in rebuilt.errors[-1]
    exported = run_command(url, tmp_path, "events", "export")
    assert exported.popen.returncode == 1
    assert f"archive file {path} {damage}" in exported.errors[-1]
    with (
        started("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), APPHUB_DATABASE_URL=url) as process,
        httpx.Client(base_url=process.url(), timeout=30) as client,
    ):
        for call in (f"/job-runs/{run_id}/events", f"/job-runs/{run_id}/attempts", "/events?after=0"):
            answer = client.get(call)
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == "archive_unavailable"
            assert path.name in answer.json()["error"]
        assert client.get(f"/job-runs/{run_id}").status_code == 200


def test_the_api_serves_what_is_archived(damaged: tuple[str, Path, str], tmp_path: Path) -> None:
    url, path, run_id = damaged
    elsewhere = tmp_path / "elsewhere"
    path.parent.rename(elsewhere)
    arguments = ("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), "--archive", str(elsewhere))
    with (
        started(*arguments, APPHUB_DATABASE_URL=url) as process,
        httpx.Client(base_url=process.url(), timeout=30) as client,
    ):
        events = client.get("/events").json()["data"]
        recorded = [event for event in events if event["type"] == "log_archive.archived"]
        assert [event["data"]["file"] for event in recorded] == [path.name]
        history = client.get(f"/job-runs/{run_id}/events").json()["data"]
        assert history == [event for event in events if event["subject"]["id"] == run_id]
        [attempt] = client.get(f"/job-runs/{run_id}/attempts").json()["data"]
        assert attempt["outcome"] == "succeeded"
        statuses = [
            client.get(f"/job-runs/{run_id}", params={"asOf": event["position"]}).json()["data"]["run"]["status"]
            for event in history
        ]
        assert statuses == ["pending", "running", "succeeded"]
        of_archives = client.get("/events", params={"subject": "log_archive"}).json()["data"]
        assert of_archives == recorded
        told = []
        with client.stream("GET", "/events/stream", params={"after": 0}) as stream:
            for line in stream.iter_lines():
                told += [line] if line.startswith("event: ") else []
                if line == "event: job.run.succeeded":
                    break
        assert told[-5:] == [
            "event: job.run.pending",
            "event: job.run.updated",
            "event: job.run.running",
            "event: job.run.updated",
            "event: job.run.succeeded",
        ]
        assert client.post(f"/job-runs/{run_id}/cancel").status_code == 409
        assert client.post(f"/job-runs/{run_id}/retry").status_code == 202
