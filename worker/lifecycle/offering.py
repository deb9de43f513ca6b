"""What a worker executes, and what it gives up because nobody does.

A run whose entry point this worker does not offer is left to others. One that no living worker
offers waits for somebody who does. Only where the operator says after how long, any worker then
claims it to let it fail.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from time import monotonic

from domain.ports import Offer
from domain.workers.isolation import Isolation
from domain.workers.labels import Labels
from worker.lifecycle.ports import AWAY, Heartbeats, Work

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0

NO_LABELS: Labels = {}


class Offering:
    """The offer of one worker, which may change while it works."""

    def __init__(
        self,
        entry_points: Collection[str],
        work: Work,
        heartbeats: Heartbeats,
        grace_s: float | None = None,
        labels: Labels = NO_LABELS,
    ) -> None:
        """Offer these.

        Args:
            entry_points: of the worker's handlers; others may change them meanwhile.
            work: knows what waits.
            heartbeats: knows what others offer, and tells them.
            grace_s: after how long a run fails that nobody offers; None for never.
            labels: the worker's.
        """
        self._entry_points = entry_points
        self._work = work
        self._heartbeats = heartbeats
        self._announced = frozenset[str]()
        self._grace_s = grace_s
        self._labels = frozenset(labels.items())
        self._given_up = frozenset[str]()
        self._unoffered_since: dict[str, float] = {}

    def present(self, isolation: Isolation) -> Offer:
        """Return what the worker executes now, of what is kept apart like this."""
        return Offer(
            frozenset(self._entry_points),
            self._given_up,
            self._grace_s or 0.0,
            self._labels,
            isolation,
        )

    def of(self, isolation: Isolation) -> Callable[[], Offer]:
        """Return what tells what the worker executes of that."""
        return partial(self.present, isolation)

    def has(self, entry_point: str) -> bool:
        """Return whether the worker has a handler of this name."""
        return entry_point in self._entry_points

    def gives_up(self, entry_point: str) -> bool:
        """Return whether nobody has had such a handler for too long."""
        return entry_point in self._given_up

    def announced(self) -> Sequence[str]:
        """Return what others are about to be told that the worker offers."""
        self._announced = frozenset(self._entry_points)
        return sorted(self._announced)

    async def keep_up(self, worker_id: str) -> None:
        """For ever, tell others where the offer has changed, and find what nobody offers."""
        while True:
            pause_s = LOOK_EVERY_S
            try:
                await self._announce(worker_id)
                pause_s = await self.look()
            except AWAY as error:
                logger.warning("cannot look for what no worker offers: %s", error)
            await asyncio.sleep(pause_s)

    async def _announce(self, worker_id: str) -> None:
        """Tell others what has changed; it is told again until it has been taken in."""
        offered = frozenset(self._entry_points)
        if offered == self._announced:
            return
        await self._heartbeats.offer(worker_id, sorted(offered))
        self._announced = offered

    @property
    def unoffered(self) -> int:
        """How many entry points of waiting runs no living worker offers, as last seen."""
        return len(self._unoffered_since)

    async def look(self) -> float:
        """Look for what nobody offers; return after how many seconds to look again."""
        found = await self._work.unoffered()
        now = monotonic()
        for entry_point in sorted(found - self._unoffered_since.keys()):
            self._tell(entry_point)
        since: dict[str, float] = {}
        given_up: set[str] = set()
        again_in_s = LOOK_EVERY_S
        for name in found:
            since[name] = self._unoffered_since.get(name, now)
            if self._grace_s is None:
                continue
            left_s = since[name] + self._grace_s - now
            if left_s <= 0:
                given_up.add(name)
            else:
                again_in_s = min(again_in_s, left_s)
        self._unoffered_since = since
        if given_up != self._given_up:
            self._given_up = frozenset(given_up)
            self._work.wake()
        return again_in_s

    def _tell(self, entry_point: str) -> None:
        end = (
            "" if self._grace_s is None else f", or they fail after {self._grace_s:g} s"
        )
        logger.warning(
            "runs wait for the entry point %s, which no living worker offers: start a worker"
            " that does%s",
            entry_point,
            end,
        )
