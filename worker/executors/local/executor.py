"""Runs attempts on this host: in warm processes, each under a supervisor that ends all of it.

First the processes, started ahead of attempts, each for one handler package, and used again
(`Pool`); then how many attempts begin at a time (`Pace`); then the executor.
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
from worker.executors.packages import HandlerPackage, to_start_ahead
from worker.executors.port import ISOLATED, LeaseOverError, OnUpdate, Task, require_lease

logger = logging.getLogger(__name__)

AHEAD = 2
"""Processes that wait for the next attempts, and at least one of each package: with its supervisor
each holds 18 MB or more, whether anything runs or not."""

QUIET_S = 60.0
"""After so long without an attempt, no more wait than are started ahead."""


class Pool:
    """At most as many processes as attempts may run; an idle one gives way to another package.

    A few wait ahead of attempts. More are started as attempts come, and stay while they do. So the
    processes of a package become as many as its attempts need, and one that has to be replaced is
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
        """The one used last at the end."""
        self._wanted = deque(self._first_ones)
        self._used_at = monotonic()
        self._taken = 0
        self._starting = 0
        self._refilling: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self.lease_until = 0.0
        self._closed = False

    async def aclose(self) -> None:
        """End what is idle or about to end, and remove where it worked."""
        self._closed = True
        if self._refilling is not None:
            await asyncio.wait([self._refilling])
        for slot in self._idle:
            self._end(slot)
        self._idle.clear()
        await asyncio.gather(*self._leaving)
        await asyncio.to_thread(self._workplace.close)

    def prepare(self) -> None:
        """Start in the background what is to wait for attempts."""
        is_refilling = self._refilling is not None and not self._refilling.done()
        if not is_refilling:
            self._refilling = start_once("warm processes", self._start_wanted())

    def renew(self, until: float) -> None:
        """Let idle processes, and those yet to start, live until this moment."""
        self.lease_until = until
        self._end_unneeded()
        for slot in self._idle:
            slot.renew(until)

    def offer(self, packages: Sequence[HandlerPackage]) -> None:
        """Run handlers of these packages from now on; attempts of others come to their own end."""
        self._packages = packages
        outdated = [slot for slot in self._idle if slot.package not in packages]
        for slot in outdated:
            self._idle.remove(slot)
            self._end(slot)
        self._wanted = deque(self._first_ones)
        self.prepare()

    async def take(self, package: HandlerPackage) -> Slot:
        """Return a living slot of this package; a fresh one where none is idle."""
        self._used_at = monotonic()
        slot = self._idle_one(package)
        if slot is None:
            self._make_room()
            slot = await self._start(package)
        self._taken += 1
        self._start_next(package)
        return slot

    def release(self, slot: Slot, *, is_reusable: bool) -> None:
        """Keep the slot for another attempt, or end it and start another one."""
        self._taken -= 1
        self._used_at = monotonic()
        is_fit = is_reusable and slot.is_alive and slot.package in self._packages
        is_needed = self._missing > 0 and not self._closed
        if is_fit and is_needed:
            self._idle.append(slot)
            return
        self._replace(slot)
        if not self._closed:
            self.prepare()

    @property
    def _first_ones(self) -> list[HandlerPackage]:
        """The package of each process that waits before anybody knows what will run."""
        ahead = max(AHEAD, len(self._packages))
        processes = min(ahead, self._size)
        return to_start_ahead(self._packages, processes)

    @property
    def _missing(self) -> int:
        there = len(self._idle) + self._taken + self._starting
        return self._size - there

    def _idle_one(self, package: HandlerPackage) -> Slot | None:
        # The last one used: most of it is still in the processor's caches.
        for slot in reversed(self._idle):
            if slot.package is package and slot.is_alive:
                self._idle.remove(slot)
                return slot
        return None

    def _start_next(self, package: HandlerPackage) -> None:
        """Let the next attempt find a process as well, where it may run beside this one."""
        waiting = len(self._idle) + self._starting + len(self._wanted)
        may_run = self._missing > 0 and package in self._packages
        if may_run and waiting < AHEAD:
            self._wanted.append(package)
            self.prepare()

    def _end_unneeded(self) -> None:
        """End what has waited for long in vain, but for those that wait always."""
        quiet_s = monotonic() - self._used_at
        if self._taken or quiet_s < QUIET_S:
            return
        needed = self._first_ones
        latest_first = self._idle[::-1]
        for slot in latest_first:
            if slot.is_alive and slot.package in needed:
                needed.remove(slot.package)
            else:
                self._idle.remove(slot)
                self._end(slot)

    def _make_room(self) -> None:
        """End what is idle and dead; where there are enough processes, one of another package."""
        dead = [slot for slot in self._idle if not slot.is_alive]
        for slot in dead:
            self._idle.remove(slot)
            self._replace(slot)
        if self._idle and self._missing <= 0:
            longest_unused = self._idle.pop(0)
            self._end(longest_unused)

    async def _start(self, package: HandlerPackage) -> Slot:
        if package in self._wanted:
            self._wanted.remove(package)
        self._starting += 1
        try:
            directory = self._workplace.new_directory()
            slot = await start_slot(package, directory, self._orphans)
        except BaseException:
            if package in self._packages:
                self._wanted.append(package)
            raise
        finally:
            self._starting -= 1
        if self.lease_until:
            slot.renew(self.lease_until)
        return slot

    async def _start_wanted(self) -> None:
        try:
            while self._wanted and self._missing > 0 and not self._closed:
                slot = await self._start(self._wanted[0])
                self._keep(slot)
        except OSError as error:  # Attempts that find none ready try again, and tell.
            logger.warning("cannot start processes ahead of attempts: %s", error)
        if self._missing <= 0:
            self._wanted.clear()

    def _keep(self, slot: Slot) -> None:
        """Let a process that was started ahead wait, unless its package has gone meanwhile."""
        if slot.package in self._packages:
            self._idle.append(slot)
        else:
            self._end(slot)

    def _replace(self, slot: Slot) -> None:
        self._end(slot)
        package = slot.package
        if package not in self._packages:
            [package] = to_start_ahead(self._packages, 1)
        self._wanted.append(package)

    def _end(self, slot: Slot) -> None:
        slot.hang_up()
        leaving = start_once("ended process", slot.discard())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


# Lets attempts begin a few at a time: to wake many processes at once makes each of them slow.
#
# A process that has just run an attempt finds its code and data in the processor's caches; one that
# waited while a dozen others ran finds neither, and takes several times as long for a short
# attempt. So a burst of short attempts goes through few processes, and long ones wait for each
# other for a moment only.


def _processors() -> int:
    """Return how many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


AT_ONCE = 2 * _processors()
"""Attempts that may be in their first moment at a time: so many that whenever one is over, another
one is under way."""

MOMENT_S = 0.002
"""After this an attempt counts as long, and another one may begin beside it."""


class Pace:
    """Hands out turns, given back when the attempt is over, and taken back after a moment."""

    def __init__(self) -> None:
        self._free = AT_ONCE
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> Callable[[], None]:
        """Wait for a turn; return what gives it back."""
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
        return _Turn(self._pass_on).release

    def _pass_on(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._free += 1


class _Turn:
    """One turn, given back once."""

    def __init__(self, pass_on: Callable[[], None]) -> None:
        self._pass_on: Callable[[], None] | None = pass_on
        self._over = asyncio.get_running_loop().call_later(MOMENT_S, self.release)

    def release(self) -> None:
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
            orphans: who ends what a killed supervisor leaves. Without it, nobody does: it is for a
                process of which all children are known.
        """
        self._packages = packages
        self._pool = Pool(_each_once(packages), size, orphans)
        self._pace = Pace()
        self._running: dict[ProcessAttempt, Callable[[], None]] = {}

    capabilities = ISOLATED

    @property
    def capacity(self) -> float:
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

    def end_session(self) -> None:
        """Do nothing: an attempt on this host that was stopped never begins."""

    def end_overdue(self, now: datetime) -> None:
        """End what is past its deadline by a clock that has been moved: that of a test service."""
        for attempt in self._running:
            attempt.end_if_overdue(now)

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> ProcessAttempt:
        """Start an attempt in a process of its handler's package.

        Raises:
            LeaseOverError: the lease is over.
        """
        require_lease(max(until, self._pool.lease_until))
        package = self._packages[task.entry_point]
        began = await self._pace.turn()
        try:
            slot = await self._pool.take(package)
        except BaseException:
            began()
            raise
        lease_until = max(until, self._pool.lease_until)
        try:
            require_lease(lease_until)
        except LeaseOverError:
            began()
            self._pool.release(slot, is_reusable=True)
            raise
        slot.renew(lease_until)
        attempt = ProcessAttempt(slot, task, on_update, self._release)
        self._running[attempt] = began
        return attempt

    def _release(self, attempt: ProcessAttempt, slot: Slot, *, is_reusable: bool) -> None:
        turn_is_over = self._running.pop(attempt)
        turn_is_over()
        self._pool.release(slot, is_reusable=is_reusable)


def _each_once(packages: Mapping[str, HandlerPackage]) -> list[HandlerPackage]:
    return list(dict.fromkeys(packages.values()))
