"""Where one attempt after the other works and prints, as their process sees it."""

import fcntl
import os
import sys
import termios

_INT = bytes(4)


class Place:
    """Directories below a given one, named by count: an attempt's own, empty when it begins.

    The worker counts along. A directory that was left as it was made is renamed for the next
    attempt, which costs a tenth of another one; the worker removes any other.

    Attributes:
        is_ready: whether there is a directory for the next attempt.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._number = 1
        self._output = os.dup(1)
        self.is_ready = True
        os.set_inheritable(self._output, False)
        self._make()

    @property
    def _path(self) -> str:
        return f"{self._base}/{self._number}"

    def enter(self) -> None:
        """Go there; programs and libraries find it as their home and for what is temporary."""
        try:
            os.chdir(self._path)
        except FileNotFoundError:  # Some cleaner of temporary files has been here.
            self._make_anew()
            os.chdir(self._path)
        os.environ.update(HOME=self._path, TMPDIR=self._path)

    def leave(self) -> bool:
        """Leave it, and have one for the next attempt; return whether anything is to be removed."""
        left = self._path
        untouched = self._is_untouched(left)
        self._number += 1
        if untouched:
            os.rename(left, self._path)  # noqa: PTH104 - the shortest: it is on every run's way
        else:
            self._try_to_make()
        return not untouched

    @property
    def printed_nothing(self) -> bool:
        """Return whether nothing that was printed stands unread.

        Nothing is read before the supervisor was told of the attempt. Where nobody can say, it is
        not so.
        """
        if sys.platform != "linux":
            return False
        unread_bytes = fcntl.ioctl(self._output, termios.FIONREAD, _INT)
        return int.from_bytes(unread_bytes, sys.byteorder) == 0

    def _try_to_make(self) -> None:
        """Make the next directory; a full disk must not cost the attempt that has just ended."""
        try:
            self._make()
        except OSError:
            self.is_ready = False

    def _make(self) -> None:
        os.mkdir(self._path)  # noqa: PTH102
        self._made = self._seen(self._path)

    def _make_anew(self) -> None:
        umask = os.umask(0o077)
        try:
            os.makedirs(self._base, exist_ok=True)  # noqa: PTH103
        finally:
            os.umask(umask)
        self._make()

    def _is_untouched(self, path: str) -> bool:
        try:
            return self._seen(path) == self._made and not os.listdir(path)  # noqa: PTH208
        except OSError:
            return False

    @staticmethod
    def _seen(path: str) -> tuple[int, int, int, int]:
        found = os.lstat(path)
        return found.st_ino, found.st_mode, found.st_uid, found.st_gid
