"""Each attempt is visible: its start, end, worker, error and log, as real workers left them."""

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.support import events, launch, register
from tests.support.processes import Process, started, wait_for_run


def attempts(client: httpx.Client, run_id: str) -> list[dict[str, Any]]:
    return list(client.get(f"/job-runs/{run_id}/attempts").raise_for_status().json()["data"])


def test_every_attempt_of_a_retried_run_is_shown(client: httpx.Client, worker: Process) -> None:
    del worker
    register(client, "third", "test.succeed_at_third", retryPolicy={"maxAttempts": 3})
    run = wait_for_run(client, launch(client, "third"))
    history = attempts(client, run["id"])
    assert [
        (entry["attempt"], entry["execution"], entry["outcome"], entry["errorMessage"])
        for entry in history
    ] == [(1, 1, "failed", "not yet"), (2, 2, "failed", "not yet"), (3, 3, "succeeded", None)]
    assert [entry["failureReason"] for entry in history] == ["error", "error", None]
    assert (history[-1]["startedAt"], history[-1]["endedAt"]) == (
        run["startedAt"],
        run["completedAt"],
    )
    assert history[-1]["durationMs"] == run["durationMs"]
    for entry, following in zip(history, [*history[1:], None], strict=True):
        assert entry["startedAt"] <= entry["endedAt"]
        assert (entry["retryAt"] is None) == (following is None)
        assert following is None or entry["retryAt"] <= following["startedAt"]
    starts = [
        event["data"] for event in events(client, run["id"]) if event["type"] == "job_run.started"
    ]
    assert [entry["workerId"] for entry in history] == [start["worker_id"] for start in starts]
    for entry in history[:2]:
        assert "not yet" in client.get(entry["logsUrl"]).text


@pytest.mark.slow
def test_a_handed_back_and_a_canceled_execution_are_shown(
    client: httpx.Client, worker: Process, database_url: str, tmp_path: Path
) -> None:
    register(client, "wait", "test.wait")
    run_id = launch(client, "wait")
    wait_for_run(client, run_id, "running")
    [running] = attempts(client, run_id)
    assert (running["outcome"], running["endedAt"], running["durationMs"]) == (
        "running",
        None,
        None,
    )
    worker.popen.send_signal(signal.SIGTERM)
    worker.popen.send_signal(signal.SIGTERM)  # Twice means now.
    assert worker.popen.wait(90) == 0
    arguments = (
        "worker",
        "--data-dir",
        str(tmp_path / "data"),
        "--handlers",
        "tests.support.handlers",
    )
    with started(*arguments, APPHUB_DATABASE_URL=database_url):
        wait_for_run(client, run_id, "running")
        client.post(f"/job-runs/{run_id}/cancel", json={"reason": "enough"}).raise_for_status()
        wait_for_run(client, run_id)
    first, second = attempts(client, run_id)
    assert (first["attempt"], first["execution"], first["outcome"]) == (1, 1, "handed_back")
    assert (second["attempt"], second["execution"], second["outcome"]) == (1, 2, "canceled")
    assert second["errorMessage"] == "enough"
    assert first["workerId"] != second["workerId"]
