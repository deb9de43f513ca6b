"""Where hidden files lie in sight of a process all the same."""

import ctypes
import subprocess
import sys
from functools import partial
from pathlib import Path

from worker.executors.local.handler_process import CoverCheck
from worker.executors.local.hiding import CLONE_NEWUSER

UNHIDDEN = """
import os, sys
from worker.executors.local.hiding import View
from worker.executors.local.descendants import Child
reading, tasks = os.pipe()
child = Child([sys.executable, "-c", ""], [tasks, os.dup(tasks)], View([sys.argv[1]]))
os.waitpid(child.pid, 0)
"""


def test_a_cover_holds_until_a_file_is_replaced_made_or_removed(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    file = tmp_path / "tokens"
    file.write_text("old")
    other = tmp_path / "other"
    other.write_text("new")
    made = tmp_path / "archive"
    hidden = [str(directory), str(file), str(made)]
    for change, holds in (
        ((directory / "seal.key").touch, True),
        (partial(other.replace, file), False),
        (made.mkdir, False),
        (file.unlink, False),
    ):
        cover = CoverCheck(hidden)
        change()
        assert cover.holds is holds


def _become_nobody() -> None:
    """Enter a user namespace in which nobody is known: from there, none can be made."""
    ctypes.CDLL(None).unshare(CLONE_NEWUSER)


def test_a_process_from_which_nothing_can_be_hidden_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-c", UNHIDDEN, str(tmp_path)]
    ended = subprocess.run(
        command, preexec_fn=_become_nobody, capture_output=True, text=True, check=True
    )
    assert ended.stderr.startswith("error: the service's own files, and other")
