"""What one attempt must not leave to the next: put back where it can be, and reported elsewhere.

First the directories in which attempts work (`Place`), then what they use of processor and memory
(`Usage`), then the `Cleaner`.
"""

import fcntl
import logging
import os
import resource
import signal
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from operator import is_not
from typing import Any, NamedTuple

# Where one attempt after the other works and prints, as their process sees it.

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


class Used(NamedTuple):
    """What this process and the children that it waited for have used so far.

    Attributes:
        cpu_s: of all of them.
        own_mb: the most memory that the process held at a time.
        children_mb: the most that any of those children did.
    """

    cpu_s: float
    own_mb: float
    children_mb: float


class Usage:
    """What one attempt after the other has used, each from `begin` on."""

    def __init__(self) -> None:
        self._peaks = opened("/proc/self/clear_refs", os.O_WRONLY)
        self.begin()

    def begin(self) -> None:
        """Count from here."""
        # Linux forgets the peak so far; elsewhere the process's own peak is shown.
        if self._peaks is not None:
            os.write(self._peaks, b"5")
        self._before = used()

    def measured(self) -> dict[str, Any]:
        """Return `cpuSeconds` and `peakMemoryMb`, of the children that it waited for as well."""
        before = self._before
        now = used()
        memory_mb = now.own_mb
        if now.children_mb > before.children_mb:
            memory_mb = max(memory_mb, now.children_mb)
        return {
            "cpuSeconds": round(now.cpu_s - before.cpu_s, 3),
            "cpuTotal": round(now.cpu_s, 3),
            "peakMemoryMb": round(memory_mb, 1),
        }


def used() -> Used:
    """Return what was used so far."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own_s = own.ru_utime + own.ru_stime
    children_s = children.ru_utime + children.ru_stime
    return Used(own_s + children_s, own.ru_maxrss / 1024, children.ru_maxrss / 1024)


def opened(path: str, flags: int) -> int | None:
    """Return a descriptor, or None where the system has no such file."""
    with suppress(OSError):
        return os.open(path, flags)
    return None


MAX_ATTEMPTS = 10_000
"""How many attempts a process runs at most: what leaks slowly is gone with it."""

MAX_GROWTH_MB = 64.0
"""How much a process may have grown since it was ready; beyond, it is replaced."""


PLACE = (b"HOME", b"TMPDIR")
"""Variables that tell each attempt where it works; it is told anew anyway."""


class Cleaner:
    """Knows the process as it was before its first attempt."""

    def __init__(self) -> None:
        self._environment = _environment()
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._path = list(sys.path)
        self._signals = [int(number) for number in signal.valid_signals()]
        self._signal_handlers = self._present_handlers()
        self._log_handlers = list(logging.getLogger().handlers)
        self._blocked = _set_blocked(signal.SIG_BLOCK, ())
        self._standard = _standard_files()
        self._threads = threading.active_count()
        self._attempts = 0
        self._memory = opened("/proc/self/statm", os.O_RDONLY)
        self._descriptors = _descriptors()
        self._memory_mb = self._holds_mb()

    def clean_up(self) -> bool:
        """Put back what the attempt changed; return whether the process is fit for another one."""
        self._attempts += 1
        holds_mb = self._holds_mb()
        self._restore()
        left_nothing = (
            not _has_children()
            and threading.active_count() == self._threads
            and _descriptors() == self._descriptors
            and _standard_files() == self._standard
        )
        is_young = self._attempts < MAX_ATTEMPTS
        is_small = holds_mb - self._memory_mb < MAX_GROWTH_MB
        return left_nothing and is_young and is_small

    def _restore(self) -> None:
        os.chdir("/")
        if _environment() != self._environment:
            os.environb.clear()
            os.environb.update(self._environment)
        os.umask(self._umask)
        sys.stdin, sys.stdout, sys.stderr = self._streams
        sys.path[:] = self._path
        _forget_directory()
        for timer in _TIMERS:
            signal.setitimer(timer, 0)
        _set_blocked(signal.SIG_SETMASK, self._blocked)
        if any(map(is_not, self._present_handlers(), self._signal_handlers)):
            self._restore_signals()
        root = logging.getLogger()
        if root.handlers != self._log_handlers:
            root.handlers[:] = self._log_handlers
        if root.level != logging.INFO:
            root.setLevel(logging.INFO)

    def _restore_signals(self) -> None:
        for number, handler in zip(self._signals, self._signal_handlers, strict=True):
            if handler is not None and _signal_handler(number) is not handler:
                signal.signal(number, handler)

    def _present_handlers(self) -> list[Any]:
        return list(map(_signal_handler, self._signals))

    def _holds_mb(self) -> float:
        """Return what the process holds; where nobody tells, the most it ever held."""
        if self._memory is None:
            return used().own_mb
        _, resident, *_ = os.pread(self._memory, 100, 0).split()
        return int(resident) * resource.getpagesize() / 1_048_576


def _forget_directory() -> None:
    """Let `tempfile` look anew where to make files: it remembers the attempt's own directory."""
    # Not imported for this: most handlers never use it.
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.__dict__["tempdir"] = None


def _has_children() -> bool:
    """Return whether any is left; what had ended is cleared away first."""
    ended = -1
    try:
        while ended:
            ended, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


_signal_handler: Callable[[int], Any] = import_module("_signal").getsignal
"""Python's own, without the wrapper that makes a member of an enumeration of each answer."""


_set_blocked: Callable[..., Any] = import_module("_signal").pthread_sigmask
"""Likewise; it returns which signals were blocked before."""

_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


def _environment() -> dict[bytes, bytes]:
    # As `os.environb`, an eighth of its time.
    environment: dict[bytes, bytes] = dict(vars(os.environ)["_data"])
    for name in PLACE:
        environment.pop(name, None)
    return environment


def _standard_files() -> list[tuple[int, int] | None]:
    """Return which files are input, output and errors; None for what is closed."""
    return [_file_of(descriptor) for descriptor in range(3)]


def _file_of(descriptor: int) -> tuple[int, int] | None:
    with suppress(OSError):
        file = os.fstat(descriptor)
        return file.st_dev, file.st_ino
    return None


def _descriptors() -> int:
    """Return how many are open, or 0 where nobody tells."""
    with suppress(OSError):
        counted = os.stat("/proc/self/fd").st_size  # noqa: PTH116
        return counted or len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return 0
