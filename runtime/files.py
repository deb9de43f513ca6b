"""Files that are written atomically (`write_whole`), and private ones (`make_private`)."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


class UnusableDirectoryError(OSError):
    """There is no data directory, or it cannot be read; the message says what to do."""


def write_whole(path: Path, content: bytes, *, mode: int = 0o666, replace: bool = True) -> None:
    """Write a file atomically; it is on the disk, under its name, on return.

    A crash leaves the old file or the new one, never a part of it.

    Args:
        path: of the file; a draft lies beside it meanwhile.
        content: all of it.
        mode: the permissions of the new file, before the umask.
        replace: whether an existing file may be replaced.

    Raises:
        FileExistsError: the file exists, and `replace` is false; it is unchanged.
        OSError: it cannot be written; an old file is unchanged.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            os.link(draft, path)  # Unlike a rename, it fails where the file exists.
        sync_directory(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Wait until the names of a directory's files are on the disk, so that a crash keeps them."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private(directory: Path) -> None:
    """Make a directory that its owner alone can access; restrict an existing one likewise."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_mode & _OTHERS:
        with suppress(PermissionError):  # Another user's, who decides.
            directory.chmod(0o700)


def private_opener(path: str, flags: int) -> int:
    """Open a file for `open`, as its `opener`; its owner alone can access a new one."""
    return os.open(path, flags, 0o600)
