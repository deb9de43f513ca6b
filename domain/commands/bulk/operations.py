"""`BulkOperations`: what clients may do about many runs at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.bulk.operation import BulkOperation
from domain.bulk.order import FILTER, PATCH, Order, checked
from domain.commands.application import LogApplication
from domain.commands.bulk.repeating import repeated
from domain.commands.bulk.selection import Counted, Selection
from domain.errors import (
    ConflictError,
    DomainError,
    InvalidInputError,
    Issue,
    NotFoundError,
    VersionConflictError,
)
from domain.filters.conditions import Conditions
from domain.filters.runs import PARAMETERS
from domain.identifiers import bulk_id_for_key
from domain.jobs.run import JobRun
from domain.json_values import JsonObject, escape
from domain.personal.marks import MARK
from domain.ports import Locked, Origin, Row

SAMPLE = 20
"""Runs that a preview shows."""

TRIED = 100
"""Runs of which a preview says whether they would be refused."""


@dataclass(frozen=True)
class Preview:
    """What an order would come to.

    Attributes:
        counted: the chosen runs.
        refused: of the newest `TRIED`, those that would be refused: `run`, `code` and `why`.
    """

    counted: Counted
    refused: Sequence[JsonObject]


@dataclass(frozen=True)
class Started:
    """An operation. `row` is None where an earlier request under the same key began it."""

    operation_id: UUID
    row: Row | None


class BulkOperations:
    """The commands of bulk operations."""

    def __init__(self, application: LogApplication, selection: Selection) -> None:
        self._application = application
        self._selection = selection

    async def preview(self, order: Order, origin: Origin) -> Preview:
        """Say what an order would come to now, and do nothing.

        Raises:
            InvalidInputError: as `start`.
        """
        counted = await self._counted(order)
        ids = [chosen.run_id for chosen in counted.newest]
        runs = await self._application.load(JobRun, ids)
        refused: list[JsonObject] = []
        for run in runs.values():
            try:
                await self._try(order, run, origin)
            except DomainError as error:
                refused.append(_refusal(run.id, error))
            except VersionConflictError:
                # What it would replace has moved on just now: what it comes to will be seen.
                continue
        return Preview(counted, refused)

    async def start(
        self, order: Order, origin: Origin, idempotency_key: str | None = None
    ) -> Started:
        """Begin to do to all chosen runs what is ordered.

        The same idempotency key with the same order leads to the first operation again.

        Raises:
            InvalidInputError: the order is none, or would keep personal data in the open.
            ConflictError: `idempotency_key_reused`, the key came with another order before.
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
            # Another request under this key came at the same moment.
            earlier = await self._started_before(own_id, order)
            if earlier is None:
                raise
            return earlier

    async def _started_before(self, own_id: UUID, order: Order) -> Started | None:
        # Of its first event, not of its row: the table's JSON writes some numbers in another way.
        found = await self._application.folded(own_id, lambda _: True)
        self._application.quarantine.check([own_id])
        if not isinstance(found, BulkOperation):
            return None
        if not found.order.is_same(order):
            message = (
                "this Idempotency-Key came with another body before;"
                " use a new key for a new request"
            )
            raise ConflictError("idempotency_key_reused", message)
        return Started(own_id, None)

    async def _begin(self, own_id: UUID, order: Order, origin: Origin) -> Started:
        counted = await self._counted(order)
        operation = BulkOperation.request(
            own_id,
            order,
            as_of=counted.position,
            total=counted.total,
            requested_by=origin.actor,
            now=self._application.clock(),
        )
        saved = await self._application.save(operation, origin=origin)
        return Started(own_id, saved.rows[own_id])

    async def abort(
        self, operation_id: UUID, reason: str | None, origin: Origin
    ) -> None:
        """Stop an operation; what it has done stays done.

        Raises:
            NotFoundError: `bulk_not_found`.
            ConflictError: `bulk_completed`.
        """

        async def decide(locked: Locked) -> Sequence[Aggregate]:
            found = await self._application.load(BulkOperation, [operation_id], locked)
            self._application.quarantine.check([operation_id])
            operation = found.get(operation_id)
            if operation is None:
                raise NotFoundError("bulk_not_found", "bulk operation not found")
            operation.abort(reason, locked.now)
            return [operation]

        # Under the lock, for its next step comes within milliseconds.
        save = partial(self._application.save_under_lock, decide, origin)
        await self._application.with_all_at_hand(save)

    async def _counted(self, order: Order) -> Counted:
        conditions = checked(order)
        places = _parameters_of(conditions, order.patch or {})
        counted = await self._selection.count(conditions, TRIED, places)
        issues = [
            Issue(
                places[name],
                "is personal data, which would stay in the log for ever; choose by something else",
                MARK,
            )
            for name in sorted(counted.personal)
        ]
        if issues:
            raise InvalidInputError(issues)
        return counted

    async def _try(self, order: Order, run: JobRun, origin: Origin) -> None:
        """Raise what refuses the action on a run."""
        if order.action == "cancel":
            run.request_cancel(self._application.clock(), order.reason)
        else:
            definition = await self._application.definition(run.definition_id)
            await repeated(
                self._application, run, definition, origin.actor, order.patch
            )


def _refusal(run_id: UUID, error: DomainError) -> JsonObject:
    """Return what a preview, which nobody records, says of a run that would be refused."""
    return {"run": str(run_id), "code": error.code, "why": error.message}


def _parameters_of(conditions: Conditions, patch: JsonObject) -> Mapping[str, str]:
    """Return the parameters whose values an order names, each with its place in the request."""
    places: dict[str, str] = {}
    for parameter in conditions.parameters:
        places[parameter.name] = f"{FILTER}/{PARAMETERS}{parameter.name}"
    for name in patch:
        places[name] = f"{PATCH}/parameters/{escape(name)}"
    return places
