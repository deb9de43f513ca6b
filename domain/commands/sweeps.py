"""`Sweeps`: what becomes of runs that nobody else would end, by time or for want of a worker."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.catalog.units import with_catalog
from domain.commands.application import SYSTEM, LogApplication
from domain.jobs.run import JobRun
from domain.passing import Passing
from domain.ports import Locked, Origin

SWEEP_LIMIT = 500
"""How many runs one recovery or expiry moves at a time, so that no append holds the lock for
long. There may be fewer, as `Locked.states_of` says: the next one has the others."""

BEFORE_ALL = UUID(int=0)
"""No run has this id, and all come after it."""


class Sweeps:
    """What observers may do to runs.

    Attributes:
        buried: how many workers were declared dead here, for whoever counts.
    """

    def __init__(self, application: LogApplication) -> None:
        self._application = application
        self.buried = 0
        quarantine = application.quarantine
        self._overdue = Passing[UUID](quarantine.__contains__)
        self._orphaned = Passing[UUID](quarantine.__contains__)

    async def expire_overdue(self) -> int:
        """Expire runs whose start deadline is over; return how many.

        There may be more: none are expired where too many that cannot be read come first, but the
        next time begins behind those.
        """
        expired = await self._application.as_far_as_it_goes(self._expire_overdue)
        return expired or 0

    async def _expire_overdue(self) -> int:
        expired: list[UUID] = []
        bypassed = self._application.quarantine.ids
        after = self._after(self._overdue)

        async def decide(locked: Locked) -> list[Aggregate]:
            overdue = await locked.overdue_run_ids(SWEEP_LIMIT, bypassed, after)
            self._overdue.looked_at(overdue)
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

        Returns the ids of those runs. There may be more, as with `expire_overdue`.

        Args:
            suspects: ids of workers, each with the sequence at which its heartbeat stands still.
            observer: who says so.
        """
        recover = partial(self._recover, suspects, observer)
        lost = await self._application.as_far_as_it_goes(recover)
        return lost or []

    async def _recover(
        self, suspects: Sequence[tuple[str, int]], observer: str
    ) -> list[UUID]:
        lost: list[UUID] = []
        buried: list[bool] = []
        bypassed = self._application.quarantine.ids
        after = self._after(self._orphaned)

        async def decide(locked: Locked) -> list[Aggregate]:
            buried.clear()
            for worker_id, sequence in suspects:
                was_buried = await locked.bury_worker(worker_id, sequence)
                buried.append(was_buried)
            orphaned = await locked.orphaned_run_ids(SWEEP_LIMIT, bypassed, after)
            self._orphaned.looked_at(orphaned)
            found = await self._application.load(JobRun, orphaned, locked)
            runs = list(found.values())
            for run in runs:
                self._lose(run, locked)
            lost[:] = found
            return await with_catalog(self._application, runs, (), locked)

        await self._application.save_under_lock(decide, Origin(actor=observer))
        self.buried += sum(buried)
        if any(buried):
            # Their runs may stand before the place that was come to.
            self._orphaned.begin_anew()
        return lost

    def _after(self, passing: Passing[UUID]) -> UUID | None:
        """Return after which run to look; None where all are known that are to be left out."""
        if not self._application.quarantine.has_forgotten:
            passing.begin_anew()
            return None
        now_s = self._application.clock().timestamp()
        return passing.after(now_s) or BEFORE_ALL

    def _lose(self, run: JobRun, locked: Locked) -> None:
        holder = run.holder
        if holder is None:
            return
        message = f"worker {holder.worker_id} stopped answering"
        random = self._application.random.random
        run.lose(holder, locked.now, message, random)
