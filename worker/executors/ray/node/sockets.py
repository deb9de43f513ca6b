"""Where the host of a node listens: a place that its watcher and the tasks there know alike."""

import os
import socket
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_TOKEN_LETTERS = 16
_NODE_LETTERS = 16

_OLD_S = 60.0
"""A socket is there for a moment before somebody listens."""


def socket_of(token: str, node_id: str) -> Path:
    """Return the socket of a driver's host on this node; nobody else can reach it.

    Raises:
        OSError: the directory is somebody else's, or cannot be made.
    """
    directory = _directory()
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{directory} must be this user's alone")
    # A socket's path may have no more than a hundred bytes.
    return directory / f"{token[:_TOKEN_LETTERS]}-{node_id[:_NODE_LETTERS]}"


def sweep_sockets() -> None:
    """Remove the sockets of hosts that were killed."""
    for path in _directory().glob("*"):
        with suppress(FileNotFoundError):
            if _is_dead(path):
                path.unlink()


def _directory() -> Path:
    return Path(tempfile.gettempdir()) / f"apphub-ray-{os.geteuid()}"


def _is_dead(path: Path) -> bool:
    found = path.lstat()
    is_old = time.time() - found.st_mtime > _OLD_S
    if not is_old or not stat.S_ISSOCK(found.st_mode):
        return False
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False
