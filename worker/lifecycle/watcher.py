"""Watches over what nobody else would end: runs of dead workers, and runs that did not start in time.

It also keeps the checkpoints of time travel up with the log, as that, too, must be done by
somebody, whoever is there.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic

from domain.commands.executions import Executions
from domain.errors import (
    LogUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    VersionConflictError,
)
from worker.lifecycle.ports import Beat, Heartbeats, Work

logger = logging.getLogger(__name__)

PASSING = (LogUnavailableError, OutcomeUnknownError, OverloadedError, VersionConflictError)
"""What the next look may well find gone."""

WATCH_EVERY_S = 1.0

MARGIN_S = 2.0
"""Added to another worker's lease before it counts as dead: it ends its own attempts before its
lease is over."""


class Watcher:
    """One observer. It trusts its own monotonic clock alone, never that of another host."""

    def __init__(
        self, observer: str, executions: Executions, heartbeats: Heartbeats, work: Work
    ) -> None:
        self._observer = observer
        self._executions = executions
        self._heartbeats = heartbeats
        self._work = work
        self._seen: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        """Watch for ever; a database that is away is waited for."""
        # The last may take a moment.
        duties = (self._recover_lost, self._expire_overdue, self._work.keep_checkpoints)
        while True:
            for duty in duties:
                if not await _done(duty):
                    break
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
            logger.warning(
                "dead workers: %s; recovered runs: %s",
                gone,
                [str(run_id) for run_id in lost] or "none",
            )

    async def _expire_overdue(self) -> None:
        deadline_in_s = await self._work.deadline_in_s()
        if (
            deadline_in_s is not None
            and deadline_in_s <= 0
            and (expired := await self._executions.expire_overdue())
        ):
            logger.info("expired %d runs that had not started in time", expired)

    def _silent_for_s(self, worker: Beat, now: float) -> float:
        sequence, since = self._seen.setdefault(worker.worker_id, (worker.sequence, now))
        if sequence != worker.sequence:
            self._seen[worker.worker_id] = (worker.sequence, now)
            return 0.0
        return now - since


async def _done(duty: Callable[[], Awaitable[None]]) -> bool:
    """Do one duty; return False if the database is away, and with it whatever the others need.

    A defect is written down and ends neither the watch nor the other duties: nobody else would do
    them.
    """
    try:
        await duty()
    except PASSING as error:
        logger.warning("cannot watch at the moment: %s", error)
        return False
    except Exception:
        logger.exception("cannot watch over everything")
    return True
