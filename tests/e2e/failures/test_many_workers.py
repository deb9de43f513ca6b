"""Several workers: killed at random, limited together, deaf to notifications, cut off."""

import os
import random
import signal
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import httpx
import psycopg
import pytest

from tests.e2e.support import embedded_url, events, launch, register, server_pids, topics
from tests.support.processes import Process, eventually, started, wait_for_run
from tests.support.sample_logs import promises

RUNS = 60

WORKERS = 4

DEAF = """
    CREATE SCHEMA deaf;
    CREATE FUNCTION deaf.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT NULL::void';
"""


def _start(stack: ExitStack, database_url: str, data_dir: Path, *more: str) -> Process:
    arguments = (
        "worker",
        "--data-dir",
        str(data_dir),
        "--handlers",
        "tests.support.handlers",
        *more,
    )
    return stack.enter_context(started(*arguments, APPHUB_DATABASE_URL=database_url))


def test_every_run_ends_once_however_often_workers_are_killed(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    locks = tmp_path / "locks"
    locks.mkdir()
    register(client, "exclusive", "test.exclusive", retryPolicy={"maxAttempts": 10})
    ids = [
        launch(client, "exclusive", parameters={"directory": str(locks), "forMs": 100})
        for _ in range(RUNS)
    ]
    with ExitStack() as stack:
        workers = [
            _start(stack, database_url, tmp_path / "data", "--lease-s", "1") for _ in range(WORKERS)
        ]
        victims: list[Process] = []
        kill_at = monotonic() + 2

        def over() -> bool:
            nonlocal kill_at
            if monotonic() > kill_at:
                victim = random.randrange(WORKERS)
                workers[victim].popen.send_signal(
                    random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP])
                )
                victims.append(workers[victim])
                workers[victim] = _start(stack, database_url, tmp_path / "data", "--lease-s", "1")
                kill_at = monotonic() + random.uniform(1, 4)
            page = client.get("/job-runs", params={"status": "pending,running", "limit": 1}).json()
            return not page["data"]

        eventually(over, timeout_s=60 + RUNS, what="all runs being over")
        for victim in victims:  # The frozen ones wake up long after others have done their work.
            victim.popen.send_signal(signal.SIGCONT)
    assert not (locks / "twice").exists()
    for run_id in ids:
        history = topics(client, run_id)
        run = client.get(f"/job-runs/{run_id}").json()["data"]["run"]
        assert run["status"] == "succeeded", history
        assert history.count("attempt_lost") + 1 == run["attempt"], history
        assert history.count("started") == run["attempt"] + history.count("handed_back"), history
        # A worker may die between the end of its handler and the record of it; then it runs again,
        # but never beside.
        assert 1 <= (locks / run_id).read_text().count("ran") <= run["attempt"]


@pytest.mark.slow
def test_ten_workers_together_hold_a_jobs_limit(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    directory = tmp_path / "running"
    directory.mkdir()
    register(client, "limited", "test.counted", maxConcurrentRuns=3)
    ids = [launch(client, "limited", parameters={"directory": str(directory)}) for _ in range(24)]
    with ExitStack() as stack:
        for _ in range(10):
            _start(stack, database_url, tmp_path / "data")
        runs = [wait_for_run(client, run_id, timeout_s=90) for run_id in ids]
    assert {run["status"] for run in runs} == {"succeeded"}
    most = max(run["result"] for run in runs)
    assert 1 < most <= 3


def test_a_cancel_is_found_without_any_notification(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(DEAF)
        [(name,)] = connection.execute("SELECT current_database()").fetchall()
        connection.execute(f"ALTER DATABASE {name} SET search_path = deaf, public, pg_catalog")
        # The API's sessions are from before; the new ones speak to nobody either.
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid()",
            (name,),
        )
    register(client, "wait", "test.wait")
    with ExitStack() as stack:
        worker = _start(stack, database_url, tmp_path / "data")
        worker.wait_for_line("notifications do not arrive", errors=True)
        run_id = launch(client, "wait")
        wait_for_run(client, run_id, "running")
        client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
        assert wait_for_run(client, run_id)["status"] == "canceled"


@pytest.mark.slow
def test_a_database_that_goes_away_is_answered_clearly_and_work_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "data"
    arguments = ("--data-dir", str(data_dir), "--handlers", "tests.support.handlers")
    with (
        started("up", "--port", "0", *arguments) as process,
        httpx.Client(base_url=process.url(), timeout=90) as client,
    ):
        register(client, "wait", "test.wait")
        run_id = launch(client, "wait", parameters={"forMs": 2_000})
        wait_for_run(client, run_id, "running")
        postmaster = int(
            (data_dir / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0]
        )
        backends = [pid for pid in server_pids(data_dir) if pid != postmaster]
        # So that nobody starts another one meanwhile.
        os.kill(postmaster, signal.SIGSTOP)
        for pid in backends:
            os.kill(pid, signal.SIGKILL)
        away = client.post("/jobs/wait/run")
        assert (away.status_code, away.json()["code"]) == (503, "log_unavailable"), away.text
        assert client.get("/health").status_code == 200
        os.kill(postmaster, signal.SIGCONT)
        run = eventually(lambda: _run_if_up(client, run_id), what="the run's end being recorded")
        assert run["attempt"] == 1
        assert events(client, run_id)[-1]["type"] == "job_run.succeeded"
        assert eventually(
            lambda: client.post("/jobs/wait/run").status_code == 202, what="launches being accepted"
        )
        promises.kept(embedded_url(data_dir), [run_id])


def _run_if_up(client: httpx.Client, run_id: str) -> dict[str, object] | None:
    answer = client.get(f"/job-runs/{run_id}")
    run = dict(answer.json()["data"]["run"]) if answer.status_code == 200 else {}
    return run if run.get("status") == "succeeded" else None
