"""Handlers in environments of their own, beside each other in one worker."""

import sys
from pathlib import Path

import httpx

from tests.e2e.support import launch, register
from tests.support.environments import make_environment, other_python
from tests.support.processes import Process, started, wait_for_run

HANDLERS = """
import sys

import tariff

from apphub_jobs import JobResult


def tell(context):
    return JobResult(result=[tariff.VERSION, sys.prefix])


HANDLERS = {"%s.tell": tell}
"""


def test_packages_with_conflicting_libraries_run_beside_each_other(
    client: httpx.Client, api: Process, database_url: str, tmp_path: Path
) -> None:
    del api
    for name, python in (("old", other_python()), ("new", sys.executable)):
        environment = tmp_path / name / ".venv"
        packages = make_environment(environment, python=python)
        (packages / "tariff.py").write_text(f"VERSION = {name!r}\n")
        (tmp_path / name / f"{name}_jobs.py").write_text(HANDLERS % name)
        (tmp_path / name / "pyproject.toml").touch()
    # One is named with its Python; the other's is found in its project.
    listed = tmp_path / "handlers.yaml"
    listed.write_text("- {package: old/old_jobs.py, python: old/.venv}\n")
    named = ("--handlers", str(listed), "--handlers", str(tmp_path / "new" / "new_jobs.py"))
    arguments = ("worker", "--data-dir", str(tmp_path / "data"), *named)
    with started(*arguments, APPHUB_DATABASE_URL=database_url):
        runs = {}
        for name in ("old", "new"):
            register(client, name, f"{name}.tell")
            runs[name] = launch(client, name)
        for name, run_id in runs.items():
            run = wait_for_run(client, run_id)
            expected = [name, str(tmp_path / name / ".venv")]
            assert (run["status"], run["result"]) == ("succeeded", expected), run
        [worker] = client.get("/workers").json()["data"]
    programs = {
        entry_point: python["path"]
        for python in worker["pythons"]
        for entry_point in python["entryPoints"]
    }
    for name in ("old", "new"):
        assert programs[f"{name}.tell"] == str(tmp_path / name / ".venv" / "bin" / "python")
