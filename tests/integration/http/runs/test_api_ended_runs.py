"""Commands on runs that a worker has ended (contract, sections 3 and 4)."""

import httpx

from tests.integration.shared_api import Json, check_failure, job_body
from tests.support.processes import Process, wait_for_run


def ended_run(client: httpx.Client, entry_point: str, **launch: Json) -> Json:
    job = job_body(entryPoint=entry_point)
    client.post("/jobs", json=job).raise_for_status()
    run = (
        client.post(f"/jobs/{job['slug']}/run", json=launch)
        .raise_for_status()
        .json()["data"]
    )
    return wait_for_run(client, run["id"])


def test_a_run_that_ended_otherwise_is_not_canceled_but_can_be_retried(
    client: httpx.Client, worker: Process
) -> None:
    del worker
    for entry_point, status in (
        ("test.echo", "succeeded"),
        ("test.fail", "failed"),
        ("tests.nowhere", "failed"),
    ):
        old = ended_run(
            client, entry_point, parameters={"a": 1}, context={"given": True}
        )
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


def test_a_run_without_a_handler_says_so(client: httpx.Client, worker: Process) -> None:
    del worker
    run = ended_run(client, "os.system")
    assert run["status"] == "failed"
    assert run["errorMessage"] == f"No handler registered for job {run['slug']}"
