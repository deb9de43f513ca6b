"""Adopts and ends the processes that killed supervisors leave."""

import asyncio
import os
import signal
import sys
from contextlib import suppress

from worker.executors.local.descendants import become_subreaper, below, parents

LOOK_AGAIN_S = 0.005


class Orphans:
    """Lets this process adopt all processes below it that have lost their parents.

    An orphan is a child of this process in another session that is no supervisor. Supervisors are
    the only processes that this one starts in sessions of their own, and no process can enter an
    existing session. So its other children (removals of directories, the embedded PostgreSQL) are
    never taken for orphans, and no daemon can look like them, whatever it does to its environment,
    name, directory, group or session.
    """

    def __init__(self) -> None:
        become_subreaper()
        self._supervisors: set[asyncio.subprocess.Process] = set()
        self._starting: set[asyncio.Future[asyncio.subprocess.Process]] = set()

    def expect(self, starting: "asyncio.Future[asyncio.subprocess.Process]") -> None:
        """Register a supervisor that is starting, before its process id is known, until it ends."""
        self._starting.add(starting)
        starting.add_done_callback(self._started)

    def _started(self, starting: "asyncio.Future[asyncio.subprocess.Process]") -> None:
        self._starting.discard(starting)
        for process in list(self._supervisors):
            if process.returncode is not None:
                self._supervisors.remove(process)
        if starting.cancelled() or starting.exception() is not None:
            return
        self._supervisors.add(starting.result())

    def _living(self) -> set[int]:
        return {process.pid for process in self._supervisors if process.returncode is None}

    async def end(self) -> None:
        """Kill every orphan with all below it; return once none is left, not even as a zombie.

        An orphan stays this process's child until it is awaited here, and its own children become
        this process's before that. So while there are orphans, one of them is a child here.
        """
        supervisors = self._living()
        if sys.platform != "linux":
            return  # Nothing is adopted there.
        while orphans := _children_in_other_sessions() - supervisors:
            # One of them may be a supervisor whose process id is not known yet.
            if self._starting:
                await asyncio.wait(self._starting)
            orphans -= self._living()
            if orphans:
                _kill(orphans)
                await asyncio.sleep(LOOK_AGAIN_S)
            supervisors = self._living()


def _children_in_other_sessions() -> set[int]:
    own = os.getpid()
    children = [pid for pid, parent in parents().items() if parent == own]
    return {pid for pid in children if _session(pid) not in {None, os.getsid(0)}}


def _session(pid: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return None


def _kill(orphans: set[int]) -> None:
    """Kill them and all below, and reap those that have ended."""
    parent_of = parents()
    own = os.getpid()
    # Another process may have the same id by now.
    children = [pid for pid in orphans if parent_of.get(pid) == own]
    for pid in (*children, *below(children, parent_of)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    for pid in children:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
