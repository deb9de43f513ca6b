"""The process of a test service: it dies with whoever started it, and says what is wrong."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from apphub_jobs.testing.service import ServiceError, run_service
from tests.support.processes import Process, descendants, eventually

STARTS = """
import sys, time
from pathlib import Path
from apphub_jobs.testing.service import run_service
with run_service(Path(sys.argv[1]), []) as url:
    print(url, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_a_killed_test_process_leaves_no_service(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as starter:
        try:
            assert starter.stdout is not None
            url = starter.stdout.readline().strip()
            assert httpx.get(f"{url}/health").json() == {"status": "ok"}
            # The command, the API and the worker; it may have processes of its own by now.
            started = descendants(starter.pid)
            assert len(started) >= 3
        finally:
            starter.kill()
    eventually(
        lambda: not [pid for pid in started if Path(f"/proc/{pid}").exists()],
        timeout_s=90,
        what="the end of what was started",
    )


def test_a_module_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(ServiceError, match="No module named 'no_such_module'"),
        run_service(tmp_path, ["no_such_module"]),
    ):
        pytest.fail("it started")


def test_no_other_service_can_be_moved_or_emptied(api: Process) -> None:
    with httpx.Client(base_url=api.url()) as client:
        for method, path in (
            ("GET", "/testing/clock"),
            ("POST", "/testing/clock"),
            ("POST", "/testing/empty"),
        ):
            answer = client.request(method, path, json={"byMs": 1})
            assert answer.status_code == 404, path
