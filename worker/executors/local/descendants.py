"""Finds and ends every process below this one, by what Linux tells in /proc."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress

from runtime.process import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    control,
    keep_to_itself,
)
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


# The handlers' process, as its supervisor starts it.

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

    def __init__(
        self, command: list[str], passed: list[int], view: View | None
    ) -> None:
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


# What supervisors that were killed left behind becomes this process's own, and is ended by it.

LOOK_AGAIN_S = 0.005


class Orphans:
    """Lets a process that runs little but attempts adopt whatever below it has lost its parent.

    An orphan is a child of this process in another session that is no supervisor. Supervisors are
    the only processes that this one starts in sessions of their own, and nobody can enter a session
    that exists. So whatever else was started here (what removes directories, the embedded
    PostgreSQL) is never taken for an orphan, and no daemon can look like that, whatever it does to
    its environment, name, directory, group or session.
    """

    def __init__(self) -> None:
        become_subreaper()
        self._supervisors: set[asyncio.subprocess.Process] = set()
        self._starting: set[asyncio.Future[asyncio.subprocess.Process]] = set()

    def expect(self, starting: asyncio.Future[asyncio.subprocess.Process]) -> None:
        """Know a supervisor from its start, before its number is known, for as long as it runs."""
        self._starting.add(starting)
        starting.add_done_callback(self._started)

    def _started(self, starting: asyncio.Future[asyncio.subprocess.Process]) -> None:
        self._starting.discard(starting)
        for process in list(self._supervisors):
            if process.returncode is not None:
                self._supervisors.remove(process)
        if starting.cancelled() or starting.exception() is not None:
            return
        supervisor = starting.result()
        self._supervisors.add(supervisor)

    def _living(self) -> set[int]:
        return {
            process.pid for process in self._supervisors if process.returncode is None
        }

    async def end(self) -> None:
        """Kill every orphan with all below it; return once none is left, not even as a zombie.

        An orphan stays this process's child until it is awaited here, and what it leaves becomes
        this process's child before that. So while there are any at all, one of them is found.
        """
        known = self._living()
        if sys.platform != "linux":
            return  # Nothing is adopted there.
        while found := _children_elsewhere() - known:
            # One of those found may be a supervisor whose number is not known yet.
            if self._starting:
                await asyncio.wait(self._starting)
            found -= self._living()
            if found:
                _kill(found)
                await asyncio.sleep(LOOK_AGAIN_S)
            known = self._living()


def _children_elsewhere() -> set[int]:
    own = os.getpid()
    own_session = os.getsid(0)
    found: set[int] = set()
    for pid, parent in parents().items():
        if parent != own:
            continue
        session = _session(pid)
        if session is not None and session != own_session:
            found.add(pid)
    return found


def _session(pid: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return None


def _kill(orphans: set[int]) -> None:
    """Kill them and all below, and clear away those that have ended."""
    parent_of = parents()
    own = os.getpid()
    # Else the number may be anybody's by now.
    still = [pid for pid in orphans if parent_of.get(pid) == own]
    descendants = below(still, parent_of)
    for pid in (*still, *descendants):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    for pid in still:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
