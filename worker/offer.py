"""What a worker offers: the entry points of its handlers, which may change while it runs.

The worker announces its offer in the workers' table. It also watches for entry points of pending
runs that no living worker offers. Such runs wait for a worker that does; only if the operator
limits that wait (`--no-handler-after-s`), any worker then claims them to let them fail.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from time import monotonic

from domain.ports import Offer
from domain.workers import Isolation, Labels, Python
from runtime.tasks import repeat
from worker.ports import UNAVAILABLE_ERRORS, Heartbeats, Work

logger = logging.getLogger(__name__)

CHECK_EVERY_S = 1.0
"""How often to check the worker's own offer for changes, and what no worker offers."""

NO_LABELS: Labels = {}


class WorkerOffer:
    """The entry points that a worker offers, and those that no worker does.

    Attributes:
        pythons: returns the interpreters of the handlers.
    """

    def __init__(  # noqa: PLR0913 - the parts of an offer
        self,
        entry_points: Collection[str],
        work: Work,
        heartbeats: Heartbeats,
        grace_s: float | None = None,
        labels: Labels = NO_LABELS,
        pythons: Callable[[], Sequence[Python]] = tuple,
    ) -> None:
        """Offer entry points; nothing is announced yet.

        Args:
            entry_points: those of the worker's handlers; the collection may change later.
            work: the pending runs.
            heartbeats: the workers' table, in which the offer is announced.
            grace_s: after how long a run fails whose entry point no worker offers; None for never.
            labels: the worker's labels.
            pythons: returns the interpreters of the handlers.
        """
        self.pythons = pythons
        self._entry_points = entry_points
        self._work = work
        self._heartbeats = heartbeats
        self._announced = frozenset[str]()
        self._grace_s = grace_s
        self._labels = frozenset(labels.items())
        self._abandoned = frozenset[str]()
        self._unoffered_since: dict[str, float] = {}

    def current(self, isolation: Isolation) -> Offer:
        """Return what the worker can execute now at an isolation level."""
        return Offer(
            frozenset(self._entry_points),
            self._abandoned,
            self._grace_s or 0.0,
            self._labels,
            isolation,
        )

    def has_handler(self, entry_point: str) -> bool:
        """Return whether the worker has a handler for an entry point."""
        return entry_point in self._entry_points

    def is_abandoned(self, entry_point: str) -> bool:
        """Return whether no worker has offered an entry point for longer than the grace."""
        return entry_point in self._abandoned

    @property
    def unoffered_count(self) -> int:
        """How many entry points of pending runs no living worker offers, as last read."""
        return len(self._unoffered_since)

    def mark_announced(self) -> Sequence[str]:
        """Count the present entry points as announced; return them, sorted."""
        self._announced = frozenset(self._entry_points)
        return sorted(self._announced)

    async def keep_current(self, worker_id: str) -> None:
        """Announce changes of the offer, and read what no worker offers, again and again."""

        async def step() -> float:
            await self._announce_changes(worker_id)
            return await self.read_unoffered()

        failure = "cannot look for what no worker offers"
        await repeat(step, failure, UNAVAILABLE_ERRORS, CHECK_EVERY_S)

    async def _announce_changes(self, worker_id: str) -> None:
        entry_points = frozenset(self._entry_points)
        if entry_points == self._announced:
            return
        await self._heartbeats.offer(worker_id, sorted(entry_points), self.pythons())
        self._announced = entry_points

    async def read_unoffered(self) -> float:
        """Read which entry points no worker offers; return the seconds until the next reading."""
        unoffered = await self._work.unoffered_entry_points()
        now = monotonic()
        for entry_point in sorted(unoffered - self._unoffered_since.keys()):
            self._warn_about(entry_point)
        self._unoffered_since = {
            entry_point: self._unoffered_since.get(entry_point, now) for entry_point in unoffered
        }
        abandoned: set[str] = set()
        pause_s = CHECK_EVERY_S
        if self._grace_s is not None:
            for entry_point, since in self._unoffered_since.items():
                remaining_s = since + self._grace_s - now
                if remaining_s <= 0:
                    abandoned.add(entry_point)
                else:
                    pause_s = min(pause_s, remaining_s)
        if abandoned != self._abandoned:
            self._abandoned = frozenset(abandoned)
            self._work.wake()
        return pause_s

    def _warn_about(self, entry_point: str) -> None:
        consequence = "" if self._grace_s is None else f", or they fail after {self._grace_s:g} s"
        logger.warning(
            "runs wait for the entry point %s, which no living worker offers: start a worker"
            " that does%s",
            entry_point,
            consequence,
        )
