"""Commands find the APIs of a data directory that run, and no others."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.doctor import data_directory
from cli.process.announcement import announced, services
from runtime.files import UnusableDirectoryError

ANNOUNCING = """
import sys, time
from pathlib import Path
from cli.process.announcement import announced
with announced(Path(sys.argv[1]), "http://127.0.0.1:2"):
    print("announced", flush=True)
    time.sleep(600)
"""


def test_who_runs_is_found_and_who_has_ended_is_not(tmp_path: Path) -> None:
    assert services(tmp_path) == []
    with announced(tmp_path, "http://127.0.0.1:1"):
        assert services(tmp_path) == ["http://127.0.0.1:1"]
    assert services(tmp_path) == []


def test_who_was_killed_is_not_found(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ANNOUNCING, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout as output:
        output.readline()
        assert services(tmp_path) == ["http://127.0.0.1:2"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert services(tmp_path) == []
        assert list((tmp_path / "serving").iterdir()) == []


def test_a_directory_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    unreadable = tmp_path / ("x" * 300)  # Root may read all others.
    with pytest.raises(UnusableDirectoryError, match="type this as the user of the service"):
        services(unreadable)
    check = data_directory(unreadable)
    assert (check.state, check.remedy) == ("wrong", "type this as the user of the service")
