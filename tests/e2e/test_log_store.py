"""Run logs in an S3 store: API and worker share no disk.

Neither a store that is away nor a kill loses a line.
"""

import re
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import obstore
import pytest
from obstore.store import S3Store

from tests.e2e.support import events, launch, register, topics
from tests.support import s3
from tests.support.processes import Process, eventually, started, wait_for_run
from tests.support.slow import slow
from worker.logs.run_logs import log_name


@dataclass(frozen=True)
class Apart:
    """An API whose data directory nobody else uses, and what workers with others need."""

    client: httpx.Client
    gate: s3.Gate
    store: S3Store
    prefix: str
    database_url: str
    tmp_path: Path

    def worker(self, *more: str) -> AbstractContextManager[Process]:
        options = (
            "--data-dir",
            str(self.tmp_path / "worker"),
            "--logs-store",
            f"s3://{s3.BUCKET}/{self.prefix}",
        )
        return started(
            *("worker", *options, "--handlers", "tests.support.handlers", *more),
            APPHUB_DATABASE_URL=self.database_url,
            **s3.variables(self.gate.endpoint),
        )

    def count(self, **parameters: int) -> str:
        """Launch a run that prints, and does not end before `let_end`."""
        return launch(
            self.client, "count", parameters={"until": str(self.tmp_path / "end"), **parameters}
        )

    def let_end(self) -> None:
        (self.tmp_path / "end").touch()

    def spooled(self) -> list[Path]:
        return list((self.tmp_path / "worker" / "run-logs-spool").glob("*/*.log"))

    def spool_of(self, run_id: str) -> Path:
        [path] = [path for path in self.spooled() if run_id in path.name]
        return path

    def objects(self) -> list[str]:
        return [entry["path"] for entry in obstore.list(self.store).collect()]

    def log(self, run_id: str, **params: str | int) -> str:
        return self.client.get(f"/job-runs/{run_id}/logs", params=params).raise_for_status().text


@pytest.fixture
def apart(s3_endpoint: str, database_url: str, tmp_path: Path) -> Iterator[Apart]:
    prefix = f"logs/{uuid4()}"
    with s3.Gate(s3_endpoint) as gate, ExitStack() as stack:
        environment = {
            "APPHUB_DATABASE_URL": database_url,
            "APPHUB_LOGS_STORE": f"s3://{s3.BUCKET}/{prefix}",
            **s3.variables(gate.endpoint),
        }
        api = stack.enter_context(
            started("serve", "--port", "0", "--data-dir", str(tmp_path / "api"), **environment)
        )
        client = stack.enter_context(httpx.Client(base_url=api.url(), timeout=90))
        register(client, "count", "test.count")
        yield Apart(client, gate, s3.store(s3_endpoint, prefix), prefix, database_url, tmp_path)


def _numbers(log: str) -> list[int]:
    return [int(number) for number in re.findall(r"Z line (\d+)", log)]


def test_a_log_is_read_whole_and_from_an_offset_without_a_shared_disk(apart: Apart) -> None:
    with apart.worker():
        run_id = apart.count(lines=3)
        apart.let_end()
        run = wait_for_run(apart.client, run_id)
        assert run["status"] == "succeeded"
        log = apart.client.get(run["logsUrl"]).raise_for_status().text
        assert _numbers(log) == [0, 1, 2]
        assert apart.log(run_id, offset=30) == log[30:]
        assert apart.log(run_id, offset=len(log)) == ""
        assert apart.objects() == [log_name(run_id, 1, 1)]
        assert apart.spooled() == []
    assert not (apart.tmp_path / "api" / "run-logs").exists()


def test_a_log_is_followed_live_through_chunks_and_whole_log(apart: Apart) -> None:
    with apart.worker():
        run_id = apart.count(lines=600, width=1_000, everyMs=5)  # More than two chunks.
        wait_for_run(apart.client, run_id, "running")
        with apart.client.stream(
            "GET", f"/job-runs/{run_id}/logs", params={"follow": "true"}
        ) as answer:
            pieces = answer.iter_text()
            followed = next(pieces)
            assert all(".chunks/" in name for name in apart.objects())
            apart.let_end()
            followed += "".join(pieces)
        assert wait_for_run(apart.client, run_id)["status"] == "succeeded"
        assert _numbers(followed) == list(range(600))
        assert followed == apart.log(run_id)
        assert apart.objects() == [log_name(run_id, 1, 1)]


@pytest.mark.parametrize("how", ["refused", slow("silent")])
def test_a_run_ends_while_the_store_is_away_and_its_log_arrives_later(
    apart: Apart, how: str
) -> None:
    with apart.worker() as worker:
        run_id = apart.count(lines=50)
        eventually(
            lambda: any(".chunks/" in name for name in apart.objects()), what="the first chunk"
        )
        apart.gate.close(how)
        apart.let_end()
        assert wait_for_run(apart.client, run_id)["status"] == "succeeded"
        away = apart.client.get(f"/job-runs/{run_id}/logs")
        assert (away.status_code, away.json()["code"]) == (503, "run_logs_unavailable")
        assert len(apart.spooled()) == 1
        apart.gate.open()
        eventually(lambda: not apart.spooled(), timeout_s=90, what="the log leaving the spool")
        assert _numbers(apart.log(run_id)) == list(range(50))
        assert apart.objects() == [log_name(run_id, 1, 1)]
        assert worker.popen.poll() is None


@pytest.mark.slow
def test_what_a_killed_worker_left_is_brought_by_the_next_one_and_a_living_ones_is_let_alone(
    apart: Apart,
) -> None:
    options = ("--lease-s", "2", "--slots", "1")
    with apart.worker(*options) as killed, apart.worker(*options):
        ids = [apart.count(lines=200) for _ in range(2)]
        eventually(lambda: len(apart.spooled()) == 2, what="both workers writing")
        [lost] = [
            run_id for run_id in ids if f"-{killed.popen.pid}-" in _worker_of(apart.client, run_id)
        ]
        [kept] = set(ids) - {lost}
        eventually(
            lambda: apart.spool_of(lost).read_text().count("line") == 200,
            what="its lines being written",
        )
        spool_of_the_living = apart.spool_of(kept)
        killed.popen.kill()
        with apart.worker(*options):
            eventually(lambda: log_name(lost, 1, 1) in apart.objects(), what="the log arriving")
            assert _numbers(apart.log(lost, attempt=1)) == list(range(200))
            eventually(
                lambda: "attempt_lost" in topics(apart.client, lost), what="the run being recovered"
            )
            assert wait_for_run(apart.client, kept, "running")
            assert spool_of_the_living.exists()
            apart.let_end()
            assert wait_for_run(apart.client, kept)["status"] == "succeeded"
            assert _numbers(apart.log(kept)) == list(range(200))


def _worker_of(client: httpx.Client, run_id: str) -> str:
    [started_event] = [
        event for event in events(client, run_id) if event["type"] == "job_run.started"
    ]
    return str(started_event["data"]["worker_id"])


@pytest.mark.slow
def test_a_worker_that_stops_while_the_store_is_away_leaves_its_logs_to_the_next(
    apart: Apart,
) -> None:
    with apart.worker() as worker:
        run_id = apart.count(lines=20)
        wait_for_run(apart.client, run_id, "running")
        apart.gate.close("refused")
        apart.let_end()
        assert wait_for_run(apart.client, run_id)["status"] == "succeeded"
        assert worker.stop(signal.SIGTERM) == 0
    assert len(apart.spooled()) == 1
    apart.gate.open()
    with apart.worker():
        eventually(lambda: not apart.spooled(), what="the log leaving the spool")
        assert _numbers(apart.log(run_id)) == list(range(20))


def test_attempts_do_not_see_the_stores_secrets(apart: Apart) -> None:
    register(apart.client, "environment", "test.environment")
    with apart.worker():
        run = wait_for_run(apart.client, launch(apart.client, "environment"))
    assert run["status"] == "succeeded"
    environment = run["result"]["environment"]
    assert "PATH" in environment
    assert [name for name in environment if name.startswith(("AWS_", "APPHUB_"))] == []
    assert s3.SECRET not in str(environment)
