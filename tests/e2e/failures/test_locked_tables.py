"""A table that is locked for longer than anybody waits for it ends nobody."""

import httpx
import psycopg
import pytest

from eventlog.database.connection import LOCK_TIMEOUT_MS
from tests.e2e.support import launch, register
from tests.support.logs import query
from tests.support.processes import Process, wait_for_run


@pytest.mark.slow
def test_worker_and_api_outlive_a_locked_table(
    client: httpx.Client, api: Process, worker: Process, database_url: str
) -> None:
    register(client, "job", "test.noop")
    wait_for_run(client, launch(client, "job"))
    before = query(database_url, "SELECT id FROM workers WHERE dead_at IS NULL")
    with psycopg.connect(database_url) as session:
        session.execute("LOCK TABLE job_runs")
        # Each of them waits as long as it has patience, so the lock outlasts the worker's, too.
        read = client.get("/job-runs")
        launched = client.post("/jobs/job/run", json={})
        worker.wait_for_line("at the moment", errors=True, timeout_s=90)
        api.wait_for_line("at the moment", errors=True, timeout_s=90)
    for answer in (read, launched):
        assert (answer.status_code, answer.json()["code"]) == (503, "log_unavailable")
    assert read.elapsed.total_seconds() < LOCK_TIMEOUT_MS / 1_000 + 20
    run = wait_for_run(client, launch(client, "job"))
    assert run["status"] == "succeeded"
    assert query(database_url, "SELECT id FROM workers WHERE dead_at IS NULL") == before
    output = "\n".join([*api.errors, *worker.errors])
    assert "died" not in output
