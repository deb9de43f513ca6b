"""A bulk operation: one order about all runs that match a filter as of one position of the log.

First what may be ordered, and of which runs (`Order`); then the aggregate with its events
(`BulkOperation`), the size of a batch (`next_size`), and the aggregate as made from its row
(`BulkFacts`).

It processes the runs from the newest to the oldest, batch by batch. Each batch is one unit: the
events of its runs, and the operation's own event that says how far it has got. So no run is
processed twice, whichever process continues after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly

from domain.clock import cut_to_ms
from domain.errors import ConflictError, InvalidInputError, Issue
from domain.filters import EVERYTHING, Conditions, conditions_of, read
from domain.identifiers import event_id
from domain.json_values import JsonObject, canonical
from domain.ports import Row
from domain.rehydration import Standing, restored

Action = Literal["cancel", "retry", "rerun"]

ACTIONS: tuple[Action, ...] = ("cancel", "retry", "rerun")

MEANT: dict[Action, tuple[str, ...]] = {
    "cancel": ("pending", "running"),
    "retry": ("failed", "canceled", "expired"),
    "rerun": ("succeeded", "failed", "canceled", "expired"),
}
"""The statuses of runs that an action is for; the filter selects among these."""

MAX_PATCH_BYTES = 65_536
"""Of a patch as JSON: it stands in the log, and in each new run's parameters."""

FILTER = "/filter"
PATCH = "/patch"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What somebody wants done.

    Attributes:
        filter: conditions such as `status=failed`, or the one word `all`.
        reason: why, for the log.
        patch: parameters that new runs get instead of those of the runs they repeat.
    """

    action: Action
    filter: Sequence[str]
    reason: str
    patch: JsonObject | None = None

    def said(self) -> dict[str, Any]:
        """Return it as it stands in the log."""
        return {
            "action": self.action,
            "filter": [*self.filter],
            "reason": self.reason,
            "patch": self.patch,
        }

    def is_same(self, other: Order) -> bool:
        """Return whether the other one says the same, to the letter."""
        return canonical(self.said()) == canonical(other.said())


def chosen_by(action: Action, words: Sequence[str]) -> Conditions:
    """Return which runs an action is about.

    Raises:
        InvalidInputError: the words are no filter, or leave no run that the action is for.
    """
    conditions = Conditions()
    if [*words] != [EVERYTHING]:
        conditions = conditions_of(read(words, FILTER), FILTER)
        if not conditions.restrict:
            message = f"means all runs; give conditions, or [{EVERYTHING!r}] if all are meant"
            raise InvalidInputError([Issue(FILTER, message, "minItems")])
    meant = conditions.only(MEANT[action])
    if not meant.statuses:
        message = f"leaves no run: {action} is for runs that are {', '.join(MEANT[action])}"
        raise InvalidInputError([Issue(f"{FILTER}/status", message, "enum")])
    return meant


def failed_so(job: str, fingerprint: str) -> list[str]:
    """Return the filter of a failure group's runs, without those that were repeated already."""
    return [f"job={job}", f"failureGroup={fingerprint}", "retried=false"]


def checked(order: Order) -> Conditions:
    """Return which runs an order is about.

    Raises:
        InvalidInputError: the filter is none, or the patch does not go with the order.
    """
    conditions = chosen_by(order.action, order.filter)
    if order.patch is None:
        return conditions
    if order.action == "cancel":
        message = "changes parameters, and canceled runs are not launched; leave it out"
        raise InvalidInputError([Issue(PATCH, message, "not")])
    if not conditions.jobs.wanted:
        message = "changes parameters of a job: name it in the filter, as job=SLUG"
        raise InvalidInputError([Issue(PATCH, message, "dependentRequired")])
    size = len(canonical(order.patch))
    if size > MAX_PATCH_BYTES:
        message = f"has {size} bytes as JSON; at most {MAX_PATCH_BYTES} are possible"
        raise InvalidInputError([Issue(PATCH, message, "maxLength")])
    return conditions


BulkStatus = Literal["running", "completed", "aborted"]


class BulkState:
    """What an operation's decisions need to know of it.

    Attributes:
        as_of: the position at which runs were chosen.
        before: only runs created before this position are still to be gone through; None at first.
    """

    def __init__(self, order: dict[str, Any], as_of: int, total: int, requested_by: str) -> None:
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
        cls, own_id: UUID, order: Order, as_of: int, total: int, requested_by: str, now: datetime
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

    def advance(self, done: int, refused: Sequence[JsonObject], before: int, now: datetime) -> None:
        """Note that some runs more have been gone through."""
        self.trigger_event(
            self.Advanced, timestamp=self._at(now), done=done, refused=[*refused], before=before
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
            raise ConflictError("bulk_completed", "the bulk operation is completed already")
        self.trigger_event(self.Aborted, timestamp=self._at(now), reason=reason)

    def _at(self, now: datetime) -> datetime:
        return max(cut_to_ms(now), self.modified_on)


# How many runs a batch has: as many as hold the append lock for about eight milliseconds.

AIM_MS = 8.0
"""For how long a batch is to hold the lock. One in a hundred takes more than twice as long, for
commits are not all alike, and others should wait for no more than 20 milliseconds."""

FEWEST = 20
"""Runs of a batch: below, what each commit costs by itself is most of it. Where that alone is more
than the aim, as on a machine with far too much to do, fewer runs would hold the lock hardly less at
a time, and all of them several times as long."""

MOST = 200

FIRST = 25
"""Before anything is known."""


def next_size(size: int, held_ms: float) -> int:
    """Return how many runs the next batch has.

    It shrinks at once, but to no less than a half, for one slow commit says little; and it grows by
    a quarter at most, so that it comes near to the aim from below.

    Args:
        size: how many the last one had.
        held_ms: for how long that held the lock; 0 where nobody knows.
    """
    if held_ms <= 0:
        return size
    fitting = int(size * AIM_MS / held_ms)
    grown = size + max(1, size // 4)
    halved = size // 2
    near = max(halved, min(fitting, grown))
    return min(max(near, FEWEST), MOST)


# An operation from its row: what decisions need, and nothing else.


class BulkFacts(Standing):
    """What decisions need of an operation's row."""

    id: ReadOnly[str]
    action: ReadOnly[Action]
    filter: ReadOnly[list[str]]
    reason: ReadOnly[str]
    patch: ReadOnly[JsonObject | None]
    as_of: ReadOnly[int]
    total: ReadOnly[int]
    requested_by: ReadOnly[str]
    status: ReadOnly[BulkStatus]
    left_before: ReadOnly[int | None]


def bulk_of_row(row: Row) -> BulkOperation:
    """Return an operation that decides as the one does that its events make."""
    facts = cast("BulkFacts", row)
    operation = restored(BulkOperation, facts["id"], facts)
    BulkState.__init__(
        operation,
        order={
            "action": facts["action"],
            "filter": facts["filter"],
            "reason": facts["reason"],
            "patch": facts["patch"],
        },
        as_of=facts["as_of"],
        total=facts["total"],
        requested_by=facts["requested_by"],
    )
    operation.status = facts["status"]
    operation.before = facts["left_before"]
    return operation
