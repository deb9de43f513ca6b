"""The logs of an API and a worker as JSON: what their lines are about, and what they never say."""

import json
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.support import launch, register
from tests.support.processes import Process, started, wait_for_run

TOKEN = "a-token-of-forty-characters-or-nearly-so"
PARAMETER = "a-parameter-that-nobody-else-may-read"

MODULE = """
import os

def quoting(context):
    value = context.parameters["value"]
    if context.run.attempt == 1:
        raise ValueError("refused: " + value)
    os.kill(os.getpid(), 9)

HANDLERS = {"quoting": quoting}
"""


def _lines(process: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.errors]


def test_each_line_is_json_with_the_ids_of_its_subject_and_no_secret(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "quoting.py").write_text(MODULE)
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({TOKEN: {"principal": "alice", "role": "write"}}))
    common = ("--data-dir", str(tmp_path / "data"), "--log-format", "json")
    settings = {"APPHUB_DATABASE_URL": database_url}
    handlers = ("--handlers", str(tmp_path / "quoting.py"))
    with (
        started("serve", "--port", "0", *common, "--tokens-file", str(tokens), **settings) as api,
        started("worker", *common, *handlers, **settings) as worker,
        httpx.Client(
            base_url=api.url(), timeout=90, headers={"Authorization": f"Bearer {TOKEN}"}
        ) as client,
    ):
        worker.wait_for_line("is ready with", errors=True)
        retries = {"maxAttempts": 2, "strategy": "none"}
        schema = {"type": "object", "properties": {"value": {"type": "string"}}}
        register(client, "quoting", "quoting", retryPolicy=retries, parametersSchema=schema)
        run_id = launch(client, "quoting", parameters={"value": PARAMETER})
        run = wait_for_run(client, run_id)
        assert (run["status"], run["failureReason"]) == ("failed", "signal")

        named = {"X-Request-Id": "proxy-1:7"}
        refused = client.post("/jobs/quoting/run", json={"parameters": {"value": 7}}, headers=named)
        assert (refused.status_code, refused.headers["X-Request-Id"]) == (400, "proxy-1:7")
        unsafe = client.get(f"/events?token={TOKEN}&none=1", headers={"X-Request-Id": 'a"} b'})
        assert unsafe.status_code == 400
        own = unsafe.headers["X-Request-Id"]

        # What the API makes of a request and logs of it, its events name, too.
        launched = client.post("/jobs/quoting/run", json={"parameters": {"value": PARAMETER}})
        new_id = launched.json()["data"]["id"]
        [first, *_] = client.get(f"/job-runs/{new_id}/events").json()["data"]
        assert first["causationId"] == launched.headers["X-Request-Id"]
        wait_for_run(client, new_id)

    of_api, of_worker = _lines(api), _lines(worker)
    requests = [line for line in of_api if line["logger"] == "requests"]
    entries = [(line["request"], line["route"], line["status"]) for line in requests]
    assert entries == [("proxy-1:7", "/jobs/{slug}/run", 400), (own, "/events", 400)]
    attempts = [line for line in of_worker if line.get("run") == run_id]
    assert [(line["attempt"], line["outcome"]) for line in attempts] == [
        (1, "error"),
        (2, "signal"),
    ]
    assert {(line["job"], line["logger"]) for line in attempts} == {("quoting", "attempts")}
    [worker_id] = {line["worker"] for line in attempts}
    assert f"worker {worker_id} is ready with 4 slots" in {line["message"] for line in of_worker}
    printed = "\n".join((*api.errors, *worker.errors))
    assert not [secret for secret in (TOKEN, PARAMETER, tokens.read_text()) if secret in printed]
