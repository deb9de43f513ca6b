"""Runs attempts on this host: in warm processes, each under a supervisor that ends all of it."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime

from worker.executors.local.attempt import ProcessAttempt
from worker.executors.local.orphans import Orphans
from worker.executors.local.pool import Pool
from worker.executors.local.slot import Slot
from worker.executors.local.throttle import Pace
from worker.executors.packages import HandlerPackage
from worker.executors.port import APART, LeaseOverError, OnUpdate, Task, need_lease


class ProcessExecutor:
    """The local `Executor` of the port: warm processes, as many as attempts may run."""

    def __init__(
        self,
        packages: Mapping[str, HandlerPackage],
        size: int,
        orphans: Orphans | None = None,
    ) -> None:
        """Make an executor; nothing is started yet.

        Args:
            packages: by the entry points of their handlers.
            size: how many attempts run at a time.
            orphans: who ends what a killed supervisor leaves. Without it, nobody does: it is for a
                process of which all children are known.
        """
        self._packages = packages
        self._pool = Pool(_each_once(packages), size, orphans)
        self._pace = Pace()
        self._running: dict[ProcessAttempt, Callable[[], None]] = {}

    capabilities = APART

    @property
    def room(self) -> float:
        """Return that only slots count."""
        return math.inf

    async def aclose(self) -> None:
        """End what was started ahead of attempts that never came."""
        await self._pool.aclose()

    def prepare(self) -> None:
        """Start in the background the processes that wait for attempts."""
        self._pool.prepare()

    def offer(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; what runs already goes on as it began."""
        self._packages = packages
        self._pool.offer(_each_once(packages))

    def renew(self, until: float) -> None:
        """Let what runs, and what waits, go on until this moment of the monotonic clock."""
        self._pool.renew(until)
        for attempt in self._running:
            attempt.renew(until)

    def end_overdue(self, now: datetime) -> None:
        """End what is past its deadline by a clock that has been moved: that of a test service."""
        for attempt in self._running:
            attempt.end_if_overdue(now)

    async def submit(
        self, task: Task, on_update: OnUpdate, until: float
    ) -> ProcessAttempt:
        """Start an attempt in a process of its handler's package.

        Raises:
            LeaseOverError: the lease is over.
        """
        need_lease(max(until, self._pool.lease_until))
        package = self._packages[task.entry_point]
        began = await self._pace.turn()
        try:
            slot = await self._pool.take(package)
        except BaseException:
            began()
            raise
        lease_until = max(until, self._pool.lease_until)
        try:
            need_lease(lease_until)
        except LeaseOverError:
            began()
            self._pool.give_back(slot, lives_on=True)
            raise
        slot.renew(lease_until)
        attempt = ProcessAttempt(slot, task, on_update, self._give_back)
        self._running[attempt] = began
        return attempt

    def _give_back(
        self, attempt: ProcessAttempt, slot: Slot, *, lives_on: bool
    ) -> None:
        turn_is_over = self._running.pop(attempt)
        turn_is_over()
        self._pool.give_back(slot, lives_on=lives_on)


def _each_once(packages: Mapping[str, HandlerPackage]) -> list[HandlerPackage]:
    return list(dict.fromkeys(packages.values()))
