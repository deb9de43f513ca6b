"""Older processes beside a newer version on one log: nothing stops, and nothing else is lost."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from tests.e2e.support import launch, register
from tests.integration.streams import Stream, stream
from tests.support import databases, newer
from tests.support.processes import Process, started, wait_for_run

HANDLERS = (
    *("--handlers", "tests.support.handlers"),
    *("--lease-s", "3"),
)


@contextmanager
def working(*place: str) -> Iterator[Process]:
    with started("worker", *place, *HANDLERS) as worker:
        worker.wait_for_line("is ready with", errors=True)
        yield worker


@pytest.mark.spoils_its_log
def test_an_api_and_workers_go_on_beside_a_newer_version(
    database_server: str, shared_dir: Path, tmp_path: Path
) -> None:
    template = databases.template(database_server, shared_dir)
    with databases.clone(database_server, template) as url:
        place = ("--database-url", url, "--data-dir", str(tmp_path))
        with (
            started("serve", "--port", "0", *place) as api,
            working(*place) as dying,
            httpx.Client(base_url=api.url(), timeout=30) as client,
        ):
            register(client, "echo", "test.echo")
            register(client, "wait", "test.wait", retryPolicy={"maxAttempts": 3})
            with stream(client) as told:
                told.next()
                running = [
                    launch(client, "wait", parameters={"forMs": 2_000})
                    for _ in range(3)
                ]
                for run_id in running:
                    wait_for_run(client, run_id, "running")
                pending = [launch(client, "echo", delayMs=1_000) for _ in range(3)]
                positions = newer.append_all(url, running[0], pending[0])
                dying.stop(signal.SIGKILL)
                with working(*place) as worker:
                    _go_on(client, told, running[1:], pending[1:])
                    assert worker.popen.poll() is None
                unknown = [
                    one for one in told.received if one["type"] == "event.unknown"
                ]
                assert [one["position"] for one in unknown] == positions
            assert api.popen.poll() is None
            left_alone = {running[0]: "running", pending[0]: "pending"}
            for run_id, status in left_alone.items():
                shown = client.get(f"/job-runs/{run_id}").json()["data"]["run"]
                assert (shown["status"], shown["quarantined"]) == (status, True)
        with started("verify", *place, "--json") as verifying:
            assert verifying.popen.wait(60) == 1
            lines = [orjson.loads(line) for line in verifying.lines]
        named = {line["key"] for line in lines if line["kind"] == "unreadable"}
        assert named == {running[0], pending[0]}
        tables = [line for line in lines if line["kind"] == "table"]
        assert [table["differences"] for table in tables] == [0] * len(tables)


def _go_on(
    client: httpx.Client, told: Stream, running: list[str], pending: list[str]
) -> None:
    """See a dead worker's runs recovered, and new ones executed and told of."""
    for run_id in running:
        run = wait_for_run(client, run_id, timeout_s=60)
        assert (run["status"], run["attempt"]) == ("succeeded", 2)
    last = launch(client, "echo")
    for run_id in (*pending, last):
        assert wait_for_run(client, run_id)["status"] == "succeeded"
    told.until(
        lambda message: (
            message["type"] == "job.run.succeeded"
            and message["data"]["run"]["id"] == last
        )
    )
