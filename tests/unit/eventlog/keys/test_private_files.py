"""Private files: whole, for their owner alone, and never written over by accident."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eventlog.keys import is_open_to_others, write_private


@pytest.fixture(autouse=True)
def _lenient_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_only_the_owner_may_read_what_was_written_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_private(path, b"one", replace=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not is_open_to_others(path)


def test_a_file_that_was_open_to_others_is_not_so_any_more_once_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"one")
    assert is_open_to_others(path)
    write_private(path, b"two", replace=True)
    assert path.read_bytes() == b"two"
    assert not is_open_to_others(path)


def test_of_many_who_make_a_file_one_does_and_no_draft_is_left(tmp_path: Path) -> None:
    path = tmp_path / "key"

    def make(number: int) -> int | None:
        try:
            write_private(path, b"%d" % number, replace=False)
        except FileExistsError:
            return None
        return number

    with ThreadPoolExecutor(8) as executor:
        made = [number for number in executor.map(make, range(32)) if number is not None]
    assert [path.read_bytes()] == [b"%d" % number for number in made]
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    write_private(path, b"one", replace=False)

    def full(descriptor: int) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_private(path, b"two", replace=True)
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]
