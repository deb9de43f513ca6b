"""The command line: ready lines, clean stops, clear errors."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from migrations import runner
from tests.e2e.support import launch, register, server_pids
from tests.support.processes import descendants, eventually, run_to_end, started, wait_for_run
from tests.support.slow import slow


def _alive(pids: list[int]) -> list[int]:
    alive = []
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                alive.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return alive


@pytest.mark.parametrize("number", [signal.SIGINT, slow(signal.SIGTERM)])
def test_up_runs_everything_and_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    data_dir = tmp_path / "data"
    with started(
        "up", "--port", "0", "--data-dir", str(data_dir), "--handlers", "tests.support.handlers"
    ) as process:
        with httpx.Client(base_url=process.url(), timeout=90) as client:
            assert client.get("/health").json() == {"status": "ok"}
            register(client, "echo", "test.echo")
            assert wait_for_run(client, launch(client, "echo"))["status"] == "succeeded"
        everything = [*descendants(process.popen.pid), *server_pids(data_dir)]
        assert len(everything) > 3
        assert process.stop(number) == 0
        assert _alive(everything) == []
        assert process.lines == [f"ready {process.url()}"]


@pytest.mark.slow
def test_what_up_started_stops_when_up_is_killed(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with started("up", "--port", "0", "--data-dir", str(data_dir)) as process:
        process.url()
        below = [*descendants(process.popen.pid), *server_pids(data_dir)]
        process.popen.kill()
        eventually(lambda: not _alive(below), what="everything being gone")


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_stop_at_any_moment_of_the_start_is_clean(
    command: str, database_url: str, tmp_path: Path
) -> None:
    for delay_s in (0.1, 0.2, 0.3, 0.5, 0.8):
        port = ("--port", "0") if command == "serve" else ()
        with started(
            command, *port, "--data-dir", str(tmp_path), APPHUB_DATABASE_URL=database_url
        ) as process:
            try:
                process.popen.wait(delay_s)
            except subprocess.TimeoutExpired:
                assert process.stop() in {0, -signal.SIGTERM, 128 + signal.SIGTERM}


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    arguments = (
        "--data-dir",
        str(tmp_path / "data"),
        "--handlers",
        "tests.support.handlers",
        "--lease-s",
        "1",
    )
    with (
        started("up", "--port", "0", *arguments, module="apphub_jobs") as process,
        httpx.Client(base_url=process.url(), timeout=90) as client,
    ):
        process.wait_for_line("is ready with", errors=True)
        register(client, "wait", "test.wait", retryPolicy={"maxAttempts": 2})
        run_id = launch(client, "wait", parameters={"forMs": 1_000})
        wait_for_run(client, run_id, "running")
        [worker] = [
            pid
            for pid in descendants(process.popen.pid)
            if _command_line(pid).endswith(b"apphub_jobs\0worker\0")
        ]
        os.kill(worker, signal.SIGKILL)
        run = wait_for_run(client, run_id)
        assert (run["status"], run["attempt"]) == ("succeeded", 2)


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


SECRETS_GIVEN = [
    ("serve", "--database-url", "postgresql://ada:hidden@{server}/jobs"),
    ("serve", "--database-url=postgresql://ada:hidden@{server}/jobs"),
    ("runs", "list", "--url", "http://{server}", "--token", "hidden"),
    ("runs", "list", "--url", "http://{server}", "--token=hidden"),
]


@pytest.mark.parametrize("words", SECRETS_GIVEN)
def test_a_command_line_shows_nobody_the_address_or_the_token_given_on_it(
    words: tuple[str, ...],
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = "127.0.0.1:" + str(silent.getsockname()[1])
        arguments = [word.format(server=server) for word in words]
        command = [sys.executable, "-m", "cli", *arguments]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            eventually(
                lambda: b"***" in _command_line(process.pid),
                what="stars in place of what was given",
            )
            command_line = _command_line(process.pid)
            process.kill()
    assert b"hidden" not in command_line


def test_serve_and_worker_share_the_private_database_and_the_last_stops_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with started("serve", "--port", "0", "--data-dir", str(data_dir)) as api:
        api.url()
        with started("worker", "--data-dir", str(data_dir)) as worker:
            worker.wait_for_line("is ready with", errors=True)
            assert api.stop() == 0
            assert server_pids(data_dir)
        assert not server_pids(data_dir)


def test_a_port_in_use_is_a_clear_error(tmp_path: Path, database_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run_to_end(
            "serve", "--port", port, "--data-dir", str(tmp_path), DATABASE_URL=database_url
        )
    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "choose another port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_cannot_be_reached_is_a_clear_error(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    at_once = {"APPHUB_WAIT_FOR_DATABASE_S": "0"}
    for command in ("up", "serve", "worker", "migrate"):
        done = run_to_end(
            command, *("--data-dir", str(tmp_path)), APPHUB_DATABASE_URL=url, **at_once
        )
        assert done.returncode == 1
        assert "cannot reach the database" in done.stderr
        assert "--database-url" in done.stderr
        assert "Traceback" not in done.stderr


def test_migrate_goes_up_down_and_to_a_version(empty_database_url: str, tmp_path: Path) -> None:
    common = ("migrate", "--database-url", empty_database_url, "--data-dir", str(tmp_path))
    assert run_to_end(*common).stdout == f"schema: empty -> {runner.HEAD}\n"
    assert run_to_end(*common).stdout == f"schema: {runner.HEAD} -> {runner.HEAD}\n"
    assert run_to_end(*common, "--to", "0001").stdout == f"schema: {runner.HEAD} -> 0001\n"
    assert run_to_end(*common, "--to", "base").stdout == "schema: 0001 -> empty\n"
    assert run_to_end(*common).stdout == f"schema: empty -> {runner.HEAD}\n"


def test_options_of_the_databases_url_are_honoured(database_url: str, tmp_path: Path) -> None:
    url = make_conninfo(
        database_url, application_name="the-name-in-the-url", options="-c statement_timeout=12345"
    )
    with started(
        "serve", "--port", "0", "--data-dir", str(tmp_path), APPHUB_DATABASE_URL=url
    ) as process:
        process.url()
        with psycopg.connect(database_url) as connection:
            names = connection.execute(
                "SELECT DISTINCT application_name FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            ).fetchall()
        assert names == [("the-name-in-the-url",)]


def test_the_seeded_jobs_are_there_once_however_often_the_service_starts(
    database_url: str, tmp_path: Path
) -> None:
    for _ in range(2):
        with started(
            "serve", "--port", "0", "--data-dir", str(tmp_path), APPHUB_DATABASE_URL=database_url
        ) as process:
            jobs = httpx.get(f"{process.url()}/jobs", timeout=90).json()["data"]
            assert [job["slug"] for job in jobs] == ["repository-build", "repository-ingest"]
            patch = {"timeoutMs": 5_000}
            httpx.patch(
                f"{process.url()}/jobs/repository-ingest", json=patch, timeout=90
            ).raise_for_status()
            events = httpx.get(f"{process.url()}/jobs/repository-ingest", timeout=90).json()[
                "data"
            ]["job"]
            assert (events["timeoutMs"], events["version"]) == (5_000, 2)


def test_help_tells_every_option_and_its_variable() -> None:
    text = run_to_end("up", "--help", COLUMNS="200").stdout
    for word in (
        "--host",
        "--port",
        "--data-dir",
        "--database-url",
        "APPHUB_PORT",
        "APPHUB_DATABASE_URL",
    ):
        assert word in text
