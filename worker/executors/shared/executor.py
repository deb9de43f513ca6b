"""Runs attempts side by side in processes that they share: one process for a handler package."""

import asyncio
import math
from collections.abc import Mapping
from datetime import datetime

from runtime.background_tasks import start_once
from worker.executors.local.handlers_process import SHARED_PROGRAM
from worker.executors.local.orphans import Orphans
from worker.executors.local.slot import start_slot
from worker.executors.local.workplace import Workplace
from worker.executors.packages import HandlerPackage
from worker.executors.port import TOGETHER, OnUpdate, Task, need_lease
from worker.executors.shared.attempt import SharedAttempt
from worker.executors.shared.attempt_logs import AttemptLogs
from worker.executors.shared.process import SharedProcess

_Key = tuple[HandlerPackage, int | None]
"""A handler package and a limit of memory in MB, which is the process's as a whole."""


class SharedExecutor:
    """The `Executor` of the port for attempts that do without a process to themselves.

    A process is started for the first attempt that needs it, and stays until it has had nothing to
    do for a while.
    """

    def __init__(
        self, packages: Mapping[str, HandlerPackage], orphans: Orphans | None = None
    ) -> None:
        """Make an executor; nothing is started yet.

        Args:
            packages: by the entry points of their handlers.
            orphans: who ends what a killed supervisor leaves; None where nobody does.
        """
        self._packages = packages
        self._orphans = orphans
        self._workplace: Workplace | None = None
        self._logs = AttemptLogs()
        self._lease_until = 0.0
        self._current: dict[_Key, asyncio.Task[SharedProcess]] = {}
        self._all: set[SharedProcess] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    capabilities = TOGETHER

    @property
    def room(self) -> float:
        """Return that only slots count."""
        return math.inf

    async def aclose(self) -> None:
        """End all processes, and remove where they worked."""
        if self._current:
            await asyncio.wait(self._current.values())
        for process in list(self._all):
            process.retire()
        await asyncio.gather(*self._leaving)
        self._logs.end()
        if self._workplace is not None:
            await asyncio.to_thread(self._workplace.close)

    def offer(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; what runs already goes on as it began."""
        self._packages = packages
        offered = set(packages.values())
        for key in list(self._current):
            package, _ = key
            if package not in offered:
                starting = self._current.pop(key)
                starting.add_done_callback(_retire)

    def renew(self, until: float) -> None:
        """Let all processes go on until this moment of the monotonic clock."""
        self._lease_until = until
        for process in self._all:
            process.renew(until)

    def end_overdue(self, now: datetime) -> None:
        """End what is past its deadline by a clock that has been moved: that of a test service."""
        for process in self._all:
            process.end_overdue(now)

    async def submit(
        self, task: Task, on_update: OnUpdate, until: float
    ) -> SharedAttempt:
        """Start an attempt beside others of its handler's package.

        Raises:
            LeaseOverError: the lease is over.
        """
        self._lease_until = max(until, self._lease_until)
        need_lease(self._lease_until)
        package = self._packages[task.entry_point]
        key = (package, task.memory_mb)
        process = await self._process(key)
        if not process.takes_more:
            # A new one that takes no more either ends it at once: nobody starts a third.
            process = await self._process(key)
        need_lease(self._lease_until)
        return process.begin(task, on_update)

    async def _process(self, key: _Key) -> SharedProcess:
        """Return the process that takes such attempts, started by whoever was first.

        One that takes no more is left, and whoever comes next starts another.
        """
        starting = self._current.get(key)
        if starting is None:
            start = self._start(key)
            starting = start_once("shared process", start)
            self._current[key] = starting
        try:
            process = await asyncio.shield(starting)
        except OSError:
            self._leave(key, starting)
            raise
        if not process.takes_more:
            self._leave(key, starting)
            process.take_no_more()
        return process

    def _leave(self, key: _Key, starting: "asyncio.Task[SharedProcess]") -> None:
        # Somebody else who waited for it may have started the next one already.
        if self._current.get(key) is starting:
            del self._current[key]

    async def _start(self, key: _Key) -> SharedProcess:
        package, memory_mb = key
        if self._workplace is None:
            self._workplace = Workplace()
        directory = self._workplace.new_directory()
        starting = start_slot(package, directory, self._orphans, SHARED_PROGRAM)
        slot = await starting
        process = SharedProcess(slot, memory_mb, self._logs, self._over)
        process.renew(self._lease_until)
        self._all.add(process)
        return process

    def _over(self, process: SharedProcess) -> None:
        self._all.discard(process)
        discarding = process.discard()
        leaving = start_once("ended process", discarding)
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


def _retire(starting: "asyncio.Task[SharedProcess]") -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().retire()
