"""Attempts share warm processes one after the other, and nothing of one is seen by the next."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.support import at_work, launch, register
from tests.integration.shared_api import unique
from tests.support.processes import eventually, wait_for_run


@pytest.fixture(scope="module")
def client(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Give a client of an API beside whose worker, of one slot, all tests of this module run."""
    data_dir = tmp_path_factory.mktemp("data")
    with at_work(database_server, shared_dir, data_dir, "--slots", "1") as client:
        # A run that comes before the first process has begun gets one of its own.
        register(client, "first", "test.noop")
        run(client, "first")
        yield client


@pytest.fixture
def traces(client: httpx.Client) -> str:
    """Register a job of this test's own that leaves traces, and return its slug."""
    slug = unique("traces")
    register(client, slug, "test.leave_traces")
    return slug


def run(client: httpx.Client, job: str, **parameters: Any) -> dict[str, Any]:
    return wait_for_run(client, launch(client, job, parameters=parameters))


CLEAN: dict[str, Any] = {
    "files": [],
    "variable": None,
    "umask": 0o22,
    "stdout": True,
    "path": False,
    "handlers": 1,
    "ignored": False,
    "threads": 1,
}


def test_what_can_be_put_back_is_and_the_process_is_kept(client: httpx.Client, traces: str) -> None:
    seen = [run(client, traces)["result"] for _ in range(3)]
    assert [{name: one[name] for name in CLEAN} for one in seen] == [CLEAN] * 3
    assert len({one["pid"] for one in seen}) == 1
    assert len({one["cwd"] for one in seen}) == 3
    eventually(
        lambda: not any(Path(one["cwd"]).exists() for one in seen),
        what="the directories being removed",
    )


@pytest.mark.parametrize("left", ["thread", "descriptor", "child", "memory"])
def test_a_process_with_what_cannot_be_put_back_is_replaced(
    client: httpx.Client, traces: str, left: str
) -> None:
    first = run(client, traces, leave=left)["result"]
    second = run(client, traces)["result"]
    assert {name: second[name] for name in CLEAN} == CLEAN
    assert first["pid"] != second["pid"]
    assert not Path(f"/proc/{first['pid']}").exists()


def test_each_attempt_has_its_own_log_and_figures(client: httpx.Client) -> None:
    register(client, "echo", "test.echo")
    register(client, "memory", "test.use_memory")
    runs = [run(client, "echo"), run(client, "memory"), run(client, "echo")]
    for one in (runs[0], runs[2]):
        log = client.get(one["logsUrl"]).text
        assert [line.split(" ", 1)[1] for line in log.splitlines()] == [
            "printed by the handler",
            "INFO logged by the handler",
        ]
        assert 0 < one["metrics"]["peakMemoryMb"] < 100
        assert 0 <= one["metrics"]["cpuSeconds"] < 5
    assert runs[1]["metrics"]["peakMemoryMb"] > 150


def test_what_a_library_in_c_has_not_yet_written_is_in_the_log(client: httpx.Client) -> None:
    register(client, "c", "test.print_from_c")
    for _ in range(2):
        assert client.get(run(client, "c")["logsUrl"]).text.endswith("printed from C\n")
