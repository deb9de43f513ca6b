"""Each attempt works in a directory of its own, which is renamed or reported for removal."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from apphub_jobs.process.cleanup import AttemptDirectory


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AttemptDirectory:
    """Give the directories of a process; afterwards the test is in its own again."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    return AttemptDirectory(str(tmp_path))


def test_a_directory_without_files_is_renamed_for_the_next_attempt(
    directory: AttemptDirectory,
) -> None:
    directory.enter()
    first = Path.cwd()
    (first / "written").touch()
    (first / "written").unlink()
    assert not directory.leave()
    assert not first.exists()
    directory.enter()
    assert {os.environ["HOME"], os.environ["TMPDIR"]} == {str(Path.cwd())}


@pytest.mark.parametrize(
    "traces",
    [
        lambda path: (path / "left").touch(),
        lambda path: (path / "left").mkdir(),
        lambda path: path.chmod(0o500),
        lambda path: path.rmdir(),
        lambda path: path.rename(path.with_name("elsewhere")),
    ],
    ids=["a file", "a directory", "other rights", "it is gone", "it was moved"],
)
def test_no_attempt_works_in_a_directory_that_another_one_changed(
    directory: AttemptDirectory, traces: Callable[[Path], None]
) -> None:
    directory.enter()
    first = Path.cwd()
    traces(first)
    assert directory.leave()
    directory.enter()
    assert Path.cwd() != first
    assert not list(Path.cwd().iterdir())
    assert {os.environ["HOME"], os.environ["TMPDIR"]} == {str(Path.cwd())}


def test_a_directory_that_a_cleaner_removed_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for name in ("HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    directory = AttemptDirectory(str(base))
    (base / "1").rmdir()
    base.rmdir()
    monkeypatch.chdir(tmp_path)
    directory.enter()
    assert Path.cwd() == base / "1"
    assert base.stat().st_mode & 0o77 == 0
    assert not directory.leave()
