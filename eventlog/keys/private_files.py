"""Files that only their owner may read, written so that no crash leaves half of one."""

import os
import secrets
import stat
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_private(path: Path, content: bytes, *, replace: bool) -> None:
    """Write the file whole, readable and writable by its owner alone; it is on the disk on return.

    Raises:
        FileExistsError: there is such a file already, and `replace` is false; it is left alone.
        OSError: it cannot be written; what was there before still is.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            os.link(draft, path)  # Unlike a renaming, it fails where the name is taken.
        sync_directory(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def is_open_to_others(path: Path) -> bool:
    """Return whether the file's permissions give anything to others than its owner."""
    return bool(path.stat().st_mode & _OTHERS)


def sync_directory(directory: Path) -> None:
    """Wait until the names in the directory are on the disk: a crash takes away the others."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
