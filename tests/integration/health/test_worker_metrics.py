"""A worker's own `/metrics`, and the leases that were over."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.health.test_metrics import documented, samples_of, scraped, value
from tests.support.processes import Process, eventually, started

LEASE_S = "2"

ADDRESS = re.compile(r"metrics at (\S+) port (\d+)")


@contextmanager
def working(url: str, directory: Path, *more: str) -> Iterator[Process]:
    options = ("--data-dir", str(directory), "--lease-s", LEASE_S)
    with started("worker", *options, *more, APPHUB_DATABASE_URL=url) as worker:
        worker.wait_for_line("is ready with", errors=True)
        yield worker


def address(worker: Process) -> str:
    match = ADDRESS.search(worker.wait_for_line("metrics at", errors=True))
    assert match is not None
    return f"http://{match[1]}:{match[2]}"


def test_a_worker_tells_of_itself_where_it_is_told_to(database_url: str, tmp_path: Path) -> None:
    with (
        working(database_url, tmp_path, "--metrics-port", "0") as worker,
        httpx.Client(base_url=address(worker), timeout=90) as client,
    ):
        assert samples_of(scraped(client)) == documented("worker")
        assert value(client, "apphub_background_task_restarts_total", task="lease") == 0
        foreign = client.get("/metrics", headers={"Host": "page.example"})
        assert foreign.status_code == 421
        assert client.get("/jobs").status_code == 404
        port = client.base_url.port
        taken = ("--metrics-port", str(port), "--data-dir", str(tmp_path))
        with started("worker", *taken, APPHUB_DATABASE_URL=database_url) as other:
            other.wait_for_line("choose another", errors=True)
            assert other.popen.wait(90) == 1


@pytest.mark.slow
def test_each_lease_that_is_over_is_counted_once(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    metrics = ("--metrics-port", "0")
    with (
        working(database_url, tmp_path / "killed") as killed,
        working(database_url, tmp_path / "frozen", *metrics) as frozen,
        httpx.Client(base_url=address(frozen), timeout=90) as own,
    ):

        def expired() -> float:
            name = "apphub_lease_expired_total"
            return value(client, name) + value(own, name)

        assert expired() == 0
        killed.stop(signal.SIGKILL)
        eventually(lambda: expired() == 1)
        before = value(client, "apphub_lease_expired_total")
        frozen.popen.send_signal(signal.SIGSTOP)
        eventually(lambda: value(client, "apphub_lease_expired_total") > before)
        frozen.popen.send_signal(signal.SIGCONT)
        frozen.wait_for_line("lost its lease", errors=True)
        assert expired() == 2
