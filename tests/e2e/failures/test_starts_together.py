"""Ten that start at the same moment, on a new database, a new store of logs, and one directory."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from api.bootstrap.log_stores import check_log_store
from tests.e2e.support import launch, register
from tests.support import databases
from tests.support.processes import Process, started, wait_for_run

ROUNDS = int(os.environ.get("APPHUB_STARTS_TOGETHER", "1"))

OF_EACH = 5


@pytest.mark.slow
@pytest.mark.timeout(120 + 60 * ROUNDS)
def test_ten_that_start_together_all_work(database_server: str, tmp_path: Path) -> None:
    for number in range(ROUNDS):
        with databases.clone(database_server, None) as url:
            _start_all(url, tmp_path / str(number))


def _start_all(database_url: str, base: Path) -> None:
    base.mkdir(mode=0o711)
    common = ("--data-dir", str(base / "data"))
    env = {
        "APPHUB_DATABASE_URL": database_url,
        "APPHUB_LOGS_STORE": f"file://{base}/logs",
        "APPHUB_ARCHIVE": str(base / "archive"),
    }
    handlers = ("--handlers", "tests.support.handlers")
    with ExitStack() as stack:
        apis: list[Process] = []
        workers: list[Process] = []
        for _ in range(OF_EACH):
            serve = started("serve", "--port", "0", *common, **env)
            apis.append(stack.enter_context(serve))
            work = started("worker", *common, *handlers, **env)
            workers.append(stack.enter_context(work))
        for worker in workers:
            worker.wait_for_line("is ready with", errors=True)
        urls = [api.url() for api in apis]
        with httpx.Client(base_url=urls[0], timeout=90) as client:
            jobs = client.get("/jobs").json()["data"]
            slugs = [job["slug"] for job in jobs]
            assert slugs == ["repository-build", "repository-ingest"]
            register(client, "echo", "test.echo")
            for _ in range(OF_EACH):
                run = wait_for_run(client, launch(client, "echo"))
                assert run["status"] == "succeeded"
                assert client.get(run["logsUrl"]).text
        for process in (*apis, *workers):
            assert process.stop() == 0
            assert "Traceback" not in "\n".join(process.errors)
    probes = [path.name for path in (base / "logs").iterdir() if path.is_file()]
    assert probes == []


def test_a_store_is_checked_by_ten_at_once(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/logs"
    with ThreadPoolExecutor(2 * OF_EACH) as pool:
        checks = [pool.submit(check_log_store, url, to_write=True) for _ in range(200)]
        for check in checks:
            check.result()
