"""A bulk operation: one action on all runs that match a filter as of a position of the log.

First orders and their runs (`Order`); then the aggregate with its events (`BulkOperation`), and the
size of a batch (`next_size`).

The runs are processed from the newest to the oldest, batch by batch. Each batch is one unit: the
events of its runs, and the operation's event that says how far it has come. So no run is processed
twice, whichever process continues after a crash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self, cast
from uuid import UUID

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import cut_to_ms
from domain.errors import ConflictError, InvalidInputError, Issue, refuse
from domain.filters import EVERYTHING, Conditions, conditions_of, read
from domain.identifiers import event_id
from domain.json_values import Json, JsonObject, canonical
from domain.state import (
    BigInt,
    Changes,
    Document,
    Documents,
    Id,
    PlainEvent,
    StateEvent,
    Stateful,
    Text,
    Texts,
    Time,
)

Action = Literal["cancel", "retry", "rerun"]

ELIGIBLE: dict[Action, tuple[str, ...]] = {
    "cancel": ("pending", "running"),
    "retry": ("failed", "canceled", "expired"),
    "rerun": ("succeeded", "failed", "canceled", "expired"),
}
"""The statuses of the runs that an action is for; the filter selects among these runs."""

MAX_PATCH_BYTES = 65_536
"""Of a patch as JSON: it is in the log, and in each new run's parameters."""

FILTER = "/filter"
PATCH = "/patch"


@dataclass(frozen=True, kw_only=True)
class Order:
    """An action for all runs that match a filter.

    Attributes:
        filter: conditions such as `status=failed`, or the one word `all`.
        reason: why, for the log.
        patch: parameters that replace those of the repeated runs in the new ones.
    """

    action: Action
    filter: Sequence[str]
    reason: str
    patch: JsonObject | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it in the form of the log."""
        return {
            "action": self.action,
            "filter": [*self.filter],
            "reason": self.reason,
            "patch": self.patch,
        }

    def is_same(self, other: "Order") -> bool:
        """Return whether both are equal as JSON, where 1 is not true."""
        return canonical(self.to_json()) == canonical(other.to_json())


def conditions_for(action: Action, words: Sequence[str]) -> Conditions:
    """Return the conditions of an action with a filter.

    Raises:
        InvalidInputError: the words are no filter, or exclude all runs that the action is for.
    """
    conditions = Conditions()
    if [*words] != [EVERYTHING]:
        conditions = conditions_of(read(words, FILTER), FILTER)
        if not conditions.are_restrictive:
            message = f"means all runs; give conditions, or [{EVERYTHING!r}] if all are meant"
            raise InvalidInputError([Issue(FILTER, message, "minItems")])
    eligible = conditions.only(ELIGIBLE[action])
    if not eligible.statuses:
        message = f"leaves no run: {action} is for runs that are {', '.join(ELIGIBLE[action])}"
        raise InvalidInputError([Issue(f"{FILTER}/status", message, "enum")])
    return eligible


def _empty_issues(words: Sequence[str]) -> list[Issue]:
    """Return an issue for each condition without a value: perhaps a script's variable was empty.

    Lists ignore it; here it would select more runs than were meant. Conditions of operations that
    have started are not checked again.
    """
    if [*words] == [EVERYTHING]:
        return []
    message = "has no value, so it restricts nothing; give one, or leave the condition out"
    return [
        Issue(f"{FILTER}/{word.name}", message, "minLength")
        for word in read(words, FILTER)
        if not conditions_of([word]).are_restrictive
    ]


def failure_filter(job: str, fingerprint: str) -> list[str]:
    """Return the filter of a failure group's runs that have not been repeated."""
    return [f"job={job}", f"failureGroup={fingerprint}", "retried=false"]


def order_conditions(order: Order) -> Conditions:
    """Return the conditions on the runs of an order.

    Raises:
        InvalidInputError: the filter is wrong, or the patch does not fit the order.
    """
    conditions = conditions_for(order.action, order.filter)
    refuse(_empty_issues(order.filter))
    if order.patch is None:
        return conditions
    if order.action == "cancel":
        message = "changes parameters, and canceled runs are not launched; leave it out"
        raise InvalidInputError([Issue(PATCH, message, "not")])
    if not conditions.jobs.included:
        message = "changes parameters of a job: name it in the filter, as job=SLUG"
        raise InvalidInputError([Issue(PATCH, message, "dependentRequired")])
    size = len(canonical(order.patch))
    if size > MAX_PATCH_BYTES:
        message = f"has {size} bytes as JSON; at most {MAX_PATCH_BYTES} are possible"
        raise InvalidInputError([Issue(PATCH, message, "maxLength")])
    return conditions


BulkStatus = Literal["running", "completed", "aborted"]


MAX_REFUSALS = 20
"""Refusals that the state has at most; the events have all."""


class BulkState(TypedDict):
    """A bulk operation, in the order in which clients see it.

    `refusals` are the first refused runs, each with `run`, `code` and `why`. The runs were selected
    as of the position `as_of`; those created before `left_before` are not processed yet (None:
    all).
    """

    id: ReadOnly[Id]
    action: ReadOnly[Annotated[Action, "text"]]
    filter: ReadOnly[Texts]
    reason: ReadOnly[Text]
    patch: ReadOnly[Document | None]
    status: ReadOnly[Annotated[BulkStatus, "text"]]
    total: ReadOnly[BigInt]
    done: ReadOnly[BigInt]
    refused: ReadOnly[BigInt]
    refusals: ReadOnly[Documents]
    requested_by: ReadOnly[Text]
    abort_reason: ReadOnly[Text | None]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]
    completed_at: ReadOnly[Time | None]
    as_of: ReadOnly[BigInt]
    left_before: ReadOnly[BigInt | None]
    created_position: ReadOnly[BigInt]


class BulkOperation(Stateful[BulkState], Aggregate):
    """Aggregate of a bulk operation."""

    TOPIC = "bulk_operation"
    STATE = BulkState

    class Event(StateEvent):
        """Base of the operation's events."""

        TOPIC = "bulk_operation.event"

    class Requested(Event, Aggregate.Created):
        """A client ordered it; `total` runs were selected as of the position `as_of`."""

        TOPIC = "bulk_operation.requested"
        order: dict[str, Any]
        as_of: int
        total: int
        requested_by: str

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            return {
                **cast("JsonObject", event.data["order"]),
                "id": str(event.aggregate_id),
                "status": "running",
                "total": event.data["total"],
                "done": 0,
                "refused": 0,
                "refusals": [],
                "requested_by": event.data["requested_by"],
                "as_of": event.data["as_of"],
                "created_position": event.position,
                "created_at": event.at,
            }

    class Advanced(Event):
        """`done` more runs were done, others were refused; those created before `before` remain.

        `refused` has `run`, `code` and `why` of each refused run.
        """

        TOPIC = "bulk_operation.advanced"
        done: int
        refused: list[JsonObject]
        before: int

        @staticmethod
        def evolve(operation: BulkState, event: PlainEvent) -> Changes:
            refused = cast("list[Json]", event.data["refused"])
            refusals: list[Json] = [*operation["refusals"], *refused]
            return {
                "done": operation["done"] + cast("int", event.data["done"]),
                "refused": operation["refused"] + len(refused),
                "refusals": refusals[:MAX_REFUSALS],
                "left_before": event.data["before"],
            }

    class Completed(Event):
        """All selected runs were processed."""

        TOPIC = "bulk_operation.completed"

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            return {"status": "completed", "completed_at": event.at}

    class Aborted(Event):
        """A client stopped it; what was done stays done."""

        TOPIC = "bulk_operation.aborted"
        reason: str | None

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            reason = event.data["reason"]
            return {"status": "aborted", "completed_at": event.at, "abort_reason": reason}

    @property
    def order(self) -> Order:
        state = self.state
        return Order(
            action=state["action"],
            filter=state["filter"],
            reason=state["reason"],
            patch=state["patch"],
        )

    @property
    def as_of(self) -> int:
        """The position at which runs were selected."""
        return self.state["as_of"]

    @property
    def before(self) -> int | None:
        """Only runs created before this position are not processed yet; None: all."""
        return self.state["left_before"]

    @property
    def total(self) -> int:
        return self.state["total"]

    @property
    def requested_by(self) -> str:
        return self.state["requested_by"]

    @property
    def status(self) -> BulkStatus:
        return self.state["status"]

    @classmethod
    def request(  # noqa: PLR0913 - the event's fields
        cls, own_id: UUID, order: Order, as_of: int, total: int, requested_by: str, now: datetime
    ) -> Self:
        """Begin an operation.

        Args:
            own_id: a random one, or the one that is derived from an idempotency key.
            order: checked.
            as_of: the position of the log at which the runs were selected.
            total: their number.
            requested_by: the principal.
            now: the database's present.
        """
        return cls._create(
            cls.Requested,
            id=own_id,
            timestamp=cut_to_ms(now),
            order=order.to_json(),
            as_of=as_of,
            total=total,
            requested_by=requested_by,
        )

    @property
    def cause(self) -> UUID:
        """The event that causes all that it does."""
        return event_id(self.id, 1)

    def advance(self, done: int, refused: Sequence[JsonObject], before: int, now: datetime) -> None:
        """Record that more runs have been processed."""
        self.trigger_event(
            self.Advanced, timestamp=self._at(now), done=done, refused=[*refused], before=before
        )

    def complete(self, now: datetime) -> None:
        """Complete the operation: no run is left."""
        self.trigger_event(self.Completed, timestamp=self._at(now))

    def abort(self, reason: str | None, now: datetime) -> None:
        """Stop the operation. Repeating changes nothing.

        Raises:
            ConflictError: `bulk_completed`, nothing is left to stop.
        """
        if self.status == "aborted":
            return
        if self.status == "completed":
            raise ConflictError("bulk_completed", "the bulk operation is completed already")
        self.trigger_event(self.Aborted, timestamp=self._at(now), reason=reason)


# How many runs a batch has: as many as hold the append lock for about eight milliseconds.

AIM_MS = 8.0
"""How long a batch should hold the lock. One in a hundred takes more than twice as long, as commits
vary, and others should wait for no more than 20 milliseconds."""

MIN_BATCH = 20
"""The smallest batch. In smaller ones the fixed cost of the commit dominates: each would hold the
lock hardly for less time, and all of them together for several times as long."""

MAX_BATCH = 200

FIRST = 25
"""The first batch, before anything is measured."""


def next_size(size: int, held_ms: float) -> int:
    """Return the size of the next batch.

    It shrinks by a half at most, as one slow commit says little; and it grows by a quarter at most,
    so that it approaches the aim from below.

    Args:
        size: of the last batch.
        held_ms: for how long that held the lock, 0 if it is not known.
    """
    if held_ms <= 0:
        return size
    fitting = int(size * AIM_MS / held_ms)
    grown = size + max(1, size // 4)
    near = max(size // 2, min(fitting, grown))
    return min(max(near, MIN_BATCH), MAX_BATCH)
