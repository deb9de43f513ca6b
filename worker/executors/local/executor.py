"""Runs attempts on this host, in warm processes with supervisors.

First the pool of processes, which are started ahead of attempts and reused (`ProcessPool`); then
the limit of attempts that start at a time (`StartThrottle`); then the executor.
"""

import asyncio
import logging
import math
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from time import monotonic

from runtime.tasks import start_once
from worker.executors.local.attempt import ProcessAttempt
from worker.executors.local.orphans import Orphans
from worker.executors.local.slot import Slot, start_slot
from worker.executors.local.workplace import Workplace
from worker.executors.packages import HandlerPackage, packages_to_start
from worker.executors.port import ISOLATED, LeaseOverError, OnUpdate, Task, require_lease

logger = logging.getLogger(__name__)

WARM_PROCESSES = 2
"""How many processes are started ahead of attempts: this many, or one for each package if there are
more packages. Each takes 18 MB or more with its supervisor."""

IDLE_S = 60.0
"""After this long without an attempt, only the processes that are started ahead are kept."""


class ProcessPool:
    """The processes of an executor, each for the handlers of one package.

    There are at most as many as attempts may run at a time. A few are started ahead of attempts;
    others are started for attempts and kept while attempts come. So each package has the processes
    that its attempts need. If there is no capacity, an idle process of another package is replaced.

    Attributes:
        lease_until: the end of the lease by the monotonic clock; 0 before the first renewal.
    """

    def __init__(
        self, packages: Sequence[HandlerPackage], size: int, orphans: Orphans | None
    ) -> None:
        self._packages = packages
        self._size = size
        self._orphans = orphans
        self._workplace = Workplace()
        self._idle: list[Slot] = []
        """In the order of use, the last used one at the end."""
        self._to_start = deque(self._warm_packages)
        self._used_at = monotonic()
        self._in_use = 0
        self._starting = 0
        self._refill_task: asyncio.Task[None] | None = None
        self._end_tasks: set[asyncio.Task[None]] = set()
        self.lease_until = 0.0
        self._is_closed = False

    async def aclose(self) -> None:
        """End idle processes, wait for those that are ending, and remove their directories."""
        self._is_closed = True
        if self._refill_task is not None:
            await asyncio.wait([self._refill_task])
        for slot in self._idle:
            self._end(slot)
        self._idle.clear()
        await asyncio.gather(*self._end_tasks)
        await asyncio.to_thread(self._workplace.close)

    def prepare(self) -> None:
        """Start queued processes in the background."""
        is_refilling = self._refill_task is not None and not self._refill_task.done()
        if not is_refilling:
            self._refill_task = start_once("warm processes", self._start_queued())

    def renew(self, until: float) -> None:
        """Extend the lease of idle processes, and of those that will be started."""
        self.lease_until = until
        self._end_unneeded()
        for slot in self._idle:
            slot.renew(until)

    def use_packages(self, packages: Sequence[HandlerPackage]) -> None:
        """Run handlers of these packages from now on; running attempts are not affected."""
        self._packages = packages
        outdated = [slot for slot in self._idle if slot.package not in packages]
        for slot in outdated:
            self._idle.remove(slot)
            self._end(slot)
        self._to_start = deque(self._warm_packages)
        self.prepare()

    async def acquire(self, package: HandlerPackage) -> Slot:
        """Return a slot of this package: an idle one, or a new one.

        Raises:
            OSError: no process could be started.
        """
        self._used_at = monotonic()
        slot = self._take_idle(package)
        if slot is None:
            self._end_surplus()
            slot = await self._start(package)
        self._in_use += 1
        self._start_next(package)
        return slot

    def release(self, slot: Slot, *, is_reusable: bool) -> None:
        """Keep the slot for another attempt if it is reusable, else replace it."""
        self._in_use -= 1
        self._used_at = monotonic()
        is_fit = is_reusable and slot.is_alive and slot.package in self._packages
        is_needed = self._free_slots > 0 and not self._is_closed
        if is_fit and is_needed:
            self._idle.append(slot)
            return
        self._replace(slot)
        if not self._is_closed:
            self.prepare()

    @property
    def _warm_packages(self) -> list[HandlerPackage]:
        """The package of each process that is started ahead of attempts."""
        processes = min(max(WARM_PROCESSES, len(self._packages)), self._size)
        return packages_to_start(self._packages, processes)

    @property
    def _free_slots(self) -> int:
        return self._size - (len(self._idle) + self._in_use + self._starting)

    def _take_idle(self, package: HandlerPackage) -> Slot | None:
        # The last used one: more of its code and data is still in the processor's caches.
        for slot in reversed(self._idle):
            if slot.package is package and slot.is_alive:
                self._idle.remove(slot)
                return slot
        return None

    def _start_next(self, package: HandlerPackage) -> None:
        """Start a process for the next attempt, if it may run at the same time as this one."""
        waiting_count = len(self._idle) + self._starting + len(self._to_start)
        may_run = self._free_slots > 0 and package in self._packages
        if may_run and waiting_count < WARM_PROCESSES:
            self._to_start.append(package)
            self.prepare()

    def _end_unneeded(self) -> None:
        """If the pool has long been idle, end the processes beyond those that are started ahead."""
        idle_s = monotonic() - self._used_at
        if self._in_use or idle_s < IDLE_S:
            return
        needed = self._warm_packages
        latest_first = self._idle[::-1]
        for slot in latest_first:
            if slot.is_alive and slot.package in needed:
                needed.remove(slot.package)
            else:
                self._idle.remove(slot)
                self._end(slot)

    def _end_surplus(self) -> None:
        """Replace dead idle processes; if the pool is full, also end the one idle for longest."""
        dead = [slot for slot in self._idle if not slot.is_alive]
        for slot in dead:
            self._idle.remove(slot)
            self._replace(slot)
        if self._idle and self._free_slots <= 0:
            self._end(self._idle.pop(0))

    async def _start(self, package: HandlerPackage) -> Slot:
        if package in self._to_start:
            self._to_start.remove(package)
        self._starting += 1
        try:
            directory = self._workplace.new_directory()
            slot = await start_slot(package, directory, self._orphans)
        except BaseException:
            if package in self._packages:
                self._to_start.append(package)
            raise
        finally:
            self._starting -= 1
        if self.lease_until:
            slot.renew(self.lease_until)
        return slot

    async def _start_queued(self) -> None:
        try:
            while self._to_start and self._free_slots > 0 and not self._is_closed:
                slot = await self._start(self._to_start[0])
                self._keep(slot)
        except OSError as error:  # The next attempt tries again, and reports the error.
            logger.warning("cannot start processes ahead of attempts: %s", error)
        if self._free_slots <= 0:
            self._to_start.clear()

    def _keep(self, slot: Slot) -> None:
        """Keep a process that was started ahead, unless its package was removed meanwhile."""
        if slot.package in self._packages:
            self._idle.append(slot)
        else:
            self._end(slot)

    def _replace(self, slot: Slot) -> None:
        self._end(slot)
        package = slot.package
        if package not in self._packages:
            [package] = packages_to_start(self._packages, 1)
        self._to_start.append(package)

    def _end(self, slot: Slot) -> None:
        slot.hang_up()
        end_task = start_once("ended process", slot.discard())
        self._end_tasks.add(end_task)
        end_task.add_done_callback(self._end_tasks.discard)


def _processor_count() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


MAX_STARTING = 2 * _processor_count()
"""How many attempts may be starting at a time: enough that one is under way when another ends."""

MAX_START_S = 0.002
"""After this long, a running attempt no longer counts as starting."""


class StartThrottle:
    """Limits how many attempts start at a time, as many processes that wake at once are all slow.

    A process that has just run an attempt has its code and data in the processor's caches. One that
    waited while a dozen others ran has neither, and takes several times as long for a short
    attempt. So a burst of short attempts goes through few processes, and a long attempt delays the
    next one by `MAX_START_S` only.
    """

    def __init__(self) -> None:
        self._free = MAX_STARTING
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> Callable[[], None]:
        """Wait for a permit to start an attempt; return the function that releases it.

        The permit is released after `MAX_START_S` in any case.
        """
        if self._free:
            self._free -= 1
        else:
            permit = asyncio.get_running_loop().create_future()
            self._waiting.append(permit)
            try:
                await permit
            except asyncio.CancelledError:
                if not permit.cancelled():
                    self._release()
                raise
        return _Permit(self._release).release

    def _release(self) -> None:
        """Give the permit to the first attempt that waits for one."""
        while self._waiting:
            permit = self._waiting.popleft()
            if not permit.done():
                permit.set_result(None)
                return
        self._free += 1


class _Permit:
    """A permit to start an attempt; it is released once."""

    def __init__(self, on_release: Callable[[], None]) -> None:
        self._on_release: Callable[[], None] | None = on_release
        self._timer = asyncio.get_running_loop().call_later(MAX_START_S, self.release)

    def release(self) -> None:
        """Let another attempt start."""
        on_release = self._on_release
        self._on_release = None
        if on_release is not None:
            self._timer.cancel()
            on_release()


class ProcessExecutor:
    """The local `Executor`: it runs each attempt in a process of its own."""

    def __init__(
        self, packages: Mapping[str, HandlerPackage], size: int, orphans: Orphans | None = None
    ) -> None:
        """Create an executor; nothing is started yet.

        Args:
            packages: the handlers' packages, by entry point.
            size: how many attempts run at a time.
            orphans: ends the processes that a killed supervisor leaves; None for nothing. It
                requires that all other children of this process are in its session.
        """
        self._packages = packages
        self._pool = ProcessPool(_distinct_packages(packages), size, orphans)
        self._throttle = StartThrottle()
        self._running: dict[ProcessAttempt, Callable[[], None]] = {}

    capabilities = ISOLATED

    @property
    def capacity(self) -> float:
        """Unlimited: only the slots count."""
        return math.inf

    async def aclose(self) -> None:
        """End the processes that wait for attempts."""
        await self._pool.aclose()

    def prepare(self) -> None:
        """Start processes in the background that wait for attempts."""
        self._pool.prepare()

    def use_packages(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; running attempts are not affected."""
        self._packages = packages
        self._pool.use_packages(_distinct_packages(packages))

    def renew(self, until: float) -> None:
        """Extend the lease of attempts and idle processes to this time of the monotonic clock."""
        self._pool.renew(until)
        for attempt in self._running:
            attempt.renew(until)

    def end_session(self) -> None:
        """Do nothing: on this host, no stopped attempt begins."""

    def end_overdue(self, now: datetime) -> None:
        """End attempts whose deadline is over by a test service's clock, which can be moved."""
        for attempt in self._running:
            attempt.end_if_overdue(now)

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> ProcessAttempt:
        """Start an attempt in a process of its handler's package.

        Raises:
            LeaseOverError: the lease is over.
        """
        require_lease(max(until, self._pool.lease_until))
        package = self._packages[task.entry_point]
        release_permit = await self._throttle.acquire()
        try:
            slot = await self._pool.acquire(package)
        except BaseException:
            release_permit()
            raise
        lease_until = max(until, self._pool.lease_until)
        try:
            require_lease(lease_until)
        except LeaseOverError:
            release_permit()
            self._pool.release(slot, is_reusable=True)
            raise
        slot.renew(lease_until)
        attempt = ProcessAttempt(slot, task, on_update, self._release)
        self._running[attempt] = release_permit
        return attempt

    def _release(self, attempt: ProcessAttempt, slot: Slot, *, is_reusable: bool) -> None:
        release_permit = self._running.pop(attempt)
        release_permit()
        self._pool.release(slot, is_reusable=is_reusable)


def _distinct_packages(packages: Mapping[str, HandlerPackage]) -> list[HandlerPackage]:
    return list(dict.fromkeys(packages.values()))
