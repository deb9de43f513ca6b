"""Where the host of a node listens: a place that its watcher and the tasks there know alike."""

import os
import tempfile
from pathlib import Path

_TOKEN_LETTERS = 16
_NODE_LETTERS = 16


def socket_of(token: str, node_id: str) -> Path:
    """Return the socket of a driver's host on this node; nobody else can reach it.

    Raises:
        OSError: the directory is somebody else's, or cannot be made.
    """
    directory = Path(tempfile.gettempdir()) / f"apphub-ray-{os.geteuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{directory} must be this user's alone")
    # A socket's path may have no more than a hundred bytes.
    return directory / f"{token[:_TOKEN_LETTERS]}-{node_id[:_NODE_LETTERS]}"
