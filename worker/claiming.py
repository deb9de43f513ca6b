"""When a worker claims: it looks before it takes the append lock, and takes turns with others.

    wait    for a notification, but no longer than the last step said
    claim   at once, if the last claim filled all free slots, or a notification says that runs are
            pending and it is this worker's turn; else only if a look without the lock shows that a
            run may start

Decision 27 says why: whoever claims holds up all writers.
"""

import asyncio
from collections.abc import Callable, Collection
from time import monotonic
from zlib import crc32

from domain.commands.executions import Claims, Executions
from domain.ports import Offer
from worker.attempts import Attempts
from worker.ports import Notification, Work

TURN_S = 0.005
"""How long a worker waits for each worker before it: about as long as a claim takes."""

MAX_WAIT_FOR_TURN_S = 0.1

AT_CAPACITY_PAUSE_S = 0.2
"""The pause after a claim that could start none of the due runs."""


class Claimer:
    """Claims runs for the free slots of a pool, in one session of a worker."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        worker_id: str,
        executions: Executions,
        attempts: Attempts,
        offer: Callable[[], Offer],
        work: Work,
        poll_s: float,
        must_look_first: Callable[[], bool],
    ) -> None:
        """Create a claimer; nothing is claimed yet.

        Args:
            worker_id: the session's id.
            executions: the command that claims.
            attempts: the attempts of the pool, which start the claimed runs.
            offer: returns what this worker can execute.
            work: the pending runs.
            poll_s: the longest wait without a notification, in seconds.
            must_look_first: whether to look for due runs without the lock after a notification: it
                may be about runs for another pool of this worker.
        """
        self._worker_id = worker_id
        self._executions = executions
        self._attempts = attempts
        self._offer = offer
        self._work = work
        self._poll_s = poll_s
        self._must_look_first = must_look_first
        # Whether the last claim left due runs, so that the next one need not look first.
        self._may_have_more = False
        self._is_at_capacity = False

    async def wait(self, pause_s: float) -> Notification:
        """Wait `pause_s`, or until a notification of runs that may start."""
        # The end of a run matters only if due runs wait for other runs to end.
        return await self._work.wait(pause_s, only_pending=not self._is_at_capacity)

    async def claim(self, others: Collection[str], notification: Notification) -> float:
        """Claim for every free slot; return the seconds to wait for the next notification.

        Args:
            others: the ids of the other living workers.
            notification: what `wait` returned.

        Raises:
            WorkerLostError: the session has been declared lost.
            OutcomeUnknownError: runs may have been claimed.
        """
        if not self._attempts.free_slots:
            return self._poll_s
        if not self._may_have_more and not await self._has_turn(others, notification):
            pause_s = await self._seconds_until_due()
            if pause_s > 0:
                return pause_s
        free_slots = self._attempts.free_slots
        if not free_slots:
            # The executor has lost slots meanwhile.
            return self._poll_s
        claims = await self._executions.claim(
            self._worker_id, free_slots, self._offer(), notification.run_id
        )
        self._may_have_more = claims.is_cut or len(claims) == free_slots
        for claim in claims:
            self._attempts.start(claim)
        return await self._pause_after(claims)

    async def _pause_after(self, claims: Claims) -> float:
        """Return the seconds to wait for the next notification after these claims."""
        if claims.is_cut:
            return 0.0
        if claims:
            return self._poll_s
        pause_s = await self._seconds_until_due()
        if pause_s > 0:
            return pause_s
        # The due runs wait for other runs to end; a claim at every event would slow those down.
        await asyncio.sleep(AT_CAPACITY_PAUSE_S)
        return self._poll_s

    async def _has_turn(self, others: Collection[str], notification: Notification) -> bool:
        """Return whether this worker should claim without a look; first let those before it claim.

        The workers before it are expected to fill their slots with the runs that became pending.
        """
        if not notification.pending or self._must_look_first():
            return False
        until = monotonic() + MAX_WAIT_FOR_TURN_S
        while notification.pending:
            workers_before = count_workers_before(self._worker_id, others, notification.position)
            if notification.pending > workers_before * self._attempts.free_slots:
                return True
            until = min(until, monotonic() + workers_before * TURN_S)
            notification = await self._work.wait(max(until - monotonic(), 0.0), only_pending=True)
        if monotonic() < until:
            # A freed slot or a stop ended this wait; it must end the next one, too.
            self._work.wake()
        return False

    async def _seconds_until_due(self) -> float:
        """Return for how many seconds no run may start, `poll_s` at most."""
        next_due = await self._work.next_due(self._offer())
        self._is_at_capacity = next_due.is_at_capacity
        if next_due.in_s is None:
            return self._poll_s
        return min(max(next_due.in_s, 0.0), self._poll_s)


def count_workers_before(worker_id: str, others: Collection[str], position: int) -> int:
    """Return how many of the other workers claim before this one.

    All workers compute the same order, which differs at each log position.
    """
    own_key = _order_key(worker_id, position)
    return sum(_order_key(other, position) < own_key for other in others)


def _order_key(worker_id: str, position: int) -> int:
    return crc32(f"{position} {worker_id}".encode())
