"""Adopts and ends the orphans: processes that killed supervisors leave."""

import asyncio
import os
import signal
import sys
from contextlib import suppress

from worker.executors.local.descendants import become_subreaper, descendants_of, read_parents

CHECK_AGAIN_S = 0.005


class Orphans:
    """Makes this process adopt all its descendants that lose their parents, and ends them.

    An orphan is a child of this process that is in another session and is no supervisor.
    Supervisors are the only processes that this one starts in sessions of their own, and no process
    can enter an existing session. So its other children, such as the embedded PostgreSQL, are never
    taken for orphans, and no daemon can avoid being one, whatever it does to its environment, name,
    directory, group or session.
    """

    def __init__(self) -> None:
        become_subreaper()
        self._supervisors: set[asyncio.subprocess.Process] = set()
        self._starting: set[asyncio.Future[asyncio.subprocess.Process]] = set()

    def expect(self, starting: "asyncio.Future[asyncio.subprocess.Process]") -> None:
        """Register a supervisor that is starting, before its process id is known, until it ends."""
        self._starting.add(starting)
        starting.add_done_callback(self._on_started)

    def _on_started(self, starting: "asyncio.Future[asyncio.subprocess.Process]") -> None:
        self._starting.discard(starting)
        for process in list(self._supervisors):
            if process.returncode is not None:
                self._supervisors.remove(process)
        if starting.cancelled() or starting.exception() is not None:
            return
        self._supervisors.add(starting.result())

    def _supervisor_pids(self) -> set[int]:
        return {process.pid for process in self._supervisors if process.returncode is None}

    async def end(self) -> None:
        """Kill every orphan and its descendants; return once none is left, not even as a zombie.

        An orphan is a child of this process until it is reaped here, and its own children become
        children of this process before that. So while there are orphans, one of them is a child.
        """
        supervisors = self._supervisor_pids()
        if sys.platform != "linux":
            return  # Other systems have no adoption.
        while orphans := _children_in_other_sessions() - supervisors:
            # One of them may be a supervisor whose process id is not known yet.
            if self._starting:
                await asyncio.wait(self._starting)
            orphans -= self._supervisor_pids()
            if orphans:
                _kill(orphans)
                await asyncio.sleep(CHECK_AGAIN_S)
            supervisors = self._supervisor_pids()


def _children_in_other_sessions() -> set[int]:
    own_pid = os.getpid()
    children = [pid for pid, parent in read_parents().items() if parent == own_pid]
    return {pid for pid in children if _session_of(pid) not in {None, os.getsid(0)}}


def _session_of(pid: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return None


def _kill(orphans: set[int]) -> None:
    """Kill orphans and their descendants, and reap the orphans that have ended."""
    parent_of = read_parents()
    own_pid = os.getpid()
    # An orphan may have ended, and another process may have its id by now.
    children = [pid for pid in orphans if parent_of.get(pid) == own_pid]
    for pid in (*children, *descendants_of(children, parent_of)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    for pid in children:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
