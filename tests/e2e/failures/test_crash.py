"""`kill -9` of everything, database included, at random moments: nothing acknowledged is lost."""

import os
import random
import threading
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.e2e.support import embedded_url, kill, register, server_pids
from tests.support.processes import Process, eventually, started
from tests.support.sample_logs import promises
from tests.support.slow import slow

ROUNDS = int(os.environ.get("APPHUB_CRASH_ROUNDS", "3"))
"""`make crash` runs many more."""


def _launch_until_the_end(url: str, acknowledged: list[str]) -> None:
    with httpx.Client(base_url=url, timeout=90) as client:
        while True:
            try:
                answer = client.post("/jobs/job/run", json={"parameters": {"n": len(acknowledged)}})
            except httpx.HTTPError:
                return
            if answer.status_code == 202:
                acknowledged.append(answer.json()["data"]["id"])


def _crash(process: Process, data_dir: Path, *, server_first: bool) -> None:
    """Kill all; whoever outlives the others for a moment must not do harm."""
    pids = server_pids(data_dir)
    if server_first:
        kill(pids)
        process.kill_all()
    else:
        process.kill_all()
        kill(pids)


@pytest.mark.parametrize("rounds", [1, slow(ROUNDS)])
def test_no_acknowledged_launch_is_missing_after_a_crash_of_everything(
    tmp_path: Path, rounds: int
) -> None:
    data_dir = tmp_path / "data"
    arguments = (
        "up",
        "--port",
        "0",
        "--data-dir",
        str(data_dir),
        "--handlers",
        "tests.support.handlers",
    )
    acknowledged: list[str] = []
    for crash in range(rounds):
        with started(*arguments) as process:
            url = process.url()
            with httpx.Client(base_url=url, timeout=90) as client:
                if crash == 0:
                    register(client, "job", "test.noop")
            before = len(acknowledged)
            threads = [
                threading.Thread(target=_launch_until_the_end, args=(url, acknowledged))
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            enough = before + random.randint(1, 150)
            eventually(
                lambda enough=enough: len(acknowledged) >= enough,
                what="launches being acknowledged",
            )
            _crash(process, data_dir, server_first=crash % 2 == 0)
            for thread in threads:
                thread.join()
    with started(*arguments) as process, httpx.Client(base_url=process.url(), timeout=90) as client:
        missing = [
            run_id
            for run_id in acknowledged
            if client.get(f"/job-runs/{run_id}").status_code != 200
        ]
        assert missing == []
        url = embedded_url(data_dir)
        _check_tables_equal_log(url)
        promises.kept(url, acknowledged)
    assert len(acknowledged) >= rounds


def _check_tables_equal_log(url: str) -> None:
    """Compare the tables with the log: as many runs, each at the version of its last event."""
    with psycopg.connect(url) as connection:
        wrong = connection.execute("""
            SELECT coalesce(run.id, log.id) FROM job_runs AS run FULL JOIN (
                SELECT originator_id AS id, max(originator_version) AS version,
                    max(notification_id) AS position
                FROM jobs_events WHERE topic LIKE 'job_run.%' GROUP BY originator_id
            ) AS log ON log.id = run.id
            WHERE log.version IS DISTINCT FROM run.aggregate_version
                OR log.position IS DISTINCT FROM run.position
        """).fetchall()
    assert wrong == []
