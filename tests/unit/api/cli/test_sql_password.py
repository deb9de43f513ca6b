"""The password of the role that only reads, in a file of its owner's."""

import os
import stat
from pathlib import Path

import pytest

from cli.sql import reader_password


def test_one_is_made_after_an_attempt_that_could_not_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"

    def full(descriptor: int) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space left"):
            reader_password(file)
    password = reader_password(file)
    assert len(password) == 32
    assert reader_password(file) == password
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_empty_file_of_an_earlier_version_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch()
    assert len(reader_password(file)) == 32
