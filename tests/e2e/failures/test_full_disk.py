"""A full disk costs what could not be written on it, but no attempt, and no end of one."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.support import launch, register
from tests.support.disks import small_disk
from tests.support.processes import Process, started, wait_for_run
from tests.support.slow import slow


@pytest.fixture(params=["size=64k", slow("nr_inodes=1")], ids=["no space", "no files"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Let logs of runs lie on a disk of their own, that takes little or nothing."""
    with small_disk(tmp_path / "data" / "run-logs", request.param):
        yield


@pytest.fixture
def worker(disk: None, api: Process, database_url: str, tmp_path: Path) -> Iterator[Process]:
    del disk, api
    arguments = (
        "worker",
        "--data-dir",
        str(tmp_path / "data"),
        "--handlers",
        "tests.support.handlers",
    )
    with started(*arguments, APPHUB_DATABASE_URL=database_url) as process:
        yield process


def _daemon(client: httpx.Client, file: Path, for_ms: int) -> str:
    return launch(client, "daemon", parameters={"file": str(file), "forMs": for_ms, "lines": 500})


def _gone(file: Path) -> bool:
    return not Path(f"/proc/{file.read_text().split()[0]}").exists()


def test_a_run_that_succeeds_on_a_full_disk_has_succeeded(
    client: httpx.Client, worker: Process, tmp_path: Path
) -> None:
    register(client, "daemon", "test.leave_daemon")
    run = wait_for_run(client, _daemon(client, tmp_path / "signs", 100))
    assert (run["status"], run["attempt"], run["result"]) == ("succeeded", 1, "waited")
    assert _gone(tmp_path / "signs")
    worker.wait_for_line("bytes, which could not be written", errors=True)


@pytest.mark.usefixtures("worker")
def test_a_run_that_is_over_its_time_on_a_full_disk_ends_with_its_daemon(
    client: httpx.Client, tmp_path: Path
) -> None:
    register(client, "daemon", "test.leave_daemon", timeoutMs=2_000)
    run = wait_for_run(client, _daemon(client, tmp_path / "signs", 60_000))
    assert (run["status"], run["failureReason"]) == ("expired", "execution_timeout")
    assert _gone(tmp_path / "signs")
