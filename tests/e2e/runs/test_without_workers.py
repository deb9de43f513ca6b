"""The API alone ends what no worker is left to end."""

import httpx

from tests.e2e.support import launch, register, topics
from tests.support.logs import query
from tests.support.processes import Process, wait_for_run


def test_a_run_that_nobody_starts_in_time_expires(client: httpx.Client) -> None:
    register(client, "job", "test.noop", startDeadlineMs=200)
    run = wait_for_run(client, launch(client, "job"))
    assert (run["status"], run["failureReason"]) == ("expired", "start_deadline")


def test_the_run_of_the_last_worker_is_recovered_when_that_worker_is_killed(
    client: httpx.Client, worker: Process, database_url: str
) -> None:
    register(client, "wait", "test.wait", retryPolicy={"maxAttempts": 1})
    run_id = launch(client, "wait")
    wait_for_run(client, run_id, "running")
    query(database_url, "UPDATE workers SET lease_ms = 500 RETURNING 1")
    worker.popen.kill()
    run = wait_for_run(client, run_id)
    assert (run["status"], run["failureReason"]) == ("failed", "worker_lost")
    assert topics(client, run_id)[-1] == "attempt_lost"


def test_an_open_api_serves_no_page_from_elsewhere(client: httpx.Client) -> None:
    register(client, "job", "test.noop")
    for origin, status in (
        ("https://elsewhere.example", 403),
        ("http://localhost:3000", 202),
        ("null", 403),
    ):
        assert client.post("/jobs/job/run", headers={"Origin": origin}).status_code == status
