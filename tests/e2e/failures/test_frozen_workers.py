"""A worker that stands still for about its lease: its runs go on somewhere, never twice at once."""

import signal
from contextlib import ExitStack
from pathlib import Path
from time import sleep

import httpx
import psycopg
import pytest

from tests.e2e.support import launch, register, topics
from tests.support.logs import query
from tests.support.processes import Process, eventually, started, wait_for_run
from tests.support.slow import slow

LEASE_S = 3.0

RUNS = 3

BEATING = """
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND query LIKE '%%UPDATE workers SET sequence%%'
"""
"""Sessions whose heartbeat waits for the row."""


def _start(stack: ExitStack, database_url: str, data_dir: Path) -> Process:
    handlers = ("--handlers", "tests.support.handlers.proving", "--lease-s", str(LEASE_S))
    arguments = ("worker", "--data-dir", str(data_dir), *handlers)
    worker = stack.enter_context(started(*arguments, APPHUB_DATABASE_URL=database_url))
    worker.wait_for_line("is ready with", errors=True)
    return worker


def _freeze(worker: Process, for_s: float) -> None:
    """Stop the worker alone: its attempts' supervisors go on, and know when its lease is over."""
    worker.popen.send_signal(signal.SIGSTOP)
    sleep(for_s)
    worker.popen.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("company", [False, True], ids=["alone", "beside another"])
@pytest.mark.parametrize("longer_s", [slow(-0.1), 1.0, slow(3.0)])
def test_runs_of_a_worker_that_was_frozen_for_about_its_lease_go_on(
    client: httpx.Client, database_url: str, tmp_path: Path, longer_s: float, *, company: bool
) -> None:
    proofs = tmp_path / "proofs"
    proofs.mkdir()
    register(client, "prove", "test.prove", retryPolicy={"maxAttempts": 5, "initialDelayMs": 10})
    with ExitStack() as stack:
        worker = _start(stack, database_url, tmp_path / "data")
        ids = [launch(client, "prove", parameters={"directory": str(proofs)}) for _ in range(RUNS)]
        for run_id in ids:
            eventually((proofs / run_id).exists, what="the first execution")
        if company:
            _start(stack, database_url, tmp_path / "data")
        _freeze(worker, LEASE_S + longer_s)
        (proofs / "go").touch()
        runs = [wait_for_run(client, run_id, timeout_s=90) for run_id in ids]
        output = "\n".join(worker.errors)
    assert "Traceback" not in output, output
    assert "expired 0" not in output, output
    assert not (proofs / "twice").exists()
    for run in runs:
        history = topics(client, run["id"])
        assert (run["status"], run["result"]) == ("succeeded", "proved"), history
        # Only a worker that others counted as dead costs an attempt; one that knows of its silence
        # hands back.
        assert history.count("attempt_lost") + 1 == run["attempt"], history
        assert history.count("started") == run["attempt"] + history.count("handed_back"), history
        assert (proofs / run["id"]).read_text().count("ended") == 1


@pytest.mark.slow
def test_a_heartbeat_that_was_on_its_way_while_its_worker_was_frozen_keeps_no_run_from_going_on(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    proofs = tmp_path / "proofs"
    proofs.mkdir()
    register(client, "prove", "test.prove", retryPolicy={"maxAttempts": 5, "initialDelayMs": 10})
    with ExitStack() as stack:
        worker = _start(stack, database_url, tmp_path / "data")
        run_id = launch(client, "prove", parameters={"directory": str(proofs)})
        eventually((proofs / run_id).exists, what="the first execution")
        with psycopg.connect(database_url) as connection:
            connection.execute("SELECT FROM workers FOR UPDATE")
            eventually(lambda: query(database_url, BEATING), what="a heartbeat being on its way")
            worker.popen.send_signal(signal.SIGSTOP)
            sleep(LEASE_S + 0.5)
        # By now the server has taken the heartbeat: to others all is well.
        worker.popen.send_signal(signal.SIGCONT)
        (proofs / "go").touch()
        assert wait_for_run(client, run_id, timeout_s=90)["status"] == "succeeded", topics(
            client, run_id
        )
    assert not (proofs / "twice").exists()
