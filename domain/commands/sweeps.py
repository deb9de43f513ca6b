"""`Sweeps`: what becomes of runs that nobody else would end, by the clock or for want of a worker."""

from collections.abc import Sequence
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.catalog.units import with_catalog
from domain.commands.application import SYSTEM, LogApplication
from domain.jobs.run import JobRun
from domain.ports import Locked, Origin

SWEEP_LIMIT = 500
"""How many runs one recovery or expiry moves at a time, so that no append holds the lock for
long."""


class Sweeps:
    """What observers may do to runs."""

    def __init__(self, application: LogApplication) -> None:
        self._application = application

    async def expire_overdue(self) -> int:
        """Expire runs whose start deadline is over; return how many."""
        expired: list[UUID] = []

        async def decide(locked: Locked) -> list[Aggregate]:
            overdue = await locked.overdue_run_ids(SWEEP_LIMIT)
            runs = await self._application.load(JobRun, overdue, locked)
            for run in runs.values():
                run.expire_start(locked.now)
            expired[:] = list(runs)
            return await with_catalog(self._application, list(runs.values()), (), locked)

        await self._application.save_under_lock(decide, SYSTEM)
        return len(expired)

    async def recover(self, suspects: Sequence[tuple[str, int]], observer: str) -> list[UUID]:
        """Declare silent workers dead, and end the attempts of all runs that no living worker has.

        Args:
            suspects: ids of workers, each with the sequence at which its heartbeat stands still.
            observer: who says so.
        """
        lost: list[UUID] = []

        async def decide(locked: Locked) -> list[Aggregate]:
            for worker_id, sequence in suspects:
                await locked.bury_worker(worker_id, sequence)
            orphaned = await locked.orphaned_run_ids(SWEEP_LIMIT)
            runs = await self._application.load(JobRun, orphaned, locked)
            for run in runs.values():
                self._lose(run, locked)
            lost[:] = list(runs)
            return await with_catalog(self._application, list(runs.values()), (), locked)

        await self._application.save_under_lock(decide, Origin(actor=observer))
        return lost

    def _lose(self, run: JobRun, locked: Locked) -> None:
        if run.holder is None:
            return
        message = f"worker {run.holder.worker_id} stopped answering"
        run.lose(run.holder, locked.now, message, self._application.random.random)
