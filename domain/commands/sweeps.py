"""`Sweeps`: what becomes of runs that nobody else would end, by time or for want of a worker."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.catalog.units import with_catalog
from domain.commands.application import SYSTEM, LogApplication
from domain.jobs.run import JobRun
from domain.ports import Locked, Origin
from domain.quarantine import Quarantine

SWEEP_LIMIT = 500
"""How many runs one recovery or expiry moves at a time, so that no append holds the lock for
long. There may be fewer, as `Locked.states_of` says: the next one has the others."""


ANEW_AFTER = timedelta(minutes=1)
"""How often overdue runs are looked for from the first on, past those that cannot be read."""


class _Overdue:
    """How far overdue runs have been looked at: past those that cannot be read, however many."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self._after: UUID | None = None
        self._began: datetime | None = None
        self.looked_at: Sequence[UUID] = ()

    def after(self, now: datetime) -> UUID | None:
        """Return after which run to go on; None for the first."""
        if self._began is None or now - self._began > ANEW_AFTER:
            self._began = now
            self._after = None
            self.looked_at = ()
        for run_id in self.looked_at:
            if run_id not in self._quarantine:
                break
            self._after = run_id
        self.looked_at = ()
        return self._after


class Sweeps:
    """What observers may do to runs.

    Attributes:
        buried: how many workers were declared dead here, for whoever counts.
    """

    def __init__(self, application: LogApplication) -> None:
        self._application = application
        self.buried = 0
        self._overdue = _Overdue(application.quarantine)

    async def expire_overdue(self) -> int:
        """Expire runs whose start deadline is over; return how many."""
        return await self._application.with_all_at_hand(self._expire_overdue)

    async def _expire_overdue(self) -> int:
        expired: list[UUID] = []
        bypassed = self._application.quarantine.ids
        after = self._overdue.after(self._application.clock())

        async def decide(locked: Locked) -> list[Aggregate]:
            overdue = await locked.overdue_run_ids(SWEEP_LIMIT, bypassed, after)
            self._overdue.looked_at = overdue
            found = await self._application.load(JobRun, overdue, locked)
            runs = list(found.values())
            for run in runs:
                run.expire_start(locked.now)
            expired[:] = found
            return await with_catalog(self._application, runs, (), locked)

        await self._application.save_under_lock(decide, SYSTEM)
        return len(expired)

    async def recover(
        self, suspects: Sequence[tuple[str, int]], observer: str
    ) -> list[UUID]:
        """Declare silent workers dead, and end the attempts of all runs that no living worker has.

        Args:
            suspects: ids of workers, each with the sequence at which its heartbeat stands still.
            observer: who says so.
        """
        recover = partial(self._recover, suspects, observer)
        return await self._application.with_all_at_hand(recover)

    async def _recover(
        self, suspects: Sequence[tuple[str, int]], observer: str
    ) -> list[UUID]:
        lost: list[UUID] = []
        buried: list[bool] = []
        bypassed = self._application.quarantine.ids

        async def decide(locked: Locked) -> list[Aggregate]:
            buried[:] = [await locked.bury_worker(*suspect) for suspect in suspects]
            orphaned = await locked.orphaned_run_ids(SWEEP_LIMIT, bypassed)
            found = await self._application.load(JobRun, orphaned, locked)
            runs = list(found.values())
            for run in runs:
                self._lose(run, locked)
            lost[:] = found
            return await with_catalog(self._application, runs, (), locked)

        await self._application.save_under_lock(decide, Origin(actor=observer))
        self.buried += sum(buried)
        return lost

    def _lose(self, run: JobRun, locked: Locked) -> None:
        holder = run.holder
        if holder is None:
            return
        message = f"worker {holder.worker_id} stopped answering"
        random = self._application.random.random
        run.lose(holder, locked.now, message, random)
