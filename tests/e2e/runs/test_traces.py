"""Traces through the service, received by somebody else's collector (`oteltap`)."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import ROOT
from tests.e2e.support import launch, register
from tests.support.ports import free_port
from tests.support.processes import eventually, started, wait_for_run

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT = "00f067aa0ba902b7"
PARAMETER = "somebody-who-stays-unnamed"


class Collector:
    """The spans that a receiver of OTLP prints, by their own names of fields."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[dict[str, Any]] = []
        self.printed = ""

    def read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.printed += line
            if line.startswith("{"):
                self.spans.append(json.loads(line))


@contextmanager
def collector() -> Iterator[Collector]:
    port = free_port()
    command = [sys.executable, "-u", "-m", "oteltap", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        received = Collector(f"http://127.0.0.1:{port}")
        threading.Thread(target=received.read, args=(process,), daemon=True).start()
        try:
            yield received
        finally:
            process.kill()


@pytest.fixture
def received() -> Iterator[Collector]:
    with collector() as received:
        yield received


def _documented_handler() -> str:
    """Return the handler of the chapter on traces."""
    [code] = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "tracing.md").read_text(), re.DOTALL
    )
    return str(code)


def _attributes(span: dict[str, Any]) -> dict[str, Any]:
    values = {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
    return {name.removeprefix("apphub."): value for name, value in values.items()}


def test_a_trace_goes_from_the_client_over_the_attempts_into_the_handler(
    database_url: str, tmp_path: Path, received: Collector
) -> None:
    (tmp_path / "greet.py").write_text(_documented_handler())
    common = ("--data-dir", str(tmp_path / "data"), "--log-format", "json")
    endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
    variables = {"APPHUB_DATABASE_URL": database_url, endpoint: received.url}
    handlers = ("--handlers", str(tmp_path / "greet.py"), "--pass-env", endpoint)

    def spans(name: str, count: int) -> list[dict[str, Any]]:
        def named() -> list[dict[str, Any]]:
            matching = [span for span in received.spans if span["name"] == name]
            return sorted(matching, key=lambda span: int(span["startTimeUnixNano"]))

        eventually(lambda: len(named()) >= count, what=f"{count} spans {name!r}", timeout_s=90)
        return named()

    with (
        started("serve", "--port", "0", *common, **variables) as api,
        started("worker", *common, *handlers, **variables) as worker,
        httpx.Client(base_url=api.url(), timeout=90) as client,
    ):
        worker.wait_for_line("is ready with", errors=True)
        retries = {"maxAttempts": 2, "strategy": "none"}
        register(client, "greet", "greet", retryPolicy=retries)

        def run(name: str, traceparent: str) -> str:
            answer = client.post(
                "/jobs/greet/run",
                json={"parameters": {"name": name}},
                headers={"traceparent": traceparent},
            )
            ended = wait_for_run(client, answer.json()["data"]["id"])
            assert ended["status"] == "succeeded", ended
            return str(ended["id"])

        run(PARAMETER, f"00-{TRACE}-{CLIENT}-00")  # The client does not sample this one.
        run_id = run("twice", f"00-{TRACE}-{CLIENT}-01")
        run(PARAMETER, f"00-{TRACE}-{CLIENT}")  # Malformed, and ignored.

        launched, unnamed = spans("launch greet", 2)
        first, retry, _ = spans("run greet", 3)
        inside, inside_retry, _ = spans("fetch prices", 3)
        [requested, *_] = client.get(f"/job-runs/{run_id}/events").json()["data"]

    assert (launched["traceId"], launched["parentSpanId"]) == (TRACE, CLIENT)
    assert requested["data"]["traceparent"] == f"00-{TRACE}-{launched['spanId']}-01"
    assert (first["traceId"], first["parentSpanId"]) == (TRACE, launched["spanId"])
    assert (inside["traceId"], inside["parentSpanId"]) == (TRACE, first["spanId"])

    assert (retry["parentSpanId"], retry["traceId"] == TRACE) == ("", False)
    [link] = retry["links"]
    assert (link["traceId"], link["spanId"]) == (TRACE, launched["spanId"])
    assert (inside_retry["traceId"], inside_retry["parentSpanId"]) == (
        retry["traceId"],
        retry["spanId"],
    )
    assert (unnamed["parentSpanId"], unnamed["traceId"] == TRACE) == ("", False)

    expected = {"job": "greet", "run.id": run_id, "attempt": "1", "outcome": "error"}
    attributes = _attributes(first)
    worker_id = attributes.pop("worker")
    assert attributes == {**expected, "error.type": "error"}
    assert _attributes(retry) == {
        **expected,
        "attempt": "2",
        "outcome": "succeeded",
        "worker": worker_id,
    }
    assert (first["status"]["code"], retry["status"]["code"]) == (2, 0)
    # The unsampled run has no span anywhere, and no span says what was launched.
    assert len(received.spans) == 2 + 3 + 3
    assert PARAMETER not in received.printed
    lines = [json.loads(line) for line in worker.errors]
    [failed] = [line for line in lines if line.get("outcome") == "error"]
    assert (failed["run"], failed["trace"]) == (run_id, TRACE)


@pytest.mark.usefixtures("worker")
def test_without_a_collector_the_handler_continues_the_clients_trace(client: httpx.Client) -> None:
    register(client, "traced", "test.show_trace")
    sent = f"00-{TRACE}-{CLIENT}-01"
    answer = client.post("/jobs/traced/run", json={}, headers={"traceparent": sent})
    ended = wait_for_run(client, answer.json()["data"]["id"])
    assert ended["result"] == {"context": sent, "variable": sent}
    # The same process runs the next one, without anything of that trace.
    ended = wait_for_run(client, launch(client, "traced"))
    assert ended["result"] == {"context": None, "variable": None}
    # Beside others in one process a variable would be theirs, too.
    register(client, "beside", "test.show_trace", isolation="shared")
    answer = client.post("/jobs/beside/run", json={}, headers={"traceparent": sent})
    ended = wait_for_run(client, answer.json()["data"]["id"])
    assert ended["result"] == {"context": sent, "variable": None}
