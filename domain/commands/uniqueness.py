"""Places of new runs whose job wants few alike: they are free, or an older run gives way.

All is decided on what was read without the lock; the log refuses what no longer holds.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from weakref import WeakValueDictionary

from eventsourcing.persistence import StoredEvent

from domain.commands.application import LogApplication
from domain.errors import (
    OverloadedError,
    RunIsThereError,
    ValueTakenError,
    VersionConflictError,
)
from domain.identifiers import Slot, Taking
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import Launch
from domain.jobs.run import JobRun
from domain.jobs.run_values import Report
from domain.schema.validation import merged

LONGEST_WAIT_S = 5.0
"""For a turn: some hundred launches take one each. Where the database is away, each of them takes
seconds to fail, and whoever is behind them must not wait for all of these."""

REPLACED = "replaced"
"""Why a run was canceled that gave way to a newer one; its context names that as `replacedBy`."""


@dataclass(frozen=True)
class Place:
    """What must be so for a new run to be appended.

    Attributes:
        takings: as in `domain.ports.Unit`.
        replaced: the run that gives way.
    """

    takings: Sequence[Taking] = ()
    replaced: Sequence[JobRun] = ()


ANYWHERE = Place()
"""The place of runs that stand in nobody's way."""


class Turns:
    """Lets launches of one process that want the same slot be decided one after the other.

    Decided at once, all of them but one would be refused by the log, again and again.
    """

    def __init__(self, longest_wait_s: float = LONGEST_WAIT_S) -> None:
        self._longest_wait_s = longest_wait_s
        self._locks: WeakValueDictionary[Slot, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def taken(self, slot: Slot) -> AsyncIterator[None]:
        """Wait for the turn, and have it meanwhile.

        Raises:
            OverloadedError: it took too long; nothing was decided.
        """
        lock = self._lock_of(slot)
        try:
            async with asyncio.timeout(self._longest_wait_s):
                await lock.acquire()
        except TimeoutError:
            message = (
                "other launches of the job with the same values of its unique parameters"
                f" have taken {self._longest_wait_s:g} s; ask again"
            )
            raise OverloadedError(message) from None
        try:
            yield
        finally:
            lock.release()

    def _lock_of(self, slot: Slot) -> asyncio.Lock:
        """Return what is held meanwhile; it is forgotten once nobody does."""
        lock = self._locks.get(slot)
        if lock is None:
            lock = asyncio.Lock()
            self._locks[slot] = lock
        return lock


def slot_of(definition: JobDefinition, launch: Launch) -> Slot | None:
    """Return what a run of this launch has to itself; None where its job's runs are not unique."""
    unique = definition.spec.uniqueness
    if unique is None:
        return None
    parameters = merged(definition.spec.default_parameters, launch.parameters)
    return Slot(definition.id, unique.value(parameters))


async def place_for(
    application: LogApplication,
    definition: JobDefinition,
    slot: Slot | None,
    run_id: UUID,
) -> Place:
    """Make place for a new run.

    Args:
        application: where runs come from.
        definition: of its job.
        slot: as `slot_of` says.
        run_id: its id.

    Raises:
        RunIsThereError: an older run is kept.
        ValueTakenError: an older run has moved on just now.
        VersionConflictError: it is the run itself that is there.
    """
    unique = definition.spec.uniqueness
    if unique is None or slot is None:
        return ANYWHERE
    holders = await application.log_port.holders_of([slot])
    if slot not in holders:
        return Place([Taking(slot, run_id, None)])
    holder_id, is_pending = holders[slot]
    if holder_id == run_id:
        # The same request, under one idempotency key, came twice at once.
        raise VersionConflictError(f"run {run_id} is there")
    if unique.on_conflict == "keep" or not is_pending:
        raise RunIsThereError(holder_id)
    holder = await application.run(holder_id)
    replace_by(holder, run_id, application.clock())
    return Place([Taking(slot, run_id, holder_id)], [holder])


def replace_by(holder: JobRun, run_id: UUID, now: datetime) -> None:
    """Cancel a pending run for the sake of a newer one. Raises ValueTakenError if it moved on."""
    check_pending(holder)
    told = Report(context={"replacedBy": str(run_id)})
    holder.request_cancel(now, REPLACED, told)


def check_pending(holder: JobRun) -> None:
    """Raise ValueTakenError if a run that was pending has moved on since."""
    if holder.status != "pending":
        message = f"run {holder.id} is {holder.status} by now"
        raise ValueTakenError(message)


def in_place(
    new: list[StoredEvent], replaced: Sequence[StoredEvent]
) -> list[StoredEvent]:
    """Return the events of a new run, and of the one that gives way before it takes the slot.

    The request stays the first: it may have personal data.
    """
    if not replaced:
        return new
    return [*new[:1], *replaced, *new[1:]]
