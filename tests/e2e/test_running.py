"""Runs through real processes: API, worker, handler."""

from typing import Any

import httpx

from tests.support.processes import Process, wait_for_run


def register(client: httpx.Client, slug: str, entry_point: str, **more: Any) -> None:
    body = {"slug": slug, "name": slug, "type": "batch", "entryPoint": entry_point, **more}
    client.post("/jobs", json=body).raise_for_status()


def launch(client: httpx.Client, slug: str, **body: Any) -> str:
    answer = client.post(f"/jobs/{slug}/run", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["data"]["id"])


def test_a_run_succeeds_with_result_metrics_context_and_log(client: httpx.Client, worker: Process) -> None:
    del worker
    register(client, "echo", "test.echo", defaultParameters={"a": 1, "b": 2})
    run = wait_for_run(client, launch(client, "echo", parameters={"b": 3}, context={"given": True, "handler": "x"}))
    assert run["status"] == "succeeded"
    assert run["result"] == {"parameters": {"a": 1, "b": 3}, "attempt": 1}
    assert run["metrics"] == {"seen": 2}
    assert run["context"] == {"given": True, "handler": "echo"}
    assert run["createdAt"] <= run["scheduledAt"] <= run["startedAt"] <= run["completedAt"]
    assert run["durationMs"] >= 0
    log = client.get(run["logsUrl"]).text
    assert "printed by the handler" in log
    assert "logged by the handler" in log
