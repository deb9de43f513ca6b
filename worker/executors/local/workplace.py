"""Where attempts work: below a directory of this process's, which others remove once it is gone.

All such directories of a user lie in one, which is hidden from handlers' processes whole: so they
see no other attempt's files, also none of a worker that starts later.

A killed worker cannot clean up, so the next one does it. Whose a directory is tells a lock of the
kernel on the directory itself: held for as long as its worker lives, frozen or not, and released
with its process. Cleaners of temporary directories that know such locks (systemd's does) leave it
alone, too.
"""

import fcntl
import logging
import os
import stat
import tempfile
from contextlib import suppress
from itertools import chain
from pathlib import Path

from worker.executors.local.removal import remove

logger = logging.getLogger(__name__)

_PREFIX = "work-"

_EARLIER = "apphub-work-"
"""Directly in the temporary directory: of earlier versions."""


def workplaces() -> Path:
    """Return the directory of all workplaces of this user, made if need be.

    Raises:
        OSError: somebody else has made what is there.
    """
    path = Path(tempfile.gettempdir()) / f"{PLACES_PREFIX}{os.geteuid()}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    about = path.lstat()
    is_closed = stat.S_IMODE(about.st_mode) & 0o077 == 0
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or not is_closed:
        msg = (
            f"attempts work below {path}, which is not a directory of this user alone: remove it,"
            " or set TMPDIR to another temporary directory"
        )
        raise PermissionError(msg)
    return path


PLACES_PREFIX = "apphub-jobs-"
"""Then comes the user's number."""


class Workplace:
    """One process's directory for its attempts."""

    def __init__(self) -> None:
        self._path, self._lock = _claimed()

    def new_directory(self) -> Path:
        """Make an empty directory that nobody else uses."""
        if not self._path.exists():  # Some cleaner knows no locks.
            os.close(self._lock)
            self._path, self._lock = _claimed()
        return Path(tempfile.mkdtemp(prefix="run-", dir=self._path))

    def close(self) -> None:
        """Remove everything, and give up the lock."""
        remove(self._path)
        os.close(self._lock)


def sweep() -> None:
    """Remove the workplaces of this user's processes that are gone."""
    here = workplaces().glob(f"{_PREFIX}*")
    earlier = Path(tempfile.gettempdir()).glob(f"{_EARLIER}*")
    for path in chain(here, earlier):
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            lock = os.open(path, flags)
        except OSError:  # No directory, somebody else's, or gone by now.
            continue
        try:
            if os.fstat(lock).st_uid == os.geteuid() and _locked(
                path, lock, fcntl.LOCK_EX | fcntl.LOCK_NB
            ):
                remove(path)
                logger.info("removed %s, left by a worker that is gone", path)
        except BlockingIOError:
            pass  # Its worker lives, or another one sweeps it.
        finally:
            os.close(lock)


def _claimed() -> tuple[Path, int]:
    """Return a new directory and the descriptor of its lock, which no started process inherits."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=workplaces()))
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # Swept before it could be locked, as below.
        if _locked(path, lock, fcntl.LOCK_EX):
            return path, lock
        os.close(lock)


def _locked(path: Path, lock: int, operation: int) -> bool:
    """Lock an open directory; return False where it was removed or replaced before that."""
    fcntl.flock(lock, operation)
    try:
        locked = os.fstat(lock)
        return os.path.samestat(locked, path.lstat())
    except FileNotFoundError:
        return False
