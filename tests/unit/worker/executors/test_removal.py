"""Attempts' directories are removed, whatever is in them."""

import os
import subprocess
import sys
from pathlib import Path

from tests import ROOT
from worker.executors.local.workplace import remove_directory

SCRIPT = """
import os, sys
from pathlib import Path
from worker.executors.local.workplace import remove_directory

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
attempt = Path("attempt")
(attempt / "shut" / "inner").mkdir(parents=True)
(attempt / "shut" / "inner" / "file").touch(0o400)
(attempt / "shut" / "link").symlink_to("../../kept")
(attempt / "shut" / "inner").chmod(0)
(attempt / "shut").chmod(0o500)
remove_directory(attempt)
print(os.listdir())
"""


def test_directories_that_a_handler_closed_are_removed_by_an_ordinary_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "kept").mkdir(mode=0o500)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,  # Its parents need not let everybody pass.
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['kept']\n"
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o500


def test_a_tree_of_any_depth_is_removed(tmp_path: Path) -> None:
    script = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"
    attempt = tmp_path / "attempt"
    attempt.mkdir()
    subprocess.run([sys.executable, "-c", script], check=True, cwd=attempt)
    remove_directory(attempt)
    assert not attempt.exists()


def test_a_directory_that_is_gone_is_no_matter(tmp_path: Path) -> None:
    remove_directory(tmp_path / "gone")
