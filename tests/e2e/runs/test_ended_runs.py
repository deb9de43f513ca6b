"""Commands on runs that a worker has ended (contract, sections 3 and 4)."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.integration.shared_api import Json, check_failure, job_body
from tests.support.processes import wait_for_run


@pytest.fixture
def client(shared: httpx.Client) -> httpx.Client:
    """Give a client of the service that all tests share."""
    return shared


def ended_run(client: httpx.Client, entry_point: str, **launch: Json) -> Json:
    job = job_body(entryPoint=entry_point)
    client.post("/jobs", json=job).raise_for_status()
    run = client.post(f"/jobs/{job['slug']}/run", json=launch).raise_for_status().json()["data"]
    return wait_for_run(client, run["id"])


def test_a_run_that_ended_otherwise_is_not_canceled_but_can_be_retried(
    client: httpx.Client,
) -> None:
    for entry_point, status in (
        ("test.echo", "succeeded"),
        ("test.fail", "failed"),
        ("tests.nowhere", "failed"),
    ):
        old = ended_run(client, entry_point, parameters={"a": 1}, context={"given": True})
        assert old["status"] == status
        events = client.get(f"/job-runs/{old['id']}/events").json()
        check_failure(
            client.post(f"/job-runs/{old['id']}/cancel"),
            409,
            "run_already_ended",
            f"job run already {status}",
        )
        retried = client.post(f"/job-runs/{old['id']}/retry")
        assert retried.status_code == 202
        new = wait_for_run(client, retried.json()["data"]["id"])
        assert new["status"] == status
        assert new["parameters"] == {"a": 1}
        assert (new["context"]["retryOf"], new["context"]["given"]) == (old["id"], True)
        assert client.get(f"/job-runs/{old['id']}/events").json() == events
        assert client.get(f"/job-runs/{old['id']}").json()["data"]["run"] == old


def test_a_run_without_a_handler_says_so(client: httpx.Client) -> None:
    run = ended_run(client, "os.system")
    assert run["status"] == "failed"
    assert run["errorMessage"] == f"No handler registered for job {run['slug']}"


def test_runs_are_listed_by_the_worker_that_started_them(client: httpx.Client) -> None:
    old = ended_run(client, "test.echo")
    events = client.get(f"/job-runs/{old['id']}/events").json()["data"]
    [started] = [event for event in events if event["type"] == "job_run.started"]
    name = started["data"]["worker_id"]

    def lists_it(query: str) -> bool:
        answer = client.get(f"/job-runs?job={old['slug']}&{query}")
        assert answer.status_code == 200, answer.text
        return [item["run"]["id"] for item in answer.json()["data"]] == [old["id"]]

    assert lists_it(f"worker=nobody,{name}")
    assert not lists_it(f"worker!={name}")
    assert not lists_it("worker=nobody")
    assert lists_it(f"worker={name}&asOf={started['position']}")
    assert not lists_it(f"worker={name}&asOf={started['position'] - 1}")
    assert lists_it(f"worker!={name}&asOf={started['position'] - 1}")


def test_retried_again_under_the_same_key_it_is_the_first_new_run(client: httpx.Client) -> None:
    old = ended_run(client, "test.fail")
    path = f"/job-runs/{old['id']}/retry"

    def retry(key: str | None) -> Json:
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = client.post(path, headers=headers)
        assert answer.status_code == 202
        run: Json = answer.json()["data"]
        return run

    with ThreadPoolExecutor(8) as pool:
        at_once = set(pool.map(lambda _: retry("k")["id"], range(16)))
    [new_id] = at_once
    new = wait_for_run(client, new_id)
    assert (new["idempotencyKey"], new["context"]["retryOf"]) == ("k", old["id"])
    assert retry("k")["id"] == new_id
    others = {retry("k2")["id"], retry(None)["id"], retry(None)["id"]}
    assert len(others - {new_id}) == 3
    refused = client.post(path, headers={"Idempotency-Key": "k" * 256})
    assert refused.status_code == 400
