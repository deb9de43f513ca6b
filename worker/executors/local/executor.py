"""Runs attempts on this host: in warm processes, each under a supervisor that ends all of it.

First the processes, started ahead of attempts, each for one handler package, and reused (`Pool`);
then the limit of attempts that begin at a time (`Pace`); then the executor.
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

AHEAD = 2
"""Processes that wait for the next attempts, and at least one of each package: each holds 18 MB or
more with its supervisor, whether it is used or not."""

IDLE_S = 60.0
"""After this long without an attempt, only processes that are started ahead are kept."""


class Pool:
    """At most as many processes as attempts may run; an idle one gives way to another package.

    A few are started ahead of attempts. More are started as attempts come, and stay while they do.
    So each package gets the processes that its attempts need, and one that has to be replaced is
    followed by one of its own package.

    Attributes:
        lease_until: the moment of the monotonic clock until which idle processes live; 0 before it
            is known.
    """

    def __init__(
        self, packages: Sequence[HandlerPackage], size: int, orphans: Orphans | None
    ) -> None:
        self._packages = packages
        self._size = size
        self._orphans = orphans
        self._workplace = Workplace()
        self._idle: list[Slot] = []
        """The one used last is at the end."""
        self._to_start = deque(self._started_ahead)
        self._used_at = monotonic()
        self._in_use = 0
        self._starting = 0
        self._refilling: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self.lease_until = 0.0
        self._closed = False

    async def aclose(self) -> None:
        """End idle processes, wait for those about to end, and remove their directories."""
        self._closed = True
        if self._refilling is not None:
            await asyncio.wait([self._refilling])
        for slot in self._idle:
            self._end(slot)
        self._idle.clear()
        await asyncio.gather(*self._ending)
        await asyncio.to_thread(self._workplace.close)

    def prepare(self) -> None:
        """Start queued processes in the background."""
        is_refilling = self._refilling is not None and not self._refilling.done()
        if not is_refilling:
            self._refilling = start_once("warm processes", self._start_queued())

    def renew(self, until: float) -> None:
        """Extend the lease of idle processes, and of those yet to start."""
        self.lease_until = until
        self._end_unneeded()
        for slot in self._idle:
            slot.renew(until)

    def offer(self, packages: Sequence[HandlerPackage]) -> None:
        """Run handlers of these packages from now on; running attempts are not affected."""
        self._packages = packages
        outdated = [slot for slot in self._idle if slot.package not in packages]
        for slot in outdated:
            self._idle.remove(slot)
            self._end(slot)
        self._to_start = deque(self._started_ahead)
        self.prepare()

    async def acquire(self, package: HandlerPackage) -> Slot:
        """Return a living slot of this package; a fresh one where none is idle."""
        self._used_at = monotonic()
        slot = self._take_idle(package)
        if slot is None:
            self._end_surplus()
            slot = await self._start(package)
        self._in_use += 1
        self._start_next(package)
        return slot

    def release(self, slot: Slot, *, is_reusable: bool) -> None:
        """Keep the slot for another attempt, or end it and start another one."""
        self._in_use -= 1
        self._used_at = monotonic()
        is_fit = is_reusable and slot.is_alive and slot.package in self._packages
        is_needed = self._free_slots > 0 and not self._closed
        if is_fit and is_needed:
            self._idle.append(slot)
            return
        self._replace(slot)
        if not self._closed:
            self.prepare()

    @property
    def _started_ahead(self) -> list[HandlerPackage]:
        """The package of each process that is started ahead of attempts."""
        processes = min(max(AHEAD, len(self._packages)), self._size)
        return packages_to_start(self._packages, processes)

    @property
    def _free_slots(self) -> int:
        return self._size - (len(self._idle) + self._in_use + self._starting)

    def _take_idle(self, package: HandlerPackage) -> Slot | None:
        # The last one used: most of its code and data is still in the processor's caches.
        for slot in reversed(self._idle):
            if slot.package is package and slot.is_alive:
                self._idle.remove(slot)
                return slot
        return None

    def _start_next(self, package: HandlerPackage) -> None:
        """Queue a process for the next attempt, where one may run beside this one."""
        waiting = len(self._idle) + self._starting + len(self._to_start)
        may_run = self._free_slots > 0 and package in self._packages
        if may_run and waiting < AHEAD:
            self._to_start.append(package)
            self.prepare()

    def _end_unneeded(self) -> None:
        """End processes that have long been idle, except for those that are started ahead."""
        idle_s = monotonic() - self._used_at
        if self._in_use or idle_s < IDLE_S:
            return
        needed = self._started_ahead
        latest_first = self._idle[::-1]
        for slot in latest_first:
            if slot.is_alive and slot.package in needed:
                needed.remove(slot.package)
            else:
                self._idle.remove(slot)
                self._end(slot)

    def _end_surplus(self) -> None:
        """End dead idle processes; without a free slot, also the one that was idle for longest."""
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
            while self._to_start and self._free_slots > 0 and not self._closed:
                slot = await self._start(self._to_start[0])
                self._keep(slot)
        except OSError as error:  # An attempt without a ready process tries again, and reports it.
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
        ending = start_once("ended process", slot.discard())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


def _processor_count() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


AT_ONCE = 2 * _processor_count()
"""Attempts that may be in their first moment at a time: enough that whenever one ends, another is
under way."""

MOMENT_S = 0.002
"""An attempt that runs for longer lets another one begin beside it."""


class Pace:
    """Lets a few attempts begin at a time: waking many processes at once makes each of them slow.

    A process that has just run an attempt has its code and data in the processor's caches; one that
    waited while a dozen others ran has neither, and takes several times as long for a short
    attempt. So a burst of short attempts goes through few processes, and long ones wait for each
    other for a moment only.
    """

    def __init__(self) -> None:
        self._free = AT_ONCE
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def begin_turn(self) -> Callable[[], None]:
        """Wait for a turn to begin; return a function that ends it.

        It also ends by itself after `MOMENT_S`.
        """
        if self._free:
            self._free -= 1
        else:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            except asyncio.CancelledError:
                if not waiting.cancelled():
                    self._pass_on()
                raise
        return _Turn(self._pass_on).end

    def _pass_on(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._free += 1


class _Turn:
    """One turn, which ends once."""

    def __init__(self, pass_on: Callable[[], None]) -> None:
        self._pass_on: Callable[[], None] | None = pass_on
        self._over = asyncio.get_running_loop().call_later(MOMENT_S, self.end)

    def end(self) -> None:
        """Let another attempt begin."""
        pass_on = self._pass_on
        self._pass_on = None
        if pass_on is not None:
            self._over.cancel()
            pass_on()


class ProcessExecutor:
    """The local `Executor` of the port: warm processes, as many as attempts may run."""

    def __init__(
        self, packages: Mapping[str, HandlerPackage], size: int, orphans: Orphans | None = None
    ) -> None:
        """Make an executor; nothing is started yet.

        Args:
            packages: by the entry points of their handlers.
            size: how many attempts run at a time.
            orphans: ends the processes that a killed supervisor leaves; None for nothing. Only for
                a process whose other children share its session.
        """
        self._packages = packages
        self._pool = Pool(_distinct(packages), size, orphans)
        self._pace = Pace()
        self._running: dict[ProcessAttempt, Callable[[], None]] = {}

    capabilities = ISOLATED

    @property
    def capacity(self) -> float:
        """No limit: slots alone count."""
        return math.inf

    async def aclose(self) -> None:
        """End the processes that wait for attempts."""
        await self._pool.aclose()

    def prepare(self) -> None:
        """Start processes in the background that wait for attempts."""
        self._pool.prepare()

    def offer(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; running attempts are not affected."""
        self._packages = packages
        self._pool.offer(_distinct(packages))

    def renew(self, until: float) -> None:
        """Extend the lease of attempts and idle processes to this time of the monotonic clock."""
        self._pool.renew(until)
        for attempt in self._running:
            attempt.renew(until)

    def end_session(self) -> None:
        """Do nothing: an attempt on this host that was stopped never begins."""

    def end_overdue(self, now: datetime) -> None:
        """End attempts past their deadline by a test service's clock, which can be moved."""
        for attempt in self._running:
            attempt.end_if_overdue(now)

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> ProcessAttempt:
        """Start an attempt in a process of its handler's package.

        Raises:
            LeaseOverError: the lease is over.
        """
        require_lease(max(until, self._pool.lease_until))
        package = self._packages[task.entry_point]
        end_turn = await self._pace.begin_turn()
        try:
            slot = await self._pool.acquire(package)
        except BaseException:
            end_turn()
            raise
        lease_until = max(until, self._pool.lease_until)
        try:
            require_lease(lease_until)
        except LeaseOverError:
            end_turn()
            self._pool.release(slot, is_reusable=True)
            raise
        slot.renew(lease_until)
        attempt = ProcessAttempt(slot, task, on_update, self._release)
        self._running[attempt] = end_turn
        return attempt

    def _release(self, attempt: ProcessAttempt, slot: Slot, *, is_reusable: bool) -> None:
        end_turn = self._running.pop(attempt)
        end_turn()
        self._pool.release(slot, is_reusable=is_reusable)


def _distinct(packages: Mapping[str, HandlerPackage]) -> list[HandlerPackage]:
    return list(dict.fromkeys(packages.values()))
