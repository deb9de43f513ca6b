"""What the dashboard's modules compute, by node's test runner; and how they fit together."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "javascript"

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(
    NODE is None and os.environ.get("APPHUB_TEST_BROWSER") != "required",
    reason="node is not installed (Debian: apt-get install nodejs)",
)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert NODE is not None, "node is not installed"
    command = [NODE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_modules_compute() -> None:
    tests = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    assert tests
    resolving = (HERE / "resolve.mjs").as_uri()
    finished = _run("--import", resolving, "--test", *tests)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_whatever_a_module_imports_is_there() -> None:
    options = ("--experimental-vm-modules", "--no-warnings")
    finished = _run(*options, str(HERE / "linked.mjs"))
    assert finished.returncode == 0, finished.stderr
