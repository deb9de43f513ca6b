"""Unique runs: a new run's slot is free, an older run gives way, or the launch is refused.

First slots (`slot_of`, `claim_slot`), then the order of launches that need the same one
(`SlotQueues`); last the launch that repeats an ended run (`repeated`). All is decided on what was
read without the lock; the log refuses what no longer holds.
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
    ValueTakenError,
    VersionConflictError,
)
from domain.identifiers import Slot, Taking
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import Launch, new_run, relaunch, repeated_personal
from domain.jobs.run import JobRun
from domain.jobs.run_events import FINAL, Report, Requested
from domain.json_values import JsonObject
from domain.schema.validation import decided, merged

REPLACED = "replaced"
"""Why a run was canceled that gave way to a newer one; its context names that as `replacedBy`."""


@dataclass(frozen=True)
class SlotClaim:
    """What a new run needs to have its slot.

    Attributes:
        takings: as in `domain.ports.Unit`.
        replaced: the run that gives way.
    """

    takings: Sequence[Taking] = ()
    replaced: Sequence[JobRun] = ()


NO_SLOT = SlotClaim()
"""Of runs whose job's runs are not unique."""


def slot_of(definition: JobDefinition, launch: Launch) -> Slot | None:
    """Return the unique slot of a run of this launch; None where its job's runs are not unique."""
    unique = definition.spec.uniqueness
    if unique is None:
        return None
    parameters = merged(definition.spec.default_parameters, launch.parameters)
    return Slot(definition.id, unique.value(parameters))


async def claim_slot(
    application: LogApplication, definition: JobDefinition, slot: Slot | None, run_id: UUID
) -> SlotClaim:
    """Return what a new run needs to have its slot, with the older run canceled that gives way.

    Args:
        application: loads runs.
        definition: of the run's job.
        slot: as `slot_of` says.
        run_id: the new run's.

    Raises:
        RunIsThereError: an older run is kept.
        ValueTakenError: an older run has moved on just now.
        VersionConflictError: it is the run itself that is there.
    """
    unique = definition.spec.uniqueness
    if unique is None or slot is None:
        return NO_SLOT
    holders = await application.log_port.holders_of([slot])
    if slot not in holders:
        return SlotClaim([Taking(slot, run_id, None)])
    holder_id, is_pending = holders[slot]
    if holder_id == run_id:
        # The same request, under one idempotency key, came twice at once.
        raise VersionConflictError(f"run {run_id} is there")
    if unique.on_conflict == "keep" or not is_pending:
        raise RunIsThereError(holder_id)
    holder = await application.run(holder_id)
    replace_by(holder, run_id, application.clock())
    return SlotClaim([Taking(slot, run_id, holder_id)], [holder])


def replace_by(holder: JobRun, run_id: UUID, now: datetime) -> None:
    """Cancel a pending run for the sake of a newer one. Raises ValueTakenError if it moved on."""
    check_pending(holder)
    report = Report(context={"replacedBy": str(run_id)})
    holder.request_cancel(now, REPLACED, report)


def check_pending(holder: JobRun) -> None:
    """Raise ValueTakenError if a run that was pending has moved on since."""
    if holder.status != "pending":
        message = f"run {holder.id} is {holder.status} by now"
        raise ValueTakenError(message)


def with_replaced(new: list[StoredEvent], replaced: Sequence[StoredEvent]) -> list[StoredEvent]:
    """Return the events of a new run, and of the one that gives way before it takes the slot.

    The request stays the first: it may have personal data.
    """
    if not replaced:
        return new
    return [*new[:1], *replaced, *new[1:]]


# The order of launches that need the same slot.

LONGEST_WAIT_S = 5.0
"""How long a launch waits without any turn ending: as long as turns do end, it waits, however slow
the machine is. Where the database is away, each turn takes seconds to fail, and the next launches
must not wait for all of these."""

MOST_WAITING = 1_000
"""Launches that may wait for the turn of one slot; each holds its request meanwhile."""


class _SlotQueue:
    """Launches that need the same slot: one has its turn, the others wait.

    Attributes:
        turn: held by the launch whose turn it is.
        limits: how long each of the others still waits.
    """

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.limits: set[asyncio.Timeout] = set()

    def has_moved(self, longest_wait_s: float) -> None:
        """Let all that wait do so for as long again."""
        until = asyncio.get_running_loop().time() + longest_wait_s
        for limit in self.limits:
            if not limit.expired():
                limit.reschedule(until)


class SlotQueues:
    """Lets launches of one process that need the same slot be decided one after the other.

    Decided at once, all of them but one would be refused by the log, again and again.
    """

    def __init__(
        self, longest_wait_s: float = LONGEST_WAIT_S, most_waiting: int = MOST_WAITING
    ) -> None:
        self._longest_wait_s = longest_wait_s
        self._most_waiting = most_waiting
        self._queues: WeakValueDictionary[Slot, _SlotQueue] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, slot: Slot) -> AsyncIterator[None]:
        """Wait for the turn, and hold it meanwhile.

        Raises:
            OverloadedError: for too long no turn came to its end, or too many wait; nothing was
                decided.
        """
        queue = self._queues.get(slot)
        if queue is None:  # It is forgotten once no launch needs the slot.
            queue = self._queues[slot] = _SlotQueue()
        await self._wait(queue)
        has_moved = True
        try:
            yield
        except (LogUnavailableError, OutcomeUnknownError, OverloadedError):
            has_moved = False
            raise
        finally:
            queue.turn.release()
            if has_moved:
                queue.has_moved(self._longest_wait_s)

    async def _wait(self, queue: _SlotQueue) -> None:
        if len(queue.limits) >= self._most_waiting:
            raise OverloadedError(
                f"{self._most_waiting} launches of the job with the same values of its unique"
                " parameters wait already; ask again"
            )
        limit = asyncio.timeout(self._longest_wait_s)
        try:
            async with limit:
                queue.limits.add(limit)
                await queue.turn.acquire()
        except TimeoutError:
            message = (
                "no other launch of the job with the same values of its unique parameters"
                f" has come to its end for {self._longest_wait_s:g} s; ask again"
            )
            raise OverloadedError(message) from None
        finally:
            queue.limits.discard(limit)


# An ended run launched anew: by itself, or as one of many.


@dataclass(frozen=True)
class Repeated:
    """A new run, not yet appended.

    Attributes:
        expects: as in `domain.ports.Unit`.
        personal: likewise.
        claim: what it needs to have its slot, where runs of its job are unique.
    """

    run: JobRun
    expects: Mapping[UUID, int]
    personal: Mapping[str, str | UUID]
    claim: SlotClaim

    def stored(self, application: LogApplication) -> list[StoredEvent]:
        """Return its events, and those of the run that gives way to it, encoded."""
        replaced = application.stored_events(self.claim.replaced)
        return with_replaced(application.stored_events([self.run]), replaced)


async def repeated(  # noqa: PLR0913 - what an order says, and of what
    application: LogApplication,
    old: JobRun,
    definition: JobDefinition,
    by: str,
    patch: JsonObject | None = None,
    new_id: UUID | None = None,
    idempotency_key: str | None = None,
) -> Repeated:
    """Return a run that repeats an ended one, as the job is defined today.

    Args:
        application: loads definitions.
        old: the ended run.
        definition: of its job.
        by: who requests it.
        patch: parameters that replace those of the old run.
        new_id: the new run's; None to draw one.
        idempotency_key: under which it is requested.

    Raises:
        ConflictError: `run_not_ended`; `run_erased`, personal data among its parameters are gone;
            `parameter_is_personal`, as `repeated_personal` says.
        RunIsThereError: an older run is kept, as runs of the job are unique.
        ValueTakenError: an older run has moved on just now.
        InvalidInputError: the job's schema does not allow the parameters.
    """
    if old.status not in FINAL:
        raise ConflictError("run_not_ended", f"job run is still {old.status}")
    if old.erased:
        erased = ", ".join(old.erased)
        message = f"personal data among its parameters have been erased: {erased}"
        raise ConflictError("run_erased", message)
    pinned = await application.pinned_spec(old.definition_id, old.definition_version)
    launch = relaunch(pinned, old, await _first_due_at(application, old))
    if idempotency_key is not None:
        launch = replace(launch, idempotency_key=idempotency_key)
    if patch:
        launch = replace(launch, parameters={**launch.parameters, **patch})
    new_id = new_id or application.new_id()
    now = application.clock()
    run = await decided(lambda: new_run(definition, launch, new_id, by, now))
    personal = repeated_personal(definition, old, run)
    slot = slot_of(definition, launch)
    # Neither may its subjects be erased meanwhile, nor the job be deleted.
    expects = {**dict.fromkeys(map(UUID, old.personal), 0), definition.id: definition.version}
    return Repeated(
        run, expects, personal, claim=await claim_slot(application, definition, slot, new_id)
    )


async def _first_due_at(application: LogApplication, run: JobRun) -> datetime:
    """Return when a run was due at first: a retry has moved that, and only the log has it."""
    if run.attempt == 1 or run.start_deadline_at is None:
        return run.scheduled_at
    first, *_ = await application.log_port.events_after(run.id, 0)
    return cast("Requested", application.mapper.to_domain_event(first)).scheduled_at
