"""Nothing of an attempt outlives it, even if its supervisor is killed; nothing else is harmed."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.e2e.support import launch, register, server_pids, topics
from tests.support.processes import Process, descendants, eventually, started, wait_for_run

HANDLERS = (
    "--handlers",
    "tests.support.handlers",
    "--handlers",
    "tests.support.handlers.isolation",
)


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["gone", "0"]


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _children(pid: int) -> list[int]:
    return [child for child in descendants(pid) if _parent(child) == pid]


def _zombies(pid: int) -> list[int]:
    return [child for child in _children(pid) if _stat(child)[0] == "Z"]


def _sign(file: Path) -> int | None:
    """Return who signed first, once a line is whole."""
    return int(file.read_text().split()[0]) if file.exists() and "\n" in file.read_text() else None


def _running_with_a_daemon(client: httpx.Client, file: Path) -> tuple[str, int]:
    """Return a run and its daemon."""
    register(client, "daemon", "isolation.leave_daemon_at_first", retryPolicy={"maxAttempts": 2})
    run_id = launch(client, "daemon", parameters={"file": str(file), "forMs": 60_000})
    return run_id, int(eventually(lambda: _sign(file), what="the daemon's first sign"))


@pytest.mark.usefixtures("api")
def test_a_daemon_ends_before_its_attempt_does_whose_supervisor_was_killed(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "signs"
    with started(
        *("worker", "--data-dir", str(tmp_path / "data"), *HANDLERS),
        APPHUB_DATABASE_URL=database_url,
    ) as worker:
        run_id, daemon = _running_with_a_daemon(client, file)
        supervisor = _parent(_parent(daemon))
        assert _parent(supervisor) == worker.popen.pid
        os.kill(supervisor, signal.SIGKILL)
        eventually(lambda: "attempt_failed" in topics(client, run_id), what="the attempt's end")
        signed = file.read_text()
        assert not Path(f"/proc/{daemon}").exists()
        run = wait_for_run(client, run_id)
        assert (run["status"], run["attempt"]) == ("succeeded", 2)
        assert file.read_text() == signed
        assert _zombies(worker.popen.pid) == []


@pytest.mark.slow
def test_a_worker_that_has_adopted_the_private_server_does_not_end_it_with_what_supervisors_left(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "data"
    with (
        started("worker", "--data-dir", str(data_dir), *HANDLERS) as worker,
        started("serve", "--port", "0", "--data-dir", str(data_dir)) as api,
        httpx.Client(base_url=api.url(), timeout=90) as client,
    ):
        worker.wait_for_line("is ready with", errors=True)
        server = _adopted_server(data_dir, worker, api)
        eventually(
            lambda: client.get("/jobs").status_code == 200, what="a server that has recovered"
        )
        run_id, daemon = _running_with_a_daemon(client, tmp_path / "signs")
        os.kill(_parent(_parent(daemon)), signal.SIGKILL)
        assert wait_for_run(client, run_id)["status"] == "succeeded"
        assert not Path(f"/proc/{daemon}").exists()
        assert server in server_pids(data_dir)
        assert _zombies(worker.popen.pid) == []


def _adopted_server(data_dir: Path, worker: Process, api: Process) -> int:
    """Have the worker, and nobody else, start the server again, as its own child; return it."""
    api.popen.send_signal(signal.SIGSTOP)
    for pid in server_pids(data_dir):
        os.kill(pid, signal.SIGKILL)
    server = eventually(
        lambda: set(server_pids(data_dir)) & set(_children(worker.popen.pid)), what="a new server"
    )
    api.popen.send_signal(signal.SIGCONT)
    return int(server.pop())
