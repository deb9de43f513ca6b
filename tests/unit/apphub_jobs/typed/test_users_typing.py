"""mypy passes a user's jobs and launches, and finds each of the mistakes that are marked."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

SOURCE = Path(__file__).with_name("users_file.py.txt")


@pytest.mark.timeout(300)
def test_mypy_finds_the_marked_mistakes_and_no_others(tmp_path: Path) -> None:
    source = SOURCE.read_text()
    file = tmp_path / "mine.py"
    file.write_text(source)
    arguments = ("--strict", "--config-file", os.devnull, "--no-color-output")
    cache = ROOT / ".mypy_cache" / "users"
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments, "--cache-dir", cache, file],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        check=False,
    )
    errors = re.findall(r"^mine\.py:(\d+): error: .*\[([a-z-]+)\]$", checked.stdout, re.MULTILINE)
    marked = [
        (str(number), mark.group(1))
        for number, line in enumerate(source.splitlines(), 1)
        if (mark := re.search(r"# E: ([a-z-]+)$", line))
    ]
    output = checked.stdout + checked.stderr
    assert {line for line, _ in errors} == {line for line, _ in marked}, output
    assert set(marked) <= set(errors), output
    assert len(marked) > 5
