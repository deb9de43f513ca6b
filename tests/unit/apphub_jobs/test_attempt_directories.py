"""Where attempts work: each in a directory of its own, which is gone or named when it is over."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from apphub_jobs.process.cleanup import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Give the place of a process; afterwards the test is where it was."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    return Place(str(tmp_path))


def test_a_directory_in_which_nothing_was_left_is_gone(place: Place) -> None:
    place.enter()
    first = Path.cwd()
    (first / "written").touch()
    (first / "written").unlink()
    assert not place.leave()
    assert not first.exists()
    place.enter()
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
def test_no_attempt_works_where_another_one_has_left_traces(
    place: Place, traces: Callable[[Path], None]
) -> None:
    place.enter()
    first = Path.cwd()
    traces(first)
    assert place.leave()
    place.enter()
    assert Path.cwd() != first
    assert not list(Path.cwd().iterdir())
    assert {os.environ["HOME"], os.environ["TMPDIR"]} == {str(Path.cwd())}


def test_a_directory_that_some_cleaner_removed_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for name in ("HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    place = Place(str(base))
    (base / "1").rmdir()
    base.rmdir()
    monkeypatch.chdir(tmp_path)
    place.enter()
    assert Path.cwd() == base / "1"
    assert base.stat().st_mode & 0o77 == 0
    assert not place.leave()
