"""When a worker claims: it reads before it takes the lock, and takes turns with other workers."""

import asyncio
from collections.abc import Callable, Collection
from time import monotonic
from zlib import crc32

from domain.commands.executions import Claims, Executions
from domain.ports import Offer
from worker.attempts import Attempts
from worker.ports import Notification, Work

TURN_S = 0.005
"""How long a worker waits for each one before it: about as long as a claim takes."""

MAX_WAIT_FOR_TURN_S = 0.1

AT_CAPACITY_PAUSE_S = 0.2
"""How long to wait after a claim where runs were due but none could start."""


class Claiming:
    """Claims for the free slots of a pool, in one session of a worker."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        worker_id: str,
        executions: Executions,
        attempts: Attempts,
        offer: Callable[[], Offer],
        work: Work,
        poll_s: float,
        looks_first: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin with nothing claimed.

        Args:
            worker_id: the session's id.
            executions: the command that claims.
            attempts: start what is claimed.
            offer: returns what this worker executes.
            work: the runs that wait.
            poll_s: how long to wait at most without a notification.
            looks_first: whether a notification may well be for other slots of this worker, so that
                reading without the lock is worth its cost.
        """
        self._worker_id = worker_id
        self._executions = executions
        self._attempts = attempts
        self._offer = offer
        self._work = work
        self._poll_s = poll_s
        self._looks_first = looks_first
        # Whether the last claim filled every slot or was cut: the next need not read first.
        self._more_due = False
        self._is_at_capacity = False

    async def wait(self, pause_s: float) -> Notification:
        """Wait, but no longer than until a notification of runs that may start."""
        # The end of a run matters only to those whose runs wait for capacity.
        return await self._work.wait(pause_s, only_pending=not self._is_at_capacity)

    async def claim(self, others: Collection[str], notification: Notification) -> float:
        """Claim for every free slot; return the seconds to wait without a notification.

        Args:
            others: ids of the other living workers.
            notification: what `wait` returned.
        """
        if not self._attempts.free:
            return self._poll_s
        if not self._more_due and not await self._is_first(others, notification):
            pause_s = await self._until_due_s()
            if pause_s > 0:
                return pause_s
        free = self._attempts.free
        if not free:
            # The executor has lost slots meanwhile.
            return self._poll_s
        claims = await self._executions.claim(
            self._worker_id, free, self._offer(), notification.run_id
        )
        self._more_due = claims.is_cut or len(claims) == free
        for claim in claims:
            self._attempts.start(claim)
        return await self._pause_s_after(claims)

    async def _pause_s_after(self, claims: Claims) -> float:
        """Return the seconds to wait after a claim without a notification."""
        if claims.is_cut:
            return 0.0
        if claims:
            return self._poll_s
        pause_s = await self._until_due_s()
        if pause_s > 0:
            return pause_s
        # What is due waits for other runs to end; a claim at every event would slow those down.
        await asyncio.sleep(AT_CAPACITY_PAUSE_S)
        return self._poll_s

    async def _is_first(self, others: Collection[str], notification: Notification) -> bool:
        """Return whether this worker is the first to claim; if not, let those before it claim."""
        if not notification.pending or self._looks_first():
            return False
        until = monotonic() + MAX_WAIT_FOR_TURN_S
        while notification.pending:
            turn = turn_of(self._worker_id, others, notification.position)
            if notification.pending > turn * self._attempts.free:
                return True
            until = min(until, monotonic() + turn * TURN_S)
            notification = await self._work.wait(max(until - monotonic(), 0.0), only_pending=True)
        if monotonic() < until:
            # A slot was freed, or the worker is to stop: the next wait must end at once, too.
            self._work.wake()
        return False

    async def _until_due_s(self) -> float:
        """Return the seconds in which no run may start, at most `poll_s`."""
        next_due = await self._work.next_due(self._offer())
        self._is_at_capacity = next_due.is_at_capacity
        if next_due.in_s is None:
            return self._poll_s
        return min(max(next_due.in_s, 0.0), self._poll_s)


def turn_of(worker_id: str, others: Collection[str], position: int) -> int:
    """Return how many of the other workers go before this one.

    All workers compute the same order, which is another one at each position of the log.
    """
    own = _lot(worker_id, position)
    return sum(_lot(other, position) < own for other in others)


def _lot(worker_id: str, position: int) -> int:
    return crc32(f"{position} {worker_id}".encode())
