"""A worker's logs on their way to an object store: where they are until they have arrived.

Each worker has a spool of its own, a directory that it holds the lock of for as long as it lives.
The kernel gives the lock of a killed worker up; then whoever comes next may take the spool over. A
supervisor holds the lock of the file it writes, and may outlive its worker by a moment.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from runtime.private_files import make_private

LOCK = "lock"


class Spool:
    """A spool that this process holds. Make it by `create` or `take_over`."""

    def __init__(self, directory: Path, lock: IO[bytes]) -> None:
        self._directory = directory
        self._lock = lock

    @classmethod
    def create(cls, root: Path) -> "Spool":
        """Return a new spool below a directory that all workers of a host share."""
        make_private(root)
        directory = root / uuid4().hex
        with _door(root):
            directory.mkdir(mode=0o700)
            lock = (directory / LOCK).open("ab")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return cls(directory, lock)

    @classmethod
    def take_over(cls, root: Path) -> list["Spool"]:
        """Return the spools whose workers live no more; they are this process's now."""
        with _door(root):
            taken = [
                (directory, _lock_of_the_dead(directory))
                for directory in root.iterdir()
                if directory.is_dir()
            ]
        return [cls(directory, lock) for directory, lock in taken if lock is not None]

    def path(self, name: str) -> Path:
        """Return where a log lies: in no directory that somebody else might be removing."""
        return self._directory / name.replace("/", "~")

    def names(self) -> list[str]:
        """Return the logs that are here."""
        paths = self._directory.glob("*.log")
        names = [path.name.replace("~", "/") for path in paths]
        return sorted(names)

    def read(self, name: str, start: int, limit: int) -> bytes:
        """Return what a log has after `start`; nothing if it is not there yet."""
        try:
            with self.path(name).open("rb") as file:
                file.seek(start)
                return file.read(limit)
        except FileNotFoundError:
            return b""

    def read_ended(self, name: str) -> bytes | None:
        """Return a whole log, or None while its supervisor may still write."""
        try:
            with self.path(name).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return file.read()
        except FileNotFoundError:
            return b""
        except BlockingIOError:
            return None

    def remove(self, name: str) -> None:
        """Remove a log that has arrived."""
        self.path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Give the spool up; what is still in it is for the next worker."""
        with self._lock, _door(self._directory.parent):
            if not self.names():
                (self._directory / LOCK).unlink(missing_ok=True)
                with suppress(OSError):  # Not empty after all.
                    self._directory.rmdir()


@contextmanager
def _door(root: Path) -> Iterator[None]:
    """One process at a time makes, takes over or removes spools."""
    with (root / LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock_of_the_dead(directory: Path) -> IO[bytes] | None:
    try:
        lock = (directory / LOCK).open("ab")
    except PermissionError:
        return None  # Another user's, for another worker of theirs.
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
