"""A process and all that descends from it: how a supervisor starts, finds and ends them.

First every process below this one, as /proc shows them; then the handlers' process, as its
supervisor starts it (`Child`).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

from runtime.process import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    hide_from_other_processes,
    set_process_option,
)
from worker.executors.local.hiding import View, hide

# Type checkers know the name; importing typing would cost a third of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def watch_children() -> int:
    """Return a descriptor that can be read whenever a process below this one has ended."""
    woken, waking = os.pipe()
    for descriptor in (woken, waking):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    return woken


def parents() -> dict[int, int]:
    """Return the parent of every process."""
    parent_of: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib would double the start's time
        if name.isdigit():
            pid = int(name)
            with suppress(OSError):
                parent_of[pid] = int(_stat(pid)[1])
    return parent_of


def below(tops: list[int], parent_of: dict[int, int]) -> list[int]:
    """Return every process below these, whatever session it is in."""
    pids = list(tops)
    for above in pids:
        pids += [pid for pid, parent in parent_of.items() if parent == above]
    return pids[len(tops) :]


def descendants() -> list[int]:
    """Return every process below this one."""
    return below([os.getpid()], parents())


def kill_descendants() -> None:
    """Kill until none is left, those included that are forked meanwhile."""
    while True:
        for pid in descendants():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not _reap_ended():
            return
        time.sleep(0.005)


def _reap_ended() -> bool:
    """Reap children that have ended; return whether this process still has others."""
    ended = -1
    try:
        while ended:
            ended, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def reap_all_but(child: int) -> bool:
    """Reap all ended children but this one; return False if it may have ended, too."""
    without_reaping = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while (ended := os.waitid(os.P_ALL, 0, without_reaping)) is not None:
        if ended.si_pid == child:
            return False
        os.waitpid(ended.si_pid, 0)
    return True


def is_only_descendant(child: int) -> bool:
    """Return whether this child is the only descendant; reap those that have ended."""
    if not reap_all_but(child):
        return False
    try:  # Faster than reading all of /proc.
        pids = _children_of(os.getpid()) + _children_of(child)
    except OSError:
        pids = descendants()
    return pids == [child]


def _children_of(pid: int) -> list[int]:
    """Return the children of a process, by the kernel's lists for each of its threads."""
    pids: list[int] = []
    for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
        with open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123
            pids += [int(child) for child in file.read().split()]
    return pids


def _stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat after the name, which may hold anything."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        _, _, after_name = file.read().rpartition(b")")
    return after_name.split()


def memory_mb() -> float:
    """Return the resident memory of all descendants together."""
    pages = 0
    for pid in descendants():
        with suppress(OSError, ValueError), open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            _, resident, *_ = file.read().split()
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
    """The handlers' process. It takes tasks from the worker and reports to it; it prints to here.

    It inherits descriptors for tasks, for reports and of the lease's end.

    Attributes:
        output: the descriptor from which its standard output can be read.
        errors: the same of its standard error.
        pid: its number.
    """

    def __init__(self, command: list[str], passed: list[int], view: View | None) -> None:
        self.output, output = os.pipe()
        self.errors, errors = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            if view is not None and not hide(view):
                os.write(2, _IN_SIGHT)
            _exec([*command, *map(str, passed)], output, errors, *passed)
        for descriptor in (output, errors, *passed):
            os.close(descriptor)


def _exec(command: list[str], output: int, errors: int, *kept: int) -> NoReturn:
    """Execute a program in this fork, which prints to these two and inherits `kept` beside them."""
    set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Processes that its descendants leave become its own children, and so are seen.
    become_subreaper()
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    # Handlers must neither hold nor use the supervisor's descriptors.
    close_all_but(0, 1, 2, *kept)
    os.execv(command[0], command)  # noqa: S606 - the worker's own interpreter


def close_all_but(*kept: int) -> None:
    """Close every open descriptor but these."""
    # By the list rather than by range, which takes a tenth of a second where a million may be open.
    for name in os.listdir(_OPEN):  # noqa: PTH208
        descriptor = int(name)
        if descriptor not in kept:
            with suppress(OSError):  # The list's own is closed already.
                os.close(descriptor)


def become_supervisor() -> None:
    """Adopt all descendants, and hide this process's memory and descriptors from them."""
    become_subreaper()
    hide_from_other_processes()


def become_subreaper() -> None:
    """Adopt processes that lose their parents below this one, where the system supports it."""
    set_process_option(PR_SET_CHILD_SUBREAPER, 1)
