"""Unique runs: a new run's slot is free, an older run gives way, or the launch is refused.

First slots (`slot_of`, `claim_slot`), then the order of launches that need the same one
(`SlotQueues`); last the launch that repeats an ended run (`repeated`). Decisions are made without
the lock; the log refuses them if they no longer hold.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast
from uuid import UUID
from weakref import WeakValueDictionary

from eventsourcing.persistence import StoredEvent

from domain.commands.application import LogApplication
from domain.errors import (
    ConflictError,
    LogUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    RunIsThereError,
    SlotTakenError,
    VersionConflictError,
)
from domain.identifiers import SlotClaim, UniqueSlot
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import (
    NO_OVERRIDES,
    Launch,
    Overrides,
    new_run,
    relaunch,
    repeated_personal,
)
from domain.jobs.run import JobRun
from domain.jobs.run_events import FINAL, Report, Requested
from domain.schema.validation import merged, offload_if_long

REPLACED = "replaced"
"""The reason of a run that was canceled for a newer one; its context names that as `replacedBy`."""


@dataclass(frozen=True)
class SlotHandover:
    """How a new run gets its slot.

    Attributes:
        slot_claims: as in `domain.ports.Unit`.
        replaced: the run that gives way, canceled.
    """

    slot_claims: Sequence[SlotClaim] = ()
    replaced: Sequence[JobRun] = ()


NO_SLOT = SlotHandover()
"""The runs of the job are not unique."""


def slot_of(definition: JobDefinition, launch: Launch) -> UniqueSlot | None:
    """Return the unique slot of a run of this launch; None if its job's runs are not unique."""
    unique = definition.spec.uniqueness
    if unique is None:
        return None
    parameters = merged(definition.spec.default_parameters, launch.parameters)
    return UniqueSlot(definition.id, unique.value(parameters))


async def claim_slot(
    application: LogApplication, definition: JobDefinition, slot: UniqueSlot | None, run_id: UUID
) -> SlotHandover:
    """Return how a new run gets its slot; an older run that gives way is canceled.

    Args:
        application: loads runs.
        definition: of the run's job.
        slot: the run's, as `slot_of` returns it.
        run_id: the new run's id.

    Raises:
        RunIsThereError: an older run is kept.
        SlotTakenError: the older run has just started or ended.
        VersionConflictError: the run itself holds the slot.
    """
    unique = definition.spec.uniqueness
    if unique is None or slot is None:
        return NO_SLOT
    holders = await application.log_port.holders_of([slot])
    if slot not in holders:
        return SlotHandover([SlotClaim(slot, run_id, None)])
    holder_id, is_pending = holders[slot]
    if holder_id == run_id:
        # The same request, under one idempotency key, came twice at once.
        raise VersionConflictError(f"run {run_id} is there")
    if unique.on_conflict == "keep" or not is_pending:
        raise RunIsThereError(holder_id)
    holder = await application.run(holder_id)
    replace_by(holder, run_id, application.clock())
    return SlotHandover([SlotClaim(slot, run_id, holder_id)], [holder])


def replace_by(holder: JobRun, run_id: UUID, now: datetime) -> None:
    """Cancel a pending run for a newer one. Raises SlotTakenError if it is not pending any more."""
    check_pending(holder)
    report = Report(context={"replacedBy": str(run_id)})
    holder.request_cancel(now, REPLACED, report)


def check_pending(holder: JobRun) -> None:
    """Raise SlotTakenError if a run is not pending any more."""
    if holder.status != "pending":
        message = f"run {holder.id} is {holder.status} by now"
        raise SlotTakenError(message)


def with_replaced(new: list[StoredEvent], replaced: Sequence[StoredEvent]) -> list[StoredEvent]:
    """Return the events of a new run and of the run that gives way, which come before its slot.

    The request stays the first event: it may have personal data.
    """
    if not replaced:
        return new
    return [*new[:1], *replaced, *new[1:]]


# The order of launches that need the same slot.

MAX_WAIT_S = 5.0
"""How long a launch waits while no turn ends: as long as turns end, it waits, however slow the
machine is. While the database cannot be reached, each turn takes seconds to fail, and later
launches must not wait for all of them."""

MAX_WAITING = 1_000
"""Launches that may wait for the turn of one slot; each holds its request meanwhile."""


class _SlotQueue:
    """Launches that need the same slot: one has its turn, the others wait.

    Attributes:
        turn: held by the launch whose turn it is.
        timeouts: of the others.
    """

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.timeouts: set[asyncio.Timeout] = set()

    def extend_timeouts(self, longest_wait_s: float) -> None:
        """Let all that wait give up only this many seconds from now."""
        until = asyncio.get_running_loop().time() + longest_wait_s
        for timeout in self.timeouts:
            if not timeout.expired():
                timeout.reschedule(until)


class SlotQueues:
    """Lets the launches of a process that need the same slot take turns.

    Decided at the same time, all of them but one would be refused by the log, again and again.
    """

    def __init__(self, longest_wait_s: float = MAX_WAIT_S, max_waiting: int = MAX_WAITING) -> None:
        self._longest_wait_s = longest_wait_s
        self._max_waiting = max_waiting
        self._queues: WeakValueDictionary[UniqueSlot, _SlotQueue] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, slot: UniqueSlot) -> AsyncIterator[None]:
        """Wait for the turn, and hold it meanwhile.

        Raises:
            OverloadedError: no turn has ended for too long, or too many wait; nothing was decided.
        """
        queue = self._queues.get(slot)
        if queue is None:  # A queue is garbage once no launch needs the slot.
            queue = self._queues[slot] = _SlotQueue()
        await self._wait(queue)
        is_log_available = True
        try:
            yield
        except (LogUnavailableError, OutcomeUnknownError, OverloadedError):
            is_log_available = False
            raise
        finally:
            queue.turn.release()
            if is_log_available:
                queue.extend_timeouts(self._longest_wait_s)

    async def _wait(self, queue: _SlotQueue) -> None:
        if len(queue.timeouts) >= self._max_waiting:
            raise OverloadedError(
                f"{self._max_waiting} launches of the job with the same values of its unique"
                " parameters wait already; ask again"
            )
        timeout = asyncio.timeout(self._longest_wait_s)
        try:
            async with timeout:
                queue.timeouts.add(timeout)
                await queue.turn.acquire()
        except TimeoutError:
            message = (
                "no other launch of the job with the same values of its unique parameters"
                f" has come to its end for {self._longest_wait_s:g} s; ask again"
            )
            raise OverloadedError(message) from None
        finally:
            queue.timeouts.discard(timeout)


# The launch that repeats an ended run, alone or as one of many.


@dataclass(frozen=True)
class Repeated:
    """A new run that repeats another one, not yet appended.

    Attributes:
        expects: as in `domain.ports.Unit`.
        personal: likewise.
        handover: how it gets its slot.
    """

    run: JobRun
    expects: Mapping[UUID, int]
    personal: Mapping[str, str | UUID]
    handover: SlotHandover

    def stored(self, application: LogApplication) -> list[StoredEvent]:
        """Return its events, and those of the run that gives way to it, encoded."""
        replaced = application.stored_events(self.handover.replaced)
        return with_replaced(application.stored_events([self.run]), replaced)


async def repeated(  # noqa: PLR0913 - what an order says, and of what
    application: LogApplication,
    old: JobRun,
    definition: JobDefinition,
    by: str,
    overrides: Overrides = NO_OVERRIDES,
    new_id: UUID | None = None,
    idempotency_key: str | None = None,
) -> Repeated:
    """Return a run that repeats an ended one, as the job is defined today.

    Args:
        application: loads definitions.
        old: the ended run.
        definition: of its job.
        by: who requests it.
        overrides: the values that differ from the old run's.
        new_id: the new run's; None for a random one.
        idempotency_key: under which it is requested.

    Raises:
        ConflictError: `run_not_ended`; `run_erased`, personal data among its parameters are gone,
            and the overrides give no others; `parameter_is_personal`, as `repeated_personal` says.
        RunIsThereError: an older run is kept, as runs of the job are unique.
        SlotTakenError: the older run has just started or ended.
        InvalidInputError: the job's schema does not allow the parameters.
    """
    if old.status not in FINAL:
        raise ConflictError("run_not_ended", f"job run is still {old.status}")
    missing = overrides.missing(old.erased)
    if missing:
        message = (
            f"personal data among its parameters have been erased: {', '.join(missing)};"
            " a retry has to give new ones"
        )
        raise ConflictError("run_erased", message)
    pinned = await application.pinned_spec(old.definition_id, old.definition_version)
    launch = relaunch(pinned, old, await _first_due_at(application, old), overrides)
    if overrides.has_parameters:
        entry_point = definition.spec.entry_point
        launch = await application.followers.complete_launch(application, entry_point, launch)
    if idempotency_key is not None:
        launch = replace(launch, idempotency_key=idempotency_key)
    new_id = new_id or application.new_id()
    now = application.clock()
    run = await offload_if_long(lambda: new_run(definition, launch, new_id, by, now))
    personal = repeated_personal(definition, old, run)
    slot = slot_of(definition, launch)
    # No subject of the run may be erased meanwhile, and the job may not change.
    expects = {**dict.fromkeys(map(UUID, old.kept_personal), 0), definition.id: definition.version}
    handover = await claim_slot(application, definition, slot, new_id)
    return Repeated(run, expects, personal, handover)


async def _first_due_at(application: LogApplication, run: JobRun) -> datetime:
    """Return when a run was first due. After a retry only the log tells."""
    if run.attempt == 1 or run.start_deadline_at is None:
        return run.scheduled_at
    first, *_ = await application.log_port.events_after(run.id, 0)
    return cast("Requested", application.mapper.to_domain_event(first)).scheduled_at
