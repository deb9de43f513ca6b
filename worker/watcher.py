"""The watcher of a process: recovers runs of lost workers, and expires runs past start deadlines.

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
from worker.ports import TRANSIENT_ERRORS, Heartbeat, Heartbeats, Work

logger = logging.getLogger(__name__)

Step = Callable[[], Awaitable[float]]
"""It is repeated, and returns the seconds until the next time."""

WATCH_EVERY_S = 1.0

MAX_SHARING_WATCHERS = 4
"""Each watcher does a shared step less often the more watchers there are, up to this number."""

MARGIN_S = 1.0
"""Added to another worker's lease before the worker is declared lost. Its own count of the lease
begins when it sends the heartbeat, and ours when we read it. So its supervisors have at least this
long to kill its attempts."""


class Watcher:
    """Watches the workers of the service from one process.

    It measures leases by its own monotonic clock only, never by a clock of another host.

    Attributes:
        living: the ids of the living workers, as last read.
    """

    def __init__(self, observer: str, sweeps: Sweeps, heartbeats: Heartbeats, work: Work) -> None:
        """Create a watcher; `start` starts it.

        Args:
            observer: the name of this process, for the events of recovered runs.
            sweeps: the commands that recover and expire runs.
            heartbeats: the workers' table.
            work: other work that is due.
        """
        self._observer = observer
        self._sweeps = sweeps
        self._heartbeats = heartbeats
        self._work = work
        self._last_beats: dict[str, _LastBeat] = {}
        self._tasks: list[Supervised] = []
        self.living: list[str] = []
        # From 0.5 to 1.5, so that the watchers do not all do their steps at the same time.
        self._pause_factor = 0.5 + crc32(observer.encode()) / 2**32

    def start(self, supervision: Supervision) -> None:
        """Start to watch, with a task for each step: a slow or broken one delays no other."""
        steps: dict[str, Step] = {
            "lost workers": self._recover_lost,
            "start deadlines": partial(self._do_shared, self._expire_overdue),
            "checkpoints": partial(self._do_shared, self._work.write_checkpoint_if_due),
            "archives": self._work.archive_ended_runs,
        }
        for name, step in steps.items():
            failure = f"cannot look after {name} at the moment"
            run = partial(repeat, step, failure, TRANSIENT_ERRORS, WATCH_EVERY_S)
            self._tasks.append(supervision.start(name, run))

    async def stop(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            await task.end()

    async def _do_shared(self, action: Callable[[], Awaitable[None]]) -> float:
        """Do what one watcher is enough for; return a pause that grows with their number."""
        await action()
        watchers = min(max(len(self.living), 1), MAX_SHARING_WATCHERS)
        return WATCH_EVERY_S * watchers * self._pause_factor

    async def _recover_lost(self) -> float:
        """Recover runs of workers whose lease is over; return the seconds until the next check."""
        living = await self._heartbeats.living()
        now = monotonic()
        silent: list[Heartbeat] = []
        next_s = WATCH_EVERY_S
        for worker in living:
            remaining_s = worker.lease_ms / 1000 + MARGIN_S - self._silent_for_s(worker, now)
            if remaining_s <= 0:
                silent.append(worker)
            else:
                next_s = min(next_s, remaining_s)
        self.living = [worker.worker_id for worker in living]
        self._last_beats = {worker_id: self._last_beats[worker_id] for worker_id in self.living}
        if silent or await self._heartbeats.has_orphaned_runs():
            await self._recover(silent)
        return next_s

    async def _recover(self, silent: Sequence[Heartbeat]) -> None:
        """Declare silent workers lost, and recover their runs and orphaned ones."""
        beats = [(worker.worker_id, worker.sequence) for worker in silent]
        recovered = await self._sweeps.recover(beats, self._observer)
        if not silent and not recovered:
            # Orphaned runs that this version cannot read remain until another process ends them.
            return
        logger.warning(
            "dead workers: %s; recovered runs: %s",
            ", ".join(worker.worker_id for worker in silent) or "none new",
            [str(run_id) for run_id in recovered] or "none",
        )

    async def _expire_overdue(self) -> None:
        if not await self._work.has_overdue_runs():
            return
        expired = await self._sweeps.expire_overdue()
        if expired:
            logger.info("expired %d runs that had not started in time", expired)

    def _silent_for_s(self, worker: Heartbeat, now: float) -> float:
        """Return the seconds since this watcher first read the worker's last heartbeat."""
        last = self._last_beats.get(worker.worker_id)
        if last is None or last.sequence != worker.sequence:
            self._last_beats[worker.worker_id] = _LastBeat(worker.sequence, now)
            return 0.0
        return now - last.first_read_s


@dataclass(frozen=True)
class _LastBeat:
    """The number of a worker's last heartbeat, and when this watcher first read it."""

    sequence: int
    first_read_s: float
