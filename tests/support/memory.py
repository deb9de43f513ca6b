"""Directories of a session of tests.

First one for what is written and nobody reads later, in memory if possible. Then the one in which
root's sessions keep what pytest keeps.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from time import time

MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory."""

MIN_FREE_BYTES = 3 * 1_073_741_824
"""What must be free there: containers often have 64 MB."""

PREFIX = "apphub-tests-"

ROOT_PREFIX = "apphub-"
"""Short, for sockets lie in directories below."""

LOCK = "session.lock"

BEGINNING_S = 600
"""A session takes its directory's lock long before the directory is this old."""


@contextmanager
def session_directory() -> Iterator[Path]:
    """Give a directory that other accounts can pass, and remove it."""
    has_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MIN_FREE_BYTES
    if has_memory:
        _remove_abandoned()
    with TemporaryDirectory(
        prefix=PREFIX, dir=MEMORY if has_memory else None, ignore_cleanup_errors=True
    ) as name:
        directory = Path(name)
        directory.chmod(0o711)
        with (directory / LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield directory


@contextmanager
def own_root() -> Iterator[Path]:
    """Give a directory that no other session of root's uses meanwhile; it stays, for the next one.

    In a directory that sessions share, each start of pytest would close the way to the others'
    files, to which root's servers, who run as nobody, must be able to pass.
    """
    for number in count():
        directory = Path(gettempdir(), f"{ROOT_PREFIX}{number}")
        directory.mkdir(mode=0o711, exist_ok=True)
        if directory.stat().st_uid != os.geteuid():
            continue
        directory.chmod(0o711)
        with (directory / LOCK).open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield directory
            return


def _remove_abandoned() -> None:
    """Remove the directories of sessions that were killed; their servers end without them."""
    for directory in MEMORY.glob(f"{PREFIX}*"):
        with suppress(OSError):
            about = directory.stat()
            if about.st_uid != os.geteuid() or about.st_mtime > time() - BEGINNING_S:
                continue
            with (directory / LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
