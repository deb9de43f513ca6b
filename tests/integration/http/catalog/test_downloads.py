"""Logs of builds: no browser and no proxy keeps them, and many readers at once cost no memory."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.bootstrap.log_stores import DIRECTORY
from tests.integration.http.catalog.apps import add
from tests.integration.shared_api import Json, SharedApi, at_once, shared_api
from worker.executors.local.attempt import LOG_LIMIT_BYTES
from worker.logs.run_logs import log_name

READERS = 24

GROWTH_MB = 350
"""Two whole logs and what is under way to clients; all at once would take twice as much."""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def shared(database_server: str, shared_dir: Path, data_dir: Path) -> Iterator[SharedApi]:
    """Give an API whose data directory is known."""
    with shared_api(database_server, shared_dir, data_dir) as api:
        yield api


def new_build(shared: SharedApi) -> Json:
    app = add(shared)
    return dict(shared.client.post(f"/apps/{app['id']}/builds").json()["data"])


@pytest.mark.parametrize("path", ["/builds/{id}/logs?download=1", "/job-runs/{jobRunId}/logs"])
def test_a_downloaded_log_is_not_kept(shared: SharedApi, path: str) -> None:
    answer = shared.client.get(path.format(**new_build(shared)))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"


def peak_mb(shared: SharedApi) -> int:
    """Return the most memory that the API has ever had."""
    status = Path(f"/proc/{shared.process.popen.pid}/status").read_text()
    [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(kilobytes) // 1_024


def test_many_readers_of_a_long_log_get_it_whole_in_bounded_memory(
    shared: SharedApi, data_dir: Path
) -> None:
    build = new_build(shared)
    log = data_dir / DIRECTORY / log_name(build["jobRunId"], 1, 1)
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * LOG_LIMIT_BYTES)
    before_mb = peak_mb(shared)
    for query in ("", "?download=1"):
        path = f"/builds/{build['id']}/logs{query}"

        def read(_: int, path: str = path) -> httpx.Response:
            return shared.client.get(path)

        answers = at_once(READERS, read)
        assert {answer.status_code for answer in answers} == {200}
        assert min(len(answer.content) for answer in answers) >= LOG_LIMIT_BYTES
    assert peak_mb(shared) - before_mb < GROWTH_MB
