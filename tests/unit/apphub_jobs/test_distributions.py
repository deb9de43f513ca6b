"""The two distributions: one version, and what a project without the service gets."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from apphub_jobs.version import VERSION
from tests import ROOT

LIGHT = ROOT / "apphub_jobs"


def test_both_have_one_version_and_one_licence() -> None:
    server, light = (
        tomllib.loads((directory / "pyproject.toml").read_text())["project"]
        for directory in (ROOT, LIGHT)
    )
    assert (server["version"], light["version"]) == (VERSION, VERSION)
    assert f"apphub-jobs=={VERSION}" in server["dependencies"]
    assert (LIGHT / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("file", sorted(LIGHT.rglob("*.py")), ids=lambda file: file.name)
def test_what_users_import_is_for_python_3_10(file: Path) -> None:
    ast.parse(file.read_text(), feature_version=(3, 10))


@pytest.fixture
def light(tmp_path: Path) -> Path:
    """Make an environment's packages without the service, and without any other package."""
    shutil.copytree(LIGHT, tmp_path / "apphub_jobs")
    return tmp_path


def run(packages: Path, code: str) -> "subprocess.CompletedProcess[str]":
    program = f"import sys; sys.path.append({str(packages)!r}); {code}"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )


def test_the_command_says_that_the_service_is_another_distribution(light: Path) -> None:
    done = run(light, "from apphub_jobs.__main__ import main; main()")
    assert done.returncode == 1
    assert f"uv tool install apphub-jobs-server=={VERSION}" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_service_the_names_of_its_packages_are_anybodys(light: Path) -> None:
    (light / "api.py").write_text("mine = True")
    code = "from apphub_jobs.process.handlers import set_up_imports; set_up_imports([], ())"
    done = run(light, f"{code}; import api; print(api.mine)")
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.fixture
def shared(light: Path) -> Path:
    """Make an environment in which another distribution has replaced a file of the service."""
    shutil.copy(ROOT / "apphub_jobs_server.py", light)
    for name, text in (
        ("cli/main.py", "from api.app import create\nmain = print\n"),
        ("api/app.py", "theirs = True\n"),
        ("other-1.0.dist-info/METADATA", "Name: other\nVersion: 1.0\n"),
        ("other-1.0.dist-info/RECORD", "other.py,,\napi/app.py,,\n"),
    ):
        (light / name).parent.mkdir(exist_ok=True)
        (light / name).write_text(text)
    return light


def test_a_file_that_another_distribution_has_replaced_is_named(shared: Path) -> None:
    done = run(shared, "from apphub_jobs_server import main; main()")
    assert done.returncode == 1
    assert "cannot import name 'create' from 'api.app'" in done.stderr
    assert (
        "there are api/app.py of other; give the service an environment of its own" in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_a_module_that_was_imported_before_is_named(shared: Path) -> None:
    (shared / "elsewhere").mkdir()
    (shared / "elsewhere" / "domain.py").touch()
    code = f"sys.path.insert(0, {str(shared / 'elsewhere')!r}); import domain"
    done = run(shared, f"{code}; from apphub_jobs_server import main; main()")
    assert done.returncode == 1
    assert f"another 'domain' ({shared}/elsewhere/domain.py) before the service's" in done.stderr
