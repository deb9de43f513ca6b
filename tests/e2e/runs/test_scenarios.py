"""Every way in which a handler can end, and what the run, its history and its log then show."""

from itertools import pairwise
from typing import Any

import httpx

from tests.e2e.runs.scenarios import SCENARIOS, Scenario
from tests.e2e.support import events, launch, register, topics
from tests.support.processes import wait_for_run


def test_every_way_to_end_shows_in_the_run_its_history_and_its_log(shared: httpx.Client) -> None:
    ids: dict[str, str] = {}
    for number, (name, scenario) in enumerate(SCENARIOS.items()):
        register(shared, f"scenario-{number}", f"test.{scenario.handler}", **scenario.definition)
        ids[name] = launch(shared, f"scenario-{number}", parameters=scenario.parameters)
    for name, scenario in SCENARIOS.items():
        if scenario.cancel:
            wait_for_run(shared, ids[name], "running", timeout_s=100)
            shared.post(
                f"/job-runs/{ids[name]}/cancel", json={"reason": "asked"}
            ).raise_for_status()
    differences = {
        name: difference
        for name, scenario in SCENARIOS.items()
        if (difference := _difference(shared, ids[name], scenario))
    }
    assert differences == {}
    assert len(SCENARIOS) > 25


def _why(client: httpx.Client, run_id: str) -> dict[str, Any]:
    """Return the code and the evidence by which the run's end is explained."""
    answer = client.get(f"/job-runs/{run_id}/explain").raise_for_status()
    reasons = answer.json()["data"]["reasons"]
    if not reasons:
        return {}
    [reason] = reasons
    return {**reason["details"], "code": reason["code"]}


def _difference(client: httpx.Client, run_id: str, scenario: Scenario) -> str | None:
    """Return what is not as the scenario says."""
    run = wait_for_run(client, run_id, timeout_s=100)
    happened = topics(client, run_id)[1:]
    # How many reports are gathered into one event is a matter of time; that there is one is not.
    history = [
        topic
        for previous, topic in pairwise(["", *happened])
        if (previous, topic) != ("progressed", "progressed")
    ]
    log = client.get(f"/job-runs/{run_id}/logs").text
    expected = {"status": scenario.status, "failureReason": scenario.reason, **scenario.fields}
    seen = {name: run[name] for name in expected}
    if seen != expected:
        return f"the run shows {seen}, {run['errorMessage']}"
    if history != scenario.history:
        return f"the history is {history}"
    if scenario.error is not None and scenario.error not in str(run["errorMessage"]):
        return f"the error is {run['errorMessage']}"
    if scenario.log not in log:
        return f"the log is {log[:500]}"
    why = _why(client, run_id)
    code = None if run["status"] == "succeeded" else scenario.reason or run["status"]
    expected = {**scenario.evidence, "code": code}
    if {name: why.get(name) for name in expected} != expected:
        return f"it is explained by {why}"
    executions = [
        event["data"]["execution"]
        for event in events(client, run_id)
        if event["type"] == "job_run.started"
    ]
    return (
        None
        if executions == list(range(1, len(executions) + 1))
        else f"the executions are {executions}"
    )
