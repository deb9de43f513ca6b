"""What becomes of runs whose worker stops, is killed, or is asked to let go of them."""

import signal
from pathlib import Path

import httpx
import pytest

from tests import ROOT
from tests.e2e.support import launch, register, topics, wait_for_words
from tests.e2e.terminals import at_terminal
from tests.support.processes import Process, descendants, eventually, started, wait_for_run


def test_a_running_run_is_canceled_only_once_it_has_really_stopped(
    client: httpx.Client, worker: Process
) -> None:
    register(client, "polite", "test.wait")
    register(client, "deaf", "test.ignore_cancel")
    polite, deaf = launch(client, "polite"), launch(client, "deaf")
    for run_id in (polite, deaf):
        wait_for_words(client, run_id, "waiting")
    running = set(descendants(worker.popen.pid))
    for run_id in (polite, deaf):
        answer = client.post(f"/job-runs/{run_id}/cancel", json={"reason": "enough"})
        assert answer.status_code == 202
        assert answer.json()["data"]["cancelRequestedAt"] is not None
    assert wait_for_run(client, polite)["status"] == "canceled"
    assert wait_for_run(client, deaf)["status"] == "canceled"
    assert topics(client, deaf) == ["requested", "started", "cancel_requested", "canceled"]
    # The deaf one's process and its supervisor; the polite one's are kept warm for other runs.
    eventually(
        lambda: len(running - set(descendants(worker.popen.pid))) >= 2,
        what="the processes being gone",
    )
    assert client.post(f"/job-runs/{deaf}/cancel").status_code == 202


@pytest.mark.parametrize("isolation", ["process", "shared"])
def test_a_run_whose_handler_heeds_a_cancel_and_returns_is_canceled(
    shared: httpx.Client, isolation: str
) -> None:
    slug = f"heed-{isolation}"
    register(shared, slug, "test.heed", isolation=isolation)
    ends = {"plain": "canceled", "result": "canceled", "success": "succeeded"}
    ids = {returns: launch(shared, slug, parameters={"returns": returns}) for returns in ends}
    for run_id in ids.values():
        wait_for_words(shared, run_id, "waiting")
        shared.post(f"/job-runs/{run_id}/cancel", json={"reason": "enough"})
    runs = {returns: wait_for_run(shared, run_id) for returns, run_id in ids.items()}
    assert {returns: run["status"] for returns, run in runs.items()} == ends
    assert runs["plain"]["errorMessage"] == "enough"
    assert runs["plain"]["failureReason"] is None
    assert runs["result"]["metrics"]["rows"] == 3
    assert runs["success"]["result"] == "done all the same"


@pytest.mark.parametrize("isolation", ["process", "shared"])
def test_a_run_whose_handler_forges_a_hand_back_fails(shared: httpx.Client, isolation: str) -> None:
    slug = f"forge-{isolation}"
    register(shared, slug, "test.forge", isolation=isolation, retryPolicy={"maxAttempts": 1})
    for kind in ("stopped", "lease"):
        words = f'{{"type": "{kind}"}}\n'
        run_id = launch(shared, slug, parameters={"words": words, "forMs": 60_000})
        run = wait_for_run(shared, run_id)
        assert (run["status"], run["failureReason"]) == ("failed", "invalid_result")
        assert topics(shared, run_id) == ["requested", "started", "attempt_failed"]


@pytest.mark.slow
def test_a_stopping_worker_hands_back_what_it_cannot_finish(
    client: httpx.Client, worker: Process
) -> None:
    register(client, "wait", "test.wait", retryPolicy={"maxAttempts": 1})
    run_id = launch(client, "wait")
    wait_for_run(client, run_id, "running")
    worker.popen.send_signal(signal.SIGTERM)
    worker.popen.send_signal(signal.SIGTERM)  # Twice means now.
    assert worker.popen.wait(90) == 0
    run = wait_for_run(client, run_id, "pending")
    assert (run["attempt"], run["startedAt"]) == (1, None)
    assert topics(client, run_id)[-1] == "handed_back"


def test_a_worker_whose_terminal_is_closed_hands_back_what_runs(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    register(client, "wait", "test.wait", retryPolicy={"maxAttempts": 1})
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with at_terminal(
        *("worker", "--data-dir", str(tmp_path / "data")),
        *("--handlers", "tests.support.handlers"),
        directory=ROOT,
        APPHUB_DATABASE_URL=database_url,
        TMPDIR=str(temporary),
    ) as terminal:
        run_id = launch(client, "wait")
        wait_for_words(client, run_id, "waiting")
        terminal.hang_up()
        terminal.popen.send_signal(signal.SIGTERM)  # Twice means now.
        assert terminal.popen.wait(90) == 0
    assert topics(client, run_id)[-1] == "handed_back"
    # What holds all workplaces stays: handlers of other workers have a cover over it.
    [of_all_workers] = temporary.iterdir()
    assert list(of_all_workers.iterdir()) == []


def test_the_runs_of_a_killed_worker_are_recovered_by_another(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    register(client, "wait", "test.wait", retryPolicy={"maxAttempts": 2})
    common = (
        "--data-dir",
        str(tmp_path / "data"),
        "--handlers",
        "tests.support.handlers",
        "--lease-s",
        "1",
    )
    with started("worker", *common, APPHUB_DATABASE_URL=database_url) as doomed:
        run_id = launch(client, "wait", parameters={"forMs": 3_000})
        wait_for_words(client, run_id, "waiting")
        children = descendants(doomed.popen.pid)
        assert children
        doomed.popen.kill()
        eventually(
            lambda: not [pid for pid in children if _alive(pid)], what="its children being gone"
        )
        with started("worker", *common, APPHUB_DATABASE_URL=database_url):
            run = wait_for_run(client, run_id, timeout_s=90)
    assert (run["status"], run["attempt"]) == ("succeeded", 2)
    assert topics(client, run_id) == [
        "requested",
        "started",
        "attempt_lost",
        "started",
        "succeeded",
    ]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
