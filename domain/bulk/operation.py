"""A bulk operation: an order about all runs that match a filter as of one position of the log.

It goes through them from the newest to the oldest, batch by batch. Each batch is one unit: the
events of its runs, and the one of the operation that says how far it is now. So no run is gone
through twice, whoever goes on after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.bulk.order import Order
from domain.clock import cut_to_ms
from domain.errors import ConflictError
from domain.identifiers import event_id
from domain.json_values import JsonObject

BulkStatus = Literal["running", "completed", "aborted"]


class BulkState:
    """What an operation's decisions need to know of it.

    Attributes:
        as_of: the position at which runs were chosen.
        before: only runs created before this position are still to be gone through; None at first.
    """

    def __init__(
        self,
        order: dict[str, Any],
        as_of: int,
        total: int,
        requested_by: str,
    ) -> None:
        self.order = Order(**order)
        self.as_of = as_of
        self.total = total
        self.requested_by = requested_by
        self.status: BulkStatus = "running"
        self.before: int | None = None


class BulkOperation(BulkState, Aggregate):
    """Aggregate of a bulk operation."""

    TOPIC = "bulk_operation"

    class Event(Aggregate.Event):
        """Base of the operation's events."""

        TOPIC = "bulk_operation.event"

    class Requested(Event, Aggregate.Created):
        """Somebody ordered it; `total` runs were chosen as of the position `as_of`."""

        TOPIC = "bulk_operation.requested"
        order: dict[str, Any]
        as_of: int
        total: int
        requested_by: str

    class Advanced(Event):
        """So many runs more were done; others refused. Those created before `before` are left.

        `refused` has `run`, `code` and `why` for each.
        """

        TOPIC = "bulk_operation.advanced"
        done: int
        refused: list[JsonObject]
        before: int

        def apply(self, aggregate: BulkState) -> None:
            """Note how far it is."""
            aggregate.before = self.before

    class Completed(Event):
        """All chosen runs were gone through."""

        TOPIC = "bulk_operation.completed"

        def apply(self, aggregate: BulkState) -> None:
            """End."""
            aggregate.status = "completed"

    class Aborted(Event):
        """Somebody stopped it; what was done stays done."""

        TOPIC = "bulk_operation.aborted"
        reason: str | None

        def apply(self, aggregate: BulkState) -> None:
            """End."""
            aggregate.status = "aborted"

    @classmethod
    def request(  # noqa: PLR0913 - the event's fields
        cls,
        own_id: UUID,
        order: Order,
        as_of: int,
        total: int,
        requested_by: str,
        now: datetime,
    ) -> BulkOperation:
        """Begin an operation.

        Args:
            own_id: a new one, or the one that follows from an idempotency key.
            order: what is wanted; it has been checked.
            as_of: the position of the log at which the runs were chosen.
            total: how many they are.
            requested_by: who wants it.
            now: the database's present.
        """
        return cls._create(
            cls.Requested,
            id=own_id,
            timestamp=cut_to_ms(now),
            order=order.said(),
            as_of=as_of,
            total=total,
            requested_by=requested_by,
        )

    @property
    def cause(self) -> UUID:
        """The event that all of it goes back to."""
        return event_id(self.id, 1)

    def advance(
        self, done: int, refused: Sequence[JsonObject], before: int, now: datetime
    ) -> None:
        """Note that some runs more have been gone through."""
        self.trigger_event(
            self.Advanced,
            timestamp=self._at(now),
            done=done,
            refused=[*refused],
            before=before,
        )

    def complete(self, now: datetime) -> None:
        """End: no run is left."""
        self.trigger_event(self.Completed, timestamp=self._at(now))

    def abort(self, reason: str | None, now: datetime) -> None:
        """Stop. Asking again changes nothing.

        Raises:
            ConflictError: `bulk_completed`, there is nothing left to stop.
        """
        if self.status == "aborted":
            return
        if self.status == "completed":
            raise ConflictError(
                "bulk_completed", "the bulk operation is completed already"
            )
        self.trigger_event(self.Aborted, timestamp=self._at(now), reason=reason)

    def _at(self, now: datetime) -> datetime:
        return max(cut_to_ms(now), self.modified_on)
