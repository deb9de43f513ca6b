"""What the dashboard's modules compute, by node's test runner."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import ROOT

TESTS = sorted((Path(__file__).parent / "javascript").glob("*.test.mjs"))

NODE = shutil.which("node")

IS_MISSING = NODE is None or not (ROOT / "node_modules").exists()


@pytest.mark.skipif(
    IS_MISSING and os.environ.get("APPHUB_TEST_BROWSER") != "required",
    reason="node or its packages are not installed (Debian: apt-get install npm; make web)",
)
def test_what_modules_compute() -> None:
    assert TESTS
    assert NODE is not None, "node is not installed"
    # In one process: the runner's command would start one for each file.
    program = "\n".join(f'import "{path.as_uri()}";' for path in TESTS)
    command = [NODE, "--input-type=module", "--eval", program]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
