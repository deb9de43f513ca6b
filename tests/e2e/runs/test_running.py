"""Runs through real processes: API, worker, handler."""

from pathlib import Path

import httpx
import pytest

from tests.e2e.support import launch, register
from tests.support.processes import eventually, wait_for_run


@pytest.fixture
def client(shared: httpx.Client) -> httpx.Client:
    """Give a client of the service that all tests share."""
    return shared


def test_a_run_succeeds_with_result_metrics_context_and_log(client: httpx.Client) -> None:
    register(client, "echo", "test.echo", defaultParameters={"a": 1, "b": 2})
    run = wait_for_run(
        client, launch(client, "echo", parameters={"b": 3}, context={"given": True, "handler": "x"})
    )
    assert run["status"] == "succeeded"
    assert run["result"] == {"parameters": {"a": 1, "b": 3}, "attempt": 1}
    assert run["metrics"]["seen"] == 2
    assert {"queuedMs", "runMs", "cpuSeconds", "peakMemoryMb", "exitCause"} <= set(run["metrics"])
    assert run["context"] == {"given": True, "handler": "echo"}
    assert run["createdAt"] <= run["scheduledAt"] <= run["startedAt"] <= run["completedAt"]
    assert run["durationMs"] >= 0
    log = client.get(run["logsUrl"]).text
    assert "printed by the handler" in log
    assert "logged by the handler" in log
    assert client.get(run["logsUrl"], params={"offset": 3}).text == log[3:]


@pytest.mark.parametrize("isolation", ["process", "shared"])
def test_a_log_tells_its_two_streams_apart_in_the_order_of_python(
    client: httpx.Client, isolation: str
) -> None:
    slug = f"both-{isolation}"
    register(client, slug, "test.print_on_both", isolation=isolation)
    run = wait_for_run(client, launch(client, slug))
    lines = client.get(run["logsUrl"]).text.splitlines(keepends=True)
    expected = [
        line for number in range(50) for line in (f"Z output {number}\n", f"z error {number}\n")
    ]
    expected += ["Z half \n", "z in between\n", "Z a line\n", f"z {'x' * 5_000}\n"]
    assert [line[23:] for line in lines[: len(expected)]] == expected
    # What no Python code prints has no process of its own to be told by, where that is shared.
    of_program = {"process": {"Z output of a program\n", "z error of a program\n"}}
    assert {line[23:] for line in lines[len(expected) :]} == of_program.get(isolation, set())
    errors = [line for line in lines if line[23] == "z"]
    for follow in ("false", "true"):
        answer = client.get(run["logsUrl"], params={"stream": "stderr", "follow": follow})
        assert answer.text == "".join(errors)
    last = client.get(run["logsUrl"], params={"stream": "stdout", "last": 2}).text
    assert last == "".join([line for line in lines if line[23] == "Z"][-2:])
    refused = client.get(run["logsUrl"], params={"stream": "both"})
    assert (refused.status_code, "/stream" in refused.text) == (400, True)


def test_an_exception_leaves_its_stack_and_each_attempt_its_log(client: httpx.Client) -> None:
    register(client, "fail", "test.fail", retryPolicy={"maxAttempts": 2})
    run = wait_for_run(client, launch(client, "fail", context={"given": 1}))
    assert run["errorMessage"] == "failing on purpose, attempt 2"
    assert run["context"]["given"] == 1
    assert "RuntimeError: failing on purpose" in run["context"]["stack"]
    for attempt in (1, 2):
        log = client.get(f"/job-runs/{run['id']}/logs", params={"attempt": attempt}).text
        assert f"attempt {attempt}" in log


def test_a_job_without_a_handler_fails_its_run_for_good(client: httpx.Client) -> None:
    register(client, "nobody", "no.such.handler", retryPolicy={"maxAttempts": 3})
    run = wait_for_run(client, launch(client, "nobody"))
    assert (run["status"], run["attempt"], run["failureReason"]) == ("failed", 1, "no_handler")
    assert run["errorMessage"] == "No handler registered for job nobody"


def test_reports_are_shown_while_running_and_kept(client: httpx.Client) -> None:
    register(client, "progress", "test.progress")
    run_id = launch(client, "progress")
    eventually(
        lambda: (client.get(f"/job-runs/{run_id}").json()["data"]["run"]["metrics"] or {}).get(
            "step"
        ),
        what="a report of a running run",
    )
    run = wait_for_run(client, run_id)
    assert {"step": 3, "done": True}.items() <= run["metrics"].items()
    assert run["context"] == {"step1": True, "step2": True, "step3": True}


def test_a_time_limit_is_overrun_by_less_than_two_seconds(client: httpx.Client) -> None:
    register(client, "wait", "test.ignore_cancel", timeoutMs=1_000)
    run = wait_for_run(client, launch(client, "wait"))
    assert (run["status"], run["failureReason"]) == ("expired", "execution_timeout")
    assert 1_000 <= run["durationMs"] < 3_000


def test_a_run_waits_for_its_schedule_and_expires_if_it_cannot_start_in_time(
    client: httpx.Client,
) -> None:
    register(client, "later", "test.noop")
    delayed = wait_for_run(client, launch(client, "later", delayMs=700))
    assert delayed["scheduledAt"] <= delayed["startedAt"]
    register(client, "blocked", "test.wait", maxConcurrentRuns=1)
    blocker = launch(client, "blocked")
    wait_for_run(client, blocker, "running")
    late = wait_for_run(client, launch(client, "blocked", startDeadlineMs=300))
    assert (late["status"], late["failureReason"], late["startedAt"]) == (
        "expired",
        "start_deadline",
        None,
    )
    client.post(f"/job-runs/{blocker}/cancel").raise_for_status()


def test_a_handler_sees_none_of_the_services_settings(client: httpx.Client) -> None:
    register(client, "environment", "test.environment")
    seen = wait_for_run(client, launch(client, "environment"))["result"]
    assert not [name for name in seen["environment"] if "APPHUB" in name or "DATABASE" in name]
    assert not Path(seen["directory"]).exists(), "the working directory is removed afterwards"
