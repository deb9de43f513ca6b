"""Workplaces: the temporary directories in which a process's attempts work, and their removal.

All workplaces of a user are in one directory, which is hidden from handlers' processes as a whole.
So they see no other attempt's files, not even those of a worker that starts later.

A killed worker cannot clean up, so the next one does. A lock of the kernel on the directory shows
that its worker is alive, frozen or not, and is released when the process ends. Cleaners of
temporary directories that respect such locks, such as systemd's, leave the directory alone, too.
"""

import fcntl
import logging
import os
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from itertools import chain
from pathlib import Path

logger = logging.getLogger(__name__)

_RM = ("rm", "-rf", "--")

_AS_NAMESPACE_ROOT = (
    ("unshare", "--user", "--map-root-user", "--map-auto", "--"),
    ("buildah", "unshare"),
)
"""Commands with which an ordinary user can remove files of its subordinate ids (subuid(5)); image
builders leave such files."""

REMOVAL_TIMEOUT_S = 60.0


def remove_directory(directory: Path) -> None:
    """Remove a directory with its content; log a warning if that fails.

    No process that writes there may be running.
    """
    # Python's recursion is limited; `rm` removes trees of any depth.
    with suppress(RecursionError):
        shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        _run(*_RM, str(directory))
    if directory.exists():
        _make_writable(directory)
        _run(*_RM, str(directory))
    for owner in _AS_NAMESPACE_ROOT:
        if directory.exists():
            _run(*owner, *_RM, str(directory))
    if directory.exists():
        logger.warning("cannot remove %s, which an attempt left", directory)


def _make_writable(directory: Path) -> None:
    """Make a directory and those below it writable to their owner, if handlers changed that."""
    remaining = [directory]
    while remaining:
        current = remaining.pop()
        with suppress(OSError):
            current.chmod(0o700)
            with os.scandir(current) as entries:
                remaining += [
                    Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)
                ]


def _run(*command: str) -> None:
    if shutil.which(command[0]) is None:
        return
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603 - one of the above
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=REMOVAL_TIMEOUT_S,
            check=False,
        )


_PREFIX = "work-"

_LEGACY_PREFIX = "apphub-work-"
"""The prefix in earlier versions, whose workplaces are directly in the temporary directory."""

ROOT_PREFIX = "apphub-jobs-"
"""The prefix of the directory of a user's workplaces; the user's id follows."""


def workplaces_directory() -> Path:
    """Return the directory of this user's workplaces; make it if it does not exist.

    Raises:
        OSError: it belongs to another user, or is not a private directory.
    """
    path = Path(tempfile.gettempdir()) / f"{ROOT_PREFIX}{os.geteuid()}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    is_private = stat.S_IMODE(status.st_mode) & 0o077 == 0
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or not is_private:
        msg = (
            f"attempts work below {path}, which is not a directory of this user alone: remove it,"
            " or set TMPDIR to another temporary directory"
        )
        raise PermissionError(msg)
    return path


class Workplace:
    """This process's directory for its attempts."""

    def __init__(self) -> None:
        self._path, self._lock = _new_locked_directory()

    def new_directory(self) -> Path:
        """Make a new empty directory."""
        if not self._path.exists():  # Some cleaners of temporary files ignore locks.
            os.close(self._lock)
            self._path, self._lock = _new_locked_directory()
        return Path(tempfile.mkdtemp(prefix="run-", dir=self._path))

    def close(self) -> None:
        """Remove everything, and release the lock."""
        remove_directory(self._path)
        os.close(self._lock)


def remove_abandoned_workplaces() -> None:
    """Remove the workplaces of this user's processes that have ended."""
    current = workplaces_directory().glob(f"{_PREFIX}*")
    legacy = Path(tempfile.gettempdir()).glob(f"{_LEGACY_PREFIX}*")
    for path in chain(current, legacy):
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # No directory, another user's, or removed by now.
            continue
        try:
            is_own = os.fstat(lock).st_uid == os.geteuid()
            if is_own and _lock(path, lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
                remove_directory(path)
                logger.info("removed %s, left by a worker that is gone", path)
        except BlockingIOError:
            pass  # Its worker is alive, or another worker is removing it.
        finally:
            os.close(lock)


def _new_locked_directory() -> tuple[Path, int]:
    """Return a new directory and the descriptor of its lock, which no child process inherits."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=workplaces_directory()))
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # Another worker removed it before it could be locked, as below.
        if _lock(path, lock, fcntl.LOCK_EX):
            return path, lock
        os.close(lock)


def _lock(path: Path, lock: int, operation: int) -> bool:
    """Lock an open directory; return False if it was removed or replaced before that."""
    fcntl.flock(lock, operation)
    try:
        locked = os.fstat(lock)
        return os.path.samestat(locked, path.lstat())
    except FileNotFoundError:
        return False
