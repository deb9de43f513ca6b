"""Warm processes: started ahead of attempts, each for one handler package, and used again."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from time import monotonic

from runtime.background_tasks import start_once
from worker.executors.local.orphans import Orphans
from worker.executors.local.slot import Slot, start_slot
from worker.executors.local.workplace import Workplace
from worker.executors.packages import HandlerPackage, to_start_ahead

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

    def give_back(self, slot: Slot, *, lives_on: bool) -> None:
        """Keep the slot for another attempt, or end it and start another one."""
        self._taken -= 1
        self._used_at = monotonic()
        is_fit = lives_on and slot.lives and slot.package in self._packages
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
            if slot.package is package and slot.lives:
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
            if slot.lives and slot.package in needed:
                needed.remove(slot.package)
            else:
                self._idle.remove(slot)
                self._end(slot)

    def _make_room(self) -> None:
        """End what is idle and dead; where there are enough processes, one of another package."""
        dead = [slot for slot in self._idle if not slot.lives]
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
