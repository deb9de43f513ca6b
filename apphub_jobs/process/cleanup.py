"""Isolates the attempts of a process: restores what an attempt changed, or reports that it cannot.

First the attempts' working directories (`AttemptDirectory`), then processor time and memory
(`UsageMeter`), then the `Cleaner`.
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

_INT = bytes(4)


def _unread_bytes(pipe: int) -> int:
    """Return how many bytes of a pipe have not been read yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, _INT), sys.byteorder)


class AttemptDirectory:
    """The working directory of the current attempt; it is empty at first.

    Its name is the attempt's number, which the worker counts as well. A directory that is still as
    it was created is renamed for the next attempt, at a tenth of the cost of creating one; the
    worker removes any other.

    Attributes:
        is_ready: whether the directory of the next attempt exists.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._number = 1
        self._pipes = (os.dup(1), os.dup(2))  # Copies, which no child process inherits.
        self.is_ready = True
        self._create()

    @property
    def _path(self) -> str:
        return f"{self._base}/{self._number}"

    def enter(self) -> None:
        """Make it the working directory, the home and the directory of temporary files."""
        try:
            os.chdir(self._path)
        except FileNotFoundError:  # A cleaner of temporary files removed it.
            self._recreate()
            os.chdir(self._path)
        os.environ.update(HOME=self._path, TMPDIR=self._path)

    def leave(self) -> bool:
        """Prepare the next attempt's directory; return whether the worker must remove this one."""
        path = self._path
        is_untouched = self._is_untouched(path)
        self._number += 1
        if is_untouched:
            os.rename(path, self._path)  # noqa: PTH104 - the fastest: every run does it
        else:
            self._try_to_create()
        return not is_untouched

    @property
    def has_no_unread_output(self) -> bool:
        """Whether the supervisor has nothing left to read of what was printed.

        It reads nothing before it knows of the attempt. False where the system cannot tell.
        """
        if sys.platform != "linux":
            return False
        return not any(map(_unread_bytes, self._pipes))

    def _try_to_create(self) -> None:
        """Create the next directory; a full disk must not fail the attempt that has just ended."""
        try:
            self._create()
        except OSError:
            self.is_ready = False

    def _create(self) -> None:
        os.mkdir(self._path)  # noqa: PTH102
        self._created = self._identity(self._path)

    def _recreate(self) -> None:
        umask = os.umask(0o077)
        try:
            os.makedirs(self._base, exist_ok=True)  # noqa: PTH103
        finally:
            os.umask(umask)
        self._create()

    def _is_untouched(self, path: str) -> bool:
        try:
            return self._identity(path) == self._created and not os.listdir(path)  # noqa: PTH208
        except OSError:
            return False

    @staticmethod
    def _identity(path: str) -> tuple[int, int, int, int]:
        status = os.lstat(path)
        return status.st_ino, status.st_mode, status.st_uid, status.st_gid


class ResourceUsage(NamedTuple):
    """What this process and the children that it waited for have used so far.

    Attributes:
        cpu_s: the processor time of all of them.
        own_mb: the process's peak memory.
        children_mb: the highest peak memory of any of those children.
    """

    cpu_s: float
    own_mb: float
    children_mb: float


class UsageMeter:
    """Measures each attempt's resource usage, from `begin` on."""

    def __init__(self) -> None:
        self._peak_reset = open_or_none("/proc/self/clear_refs", os.O_WRONLY)
        self.begin()

    def begin(self) -> None:
        """Start to measure an attempt."""
        # Only Linux can reset the peak; elsewhere it is the process's peak since its start.
        if self._peak_reset is not None:
            os.write(self._peak_reset, b"5")
        self._before = current_usage()

    def measure(self) -> dict[str, Any]:
        """Return `cpuSeconds`, `cpuTotal` and `peakMemoryMb`, with those of finished children."""
        before = self._before
        now = current_usage()
        memory_mb = now.own_mb
        if now.children_mb > before.children_mb:
            memory_mb = max(memory_mb, now.children_mb)
        return {
            "cpuSeconds": round(now.cpu_s - before.cpu_s, 3),
            "cpuTotal": round(now.cpu_s, 3),
            "peakMemoryMb": round(memory_mb, 1),
        }


def current_usage() -> ResourceUsage:
    """Return the resource usage so far."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own_s = own.ru_utime + own.ru_stime
    children_s = children.ru_utime + children.ru_stime
    return ResourceUsage(own_s + children_s, own.ru_maxrss / 1024, children.ru_maxrss / 1024)


def open_or_none(path: str, flags: int) -> int | None:
    """Return a descriptor; None if the system has no such file."""
    with suppress(OSError):
        return os.open(path, flags)
    return None


MAX_ATTEMPTS = 10_000
"""How many attempts a process runs at most, so that its end stops slow leaks."""

MAX_GROWTH_MB = 64.0
"""How much memory a process may gain before it is replaced."""


ATTEMPT_VARIABLES = (b"HOME", b"TMPDIR")
"""Environment variables that each attempt sets anew, so that they need no restoring."""


class Cleaner:
    """Restores the process to its state before its first attempt."""

    def __init__(self) -> None:
        self._environment = _environment()
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._path = list(sys.path)
        self._signals = [int(number) for number in signal.valid_signals()]
        self._signal_handlers = self._current_handlers()
        self._log_handlers = list(logging.getLogger().handlers)
        self._signal_mask = _set_signal_mask(signal.SIG_BLOCK, ())
        self._standard = _standard_files()
        self._threads = threading.active_count()
        self._attempts = 0
        self._statm = open_or_none("/proc/self/statm", os.O_RDONLY)
        self._descriptors = _count_descriptors()
        self._initial_mb = self._memory_mb()

    def clean_up(self) -> bool:
        """Restore what the attempt changed; return whether the process is fit for another one."""
        self._attempts += 1
        memory_mb = self._memory_mb()
        self._restore()
        is_clean = (
            not _has_children()
            and threading.active_count() == self._threads
            and _count_descriptors() == self._descriptors
            and _standard_files() == self._standard
        )
        is_young = self._attempts < MAX_ATTEMPTS
        is_small = memory_mb - self._initial_mb < MAX_GROWTH_MB
        return is_clean and is_young and is_small

    def _restore(self) -> None:
        os.chdir("/")
        if _environment() != self._environment:
            os.environb.clear()
            os.environb.update(self._environment)
        os.umask(self._umask)
        sys.stdin, sys.stdout, sys.stderr = self._streams
        sys.path[:] = self._path
        _reset_tempdir()
        for timer in _TIMERS:
            signal.setitimer(timer, 0)
        _set_signal_mask(signal.SIG_SETMASK, self._signal_mask)
        if any(map(is_not, self._current_handlers(), self._signal_handlers)):
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

    def _current_handlers(self) -> list[Any]:
        return list(map(_signal_handler, self._signals))

    def _memory_mb(self) -> float:
        """Return the process's resident memory; its peak where the system shows no other."""
        if self._statm is None:
            return current_usage().own_mb
        _, resident, *_ = os.pread(self._statm, 100, 0).split()
        return int(resident) * resource.getpagesize() / 1_048_576


def _reset_tempdir() -> None:
    """Clear the directory that `tempfile` caches: it is the attempt's own."""
    # Not imported here, as most handlers never use it.
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.__dict__["tempdir"] = None


def _has_children() -> bool:
    """Return whether child processes still run; those that have ended are reaped first."""
    ended = -1
    try:
        while ended:
            ended, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


_signal_handler: Callable[[int], Any] = import_module("_signal").getsignal
"""The C function, without the wrapper that converts each result to an enumeration's member."""


_set_signal_mask: Callable[..., Any] = import_module("_signal").pthread_sigmask
"""Likewise; it returns the mask before."""

_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


def _environment() -> dict[bytes, bytes]:
    # The same as `os.environb`, in an eighth of its time.
    environment: dict[bytes, bytes] = dict(vars(os.environ)["_data"])
    for name in ATTEMPT_VARIABLES:
        environment.pop(name, None)
    return environment


def _standard_files() -> list[tuple[int, int] | None]:
    """Return the device and inode of standard input, output and error; None if closed."""
    return [_file_of(descriptor) for descriptor in range(3)]


def _file_of(descriptor: int) -> tuple[int, int] | None:
    with suppress(OSError):
        file = os.fstat(descriptor)
        return file.st_dev, file.st_ino
    return None


def _count_descriptors() -> int:
    """Return how many descriptors are open; 0 where the system cannot tell."""
    with suppress(OSError):
        count = os.stat("/proc/self/fd").st_size  # noqa: PTH116
        return count or len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return 0
