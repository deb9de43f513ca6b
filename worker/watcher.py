"""Watches over what nobody else would end: runs of dead workers, and runs that did not start in time.

It also keeps the checkpoints of time travel up with the log, as that, too, must be done by somebody, whoever is there.
"""

import asyncio
import logging
from time import monotonic

from domain.errors import LogUnavailableError, OutcomeUnknownError, OverloadedError, VersionConflictError
from domain.execution import Executions
from worker.ports import Beat, Heartbeats, Work

logger = logging.getLogger(__name__)

PASSING = (LogUnavailableError, OutcomeUnknownError, OverloadedError, VersionConflictError)
"""What the next look may well find gone."""

WATCH_EVERY_S = 1.0

MARGIN_S = 2.0
"""Added to another worker's lease before it counts as dead: it ends its own attempts before its lease is over."""


class Watcher:
    """One observer. It trusts its own monotonic clock alone, never that of another host."""

    def __init__(self, observer: str, executions: Executions, heartbeats: Heartbeats, work: Work) -> None:
        self._observer = observer
        self._executions = executions
        self._heartbeats = heartbeats
        self._work = work
        self._seen: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        """Watch for ever; a database that is away is waited for."""
        while True:
            try:
                await self._recover_lost()
                deadline_in_s = await self._work.deadline_in_s()
                if deadline_in_s is not None and deadline_in_s <= 0:
                    logger.info("expired %d runs that had not started in time", await self._executions.expire_overdue())
                await self._work.keep_checkpoints()  # Last, for it may take a moment.
            except PASSING as error:
                logger.warning("cannot watch at the moment: %s", error)
            await asyncio.sleep(WATCH_EVERY_S)

    async def _recover_lost(self) -> None:
        living = await self._heartbeats.living()
        now = monotonic()
        silent = [
            (worker.worker_id, worker.sequence)
            for worker in living
            if self._silent_for_s(worker, now) > worker.lease_ms / 1000 + MARGIN_S
        ]
        self._seen = {worker.worker_id: self._seen[worker.worker_id] for worker in living}
        if silent or await self._heartbeats.any_orphaned():
            lost = await self._executions.recover(silent, self._observer)
            gone = ", ".join(worker_id for worker_id, _ in silent) or "none new"
            logger.warning("dead workers: %s; recovered runs: %s", gone, [str(run_id) for run_id in lost] or "none")

    def _silent_for_s(self, worker: Beat, now: float) -> float:
        sequence, since = self._seen.setdefault(worker.worker_id, (worker.sequence, now))
        if sequence != worker.sequence:
            self._seen[worker.worker_id] = (worker.sequence, now)
            return 0.0
        return now - since
