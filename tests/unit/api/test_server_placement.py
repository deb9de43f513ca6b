"""Where the private server's socket is: the same place at each start, and nobody else's."""

import os
import tempfile
import time
from pathlib import Path

import pytest

from api import server_placement
from api.server_placement import ServerUser, server_user, socket_directory


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a server's directory whose path is too long for a socket."""
    monkeypatch.setattr(server_placement, "SOCKET_PATH_LIMIT", len(bytes(tmp_path)))
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


def test_what_servers_left_that_are_gone_is_removed_and_nothing_else(
    home: Path,
    user: ServerUser,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    names = ("apphub-aaaaaaaa", "apphub-bbbbbbbb", "apphub-cccccccc", "apphub-jobs-0", "other")
    empty, fresh, used, *others = (temporary / name for name in names)
    for path in (empty, fresh, used, *others):
        path.mkdir(mode=0o700)
    (used / ".s.PGSQL.5432").touch()
    for path in (empty, used, *others):
        os.utime(path, (0, 0))
    made = socket_directory(home, user)
    assert set(temporary.iterdir()) == {fresh, used, *others, made}
    os.utime(made, (0, 0))
    assert socket_directory(home, user) == made
    assert time.time() - made.stat().st_mtime < 1_000


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
