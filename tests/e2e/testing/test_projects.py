"""A project with `apphub-jobs` alone: its tests start the service that is installed elsewhere."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.support.environments import make_environment
from tests.support.installed import COMMAND, PROJECT, PYTHON
from tests.support.processes import without_settings

JOBS = """
import sys
from apphub_jobs import job


@job
def where() -> str:
    return sys.prefix
"""

TESTS = """
import sys
import pytest
import jobs

pytest_plugins = ["apphub_jobs.testing"]


@pytest.fixture(scope="session")
def apphub_handlers():
    return ["jobs"]


def test_it_runs_here(service):
    assert service.run(jobs.where).result() == sys.prefix
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project with a job, its test, and an environment without the service."""
    if PROJECT is not None:
        (tmp_path / ".venv").symlink_to(PROJECT)
    else:
        packages = make_environment(tmp_path / ".venv")
        # What `apphub-jobs` depends on, from here; the service is not found by it.
        (packages / "below.pth").write_text(sysconfig.get_path("purelib"))
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "test_jobs.py").write_text(TESTS)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_service_of_the_path_runs_jobs_by_the_projects_python(project: Path) -> None:
    done = run(project, str(COMMAND.parent) if PROJECT is not None else str(command(project)))
    assert "1 passed" in done.stdout, done.stdout


def test_without_a_service_it_is_said_what_to_install(project: Path) -> None:
    done = run(project, "/nowhere")
    assert "ServiceError: apphub-jobs: the command line comes with the service" in done.stdout
    assert "uv tool install apphub-jobs-server" in done.stdout


def command(project: Path) -> Path:
    """Make the service's command, of this environment; return its directory."""
    directory = project / "path"
    directory.mkdir()
    file = directory / "apphub-jobs"
    file.write_text(f'#!/bin/sh\nexec "{PYTHON}" -P -m apphub_jobs "$@"\n')
    file.chmod(0o700)
    return directory


def run(project: Path, path: str) -> "subprocess.CompletedProcess[str]":
    """Run the project's tests, with only these commands and the system's."""
    program = project / ".venv" / "bin" / "python"
    return subprocess.run(
        [program, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_jobs.py"],
        cwd=project,
        env={**without_settings(), "PATH": f"{path}{os.pathsep}/usr/bin{os.pathsep}/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
