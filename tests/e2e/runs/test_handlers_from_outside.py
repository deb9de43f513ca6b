"""Operators' own handlers: a package with an entry point, a module, a command; two of a name."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from apphub_jobs.process.handlers import SERVICE_PACKAGES
from tests import ROOT
from tests.e2e.support import launch, register
from tests.support.processes import Process, started, wait_for_run
from worker.executors.local.probe import DuplicateHandlerError, probe_packages
from worker.executors.packages import HandlerSource, collect_packages

EXAMPLE = ROOT / "docs" / "example_handlers"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Install the documented example package into a directory of its own."""
    target = tmp_path / "installed"
    # Environments that uv has made have no pip.
    uv = shutil.which("uv")
    installer = [sys.executable, "-m", "pip", "install"]
    if uv is not None:
        installer = [uv, "pip", "install", "--python", sys.executable]
    how = ["-q", "--no-deps", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*installer, *how, str(EXAMPLE)], check=True, timeout=100)
    return target


@pytest.mark.slow
def test_the_documented_package_is_found_by_its_entry_point(
    client: httpx.Client, api: Process, installed: Path, database_url: str, tmp_path: Path
) -> None:
    del api
    commands = tmp_path / "commands.json"
    script = (
        "import json, sys; n = json.load(sys.stdin)['n'];"
        " print('working'); print(json.dumps({'twice': 2 * n}))"
    )
    declared = {
        "twice": [sys.executable, "-c", script],
        "fails": ["/bin/sh", "-c", "echo bad >&2; exit 3"],
        "waits": ["/bin/sleep", "60"],
    }
    commands.write_text(json.dumps(declared))
    arguments = ("worker", "--data-dir", str(tmp_path / "data"), "--commands", str(commands))
    environment = {"APPHUB_DATABASE_URL": database_url, "PYTHONPATH": str(installed)}
    with started(*arguments, **environment):
        register(client, "words", "example.count_words")
        run = wait_for_run(client, launch(client, "words", parameters={"text": "one two three"}))
        assert (run["status"], run["result"]) == ("succeeded", {"words": 3})
        assert "counted 3 words" in client.get(run["logsUrl"]).text
        for name in declared:
            register(client, name, f"command.{name}")
        run = wait_for_run(client, launch(client, "twice", parameters={"n": 21}))
        assert (run["status"], run["result"]) == ("succeeded", {"twice": 42})
        assert "working" in client.get(run["logsUrl"]).text
        run = wait_for_run(client, launch(client, "fails"))
        assert (run["status"], run["failureReason"]) == ("failed", "handler")
        assert "exit code 3" in run["errorMessage"]
        assert "bad" in client.get(run["logsUrl"]).text
        run_id = launch(client, "waits")
        wait_for_run(client, run_id, "running")
        client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
        assert wait_for_run(client, run_id)["status"] == "canceled"


def test_two_handlers_of_one_name_are_refused_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "second_module.py").write_text("HANDLERS = {'test.noop': print}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(DuplicateHandlerError, match=r"tests\.support\.handlers and second_module"):
        probe_packages(collect_packages(HandlerSource(("tests.support.handlers", "second_module"))))
    with started("worker", "--handlers", "no.such.module", "--data-dir", str(tmp_path)) as process:
        assert process.popen.wait(60) == 1
        assert (
            "no.such.module" in process.errors[-1] or "No module named 'no'" in process.errors[-1]
        )


def test_a_worker_runs_beside_modules_that_are_named_as_the_services_are(
    client: httpx.Client, api: Process, database_url: str, tmp_path: Path
) -> None:
    del api
    own = tmp_path / "own"
    own.mkdir()
    for name in SERVICE_PACKAGES:
        (own / f"{name}.py").write_text("WHOSE = 'mine'")
    names = ", ".join(sorted(SERVICE_PACKAGES))
    expression = f"[module.WHOSE for module in ({names})]"
    (own / "handlers_of_mine.py").write_text(
        f"import {names}\nfrom apphub_jobs.contract import JobResult\n"
        f"HANDLERS = {{'own.tell': lambda _: JobResult(result={expression})}}\n"
    )
    arguments = ("worker", "--data-dir", str(tmp_path / "data"), "--handlers", "handlers_of_mine")
    environment = {"APPHUB_DATABASE_URL": database_url, "PYTHONPATH": str(own)}
    worker = Process(arguments, environment, module="apphub_jobs")
    try:
        register(client, "own", "own.tell")
        run = wait_for_run(client, launch(client, "own"))
    finally:
        worker.stop()
    assert (run["status"], run["result"]) == ("succeeded", ["mine"] * len(SERVICE_PACKAGES))


def test_what_cannot_be_had_ends_the_start_before_anything_is_ready(tmp_path: Path) -> None:
    (tmp_path / "commands.json").write_text('{"lost": ["no-such-program-of-ours"]}')
    missing = ("--handlers", "no.such.module")
    lost = ("--commands", str(tmp_path / "commands.json"))
    for option, name in (missing, "no.such.module"), (lost, "no-such-program-of-ours"):
        with started("up", "--port", "0", "--data-dir", str(tmp_path / "data"), *option) as process:
            assert process.popen.wait(60) == 1
            assert name in process.errors[-1]
            assert process.lines == []
            assert not (tmp_path / "data").exists()
