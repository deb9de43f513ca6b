"""An API that cannot reach a run's log says so, instead of showing an empty one."""

from pathlib import Path

import httpx

from tests.e2e.support import launch, register
from tests.support.processes import started, wait_for_run


def test_a_log_in_another_data_directory_is_no_empty_log(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    register(client, "echo", "test.echo")
    register(client, "silent", "test.noop")
    with started(
        *("worker", "--data-dir", str(tmp_path / "elsewhere")),
        *("--handlers", "tests.support.handlers"),
        APPHUB_DATABASE_URL=database_url,
    ):
        run_id = launch(client, "echo")
        wait_for_run(client, run_id)
    for query in ("", "?attempt=1", "?follow=true"):
        answer = client.get(f"/job-runs/{run_id}/logs{query}")
        assert (answer.status_code, answer.json()["code"]) == (404, "logs_elsewhere")
        assert "--logs-store" in answer.json()["error"]
    with started(
        *("worker", "--data-dir", str(tmp_path / "data")),
        *("--handlers", "tests.support.handlers"),
        APPHUB_DATABASE_URL=database_url,
    ):
        for slug, printed in (("silent", ""), ("echo", "printed by the handler")):
            run_id = launch(client, slug)
            wait_for_run(client, run_id)
            answer = client.get(f"/job-runs/{run_id}/logs")
            assert answer.status_code == 200
            assert printed in answer.text
