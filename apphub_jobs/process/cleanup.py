"""What one attempt must not leave to the next: put back where it can be, and noticed elsewhere."""

import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from operator import is_not
from typing import Any

from apphub_jobs.process.usage import opened, used

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
