"""What one attempt must not leave to the next: restored where that can be done, and noticed where it cannot."""

import logging
import os
import resource
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from typing import Any

MAX_ATTEMPTS = 1_000
"""How many attempts a process runs at most: what leaks slowly is gone with it."""

MAX_GROWTH_MB = 64.0
"""How much a process may have grown since it was ready; beyond, it is replaced."""


class Cleaner:
    """Knows the process as it was before its first attempt."""

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._path = list(sys.path)
        self._signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self._threads = threading.active_count()
        self._descriptors = _descriptors()
        self._memory_mb, _ = memory_mb()
        self._attempts = 0

    def clean_up(self, memory_mb: float) -> bool:
        """Put back what the attempt changed; return whether the process is fit for another one.

        Args:
            memory_mb: what the process holds now.
        """
        self._attempts += 1
        self._restore()
        _clear_ended_children()
        return (
            self._attempts < MAX_ATTEMPTS
            and threading.active_count() == self._threads
            and _descriptors() == self._descriptors
            and memory_mb - self._memory_mb < MAX_GROWTH_MB
        )

    def _restore(self) -> None:
        os.chdir("/")
        if dict(os.environ) != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        os.umask(self._umask)
        sys.stdin, sys.stdout, sys.stderr = self._streams
        sys.path[:] = self._path
        tempfile.tempdir = None  # It remembers the attempt's own directory.
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._signals.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        root = logging.getLogger()
        for log_handler in list(root.handlers):
            root.removeHandler(log_handler)


class Usage:
    """What an attempt has used, from when this is made."""

    def __init__(self) -> None:
        # Linux forgets the peak so far; where it cannot, the process's own peak is shown.
        with suppress(OSError), open("/proc/self/clear_refs", "wb", buffering=0) as file:  # noqa: PTH123
            file.write(b"5")
        self._cpu_s = _cpu_s()
        self._children_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss

    def measured(self, peak_mb: float) -> dict[str, Any]:
        """Return `cpuSeconds` and `peakMemoryMb` of this process and the children that it waited for."""
        children_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        if children_kb > self._children_kb:
            peak_mb = max(peak_mb, children_kb / 1024)
        return {"cpuSeconds": _cpu_s() - self._cpu_s, "peakMemoryMb": peak_mb}


def memory_mb() -> tuple[float, float]:
    """Return what the process holds now, and its peak."""
    found: dict[bytes, float] = {}
    with suppress(OSError), open("/proc/self/status", "rb") as file:  # noqa: PTH123 - on every run's way
        for line in file:
            if line.startswith((b"VmHWM:", b"VmRSS:")):
                name, size_kb, _ = line.split()
                found[name] = int(size_kb) / 1024
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found.get(b"VmRSS:", peak_mb), found.get(b"VmHWM:", peak_mb)


def _clear_ended_children() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _cpu_s() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _descriptors() -> set[str]:
    with suppress(OSError):
        return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - on every run's way
    return set()
