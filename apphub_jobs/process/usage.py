"""What attempts use of processor and memory."""

import os
import resource
from contextlib import suppress
from typing import Any, NamedTuple


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
