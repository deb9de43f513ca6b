"""The commands of bulk operations.

First what they need of the tables (`RunSelector`, a port that `eventlog` implements); then the
clients' commands (`BulkOperations`: preview, start, abort); then `BulkSteps`, which processes the
selected runs batch by batch, each run exactly once.

A batch is decided without the lock, and appended as one unit with the operation's next event. If
two processes decide the same batch at the same time, the second one is refused by that event's
version.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol
from uuid import UUID

from eventsourcing.domain import Aggregate
from eventsourcing.persistence import StoredEvent

from domain import bulk
from domain.bulk import FILTER, PATCH, BulkOperation, Order, conditions_for, order_conditions
from domain.commands.application import MAX_DECISIONS, LogApplication, seen_heads
from domain.commands.uniqueness import Repeated, repeated
from domain.errors import (
    ConflictError,
    DomainError,
    InvalidInputError,
    Issue,
    NotFoundError,
    QuarantinedError,
    VersionConflictError,
    key_reused,
    refuse,
)
from domain.filters import PARAMETERS, Conditions
from domain.identifiers import SlotClaim, bulk_id_for_key, only_repeat_id
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import Overrides
from domain.jobs.run import JobRun
from domain.json_values import JsonObject, escape
from domain.personal import MARK
from domain.ports import Locked, Origin, Row, Saved, Unit


@dataclass(frozen=True)
class SelectedRun:
    """A selected run, and the position of its creation."""

    run_id: UUID
    created_position: int


@dataclass(frozen=True)
class Selection:
    """How many runs were selected at a position, and the newest of them.

    Attributes:
        personal: those of the given parameters that some job marks as personal, or as naming a
            subject.
    """

    position: int
    total: int
    newest: Sequence[SelectedRun]
    personal: Collection[str] = ()


class RunSelector(Protocol):
    """The runs that match conditions as of a position; these never change."""

    async def select(
        self, conditions: Conditions, limit: int, parameters: Collection[str]
    ) -> Selection:
        """Count the runs as of now, and return the newest of them.

        Args:
            conditions: on the runs.
            limit: how many of the newest.
            parameters: names of parameters whose values the log will keep unencrypted.
        """

    async def newest(
        self, conditions: Conditions, position: int, before: int | None, limit: int
    ) -> list[SelectedRun]:
        """Return runs as of a position that were created before another one, newest first."""

    async def repeated_among(self, run_ids: Collection[UUID]) -> set[UUID]:
        """Return those of the runs that have been repeated by another run until now."""


SAMPLE = 20
"""Runs that a preview shows, at most."""

TRIED = 100
"""Runs for which a preview tries the action, at most."""


@dataclass(frozen=True)
class Preview:
    """What an order would do.

    Attributes:
        selection: the selected runs.
        refused: those of the newest `TRIED` that would be refused, each with `run`, `code` and
            `why`.
    """

    selection: Selection
    refused: Sequence[JsonObject]


@dataclass(frozen=True)
class StartedOperation:
    """An operation. `row` is None if an earlier request with the same key started it."""

    operation_id: UUID
    row: Row | None


class BulkOperations:
    """The clients' commands of bulk operations."""

    def __init__(self, application: LogApplication, selector: RunSelector) -> None:
        self._application = application
        self._selector = selector

    async def preview(self, order: Order, origin: Origin) -> Preview:
        """Return what an order would do now, and do nothing.

        Raises:
            InvalidInputError: as `start`.
        """
        selection = await self._select(order)
        ids = [selected.run_id for selected in selection.newest]
        runs = await self._application.load(JobRun, ids)
        refused: list[JsonObject] = []
        for run in runs.values():
            try:
                await self._try(order, run, origin)
            except DomainError as error:
                # A preview is not recorded, so it may quote the input.
                refused.append({"run": str(run.id), "code": error.code, "why": error.message})
            except VersionConflictError:
                # The run that it would replace has just changed; the operation will decide.
                continue
        return Preview(selection, refused)

    async def start(
        self, order: Order, origin: Origin, idempotency_key: str | None = None
    ) -> StartedOperation:
        """Start the operation that an order describes.

        With the same idempotency key and the same order, return the first operation again.

        Raises:
            InvalidInputError: the order is wrong, or would keep personal data unencrypted.
            ConflictError: `idempotency_key_reused`, the key was used with another order.
        """
        if idempotency_key is None:
            return await self._begin(self._application.new_id(), order, origin)
        own_id = bulk_id_for_key(origin.actor, idempotency_key)
        earlier = await self._started_before(own_id, order)
        if earlier is not None:
            return earlier
        try:
            return await self._begin(own_id, order, origin)
        except VersionConflictError:
            # Another request with this key came at the same time.
            earlier = await self._started_before(own_id, order)
            if earlier is None:
                raise
            return earlier

    async def _started_before(self, own_id: UUID, order: Order) -> StartedOperation | None:
        # From its first event, not its row: jsonb writes some numbers differently.
        operation = await self._application.replay(own_id, lambda _: True)
        self._application.quarantine.check([own_id])
        if not isinstance(operation, BulkOperation):
            return None
        if not operation.order.is_same(order):
            raise key_reused()
        return StartedOperation(own_id, None)

    async def _begin(self, own_id: UUID, order: Order, origin: Origin) -> StartedOperation:
        selection = await self._select(order)
        operation = BulkOperation.request(
            own_id,
            order,
            as_of=selection.position,
            total=selection.total,
            requested_by=origin.actor,
            now=self._application.clock(),
        )
        saved = await self._application.save(operation, origin=origin)
        return StartedOperation(own_id, saved.rows[own_id])

    async def abort(self, operation_id: UUID, reason: str | None, origin: Origin) -> None:
        """Stop an operation; what it has done stays done.

        Raises:
            NotFoundError: `bulk_not_found`.
            ConflictError: `bulk_completed`.
        """

        async def decide(locked: Locked) -> Sequence[Aggregate]:
            operation = await self._application.find(BulkOperation, operation_id, locked)
            if operation is None:
                raise NotFoundError("bulk_not_found", "bulk operation not found")
            operation.abort(reason, locked.now)
            return [operation]

        # Under the lock, as its next step follows within milliseconds.
        save = partial(self._application.save_under_lock, decide, origin)
        await self._application.retry_with_reads(save)

    async def _select(self, order: Order) -> Selection:
        conditions = order_conditions(order)
        paths = _parameter_paths(conditions, order.patch or {})
        selection = await self._selector.select(conditions, TRIED, paths)
        message = "is personal data, which would stay in the log for ever; choose by something else"
        refuse([Issue(paths[name], message, MARK) for name in sorted(selection.personal)])
        return selection

    async def _try(self, order: Order, run: JobRun, origin: Origin) -> None:
        """Raise what refuses the action on a run."""
        if order.action == "cancel":
            run.request_cancel(self._application.clock(), order.reason)
        else:
            definition = await self._application.definition_of(run)
            overrides = Overrides(patch=order.patch or {})
            await repeated(self._application, run, definition, origin.actor, overrides)


def _parameter_paths(conditions: Conditions, patch: JsonObject) -> Mapping[str, str]:
    """Return the parameters whose values an order contains, each with its path in the request."""
    filtered = {one.name: f"{FILTER}/{PARAMETERS}{one.name}" for one in conditions.parameters}
    return filtered | {name: f"{PATCH}/parameters/{escape(name)}" for name in patch}


AT_A_TIME = 10_000
"""Runs that are selected by one query, as it may read all events between a checkpoint and the
position of the operation."""

BATCHES_A_TURN = 20
"""Batches after which the next operation has its turn; they take some seconds at most."""

MAX_KEPT = 10
"""Operations whose selected runs stay in memory until their next turn, some megabytes each."""


@dataclass
class _Batch:
    """What is done in one unit.

    Attributes:
        processed: how many of the selected runs.
        done: how many of these were not refused.
        refused: the others.
        changed: the canceled runs, and the aggregates that follow them.
        repeated: the new runs.
        definitions: of their jobs.
        had_repeats: if the operation is about runs that were not repeated, the selected runs that
            have been repeated since; None for other operations.
    """

    processed: int = 0
    done: int = 0
    refused: list[JsonObject] = field(default_factory=list)
    changed: list[Aggregate] = field(default_factory=list)
    repeated: list[Repeated] = field(default_factory=list)
    definitions: dict[UUID, JobDefinition] = field(default_factory=dict)
    had_repeats: Collection[UUID] | None = None

    def id_of_repeat(self, run_id: UUID) -> UUID | None:
        """Return the id of the run that repeats this one; None for a random id.

        Raises:
            ConflictError: `run_repeated`, another run has repeated it.
        """
        if self.had_repeats is None:
            return None
        if run_id in self.had_repeats:
            message = "another run has been launched meanwhile to repeat it"
            raise ConflictError("run_repeated", message)
        return only_repeat_id(run_id)

    def personal_of(self, run: JobRun | None) -> set[str]:
        """Return pointers to a run's parameters that are personal now, or were at its launch."""
        if run is None:
            return set()
        names = set(run.personal_parameters)
        definition = self.definitions.get(run.definition_id)
        if definition is not None:
            names |= definition.spec.personal.keys()
        return {f"/parameters/{escape(name)}" for name in names}

    @property
    def is_full(self) -> bool:
        """Return whether no other run fits: only a unit's first event may have personal data."""
        return any(new.personal for new in self.repeated)

    def has_slot_of(self, new: Repeated) -> bool:
        """Return whether another run of the batch takes the slot of a new one."""
        slots = {claim.slot for claim in new.handover.slot_claims}
        return any(claim.slot in slots for claim in self.slot_claims)

    @property
    def slot_claims(self) -> list[SlotClaim]:
        """Return the slots that its runs take."""
        return [claim for new in self.repeated for claim in new.handover.slot_claims]


class BulkSteps:
    """Processes bulk operations, batch by batch."""

    def __init__(self, application: LogApplication, selector: RunSelector) -> None:
        self._application = application
        self._selector = selector
        self._size = bulk.FIRST
        self._remaining: dict[tuple[UUID, int], Sequence[SelectedRun]] = {}

    async def process_next(self, operation_id: UUID) -> int | None:
        """Process the next runs of an operation; return its new version, None if it is finished.

        That is one turn: other operations may be waiting for theirs.

        Raises:
            VersionConflictError: another process works on the operation.
            QuarantinedError: this version of the program cannot read it.
        """
        operation = await self._running(operation_id)
        if operation is None:
            return None
        remaining = await self._next_runs(operation)
        if not remaining:
            now = self._application.clock()
            operation.complete(now)
            await self._append(operation, _Batch(), now)
            return None
        version = operation.version
        for _ in range(BATCHES_A_TURN):
            processed, version = await self._step(operation_id, version, remaining)
            remaining = remaining[processed:]
            if not remaining:
                return version
        if len(self._remaining) == MAX_KEPT:
            oldest = next(iter(self._remaining))
            del self._remaining[oldest]
        self._remaining[operation_id, version] = remaining
        return version

    def keep_only(self, versions: Mapping[UUID, int]) -> None:
        """Forget the selected runs of all but these operations at these versions."""
        over = self._remaining.keys() - versions.items()
        for key in over:
            del self._remaining[key]

    async def _next_runs(self, operation: BulkOperation) -> Sequence[SelectedRun]:
        """Return the next runs of an operation; from memory, if its last turn left some there."""
        remaining = self._remaining.pop((operation.id, operation.version), None)
        if remaining is not None:
            return remaining
        return await self._selector.newest(
            self._conditions(operation), operation.as_of, operation.before, AT_A_TIME
        )

    def _conditions(self, operation: BulkOperation) -> Conditions:
        order = operation.order
        try:
            return conditions_for(order.action, order.filter)
        except InvalidInputError as error:
            # A newer version of the program knows more conditions.
            self._application.quarantine.add(operation.id, error.message)
            raise QuarantinedError(error.message) from None

    async def _running(self, operation_id: UUID) -> BulkOperation | None:
        operation = await self._application.find(BulkOperation, operation_id)
        if operation is None or operation.status != "running":
            return None
        return operation

    async def _step(
        self, operation_id: UUID, version: int, selected: Sequence[SelectedRun]
    ) -> tuple[int, int]:
        """Process the first of the selected runs; return their number, and the new version.

        If one of them changes meanwhile, they are decided again, fewer each time.

        Raises:
            VersionConflictError: the operation no longer has the version.
        """
        size = self._size
        for _ in range(MAX_DECISIONS):
            operation = await self._running(operation_id)
            if operation is None or operation.version != version:
                break
            # Also if a unique slot changes hands meanwhile.
            with suppress(VersionConflictError):
                processed = await self._process(operation, selected[:size])
                return processed, operation.version
            size = max(1, size // 4)
        raise VersionConflictError(f"bulk operation {operation_id} has moved on")

    async def _process(self, operation: BulkOperation, selected: Sequence[SelectedRun]) -> int:
        """Apply the action to the runs as one unit; return how many fitted into it.

        Raises:
            VersionConflictError: one of them has changed meanwhile.
        """
        began_at = self._application.clock()
        decide = partial(self._decide, operation, selected)
        batch = await self._application.retry_with_reads(decide)
        last = selected[batch.processed - 1]
        now = self._application.clock()
        operation.advance(batch.done, batch.refused, last.created_position, now)
        saved = await self._append(operation, batch, began_at)
        if batch.processed == self._size:  # A smaller batch does not tell how long these take.
            self._size = bulk.next_size(self._size, saved.held_ms)
        return batch.processed

    async def _decide(self, operation: BulkOperation, selected: Sequence[SelectedRun]) -> _Batch:
        ids = [one.run_id for one in selected]
        runs = await self._application.load(JobRun, ids)
        batch = _Batch()
        if self._conditions(operation).is_retried is False:
            # The ids of the new runs are derived: a second such order is refused, and decided
            # again.
            batch.had_repeats = await self._selector.repeated_among(ids)
        for one in _read_together(selected, runs):
            run = runs.get(one.run_id)
            try:
                self._application.quarantine.check([one.run_id])
                if run is None:
                    raise QuarantinedError("its history cannot be read")
                if not await self._act(operation, run, batch):
                    break
                batch.done += 1
            except DomainError as error:
                why = error.recorded(batch.personal_of(run))
                batch.refused.append({"run": str(one.run_id), "code": error.code, "why": why})
            batch.processed += 1
        canceled = [run for run in runs.values() if run.pending_events]
        batch.changed = await self._application.with_followers(canceled)
        return batch

    async def _act(self, operation: BulkOperation, run: JobRun, batch: _Batch) -> bool:
        """Apply the action to a run; return whether it fits into the batch.

        Raises:
            DomainError: it is refused.
        """
        order = operation.order
        if order.action == "cancel":
            run.request_cancel(self._application.clock(), order.reason)
            return True
        if batch.is_full:
            return False
        new_id = batch.id_of_repeat(run.id)
        definition = batch.definitions.get(run.definition_id)
        if definition is None:
            definition = await self._application.definition_of(run)
            batch.definitions[run.definition_id] = definition
        new = await repeated(
            self._application,
            run,
            definition,
            operation.requested_by,
            Overrides(patch=order.patch or {}),
            new_id,
        )
        if batch.repeated and (new.personal or batch.has_slot_of(new)):
            return False
        batch.repeated.append(new)
        return True

    async def _append(self, operation: BulkOperation, batch: _Batch, decided_at: datetime) -> Saved:
        application = self._application
        aggregates = [operation, *batch.changed]
        expects: dict[UUID, int] = {}
        personal: Mapping[str, str | UUID] = {}
        replaced: list[JobRun] = []
        for new in batch.repeated:
            expects.update(new.expects)
            personal = new.personal or personal
            replaced += new.handover.replaced
        heads = seen_heads([*aggregates, *replaced, *batch.definitions.values()])
        stored: list[StoredEvent] = []
        for new in batch.repeated:
            stored += new.stored(application)
        unit = Unit(
            stored + application.stored_events(aggregates),
            Origin(operation.requested_by, causation_id=operation.cause),
            expects=expects,
            heads=heads,
            personal=personal,
            slot_claims=batch.slot_claims,
            decided_at=decided_at,
        )
        return await application.log_port.append(unit)


def _read_together(
    selected: Sequence[SelectedRun], runs: Mapping[UUID, JobRun]
) -> Sequence[SelectedRun]:
    """Return the first of the selected runs: the last ones were not read if all were too large."""
    for count in range(len(selected), 1, -1):
        if selected[count - 1].run_id in runs:
            return selected[:count]
    return selected[:1]
