"""A file is written whole or not at all, and nothing is left beside it."""

import os
import stat
from pathlib import Path

import pytest

from runtime.files import write_atomically


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_what_was_written_gives_way_to_what_is_written_next(path: Path) -> None:
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_must_not_give_way_is_left_alone(path: Path) -> None:
    write_atomically(path, b"one", replace=False)
    with pytest.raises(FileExistsError):
        write_atomically(path, b"two", replace=False)
    assert path.read_bytes() == b"one"
    assert list(path.parent.iterdir()) == [path]


def test_its_permissions_are_those_asked_for_less_the_umask(path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(path, b"one")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_content_and_name_are_on_the_disk_on_return(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def note(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    monkeypatch.setattr(os, "fsync", note)
    write_atomically(path, b"one")
    [draft, directory] = synced
    assert draft.startswith(f"{path.parent}/.file.")
    assert directory == str(path.parent)
