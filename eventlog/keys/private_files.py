"""Files that only their owner may read."""

import stat
from pathlib import Path

from runtime.durable_files import write_whole

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_private(path: Path, content: bytes, *, replace: bool) -> None:
    """Write the file whole, readable and writable by its owner alone.

    Raises:
        FileExistsError: there is such a file already, and `replace` is false; it is left alone.
        OSError: it cannot be written; what was there before still is.
    """
    write_whole(path, content, mode=0o600, replace=replace)


def is_open_to_others(path: Path) -> bool:
    """Return whether the file's permissions give anything to others than its owner."""
    return bool(path.stat().st_mode & _OTHERS)
