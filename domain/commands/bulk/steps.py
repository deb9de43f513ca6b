"""`BulkSteps`: goes through the runs of bulk operations, batch by batch, each exactly once.

A batch is decided without the lock and appended as one unit with the operation's next event.
Whoever goes through the same batch at the same moment finds that event's version taken.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from eventsourcing.domain import Aggregate
from eventsourcing.persistence import StoredEvent

from domain.bulk import pace
from domain.bulk.operation import BulkOperation
from domain.bulk.order import chosen_by
from domain.catalog.units import with_catalog
from domain.commands.application import MAX_DECISIONS, LogApplication, seen_heads
from domain.commands.bulk.repeating import Repeated, repeated
from domain.commands.bulk.selection import Chosen, Selection
from domain.errors import (
    ConflictError,
    DomainError,
    InvalidInputError,
    QuarantinedError,
    VersionConflictError,
)
from domain.filters.conditions import Conditions
from domain.identifiers import Taking, only_repeat_id
from domain.jobs.definition import JobDefinition
from domain.jobs.run import JobRun
from domain.json_values import JsonObject, escape
from domain.ports import Origin, Saved, Unit

AT_A_TIME = 10_000
"""Runs that are chosen by one query: it may look at all that the log says of the time between a
checkpoint and the position at which they were chosen."""

BATCHES_A_TURN = 20
"""After so many, some seconds at most, the next operation has its turn."""

MOST_KEPT = 10
"""Operations whose chosen runs are kept for their next turn, some megabytes each."""


@dataclass
class _Batch:
    """What one unit does.

    Attributes:
        gone_through: how many of the chosen runs these are.
        changed: what is canceled, and what that moves in the catalog.
        repeated: runs that are new.
        definitions: of their jobs.
        had_repeats: where only runs are meant that nobody has launched anew, those of the chosen
            ones that somebody has since; None where that does not matter.
    """

    gone_through: int = 0
    done: int = 0
    refused: list[JsonObject] = field(default_factory=list)
    changed: list[Aggregate] = field(default_factory=list)
    repeated: list[Repeated] = field(default_factory=list)
    definitions: dict[UUID, JobDefinition] = field(default_factory=dict)
    had_repeats: Collection[UUID] | None = None

    def id_of_repeat(self, run_id: UUID) -> UUID | None:
        """Return which id a run must have that repeats this one; None: any.

        Raises:
            ConflictError: `run_repeated`, there is one, and no second is wanted.
        """
        if self.had_repeats is None:
            return None
        if run_id in self.had_repeats:
            message = "another run has been launched meanwhile to repeat it"
            raise ConflictError("run_repeated", message)
        return only_repeat_id(run_id)

    def personal_of(self, run: JobRun | None) -> set[str]:
        """Return pointers to the parameters of a run that are personal, or would be today."""
        if run is None:
            return set()
        names = set(run.personal_parameters)
        definition = self.definitions.get(run.definition_id)
        if definition is not None:
            names |= definition.spec.personal.keys()
        return {f"/parameters/{escape(name)}" for name in names}

    @property
    def is_full(self) -> bool:
        """Return whether nothing goes beside: a unit has personal data of its first event alone."""
        return any(new.personal for new in self.repeated)

    def has_slot_of(self, new: Repeated) -> bool:
        """Return whether a run of the batch takes a slot already that the new one wants."""
        wanted = {taking.slot for taking in new.place.takings}
        return any(taking.slot in wanted for taking in self.takings)

    @property
    def takings(self) -> list[Taking]:
        """Return the slots that its runs take."""
        return [taking for new in self.repeated for taking in new.place.takings]


class BulkSteps:
    """Goes on with bulk operations."""

    def __init__(self, application: LogApplication, selection: Selection) -> None:
        self._application = application
        self._selection = selection
        self._size = pace.FIRST
        self._left: dict[tuple[UUID, int], Sequence[Chosen]] = {}

    async def go_on(self, operation_id: UUID) -> int | None:
        """Go through the next runs of an operation; return at which version it is left.

        None where it is over. It is one turn: others may wait for theirs.

        Raises:
            VersionConflictError: somebody else goes through them.
            QuarantinedError: this version of the program cannot read it.
        """
        operation = await self._running(operation_id)
        if operation is None:
            return None
        left = await self._chosen(operation)
        if not left:
            operation.complete(self._application.clock())
            await self._append(operation, _Batch())
            return None
        version = operation.version
        for _ in range(BATCHES_A_TURN):
            gone_through, version = await self._step(operation_id, version, left)
            left = left[gone_through:]
            if not left:
                return version
        if len(self._left) == MOST_KEPT:
            oldest = next(iter(self._left))
            del self._left[oldest]
        self._left[operation_id, version] = left
        return version

    def keep_only(self, versions: Mapping[UUID, int]) -> None:
        """Forget what was chosen for others than these operations at these versions."""
        over = self._left.keys() - versions.items()
        for key in over:
            del self._left[key]

    async def _chosen(self, operation: BulkOperation) -> Sequence[Chosen]:
        """Return the next runs of an operation: the rest of the last ones, where it is known."""
        left = self._left.pop((operation.id, operation.version), None)
        if left is not None:
            return left
        conditions = self._conditions(operation)
        return await self._selection.newest(
            conditions, operation.as_of, operation.before, AT_A_TIME
        )

    def _conditions(self, operation: BulkOperation) -> Conditions:
        order = operation.order
        try:
            return chosen_by(order.action, order.filter)
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
        self, operation_id: UUID, version: int, chosen: Sequence[Chosen]
    ) -> tuple[int, int]:
        """Go through the first of the chosen runs; return through how many, and the new version.

        Where one of them changes meanwhile, all are decided anew, and ever fewer at a time.

        Raises:
            VersionConflictError: the operation no longer has the version.
        """
        size = self._size
        for _ in range(MAX_DECISIONS):
            operation = await self._running(operation_id)
            if operation is None or operation.version != version:
                break
            # Also what a run has to itself may change hands while it is decided.
            with suppress(VersionConflictError):
                gone_through = await self._go_through(operation, chosen[:size])
                return gone_through, operation.version
            size = max(1, size // 4)
        raise VersionConflictError(f"bulk operation {operation_id} has moved on")

    async def _go_through(
        self, operation: BulkOperation, chosen: Sequence[Chosen]
    ) -> int:
        """Do to the runs what is ordered, as one unit; return through how many that went.

        Raises:
            VersionConflictError: one of them has changed meanwhile.
        """
        decide = partial(self._decide, operation, chosen)
        batch = await self._application.with_all_at_hand(decide)
        last = chosen[batch.gone_through - 1]
        now = self._application.clock()
        operation.advance(batch.done, batch.refused, last.created_position, now)
        saved = await self._append(operation, batch)
        if batch.gone_through == self._size:
            # A shorter one says nothing of how long these take.
            self._size = pace.next_size(self._size, saved.held_ms)
        return batch.gone_through

    async def _decide(
        self, operation: BulkOperation, chosen: Sequence[Chosen]
    ) -> _Batch:
        ids = [one.run_id for one in chosen]
        found = await self._application.load(JobRun, ids)
        batch = _Batch()
        if self._conditions(operation).is_retried is False:
            # Two such orders meet on the ids of the new runs; whoever comes second asks again.
            batch.had_repeats = await self._selection.repeated_among(ids)
        for one in _read_together(chosen, found):
            try:
                run = self._readable(one.run_id, found)
                if not await self._act(operation, run, batch):
                    break
                batch.done += 1
            except DomainError as error:
                why = error.recorded(batch.personal_of(found.get(one.run_id)))
                batch.refused.append(
                    {"run": str(one.run_id), "code": error.code, "why": why}
                )
            batch.gone_through += 1
        canceled = [run for run in found.values() if run.pending_events]
        batch.changed = await with_catalog(self._application, canceled)
        return batch

    def _readable(self, run_id: UUID, found: Mapping[UUID, JobRun]) -> JobRun:
        self._application.quarantine.check([run_id])
        run = found.get(run_id)
        if run is None:
            raise QuarantinedError("its history cannot be read")
        return run

    async def _act(self, operation: BulkOperation, run: JobRun, batch: _Batch) -> bool:
        """Do to a run what is ordered; return whether it fits into the batch.

        Raises:
            DomainError: it is refused.
        """
        order = operation.order
        if order.action == "cancel":
            run.request_cancel(self._application.clock(), order.reason)
            return True
        if batch.is_full:
            return False
        by = operation.requested_by
        new_id = batch.id_of_repeat(run.id)
        definition = batch.definitions.get(run.definition_id)
        if definition is None:
            definition = await self._application.definition(run.definition_id)
            batch.definitions[run.definition_id] = definition
        new = await repeated(
            self._application, run, definition, by, order.patch, new_id
        )
        if batch.repeated and (new.personal or batch.has_slot_of(new)):
            return False
        batch.repeated.append(new)
        return True

    async def _append(self, operation: BulkOperation, batch: _Batch) -> Saved:
        application = self._application
        aggregates = [operation, *batch.changed]
        expects: dict[UUID, int] = {}
        personal: Mapping[str, str | UUID] = {}
        replaced: list[JobRun] = []
        for new in batch.repeated:
            expects.update(new.expects)
            personal = new.personal or personal
            replaced += new.place.replaced
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
            takings=batch.takings,
        )
        return await application.log_port.append(unit)


def _read_together(
    chosen: Sequence[Chosen], found: Mapping[UUID, JobRun]
) -> Sequence[Chosen]:
    """Return the first runs: the last ones may be missing because all are too large together."""
    for place in range(len(chosen), 1, -1):
        if chosen[place - 1].run_id in found:
            return chosen[:place]
    return chosen[:1]
