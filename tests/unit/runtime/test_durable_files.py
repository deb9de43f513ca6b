"""A file is written whole or not at all, for those who may read it; nothing is left beside it."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.files import is_open_to_others, write_atomically


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


def test_a_file_that_was_open_to_others_is_not_so_any_more_once_replaced(path: Path) -> None:
    path.write_bytes(b"one")
    path.chmod(0o640)
    assert is_open_to_others(path)
    write_atomically(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert not is_open_to_others(path)


def test_of_many_who_make_a_file_one_does_and_no_draft_is_left(path: Path) -> None:
    def make(number: int) -> int | None:
        try:
            write_atomically(path, b"%d" % number, replace=False)
        except FileExistsError:
            return None
        return number

    with ThreadPoolExecutor(8) as executor:
        made = [number for number in executor.map(make, range(32)) if number is not None]
    assert [path.read_bytes()] == [b"%d" % number for number in made]
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_file_and_no_draft(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomically(path, b"one")

    def full(descriptor: int) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(path.parent.iterdir()) == [path]


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
