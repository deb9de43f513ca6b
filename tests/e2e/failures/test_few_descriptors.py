"""More clients than descriptors: the database and files get theirs all the same."""

from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.integration.shared_api import job_body
from tests.support.processes import Process
from tests.support.wires.few_descriptors import HARD
from tests.support.wires.raw_sockets import raw_socket


def open_files(process: Process) -> int:
    return len(list(Path(f"/proc/{process.popen.pid}/fd").iterdir()))


def test_idle_clients_take_no_descriptors_from_others(database_url: str, tmp_path: Path) -> None:
    arguments = ("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    env = {"APPHUB_DATABASE_URL": database_url}
    process = Process(arguments, env, "tests.support.wires.few_descriptors")
    try:
        url = process.url()
        with ExitStack() as stack:
            for _ in range(HARD + 100):
                stack.enter_context(raw_socket(url))
            for _ in range(10):
                job = job_body()
                assert httpx.post(f"{url}/jobs", json=job).status_code == 201
                assert httpx.post(f"{url}/jobs/{job['slug']}/run").status_code == 202
            assert HARD // 4 < open_files(process) < HARD * 3 // 4
    finally:
        process.stop()
    assert [line for line in process.errors if "Traceback" in line or "ERROR" in line] == []
