"""What supervisors that were killed left behind becomes this process's own, and is ended by it."""

import asyncio
import os
import signal
import sys
from contextlib import suppress

from worker.executors.local.descendants import become_subreaper, below, parents

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

    def expect(self, starting: "asyncio.Future[asyncio.subprocess.Process]") -> None:
        """Know a supervisor from its start, before its number is known, for as long as it runs."""
        self._starting.add(starting)
        starting.add_done_callback(self._started)

    def _started(self, starting: "asyncio.Future[asyncio.subprocess.Process]") -> None:
        self._starting.discard(starting)
        for process in list(self._supervisors):
            if process.returncode is not None:
                self._supervisors.remove(process)
        if starting.cancelled() or starting.exception() is not None:
            return
        supervisor = starting.result()
        self._supervisors.add(supervisor)

    def _living(self) -> set[int]:
        return {process.pid for process in self._supervisors if process.returncode is None}

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
