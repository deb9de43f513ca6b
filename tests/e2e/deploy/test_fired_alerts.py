"""Prometheus scrapes a real service, and alerts when something is really wrong.

The rules are those of `deploy/prometheus`, with some lower thresholds and without the time for
which they wait. What is hard to cause, `alerts_test.yml` plays (tests/unit/deploy/test_alerts.py).
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from eventlog.database.sql import APPEND_LOCK
from tests import ROOT
from tests.integration.health.test_worker_metrics import address
from tests.support.processes import eventually, started

DEPLOY = ROOT / "deploy/prometheus"

LOWER = {
    "ApphubQueueOld": ("> 600", "> 1"),
    "ApphubBacklog": ("> 100", "> 1"),
    "ApphubScheduleLate": ("> 30", "> 2"),
    "ApphubFollowerBehind": ("> 60", "> 5"),
    "ApphubSealBehind": ("> 600", "> 5"),
}
"""Thresholds that would take minutes."""

LISTENING = re.compile(r"Listening on.* address=127\.0\.0\.1:(\d+)")

PATIENCE_S = 90.0

JOB = {"slug": "report", "name": "Report", "type": "batch", "entryPoint": "reports.write"}


class Prometheus:
    """A running Prometheus, and the alerts that have fired so far."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.fired: set[str] = set()

    def value(self, query: str) -> float | None:
        """Return a query's first value, None where it has none."""
        answer = self._client.get("/query", params={"query": query}).raise_for_status()
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def firing(self) -> set[str]:
        alerts = self._client.get("/alerts").raise_for_status().json()["data"]["alerts"]
        firing = {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}
        self.fired |= firing
        return firing

    def wait_for(self, *alerts: str) -> None:
        """Wait until these have fired."""

        def have_fired() -> bool:
            self.firing()
            return self.fired >= set(alerts)

        eventually(have_fired, timeout_s=PATIENCE_S, what=f"{alerts} among {self.fired}")


@contextmanager
def prometheus(directory: Path, api: str, worker: str) -> Iterator[Prometheus]:
    """Run Prometheus with the files of `deploy`; the addresses replace the containers'."""
    program = shutil.which("prometheus")
    if program is None:
        assert os.environ.get("APPHUB_TEST_PROMETHEUS") != "required", "prometheus is missing"
        pytest.skip("prometheus is not installed")
    (directory / "alerts.yml").write_text(yaml.safe_dump({"groups": _rules()}))
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "2s", "evaluation_interval": "1s"}
    for scrape, target in zip(config["scrape_configs"], (api, worker), strict=True):
        del scrape["dns_sd_configs"]
        scrape.pop("authorization", None)
        scrape["static_configs"] = [{"targets": [target.removeprefix("http://")]}]
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    output = directory / "prometheus.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stderr=log,
        )
    try:
        port = eventually(lambda: LISTENING.search(output.read_text()), what="Prometheus to listen")
        with httpx.Client(base_url=f"http://127.0.0.1:{port[1]}/api/v1", timeout=90) as client:
            yield Prometheus(client)
    finally:
        process.terminate()
        process.wait(60)


def _rules() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    for rule in [rule for group in groups for rule in group["rules"]]:
        rule.pop("for", None)
        usual, lower = LOWER.get(rule["alert"], ("", ""))
        assert usual in rule["expr"]
        rule["expr"] = rule["expr"].replace(usual, lower)
    return groups


@contextmanager
def held(url: str, *statements: str) -> Iterator[None]:
    """Hold what these statements lock within the block."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield
        connection.rollback()


@contextmanager
def renamed(url: str, table: str) -> Iterator[None]:
    """Let a table be missing within the block."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"ALTER TABLE {table} RENAME TO elsewhere".encode())
        try:
            yield
        finally:
            owner.execute(f"ALTER TABLE elsewhere RENAME TO {table}".encode())


@contextmanager
def unreachable(url: str) -> Iterator[None]:
    """Let nobody connect to the database within the block."""
    name = conninfo_to_dict(url)["dbname"]
    end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as owner:
        owner.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        try:
            owner.execute(end_all, [name])
            yield
        finally:
            owner.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())


@pytest.mark.slow
def test_alerts_fire_when_their_conditions_are_caused(database_url: str, tmp_path: Path) -> None:
    env = {"APPHUB_DATABASE_URL": database_url}
    serve = ("serve", "--port", "0", "--seal-every-s", "3600", "--data-dir", str(tmp_path / "api"))
    work = ("worker", "--lease-s", "2", "--metrics-port", "0", "--data-dir", str(tmp_path / "work"))
    with (
        started(*serve, **env) as api,
        started(*work, **env) as worker,
        prometheus(tmp_path, api.url(), address(worker)) as alerts,
        httpx.Client(base_url=api.url(), timeout=90) as client,
    ):
        client.post("/jobs", json=JOB).raise_for_status()
        created = 'apphub_runs_created_total{definition="report", job="report"}'
        eventually(lambda: alerts.value(created) == 0, what="the first scrape")
        eventually(lambda: alerts.value('up{job="apphub-workers"}') == 1, what="the worker's")
        # A log that is sealed each hour only is behind all the time.
        eventually(lambda: alerts.firing() <= {"ApphubSealBehind"}, what="nothing else to be wrong")

        for _ in range(8):
            expiring = {"startDeadlineMs": 100}
            client.post("/jobs/report/run", json=expiring).raise_for_status()
        alerts.wait_for("ApphubRunsFail", "ApphubSealBehind")

        for _ in range(3):
            client.post("/jobs/report/run", json={}).raise_for_status()
        alerts.wait_for("ApphubNobodyOffers", "ApphubBacklog", "ApphubQueueOld")

        locked = held(database_url, f"SELECT pg_advisory_xact_lock({APPEND_LOCK})")
        with locked, pytest.raises(httpx.ReadTimeout):
            client.post("/jobs/report/run", json={}, timeout=3)
        alerts.wait_for("ApphubAppendsSlow")

        schedule = {"id": "each-second", "job": "report", "everyMs": 1000}
        client.post("/schedules", json=schedule).raise_for_status()
        with held(
            database_url,
            "SELECT FROM run_statistics_progress FOR UPDATE",
            "LOCK TABLE schedules IN EXCLUSIVE MODE",
        ):
            client.post("/jobs/report/run", json={}).raise_for_status()
            alerts.wait_for("ApphubScheduleLate", "ApphubFollowerBehind")

        with renamed(database_url, "run_statistics"):
            # The task that counts runs dies of it, again and again.
            restarts = 'sum(apphub_background_task_restarts_total{job="apphub-workers"})'
            eventually(lambda: (alerts.value(restarts) or 0) > 0, what="a task to die")
        alerts.wait_for("ApphubTaskRestarts")

        worker.stop(signal.SIGKILL)
        alerts.wait_for("ApphubDown", "ApphubNoWorker", "ApphubWorkerLost", "ApphubLeasesExpire")

        with unreachable(database_url):
            alerts.wait_for("ApphubDatabaseAway")
