"""`apphub-jobs up` at a terminal: what it says at the start, of runs, of deaths, and at the end."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import httpx
import pytest

from apphub_jobs.version import VERSION
from cli.process.sockets import bind
from cli.process.supervisor import Supervisor
from tests.e2e.support import launch, register, wait_for_words
from tests.support.logs import query
from tests.support.ports import free_port
from tests.support.processes import (
    Process,
    descendants,
    eventually,
    started,
    wait_for_run,
    without_settings,
)
from tests.support.slow import slow

HANDLERS = ("--handlers", "tests.support.handlers")


@contextmanager
def running_up(tmp_path: Path, **variables: str) -> Iterator[Process]:
    """Run `up` with the tests' handlers; it starts programs, no forks."""
    command = ("up", "--port", "0", "--data-dir", str(tmp_path / "data"), *HANDLERS)
    with started(*command, module="apphub_jobs", **variables) as process:
        process.url()
        yield process


def _child(process: Process, command: str) -> int:
    """Return the process that runs this command below `up`."""
    ending = f"apphub_jobs\0{command}\0".encode()
    [child] = [
        pid
        for pid in descendants(process.popen.pid)
        if Path(f"/proc/{pid}/cmdline").read_bytes().endswith(ending)
    ]
    return child


def test_it_tells_where_all_is_of_each_run_and_how_it_stops(tmp_path: Path) -> None:
    with running_up(tmp_path) as up:
        url = up.url()
        output = "\n".join(up.errors)
        for part in (
            f"AppHub Jobs {VERSION}",
            f"{url} (open: without tokens)",
            f"{url}/docs",
            str(tmp_path / "data"),
            "a private PostgreSQL",
            "test.noop",
            "(tests.support.handlers)",
            "(built in)",
            "Ctrl-C",
        ):
            assert part in output
        with httpx.Client(base_url=url, timeout=90) as client:
            register(client, "echo", "test.echo")
            register(client, "broken", "test.fail", retryPolicy={"maxAttempts": 2})
            good, bad = launch(client, "echo"), launch(client, "broken")
            wait_for_run(client, good)
            wait_for_run(client, bad)
            up.wait_for_line(f"{bad}", errors=True)
        for what, line in (
            ("started", f"echo  {good}"),
            ("succeeded", f"s  {good}"),
            ("failed", "attempt 1 of 2: failing on purpose, attempt 1; the next attempt"),
            ("failed", f"attempt 2 of 2: failing on purpose, attempt 2  {bad}"),
        ):
            printed = up.wait_for_line(line, errors=True)
            assert what in printed
        assert up.stop(signal.SIGINT) == 0
        stopping = up.wait_for_line("stopping: ", errors=True)
        assert "handed back" in stopping
        assert up.errors[-1] == "stopped"
        assert up.lines == [f"ready {url}"]


def test_what_python_may_keep_nowhere_else_is_kept_compiled_in_the_data_directory(
    tmp_path: Path, database_url: str
) -> None:
    beside, data_dir = tmp_path / "beside", tmp_path / "data"
    with started(
        *("up", "--port", "0", "--data-dir", str(data_dir)),
        APPHUB_DATABASE_URL=database_url,
        # As if nothing had been compiled, and were never kept.
        PYTHONPYCACHEPREFIX=str(beside),
        PYTHONDONTWRITEBYTECODE="1",
    ) as process:
        process.url()
    kept = {path.name.partition(".")[0] for path in (data_dir / "compiled").rglob("*.pyc")}
    assert {"app", "claiming"} <= kept
    assert not beside.exists()


@pytest.mark.slow
def test_the_api_serves_on_until_what_runs_has_ended(tmp_path: Path, database_url: str) -> None:
    gate = tmp_path / "gate"
    with (
        started(
            *("up", "--port", "0", "--stop-grace-s", "600", *HANDLERS),
            *("--data-dir", str(tmp_path / "data")),
            module="apphub_jobs",
            APPHUB_DATABASE_URL=database_url,
        ) as process,
        httpx.Client(base_url=process.url(), timeout=90) as client,
    ):
        register(client, "count", "test.count")
        parameters = {"lines": 1, "until": str(gate)}
        run_id = launch(client, "count", parameters=parameters)
        wait_for_words(client, run_id, "line 000000")
        process.popen.send_signal(signal.SIGTERM)
        process.wait_for_line("stopping: running attempts have 600 s to end", errors=True)
        process.wait_for_line("is stopping, and waits up to 600 s for 1 run", errors=True)
        os.kill(_child(process, "serve"), signal.SIGKILL)
        process.wait_for_line("the API was killed by SIGKILL", errors=True)
        # The port is kept open, so that this waits for the next API.
        register(client, "echo", "test.echo")
        late = launch(client, "echo")
        gate.touch()
        assert process.popen.wait(90) == 0
    ends = "SELECT id::text, status, attempt FROM job_runs"
    assert set(query(database_url, ends)) == {(run_id, "succeeded", 1), (late, "pending", 1)}


@pytest.mark.parametrize(("command", "name"), [("serve", "the API"), slow("worker", "the worker")])
def test_who_is_killed_is_named_and_replaced(
    tmp_path: Path, database_url: str, command: str, name: str
) -> None:
    with running_up(tmp_path, APPHUB_DATABASE_URL=database_url) as up:
        killed = _child(up, command)
        os.kill(killed, signal.SIGKILL)
        up.wait_for_line(f"{name} was killed by SIGKILL; another one starts", errors=True)
        with httpx.Client(base_url=up.url(), timeout=90) as client:
            # The port is kept open, so that this waits for the next API.
            register(client, "echo", "test.echo")
            run = wait_for_run(client, launch(client, "echo"), timeout_s=90)
        assert run["status"] == "succeeded"
        assert _child(up, command) != killed


def test_a_part_that_cannot_start_ends_everything(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    environment = {**os.environ, "APPHUB_DATABASE_URL": "mysql://u:secret@h/db"}
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        with bind("127.0.0.1", 0) as listening:
            assert Supervisor(environment, listening, lines.append, 30.0).run() == 1
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    [line] = lines
    assert "ended with exit code 1 before it was ready; stopping everything" in line
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "mysql:// is not PostgreSQL's" in captured.err
    assert "Traceback" not in captured.err
    assert "secret" not in captured.err


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Give the URL of a database server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield f"postgresql://somebody@127.0.0.1:{port}/jobs"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_is_prepared_ends_with_up(tmp_path: Path, silent_server: str, number: int) -> None:
    command = ["up", "--port", "0", "--data-dir", str(tmp_path)]
    process = Process(command, {"APPHUB_DATABASE_URL": silent_server}, "apphub_jobs")
    try:
        process.wait_for_line("Ctrl-C", errors=True)
        prepared = [_child(process, "serve"), _child(process, "worker")]
        process.popen.send_signal(number)
        process.popen.wait(60)
        eventually(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in prepared),
            what="the end of what was prepared",
        )
    finally:
        process.kill_all()
    assert process.lines == []
    assert "Traceback" not in "\n".join(process.errors)


def test_what_is_prepared_ends_where_handlers_cannot_be_had(tmp_path: Path) -> None:
    port = free_port()
    command = ["up", "--port", str(port), "--handlers", "no.such.module"]
    data_dir = tmp_path / "data"
    process = Process([*command, "--data-dir", str(data_dir)], {})
    try:
        process.wait_for_line("no.such.module", errors=True)
        assert process.popen.wait(60) == 1
    finally:
        process.kill_all()
    # The prepared API would hold it.
    socket.create_server(("127.0.0.1", port)).close()
    assert not data_dir.exists()


@pytest.mark.parametrize("command", [["up"], slow(["dev", __file__])])
def test_it_starts_where_nobody_has_given_it_an_input(
    tmp_path: Path, database_url: str, command: list[str]
) -> None:
    words = (sys.executable, "-m", "apphub_jobs", *command, "--port", "0")
    shell = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *words]
    process = subprocess.Popen(
        [*shell, "--data-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**without_settings(), "APPHUB_DATABASE_URL": database_url},
    )
    assert process.stdout is not None
    with process, process.stdout as output:
        beginning = list(takewhile(lambda line: not line.startswith("ready "), output))
        process.terminate()
        beginning += output
    assert process.returncode == 0
    assert "Traceback" not in "".join(beginning)
    assert "Assertion" not in "".join(beginning)


@pytest.mark.parametrize("command", ["up", "serve"])
def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path, command: str) -> None:
    data_dir = tmp_path / "data"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = Process([command, "--port", port, "--data-dir", str(data_dir)], {})
        process.wait_for_line("(--port)", errors=True)
        assert process.popen.wait(60) == 1
    assert not data_dir.exists()
    assert len(process.errors) == 1


def test_without_lines_of_runs_it_is_quiet(tmp_path: Path, database_url: str) -> None:
    with (
        started(
            *("up", "--port", "0", "--no-show-runs", *HANDLERS),
            *("--data-dir", str(tmp_path)),
            APPHUB_DATABASE_URL=database_url,
        ) as process,
        httpx.Client(base_url=process.url(), timeout=90) as client,
    ):
        register(client, "echo", "test.echo")
        run_id = launch(client, "echo")
        wait_for_run(client, run_id)
        process.stop()
        assert not [line for line in process.errors if run_id in line]
