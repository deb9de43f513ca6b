"""Recovers runs of lost workers, and expires runs past their start deadline.

It also writes the checkpoints of time travel, and archives runs past their retention. Every worker
and every API process has a watcher.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from zlib import crc32

from domain.commands.sweeps import Sweeps
from runtime.tasks import Supervised, Supervision, repeat
from worker.ports import TRANSIENT, Beat, Heartbeats, Work

logger = logging.getLogger(__name__)

Duty = Callable[[], Awaitable[float]]
"""A step that is repeated; it returns the seconds until the next time."""

WATCH_EVERY_S = 1.0

MAX_SHARING = 4
"""How many observers at most share a duty, each doing it less often."""

MARGIN_S = 1.0
"""Added to another worker's lease before it is declared lost. A worker's lease begins before it
sends a beat, our count when we see it; so this is the time that its supervisors have, at worst, to
kill its attempts."""


class Watcher:
    """One of many observers. It uses its own monotonic clock alone, never that of another host.

    Attributes:
        living: ids of the workers that were alive at the last reading.
    """

    def __init__(self, observer: str, sweeps: Sweeps, heartbeats: Heartbeats, work: Work) -> None:
        self._observer = observer
        self._sweeps = sweeps
        self._heartbeats = heartbeats
        self._work = work
        self._last_beats: dict[str, _LastBeat] = {}
        self._tasks: list[Supervised] = []
        self.living: list[str] = []
        # So that observers do not all look at the same moment.
        self._pause_factor = 0.5 + crc32(observer.encode()) / 2**32

    def start(self, supervision: Supervision) -> None:
        """Begin to watch, with a task for each duty: none waits for one that is slow or broken."""
        duties: dict[str, Duty] = {
            "lost workers": self._recover_lost,
            "start deadlines": partial(self._shared, self._expire_overdue),
            "checkpoints": partial(self._shared, self._work.keep_checkpoints),
            "archives": self._work.keep_archives,
        }
        for name, duty in duties.items():
            failure = f"cannot look after {name} at the moment"
            run = partial(repeat, duty, failure, TRANSIENT, WATCH_EVERY_S)
            self._tasks.append(supervision.start(name, run))

    async def stop(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            await task.end()

    async def _shared(self, duty: Callable[[], Awaitable[None]]) -> float:
        """Do a duty for which one observer suffices; the more there are, the longer the pause."""
        await duty()
        observers = min(max(len(self.living), 1), MAX_SHARING)
        return WATCH_EVERY_S * observers * self._pause_factor

    async def _recover_lost(self) -> float:
        """Declare workers lost whose lease is over; return the seconds until the next may be."""
        living = await self._heartbeats.living()
        now = monotonic()
        silent: list[Beat] = []
        next_s = WATCH_EVERY_S
        for worker in living:
            remaining_s = worker.lease_ms / 1000 + MARGIN_S - self._silent_for_s(worker, now)
            if remaining_s <= 0:
                silent.append(worker)
            else:
                next_s = min(next_s, remaining_s)
        self.living = [worker.worker_id for worker in living]
        self._last_beats = {worker_id: self._last_beats[worker_id] for worker_id in self.living}
        if silent or await self._heartbeats.any_orphaned():
            await self._recover(silent)
        return next_s

    async def _recover(self, silent: Sequence[Beat]) -> None:
        beats = [(worker.worker_id, worker.sequence) for worker in silent]
        recovered = await self._sweeps.recover(beats, self._observer)
        if not silent and not recovered:
            # Runs that this process cannot read stay orphaned until another one ends them.
            return
        logger.warning(
            "dead workers: %s; recovered runs: %s",
            ", ".join(worker.worker_id for worker in silent) or "none new",
            [str(run_id) for run_id in recovered] or "none",
        )

    async def _expire_overdue(self) -> None:
        if not await self._work.any_overdue():
            return
        expired = await self._sweeps.expire_overdue()
        if expired:
            logger.info("expired %d runs that had not started in time", expired)

    def _silent_for_s(self, worker: Beat, now: float) -> float:
        last = self._last_beats.get(worker.worker_id)
        if last is None or last.sequence != worker.sequence:
            self._last_beats[worker.worker_id] = _LastBeat(worker.sequence, now)
            return 0.0
        return now - last.seen_at


@dataclass(frozen=True)
class _LastBeat:
    """The number of a worker's last heartbeat, and when this observer first saw it."""

    sequence: int
    seen_at: float
