"""What attempts use of processor and memory."""

import os
import resource
from contextlib import suppress
from typing import Any


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
        self._cpu_s = cpu_s()
        self._children_mb = peak_mb(resource.RUSAGE_CHILDREN)

    def measured(self) -> dict[str, Any]:
        """Return `cpuSeconds` and `peakMemoryMb`, of the children that it waited for as well."""
        total_s = cpu_s()
        memory_mb = peak_mb(resource.RUSAGE_SELF)
        children_mb = peak_mb(resource.RUSAGE_CHILDREN)
        if children_mb > self._children_mb:
            memory_mb = max(memory_mb, children_mb)
        return {
            "cpuSeconds": round(total_s - self._cpu_s, 3),
            "cpuTotal": round(total_s, 3),
            "peakMemoryMb": round(memory_mb, 1),
        }


def cpu_s() -> float:
    """Return what this process and the children that it waited for have used."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_mb(who: int) -> float:
    """Return the most that this process, or any of those children, held at a time."""
    return resource.getrusage(who).ru_maxrss / 1024


def opened(path: str, flags: int) -> int | None:
    """Return a descriptor, or None where the system has no such file."""
    with suppress(OSError):
        return os.open(path, flags)
    return None
