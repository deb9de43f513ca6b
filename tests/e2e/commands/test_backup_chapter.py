"""The chapter on backups, typed as it stands: a drill and three disasters, on a real service."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psycopg
import pytest

from tests import ROOT
from tests.e2e.support import embedded_url, launch, register
from tests.support.processes import eventually, started, wait_for_run, without_settings

CHAPTER = (ROOT / "docs" / "backup.md").read_text()


def _typed(heading: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a section, each with the lines that the chapter shows below it."""
    section = CHAPTER.partition(f"# {heading}\n")[2].partition("\n## ")[0]
    examples: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            examples.append((command, lines))
    return examples


def _shape(line: str) -> str:
    """Return a line without what is different each time: ids, numbers, times, paths."""
    line = re.sub(r"/\S+/(?=backups|data|restored|undone)", "", line)
    line = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", line)
    line = re.sub(r"[\d.]+ (ms|s|min) ago", "AGE", line)
    line = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line)
    return " ".join(re.sub(r"[\d.]*\d", "N", line).split())


@dataclass(frozen=True)
class Site:
    """A directory in which somebody types; `apphub-jobs` is this checkout's."""

    directory: Path
    temporary: Path

    def type(self, command: str, *, succeeds: bool = True) -> list[str]:
        """Type a command; return what it prints."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.directory,
            env={
                **without_settings(),
                "APPHUB_DATA_DIR": str(self.directory / "data"),
                "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
                "COLUMNS": "200",
                "TMPDIR": str(self.temporary),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
        return done.stdout.splitlines()

    def type_section(self, heading: str, first: int = 0, end: int | None = None) -> None:
        """Type the commands of a section, and compare what they print with what it shows."""
        examples = _typed(heading)[first:end]
        assert examples, heading
        for command, output in examples:
            printed = self.type(command, succeeds=command not in FINDING)
            assert list(map(_shape, printed)) == list(map(_shape, output)), command

    @contextmanager
    def served(self, data_dir: str = "data") -> Iterator[httpx.Client]:
        """Run a service there."""
        directory = self.directory / data_dir
        handlers = ("--handlers", "tests.support.handlers")
        common = ("--port", "0", "--data-dir", str(directory), "--seal-every-s", "0.1")
        with (
            started("up", *common, *handlers) as process,
            httpx.Client(base_url=process.url(), timeout=90) as client,
        ):
            yield client


FINDING = {"apphub-jobs verify job_runs", "apphub-jobs seal verify"}
"""Commands of the chapter that exit with 1, for they find what is wrong."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Make the directory, with one for temporary files in which nothing else happens."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "apphub-jobs"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m apphub_jobs "$@"\n')
    command.chmod(0o755)
    (tmp_path / "keys").mkdir()
    # Its path must be short enough for a server's socket.
    with TemporaryDirectory(prefix="t-") as temporary:
        Path(temporary).chmod(0o755)
        yield Site(tmp_path, Path(temporary))


@pytest.mark.slow
def test_the_chapter_is_true(site: Site) -> None:
    with site.served() as client:
        register(client, "report", "test.noop")
        register(client, "copy", "test.wait", retryPolicy={"maxAttempts": 2})
        ended = [launch(client, "report") for _ in range(2)]
        for run_id in ended:
            wait_for_run(client, run_id, "succeeded", timeout_s=90)
        running = launch(client, "copy", parameters={})
        wait_for_run(client, running, "running", timeout_s=90)
        waiting = [launch(client, "report", delayMs=3_600_000) for _ in range(3)]
        tick = {"id": "nightly", "job": "report", "cron": "0 3 * * *"}
        client.post("/schedules", json=tick).raise_for_status()
        _wait_for_seals(site.directory / "data")
        shutil.copy(site.directory / "data" / "seal.key", site.directory / "keys")
        site.type_section("Backup and restore")
        site.type_section("A drill")
        assert list(site.temporary.iterdir()) == []
        assert client.get("/ready").status_code == 200
        doctor = json.loads(site.type("apphub-jobs doctor --json | grep '\"backup\"'")[0])
        assert (doctor["state"], "position" in doctor["message"]) == ("ok", True)
        client.post(f"/job-runs/{running}/cancel").raise_for_status()
        wait_for_run(client, running, "canceled", timeout_s=90)

    _remove_server(site.directory / "data")
    site.type_section("The disk is lost")
    with site.served() as client:
        # The log of before its end: it runs again.
        wait_for_run(client, running, "running", timeout_s=90)
        client.post(f"/job-runs/{running}/cancel").raise_for_status()
        wait_for_run(client, running, "canceled", timeout_s=90)
        order = ["job=report", "status=pending", "--reason", "mistyped", "--wait"]
        site.type(f"apphub-jobs bulk cancel {' '.join(order)}")
        assert [_status(client, run_id) for run_id in waiting] == ["canceled"] * 3
        site.type_section("A wrong bulk cancel", end=2)
        position = client.get("/bulk").json()["data"][0]["position"]
        _spoil_rows(site.directory / "data")
        site.type_section("A table or the log was edited", end=2)
        _spoil_log(site.directory / "data", ended[0])
        site.type_section("A table or the log was edited", first=2, end=3)
        site.type("apphub-jobs backup backups/spoiled")
        drill = "apphub-jobs restore backups/spoiled --drill"
        assert site.type(drill, succeeds=False)[-1] == "drill: FAILED: seals"

    site.type_section("A table or the log was edited", first=3)
    (prepare, _), (restore, restored) = _typed("A wrong bulk cancel")[2:]
    site.type(prepare)
    printed = site.type(re.sub(r"--to-position \d+", f"--to-position {position}", restore))
    assert list(map(_shape, printed)) == list(map(_shape, restored))
    with site.served("undone") as client:
        assert [_status(client, run_id) for run_id in waiting] == ["pending"] * 3
        assert _status(client, ended[0]) == "succeeded"


def _status(client: httpx.Client, run_id: str) -> str:
    answer = client.get(f"/job-runs/{run_id}").raise_for_status()
    return str(answer.json()["data"]["run"]["status"])


def _wait_for_seals(data_dir: Path) -> None:
    query = """
        SELECT (SELECT max(position) FROM log_seals)
            = (SELECT max(notification_id) FROM jobs_events)
    """
    with psycopg.connect(embedded_url(data_dir), autocommit=True) as connection:
        eventually(
            lambda: connection.execute(query.encode()).fetchone() == (True,), 90, "the last seal"
        )


def _spoil_rows(data_dir: Path) -> None:
    with psycopg.connect(embedded_url(data_dir), autocommit=True) as connection:
        connection.execute("UPDATE job_runs SET status = 'failed' WHERE status = 'succeeded'")


def _spoil_log(data_dir: Path, run_id: str) -> None:
    with psycopg.connect(embedded_url(data_dir)) as connection:
        connection.execute("ALTER TABLE jobs_events DISABLE TRIGGER USER")
        spoil = "UPDATE jobs_events SET actor = 'x' WHERE originator_id = %s"
        connection.execute(spoil, (run_id,))
        connection.execute("ALTER TABLE jobs_events ENABLE TRIGGER USER")


def _remove_server(data_dir: Path) -> None:
    """Lose the disk, also where a server of root's lies elsewhere."""
    shutil.rmtree((data_dir / "postgres").resolve())
    shutil.rmtree(data_dir)
