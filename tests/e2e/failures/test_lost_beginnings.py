"""A worker that alone stands still right after its claims begins nothing that others have."""

import signal
from pathlib import Path
from time import monotonic

import httpx
import pytest

from tests.e2e.support import launch, register
from tests.support.clusters.two_nodes import two_nodes
from tests.support.logs import query
from tests.support.processes import Process, eventually, started, wait_for_run
from tests.support.slow import slow

LEASE_S = 2.0

SLOTS = 24

ROUNDS = 12

RUNNING = "SELECT id::text FROM job_runs WHERE status = 'running'"

PENDING = "SELECT id::text FROM job_runs WHERE status = 'pending'"


def _signs(file: Path) -> dict[str, float]:
    """Return when which runs began, by the kernel's common clock."""
    if not file.exists():
        return {}
    lines = [line.split() for line in file.read_text().splitlines()]
    return {run_id: float(at) for run_id, at in lines}


def _lose(worker: Process, client: httpx.Client, database_url: str) -> set[str]:
    """Stop the worker alone once it has claimed; return the runs that others count as lost."""
    eventually(lambda: query(database_url, RUNNING), what="the claims", longest_pause_s=0.02)
    worker.popen.send_signal(signal.SIGSTOP)
    claimed = {run_id for (run_id,) in query(database_url, RUNNING)}
    for (run_id,) in query(database_url, PENDING):
        client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
    eventually(lambda: not query(database_url, RUNNING), what="the runs being lost")
    return claimed


def _check(
    client: httpx.Client,
    database_url: str,
    tmp_path: Path,
    expected: int,
    isolation: str,
    *options: str,
) -> None:
    file = tmp_path / "signs"
    kept = {"isolation": isolation, "retryPolicy": {"maxAttempts": 1}}
    register(client, "begin", "test.begin", **kept)
    register(client, "noop", "test.noop", **kept)
    slots = ("--slots", str(SLOTS), "--shared-slots", str(SLOTS))
    handlers = ("--handlers", "tests.support.handlers.beginning")
    common = ("--data-dir", str(tmp_path / "data"), "--lease-s", str(LEASE_S))
    unbegun = 0
    for _ in range(ROUNDS):
        for _ in range(SLOTS):
            launch(client, "begin", parameters={"file": str(file)})
        with started(
            *("worker", *common, *slots, *handlers, *options), APPHUB_DATABASE_URL=database_url
        ) as worker:
            lost = _lose(worker, client, database_url)
            lost_at = monotonic()
            worker.popen.send_signal(signal.SIGCONT)
            # Once its next life has run something, all that the first had in hand is over.
            worker.wait_for_line("lost its lease", errors=True)
            run = wait_for_run(client, launch(client, "noop"), timeout_s=90)
            assert run["status"] == "succeeded"
        began = _signs(file)
        assert [run_id for run_id in lost if began.get(run_id, 0.0) > lost_at] == []
        unbegun += len(lost - set(began))
        if unbegun >= expected:
            return
    pytest.fail(f"only {unbegun} attempts were lost before they had begun")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("isolation", "expected"), [("shared", 8), slow("shared", SLOTS), slow("process", SLOTS)]
)
def test_no_handler_begins_after_its_attempt_was_declared_lost(
    client: httpx.Client, database_url: str, tmp_path: Path, isolation: str, expected: int
) -> None:
    _check(client, database_url, tmp_path, expected, isolation)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_handler_begins_on_a_cluster_after_its_attempt_was_declared_lost(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    with two_nodes() as nodes:
        on_ray = ("--ray-address", nodes.address)
        _check(client, database_url, tmp_path, 3, "process", *on_ray)
