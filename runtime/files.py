"""Files that a crash leaves whole (`write_whole`), and files that are private (`make_private`).

No crash leaves half of a file, or removes one that was there.
"""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int = 0o666, replace: bool = True) -> None:
    """Write a file whole; it is on the disk, under its name, on return.

    Args:
        path: where to; a draft lies beside it meanwhile.
        content: all of it.
        mode: a new file's permissions, less what the umask takes away.
        replace: whether a file that is there already gives way to the new one.

    Raises:
        FileExistsError: there is such a file already, and `replace` is false; it is left alone.
        OSError: it cannot be written; what was there before still is.
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
            os.link(draft, path)  # Unlike a renaming, it fails where the name is taken.
        sync_directory(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Wait until the names in the directory are on the disk: a crash takes away the others."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private(directory: Path) -> None:
    """Make a directory for its owner alone; an own one that is there becomes so."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_mode & _OTHERS:
        with suppress(PermissionError):  # Somebody else's: they know best.
            directory.chmod(0o700)


def private_opener(path: str, flags: int) -> int:
    """Open a file as `open` asks; a new one is for its owner alone."""
    return os.open(path, flags, 0o600)
