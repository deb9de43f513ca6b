"""Where the private server's socket is: the same place at each start, and nobody else's."""

from pathlib import Path

import pytest

from api import data_directory
from api.data_directory import ServerUser, server_user, socket_directory


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a server's directory whose path is too long for a socket."""
    monkeypatch.setattr(data_directory, "SOCKET_PATH_LIMIT", len(bytes(tmp_path)))
    return tmp_path


@pytest.fixture
def user() -> ServerUser:
    """Return as whom the server runs."""
    return server_user()


def test_a_socket_elsewhere_is_found_again(home: Path, user: ServerUser) -> None:
    first = socket_directory(home, user)
    assert not first.is_relative_to(home)
    assert socket_directory(home, user) == first
    first.rmdir()
    assert socket_directory(home, user) == first
    assert first.is_dir()
    first.rmdir()


def test_what_others_put_in_its_place_is_not_used(home: Path, user: ServerUser) -> None:
    first = socket_directory(home, user)
    first.chmod(0o755)
    second = socket_directory(home, user)
    second.rmdir()
    second.symlink_to(first)
    third = socket_directory(home, user)
    assert len({first, second, third}) == 3
    second.unlink()
    first.rmdir()
    third.rmdir()
