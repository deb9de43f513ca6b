"""Directories and files that only their owner may enter or read."""

import os
import stat
from contextlib import suppress
from pathlib import Path

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
