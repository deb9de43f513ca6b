"""Files that are written atomically, and files that their owner alone can access."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


class UnusableDirectoryError(OSError):
    """There is no data directory, or it cannot be read; the message says what to do."""


def write_atomically(
    path: Path, content: bytes, *, mode: int = 0o666, replace: bool = True
) -> None:
    """Write a file atomically; it is on the disk, under its name, on return.

    A crash leaves the old file or the new one, never a part of it.

    Args:
        path: the file. Until it is complete, its content is in a draft beside it.
        content: the file's whole content.
        mode: the permissions of a new file, before the umask.
        replace: whether to replace an existing file.

    Raises:
        FileExistsError: the file exists, and `replace` is false; the file is unchanged.
        OSError: the file cannot be written; an existing one is unchanged.
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
            os.link(draft, path)  # Unlike a rename, a link fails if the file exists.
        sync_directory(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Write a directory's entries to the disk, so that files in it keep their names in a crash."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_open_to_others(path: Path) -> bool:
    """Return whether its permissions let users other than its owner do anything."""
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def make_private_directory(directory: Path) -> None:
    """Make a directory that its owner alone can access; restrict an existing one likewise."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_open_to_others(directory):
        with suppress(PermissionError):  # Another user owns it, and decides.
            directory.chmod(0o700)


def private_opener(path: str, flags: int) -> int:
    """Open a file, as an `opener` of `open`; its owner alone can access a file that this makes."""
    return os.open(path, flags, 0o600)
