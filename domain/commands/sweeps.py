"""Sweeps: recover the runs of lost workers, and expire runs past their start deadline.

A watcher in every worker and every API process runs them (`worker/watcher.py`).
"""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.commands.application import LogApplication
from domain.jobs.run import JobRun
from domain.ports import SYSTEM, Locked, Origin
from domain.quarantine import SkipCursor

SWEEP_LIMIT = 500
"""Runs of one sweep at most, so that no append holds the lock for long. It may have fewer, as
`Locked.states_of` says; the next sweep has the others."""

BEFORE_ALL = UUID(int=0)
"""An id before those of all runs."""


class Sweeps:
    """The commands of watchers.

    Attributes:
        lost_workers: how many workers this process has declared lost, for its metrics.
    """

    def __init__(self, application: LogApplication) -> None:
        self._application = application
        self.lost_workers = 0
        quarantine = application.quarantine
        self._overdue = SkipCursor[UUID](quarantine.__contains__)
        self._orphaned = SkipCursor[UUID](quarantine.__contains__)

    async def expire_overdue(self) -> int:
        """Expire runs whose start deadline has passed; return their number.

        There may be more: none is expired if too many that cannot be read come first, but the next
        sweep begins behind those.
        """
        return await self._application.retry_or_give_up(self._expire_overdue) or 0

    async def _expire_overdue(self) -> int:
        expired: list[UUID] = []
        bypassed = self._application.quarantine.ids
        after = self._after(self._overdue)

        async def decide(locked: Locked) -> list[Aggregate]:
            overdue = await locked.overdue_run_ids(SWEEP_LIMIT, bypassed, after)
            self._overdue.scanned(overdue)
            runs = await self._application.load(JobRun, overdue, locked)
            for run in runs.values():
                run.expire_start(locked.now)
            expired[:] = runs
            return await self._application.with_followers([*runs.values()], (), locked)

        await self._application.save_under_lock(decide, SYSTEM)
        return len(expired)

    async def recover(self, silent: Sequence[tuple[str, int]], observer: str) -> list[UUID]:
        """Declare silent workers lost, and end the attempts of orphaned runs; return their ids.

        A run is orphaned if it is running, but no living worker holds it. Its retry policy decides
        whether it is retried, and when (`JobRun.lose`). There may be more, as with
        `expire_overdue`.

        Args:
            silent: ids of workers, each with the sequence number of its last heartbeat.
            observer: the actor of the events.
        """
        recover = partial(self._recover, silent, observer)
        return await self._application.retry_or_give_up(recover) or []

    async def _recover(self, silent: Sequence[tuple[str, int]], observer: str) -> list[UUID]:
        recovered: list[UUID] = []
        lost_workers = 0
        bypassed = self._application.quarantine.ids
        after = self._after(self._orphaned)

        async def decide(locked: Locked) -> list[Aggregate]:
            nonlocal lost_workers
            lost_workers = 0
            for worker_id, sequence in silent:
                lost_workers += await locked.declare_lost(worker_id, sequence)
            orphaned = await locked.orphaned_run_ids(SWEEP_LIMIT, bypassed, after)
            self._orphaned.scanned(orphaned)
            runs = await self._application.load(JobRun, orphaned, locked)
            for run in runs.values():
                self._lose(run, locked)
            recovered[:] = runs
            return await self._application.with_followers([*runs.values()], (), locked)

        await self._application.save_under_lock(decide, Origin(actor=observer))
        self.lost_workers += lost_workers
        if lost_workers:
            # Their runs may come before the scan's position.
            self._orphaned.restart()
        return recovered

    def _lose(self, run: JobRun, locked: Locked) -> None:
        holder = run.holder
        if holder is not None:
            message = f"worker {holder.worker_id} stopped answering"
            run.lose(holder, locked.now, message, self._application.random.random)

    def _after(self, cursor: SkipCursor[UUID]) -> UUID | None:
        """Return the run after which to scan; None if all unreadable runs are left out by id."""
        if not self._application.quarantine.has_forgotten:
            cursor.restart()
            return None
        return cursor.after(self._application.clock().timestamp()) or BEFORE_ALL
