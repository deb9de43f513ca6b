"""Runs attempts in shared processes: each runs many attempts of one handler package at a time."""

import asyncio
import math
from collections.abc import Mapping
from datetime import datetime

from runtime.tasks import start_once
from worker.executors.attempt_logs import AttemptLogs
from worker.executors.local.handler_process import SHARED_PROGRAM
from worker.executors.local.orphans import Orphans
from worker.executors.local.slot import start_slot
from worker.executors.local.workplace import Workplace
from worker.executors.packages import HandlerPackage
from worker.executors.port import SHARED, OnUpdate, Task, require_lease
from worker.executors.shared_process import SharedAttempt, SharedProcess

_Key = tuple[HandlerPackage, int | None]
"""A handler package, and the memory limit of the whole process in MB."""


class SharedExecutor:
    """The `Executor` that runs attempts in shared processes.

    A process is started for the first attempt that needs it, and ends after some time without
    attempts.
    """

    def __init__(
        self, packages: Mapping[str, HandlerPackage], orphans: Orphans | None = None
    ) -> None:
        """Create an executor; nothing is started yet.

        Args:
            packages: the handlers' packages, by entry point.
            orphans: ends the processes that a killed supervisor leaves; None for nothing.
        """
        self._packages = packages
        self._orphans = orphans
        self._workplace: Workplace | None = None
        self._logs = AttemptLogs()
        self._lease_until = 0.0
        self._accepting: dict[_Key, asyncio.Task[SharedProcess]] = {}
        self._processes: set[SharedProcess] = set()
        self._end_tasks: set[asyncio.Task[None]] = set()

    capabilities = SHARED

    @property
    def capacity(self) -> float:
        """Unlimited: only the slots count."""
        return math.inf

    async def aclose(self) -> None:
        """End all processes, and remove their directories."""
        if self._accepting:
            await asyncio.wait(self._accepting.values())
        for process in list(self._processes):
            process.retire()
        await asyncio.gather(*self._end_tasks)
        self._logs.end()
        if self._workplace is not None:
            await asyncio.to_thread(self._workplace.close)

    def use_packages(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; running attempts are not affected."""
        self._packages = packages
        current = set(packages.values())
        for key in list(self._accepting):
            package, _ = key
            if package not in current:
                self._accepting.pop(key).add_done_callback(_retire)

    def renew(self, until: float) -> None:
        """Extend the lease of all processes to this time of the monotonic clock."""
        self._lease_until = until
        for process in self._processes:
            process.renew(until)

    def end_session(self) -> None:
        """Do nothing: on this host, no stopped attempt begins."""

    def end_overdue(self, now: datetime) -> None:
        """End attempts whose deadline is over by a test service's clock, which can be moved."""
        for process in self._processes:
            process.end_overdue(now)

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> SharedAttempt:
        """Start an attempt in the shared process of its handler's package.

        Raises:
            LeaseOverError: the lease is over.
            OSError: no process could be started.
        """
        self._lease_until = max(until, self._lease_until)
        require_lease(self._lease_until)
        package = self._packages[task.entry_point]
        process, accepts = await self._get_process((package, task.memory_mb))
        if not accepts:
            # The packages may have changed meanwhile. If the next process accepts no attempt
            # either, this one ends at once; no third is started.
            package = self._packages.get(task.entry_point, package)
            process, _ = await self._get_process((package, task.memory_mb))
        require_lease(self._lease_until)
        return process.start(task, on_update)

    async def _get_process(self, key: _Key) -> tuple[SharedProcess, bool]:
        """Return the process for such attempts, and whether it accepts more of them.

        If there is none, start one. If it accepts no more attempts, the next call starts another.
        """
        starting = self._accepting.get(key)
        if starting is None:
            starting = self._accepting[key] = start_once("shared process", self._start(key))
        process = await asyncio.shield(starting)
        accepts = process.accepts_attempts
        if not accepts:
            # Another caller may have started the next process meanwhile.
            if self._accepting.get(key) is starting:
                del self._accepting[key]
            process.retire_unless_ending()
        return process, accepts

    async def _start(self, key: _Key) -> SharedProcess:
        package, memory_mb = key
        try:
            if self._workplace is None:
                self._workplace = Workplace()
            directory = self._workplace.new_directory()
            slot = await start_slot(package, directory, self._orphans, SHARED_PROGRAM)
        except BaseException:
            # Here, as nobody may wait for it any more: a later attempt must not get this error.
            self._accepting.pop(key, None)
            raise
        process = SharedProcess(slot, memory_mb, self._logs, self._on_over)
        process.renew(self._lease_until)
        self._processes.add(process)
        return process

    def _on_over(self, process: SharedProcess) -> None:
        self._processes.discard(process)
        end_task = start_once("ended process", process.discard())
        self._end_tasks.add(end_task)
        end_task.add_done_callback(self._end_tasks.discard)


def _retire(starting: "asyncio.Task[SharedProcess]") -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().retire()
