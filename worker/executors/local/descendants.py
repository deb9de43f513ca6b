"""A process and all that descends from it: how a supervisor starts, finds and ends them.

First every process below this one, by what Linux shows in /proc; then the handlers' process, as its
supervisor starts it (`Child`).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

from runtime.process import PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG, control, keep_to_itself
from worker.executors.local.hiding import View, hide

# Type checkers know the name; importing typing would cost a third of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def woken_by_children() -> int:
    """Return a descriptor that can be read whenever a process below this one has ended."""
    woken, waking = os.pipe()
    for descriptor in (woken, waking):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    return woken


def parents() -> dict[int, int]:
    """Return every process there is, with its parent."""
    found: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib would double the start's time
        if name.isdigit():
            pid = int(name)
            with suppress(OSError):
                fields = _stat(pid)
                found[pid] = int(fields[1])
    return found


def below(tops: list[int], parent_of: dict[int, int]) -> list[int]:
    """Return every process below these, whatever session it is in."""
    found = list(tops)
    for above in found:
        found += [pid for pid, parent in parent_of.items() if parent == above]
    top_count = len(tops)
    return found[top_count:]


def descendants() -> list[int]:
    """Return every process below this one."""
    own = os.getpid()
    return below([own], parents())


def kill_descendants() -> None:
    """Kill until none is left; those that are forked meanwhile become ours, and are next."""
    while True:
        for pid in descendants():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not _clear_away_ended():
            return
        time.sleep(0.005)


def _clear_away_ended() -> bool:
    """Return whether this process has children yet, once those that have ended are forgotten."""
    ended = -1
    try:
        while ended:
            ended, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def clear_away_all_but(child: int) -> bool:
    """Forget all that has ended here but this child; return False if it may have ended, too."""
    without_clearing = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while (ended := os.waitid(os.P_ALL, 0, without_clearing)) is not None:
        if ended.si_pid == child:
            return False
        os.waitpid(ended.si_pid, 0)
    return True


def is_only_descendant(child: int) -> bool:
    """Return whether nothing but this child is left below; what ended meanwhile is cleared away."""
    if not clear_away_all_but(child):
        return False
    try:  # The kernel keeps such lists, so nobody need be searched.
        found = _listed(os.getpid()) + _listed(child)
    except OSError:
        found = descendants()
    return found == [child]


def _listed(pid: int) -> list[int]:
    """Return the children of a process, by the kernel's lists for each of its threads."""
    found: list[int] = []
    for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
        with open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123
            children = file.read().split()
        found += [int(child) for child in children]
    return found


def _stat(pid: int) -> list[bytes]:
    """Return what is told of a process after its name, which may hold anything."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        told = file.read()
    _, _, after_name = told.rpartition(b")")
    return after_name.split()


def memory_mb() -> float:
    """Return what all descendants hold in memory together."""
    pages = 0
    for pid in descendants():
        with suppress(OSError, ValueError), open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            counts = file.read().split()
            _, resident, *_ = counts
            pages += int(resident)
    return pages * _PAGE_BYTES / 1_048_576


_OPEN = "/proc/self/fd"
if sys.platform != "linux":
    _OPEN = "/dev/fd"

_IN_SIGHT = b"""\
error: the service's own files, and other attempts', could not be hidden from a process of \
handlers, which can read them \
(docs/operations.md, What handlers can reach)
"""


class Child:
    """The handlers' process. It takes tasks from the worker, and reports to it; it prints to here.

    Both go by descriptors that it is passed, as the end of the worker's lease does.

    Attributes:
        output: the descriptor from which all that it prints can be read.
    """

    def __init__(self, command: list[str], passed: list[int], view: View | None) -> None:
        self.output, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            if view is not None and not hide(view):
                os.write(2, _IN_SIGHT)
            program = [*command, *map(str, passed)]
            _become(program, writing, *passed)
        for descriptor in (writing, *passed):
            os.close(descriptor)


def _become(command: list[str], output: int, *kept: int) -> NoReturn:
    """Make this fork a program that prints to this descriptor and holds these beside it."""
    control(PR_SET_PDEATHSIG, signal.SIGKILL)
    # What its descendants leave behind is its own child, and so noticed.
    become_subreaper()
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # Handlers must neither hold nor use what is the supervisor's.
    close_all_but(0, 1, 2, *kept)
    os.execv(command[0], command)  # noqa: S606 - the worker's own interpreter


def close_all_but(*kept: int) -> None:
    """Close every descriptor that this process was given, or made, but these."""
    # By the list rather than by range, which takes a tenth of a second where a million may be open.
    for name in os.listdir(_OPEN):  # noqa: PTH208
        descriptor = int(name)
        if descriptor not in kept:
            with suppress(OSError):  # The list's own is closed already.
                os.close(descriptor)


def become_supervisor() -> None:
    """Have all descendants; be no way for them to speak for the worker, or read what it says."""
    become_subreaper()
    keep_to_itself()


def become_subreaper() -> None:
    """Let what descendants leave behind become this process's own child, where the system can."""
    control(PR_SET_CHILD_SUBREAPER, 1)
