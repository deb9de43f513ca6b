"""Runs of jobs whose attempts share a process, as clients see them."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.client.test_documented import examples
from tests.e2e.support import at_work, launch, register, topics, wait_for_words
from tests.support.processes import Process, eventually, started, wait_for_run

SHARED = {"isolation": "shared"}


@pytest.fixture(scope="module")
def client(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Give a client of an API whose worker has two slots, and any number beside them."""
    directory = tmp_path_factory.mktemp("own")
    (directory / "asking.py").write_text(examples("executors.md")[0])
    options = ("--slots", "2", "--handlers", str(directory / "asking.py"))
    data_dir = tmp_path_factory.mktemp("data")
    with at_work(database_server, shared_dir, data_dir, *options) as client:
        yield client


def test_many_wait_beside_the_slots_in_one_process(client: httpx.Client) -> None:
    register(client, "sleep", "test.sleep", **SHARED)
    register(client, "alone", "test.leave_traces")
    ids = [launch(client, "sleep", parameters={"forMs": 1_000}) for _ in range(40)]
    alone = wait_for_run(client, launch(client, "alone"))
    runs = [wait_for_run(client, run_id) for run_id in ids]
    assert {run["status"] for run in runs} == {"succeeded"}
    assert len({run["result"] for run in runs}) == 1
    assert alone["result"]["pid"] not in {run["result"] for run in runs}
    assert "cpuSeconds" not in runs[0]["metrics"]
    assert "waiting" in client.get(runs[-1]["logsUrl"]).text
    [worker] = client.get("/workers").json()["data"]
    assert (worker["slots"], worker["sharedSlots"]) == (2, 200)


def test_cancel_and_timeout_reach_the_coroutine(client: httpx.Client) -> None:
    register(client, "late", "test.sleep", timeoutMs=1_000, **SHARED)
    register(client, "clean-up", "test.clean_up", **SHARED)
    late = launch(client, "late")
    cleaning = launch(client, "clean-up")
    wait_for_words(client, cleaning, "waiting")
    client.post(f"/job-runs/{cleaning}/cancel").raise_for_status()
    ended = wait_for_run(client, cleaning)
    assert (ended["status"], ended["failureReason"]) == ("canceled", None)
    expired = wait_for_run(client, late)
    assert expired["status"] == "expired"
    assert expired["failureReason"] == "execution_timeout"


def test_who_does_not_heed_costs_others_no_attempt(client: httpx.Client) -> None:
    register(client, "beside", "test.sleep", **SHARED)
    register(client, "deaf", "test.stay", timeoutMs=2_000, **SHARED)
    beside = launch(client, "beside")
    deaf = launch(client, "deaf")
    assert wait_for_run(client, deaf)["status"] == "expired"
    begun_again = ["requested", "started", "handed_back", "started"]
    eventually(lambda: topics(client, beside) == begun_again, what="another start")
    client.post(f"/job-runs/{beside}/cancel").raise_for_status()
    run = wait_for_run(client, beside)
    assert (run["status"], run["attempt"]) == ("canceled", 1)


def test_the_documented_example_works(client: httpx.Client) -> None:
    definition = {
        "slug": "ask",
        "name": "Ask",
        "type": "batch",
        "entryPoint": "ask",
        "timeoutMs": 30_000,
        **SHARED,
    }
    client.post("/jobs", json=definition).raise_for_status()
    run_id = launch(client, "ask", parameters={"url": "http://a"})
    assert wait_for_run(client, run_id)["result"] == "asked http://a"


@pytest.mark.slow
def test_a_killed_worker_takes_what_shared_a_process_with_it(
    api: Process, database_url: str, tmp_path: Path
) -> None:
    arguments = (
        "worker",
        "--data-dir",
        str(tmp_path / "data"),
        "--handlers",
        "tests.support.handlers",
        "--lease-s",
        "2",
    )
    with httpx.Client(base_url=api.url(), timeout=90) as client:
        register(client, "sleep", "test.sleep", retryPolicy={"maxAttempts": 2}, **SHARED)
        with started(*arguments, APPHUB_DATABASE_URL=database_url) as first:
            run_id = launch(client, "sleep")
            wait_for_run(client, run_id, "running")
            pid = eventually(
                lambda: _pid(client.get(f"/job-runs/{run_id}/logs").text),
                what="the handler's first words",
            )
            first.popen.send_signal(signal.SIGKILL)
            eventually(lambda: not Path(f"/proc/{pid}").exists(), what="its end")
            with started(*arguments, APPHUB_DATABASE_URL=database_url):
                eventually(
                    lambda: "attempt_lost" in topics(client, run_id), what="the run being recovered"
                )
                wait_for_run(client, run_id, "running")
                client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
                assert wait_for_run(client, run_id)["status"] == "canceled"


def _pid(log: str) -> int | None:
    """Return the number of the process, as the handler has printed it."""
    match = re.search(r"waiting in (\d+)\n", log)
    return None if match is None else int(match[1])
