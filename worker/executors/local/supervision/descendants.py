"""Finding and ending every process below this one, by what Linux tells in /proc. `worker.executors.local.supervision.supervisor` imports it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def parents() -> dict[int, int]:
    """Return every process there is, with its parent."""
    found: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib would double the start's time
        if name.isdigit():
            with suppress(OSError):
                found[int(name)] = int(_stat(int(name))[1])
    return found


def below(tops: list[int], parent_of: dict[int, int]) -> list[int]:
    """Return every process below these, whatever session it is in."""
    found = list(tops)
    for above in found:
        found += [pid for pid, parent in parent_of.items() if parent == above]
    return found[len(tops) :]


def descendants() -> list[int]:
    """Return every process below this one."""
    return below([os.getpid()], parents())


def kill_descendants() -> None:
    """Kill until the kernel says that none is left; those that fork meanwhile become ours, and are next."""
    while True:
        for pid in descendants():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def is_only_descendant(child: int) -> bool:
    """Return whether nothing but this child is left below; what ended meanwhile is cleared away."""
    while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
        if ended.si_pid == child:
            return False
        os.waitpid(ended.si_pid, 0)
    try:  # The kernel keeps such lists, so nobody need be searched.
        return _listed(os.getpid()) == [str(child).encode()] and _listed(child) == []
    except OSError:
        return descendants() == [child]


def _listed(pid: int) -> list[bytes]:
    found: list[bytes] = []
    for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
        with open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123
            found += file.read().split()
    return found


def _stat(pid: int) -> list[bytes]:
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        return file.read().rpartition(b")")[2].split()


def memory_mb() -> float:
    """Return what all descendants hold in memory together."""
    pages = 0
    for pid in descendants():
        with suppress(OSError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            pages += int(file.read().split()[1])
    return pages * _PAGE_BYTES / 1_048_576
