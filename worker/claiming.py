"""When a worker claims: it looks before it locks, and in its turn where there are others."""

import asyncio
from collections.abc import Callable, Collection
from time import monotonic
from zlib import crc32

from domain.commands.executions import Claims, Executions
from domain.ports import Offer
from worker.attempts import Attempts
from worker.ports import News, Work

TURN_S = 0.005
"""How long the others wait for each worker before them: about as long as a claim takes."""

LONGEST_TURN_S = 0.1

CROWDED_PAUSE_S = 0.2
"""How long to wait after a claim that found runs due but none that may start."""


class Claiming:
    """Claims for the free slots of one life of a worker."""

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
            worker_id: this life's.
            executions: what claims.
            attempts: take what is claimed.
            offer: what is executed here.
            work: what waits.
            poll_s: how long to wait at most.
            looks_first: whether news may well be for other slots of this worker, so that a look
                without the lock is worth its while.
        """
        self._worker_id = worker_id
        self._executions = executions
        self._attempts = attempts
        self._offer = offer
        self._work = work
        self._poll_s = poll_s
        self._looks_first = looks_first
        # Where the last claim filled every slot, or had to leave runs out, the next need not ask.
        self._more_due = False
        self._is_crowded = False

    async def wait(self, pause_s: float) -> News:
        """Wait for so long, unless there is news of runs to be started."""
        # Of what ends, only those need to know whose runs wait for it.
        return await self._work.wait(pause_s, only_pending=not self._is_crowded)

    async def claim(self, others: Collection[str], news: News) -> float:
        """Claim for every free slot; return how long to wait unless there is news.

        Args:
            others: ids of the other living workers.
            news: what `wait` returned.
        """
        if not self._attempts.free:
            return self._poll_s
        is_first = self._more_due or await self._is_first(others, news)
        if not is_first:
            pause_s = await self._until_due_s()
            if pause_s > 0:
                return pause_s
        free = self._attempts.free
        if not free:
            # Its executor has lost room meanwhile.
            return self._poll_s
        offer = self._offer()
        likely = news.run_id
        claims = await self._executions.claim(self._worker_id, free, offer, likely)
        self._more_due = claims.is_cut or len(claims) == free
        for claim in claims:
            self._attempts.start(claim)
        return await self._pause_s_after(claims)

    async def _pause_s_after(self, claims: Claims) -> float:
        """Return how long to wait after a claim unless there is news."""
        if claims.is_cut:
            return 0.0
        if claims:
            return self._poll_s
        pause_s = await self._until_due_s()
        if pause_s > 0:
            return pause_s
        # What is due waits for others to end; asking at every event would only slow those down.
        await asyncio.sleep(CROWDED_PAUSE_S)
        return self._poll_s

    async def _is_first(self, others: Collection[str], news: News) -> bool:
        """Return whether news is for this worker first; if not, let those before it claim."""
        if not news.pending or self._looks_first():
            return False
        until = monotonic() + LONGEST_TURN_S
        while news.pending:
            turn = turn_of(self._worker_id, others, news.position)
            if news.pending > turn * self._attempts.free:
                return True
            own_at = monotonic() + turn * TURN_S
            until = min(until, own_at)
            left_s = max(until - monotonic(), 0.0)
            news = await self._work.wait(left_s, only_pending=True)
        if monotonic() < until:
            # A slot was freed, or the worker is to stop: that is still to be heard.
            self._work.wake()
        return False

    async def _until_due_s(self) -> float:
        """Return for how long no run may start, as far as is worth waiting at a time."""
        prospect = await self._work.look(self._offer())
        self._is_crowded = prospect.is_crowded
        in_s = prospect.in_s
        if in_s is None:
            return self._poll_s
        return min(max(in_s, 0.0), self._poll_s)


def turn_of(worker_id: str, others: Collection[str], position: int) -> int:
    """Return how many of the others go before this worker.

    At each position of the log they are in another order, the same for all.
    """
    own = _draw(worker_id, position)
    before = [other for other in others if _draw(other, position) < own]
    return len(before)


def _draw(worker_id: str, position: int) -> int:
    lot = f"{position} {worker_id}"
    return crc32(lot.encode())
