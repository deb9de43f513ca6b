"""The descendants of a process: how a supervisor starts, finds, measures and ends them.

First all descendants of this process, as /proc shows them; then the handlers' process, as its
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
from worker.executors.local.hiding import View, apply_view

# Type checkers know the name; importing typing would cost a third of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def read_parents() -> dict[int, int]:
    """Return the parent's id of every process, by the process's id."""
    parent_of: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib would double the start's time
        if name.isdigit():
            pid = int(name)
            with suppress(OSError):
                parent_of[pid] = int(_stat(pid)[1])
    return parent_of


def descendants_of(ancestors: list[int], parent_of: dict[int, int]) -> list[int]:
    """Return the ids of all descendants of these processes, in any session."""
    pids = list(ancestors)
    for pid in pids:
        pids += [child for child, parent in parent_of.items() if parent == pid]
    return pids[len(ancestors) :]


def descendants() -> list[int]:
    """Return the ids of all descendants of this process."""
    return descendants_of([os.getpid()], read_parents())


def kill_descendants() -> None:
    """Kill all descendants of this process, also those that are forked meanwhile."""
    while True:
        for pid in descendants():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not _reap_ended():
            return
        time.sleep(0.005)


def _reap_ended() -> bool:
    """Reap the children that have ended; return whether this process still has children."""
    ended = -1
    try:
        while ended:
            ended, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def reap_all_but(child: int) -> bool:
    """Reap the ended children except this one; return False if this one has ended, too."""
    without_reaping = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while (ended := os.waitid(os.P_ALL, 0, without_reaping)) is not None:
        if ended.si_pid == child:
            return False
        os.waitpid(ended.si_pid, 0)
    return True


def is_only_descendant(child: int) -> bool:
    """Return whether this child is the only living descendant; reap the other ended children."""
    if not reap_all_but(child):
        return False
    try:  # This is faster than reading all of /proc.
        pids = _children_of(os.getpid()) + _children_of(child)
    except OSError:
        pids = descendants()
    return pids == [child]


def _children_of(pid: int) -> list[int]:
    """Return the ids of a process's children; the kernel lists them for each of its threads."""
    pids: list[int] = []
    for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
        with open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123
            pids += [int(child) for child in file.read().split()]
    return pids


def _stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat after the name, which may contain any characters."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        _, _, after_name = file.read().rpartition(b")")
    return after_name.split()


def memory_mb() -> float:
    """Return the total resident memory of all descendants, in MB."""
    pages = 0
    for pid in descendants():
        with suppress(OSError, ValueError), open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            _, resident, *_ = file.read().split()
            pages += int(resident)
    return pages * _PAGE_BYTES / 1_048_576


_DESCRIPTORS = "/proc/self/fd"
if sys.platform != "linux":
    _DESCRIPTORS = "/dev/fd"

_NOT_HIDDEN = b"""\
error: the service's own files, and other attempts', could not be hidden from a process of \
handlers, which can read them \
(docs/operations.md, What handlers can reach)
"""


class Child:
    """The handlers' process: it gets tasks from the worker and reports to it, and prints to here.

    It inherits the descriptors for tasks, for reports and of the lease's end.

    Attributes:
        output: the descriptor from which its standard output is read.
        errors: the descriptor from which its standard error is read.
        pid: its process id.
        ended: a descriptor that is readable once it, or an adopted descendant, has ended.
    """

    def __init__(self, command: list[str], inherited: list[int], view: View | None) -> None:
        self.output, output = os.pipe()
        self.errors, errors = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            if view is not None and not apply_view(view):
                os.write(2, _NOT_HIDDEN)
            _exec([*command, *map(str, inherited)], output, errors, *inherited)
        for descriptor in (output, errors, *inherited):
            os.close(descriptor)
        self.ended = _watch_children()


def _exec(command: list[str], output: int, errors: int, *inherited: int) -> NoReturn:
    """Execute a program in this fork, with standard input empty and these other descriptors."""
    set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Descendants that lose their parents become its children, so that it can see them.
    become_subreaper()
    os.setpgid(0, 0)
    empty_input = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty_input, 0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    # Handlers must not have the supervisor's descriptors.
    close_all_but(0, 1, 2, *inherited)
    os.execv(command[0], command)  # noqa: S606 - the worker's own interpreter


def _watch_children() -> int:
    """Return a descriptor that becomes readable whenever a child of this process has ended."""
    reading_end, writing_end = os.pipe()
    for descriptor in (reading_end, writing_end):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing_end, warn_on_full_buffer=False)
    return reading_end


def close_all_but(*kept: int) -> None:
    """Close every open descriptor but these."""
    # A range would take a tenth of a second if the limit is a million descriptors.
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208
        descriptor = int(name)
        if descriptor not in kept:
            with suppress(OSError):  # The descriptor of the list itself is closed already.
                os.close(descriptor)


def become_supervisor() -> None:
    """Adopt all descendants, and hide this process's memory and descriptors from them."""
    become_subreaper()
    hide_from_other_processes()


def become_subreaper() -> None:
    """Adopt the descendants that lose their parents, if the system supports that."""
    set_process_option(PR_SET_CHILD_SUBREAPER, 1)
