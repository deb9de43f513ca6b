"""Watches over what no worker would end: runs of dead workers, and runs that start too late.

It also keeps the checkpoints of time travel up with the log, and archives what jobs no longer keep:
any living worker may do that.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from zlib import crc32

from domain.commands.executions import Sweeps
from runtime.tasks import Supervised, Supervision
from worker.ports import PASSING, Beat, Heartbeats, Work

logger = logging.getLogger(__name__)

Duty = Callable[[], Awaitable[float]]
"""What is to be done again and again; it returns after how many seconds."""

WATCH_EVERY_S = 1.0

MOST_IN_TURN = 4
"""Of how many observers at most each may count on the others."""

MARGIN_S = 1.0
"""Added to another worker's lease before it counts as dead. Its lease counts from before its beat
was sent, and this from when the beat was seen here; so this is what the ending of its attempts may
take at the very end."""


class Watcher:
    """One observer. It trusts its own monotonic clock alone, never that of another host.

    Attributes:
        living: ids of the workers that lived when it last looked.
    """

    def __init__(self, observer: str, sweeps: Sweeps, heartbeats: Heartbeats, work: Work) -> None:
        self._observer = observer
        self._sweeps = sweeps
        self._heartbeats = heartbeats
        self._work = work
        self._seen: dict[str, _Seen] = {}
        self._tasks: list[Supervised] = []
        self.living: list[str] = []
        # So that not all look at the same moment.
        self._share = 0.5 + crc32(observer.encode()) / 2**32

    def start(self, supervision: Supervision) -> None:
        """Begin to watch, with a task for each duty: none waits for one that is slow or broken."""
        duties: dict[str, Duty] = {
            "lost workers": self._recover_lost,
            "start deadlines": partial(self._in_turn, self._expire_overdue),
            "checkpoints": partial(self._in_turn, self._work.keep_checkpoints),
            "archives": self._work.keep_archives,
        }
        for name, duty in duties.items():
            run = partial(_again_and_again, name, duty)
            task = supervision.start(name, run)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            await task.end()

    async def _in_turn(self, duty: Callable[[], Awaitable[None]]) -> float:
        """Do what one observer is enough for, the more seldom the more of them there are."""
        await duty()
        observers = min(max(len(self.living), 1), MOST_IN_TURN)
        return WATCH_EVERY_S * observers * self._share

    async def _recover_lost(self) -> float:
        """Bury who is silent for too long; return when the next one may be."""
        living = await self._heartbeats.living()
        now = monotonic()
        silent: list[Beat] = []
        next_s = WATCH_EVERY_S
        for worker in living:
            left_s = self._left_s(worker, now)
            if left_s <= 0:
                silent.append(worker)
            else:
                next_s = min(next_s, left_s)
        self._forget_all_but(living)
        if silent or await self._heartbeats.any_orphaned():
            await self._recover(silent)
        return next_s

    async def _recover(self, silent: Sequence[Beat]) -> None:
        dead = [(worker.worker_id, worker.sequence) for worker in silent]
        recovered = await self._sweeps.recover(dead, self._observer)
        if not silent and not recovered:
            # What this process cannot read is there for as long as nobody else ends it.
            return
        names = [worker.worker_id for worker in silent]
        workers = ", ".join(names) or "none new"
        run_ids = [str(run_id) for run_id in recovered]
        runs = run_ids or "none"
        logger.warning("dead workers: %s; recovered runs: %s", workers, runs)

    async def _expire_overdue(self) -> None:
        if not await self._work.any_overdue():
            return
        expired = await self._sweeps.expire_overdue()
        if expired:
            logger.info("expired %d runs that had not started in time", expired)

    def _forget_all_but(self, living: Sequence[Beat]) -> None:
        self.living = [worker.worker_id for worker in living]
        self._seen = {worker_id: self._seen[worker_id] for worker_id in self.living}

    def _left_s(self, worker: Beat, now: float) -> float:
        """Return how long the worker may still be silent."""
        patience_s = worker.lease_ms / 1000 + MARGIN_S
        return patience_s - self._silent_for_s(worker, now)

    def _silent_for_s(self, worker: Beat, now: float) -> float:
        worker_id = worker.worker_id
        sequence = worker.sequence
        seen = self._seen.get(worker_id)
        if seen is None or seen.sequence != sequence:
            self._seen[worker_id] = _Seen(sequence, now)
            return 0.0
        return now - seen.since


@dataclass(frozen=True)
class _Seen:
    """How far a worker's sequence had come, and since when it stands there."""

    sequence: int
    since: float


async def _again_and_again(name: str, duty: Callable[[], Awaitable[float]]) -> None:
    """Do a duty for ever, sooner again if it says so; a database that is away is waited for."""
    while True:
        again_in_s = WATCH_EVERY_S
        try:
            again_in_s = await duty()
        except PASSING as error:
            logger.warning("cannot look after %s at the moment: %s", name, error)
        await asyncio.sleep(again_in_s)
