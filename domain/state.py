"""The state of an aggregate: the row of its table, and what each event does to it.

An aggregate's state is a dictionary of plain JSON with a member for each column, typed by a
`TypedDict` (such as `domain.jobs.run_events.RunState`). The function `evolve` of an event's class
says what the event does: it takes the state before the event, and the event as plain data, and
returns the columns that change. Commands apply it to the aggregate (`Stateful`); the log's writer,
rebuild, verify and reads of the past apply it to rows (`Stateful.fold`, `projections.table`). So an
aggregate made from its row (`rehydrate`) decides as one made from its events does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast, get_args, get_origin
from uuid import UUID

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import cut_to_ms, from_iso, to_iso
from domain.json_values import Json, JsonObject
from domain.ports import Row

# Columns: the annotations of a row give each its Python type and its PostgreSQL type.

Id = Annotated[str, "uuid"]
Text = Annotated[str, "text"]
Time = Annotated[str, "timestamptz"]
Integer = Annotated[int, "integer"]
BigInt = Annotated[int, "bigint"]
Flag = Annotated[bool, "boolean"]
AnyJson = Annotated[Json, "jsonb"]
Document = Annotated[JsonObject, "jsonb"]
Documents = Annotated[list[JsonObject], "jsonb"]
Texts = Annotated[list[str], "jsonb"]
Integers = Annotated[list[int], "jsonb"]


@dataclass(frozen=True)
class Column:
    """A column, by its annotation in a row's type.

    Attributes:
        kind: its PostgreSQL type.
        value: the Python type of its values.
        nullable: whether it may be NULL.
    """

    name: str
    kind: str
    value: object
    nullable: bool


@cache
def columns_in(row_type: type[Row]) -> tuple[Column, ...]:
    """Return the columns of a row's type, in its order.

    Its module must not have `from __future__ import annotations`, which turns them into texts.
    """
    return tuple(_column(name, hint) for name, hint in row_type.__annotations__.items())


def _column(name: str, hint: object) -> Column:
    if get_origin(hint) is ReadOnly:
        [hint] = get_args(hint)
    nullable = get_origin(hint) is not Annotated
    if nullable:
        hint, _ = get_args(hint)
    value, kind = get_args(hint)
    return Column(name, kind, value, nullable)


# Events and folds.

Changes = dict[str, Json]
"""The columns that an event changes, with their new values."""

S = TypeVar("S", bound=Row)
A = TypeVar("A", bound=Aggregate)

Evolve = Callable[[S | None, "PlainEvent"], Changes]
"""A fold: takes the state before an event (None before the first), returns what changes."""


@dataclass(slots=True)
class PlainEvent:
    """One event as plain data, upcast to its newest shape. Never changed.

    Not frozen: that would take five times as long to make, and a rebuild makes one for each event.

    Attributes:
        aggregate_id: of the aggregate that it belongs to.
        version: its number among the events of that aggregate (1, 2, …).
        position: its position in the log, 0 before it is appended. No decision depends on it.
        topic: for example `job_run.started`.
        at: when it happened, as ISO 8601 text.
        data: the event's own fields; times are text.
    """

    aggregate_id: UUID
    version: int
    position: int
    topic: str
    at: str
    data: JsonObject


class StateEvent(Aggregate.Event):
    """Base of the events of aggregates whose state is a row."""

    @staticmethod
    def evolve(state: Any, event: PlainEvent) -> Changes:
        """Return what the event changes except `updated_at`. Subclasses name the state's type."""
        raise NotImplementedError

    @classmethod
    def state_changes(cls, state: Any, event: PlainEvent) -> Changes:
        """Return what the event changes."""
        changed = cls.evolve(state, event)
        changed["updated_at"] = event.at
        return changed

    def apply(self, aggregate: "Stateful[Any]") -> None:
        """Change the aggregate's state."""
        changed = self.state_changes(aggregate.state, _plain(self))
        aggregate.state_before = aggregate.state
        aggregate.state = {**aggregate.state, **changed}
        for name in aggregate.CACHED:
            vars(aggregate).pop(name, None)


_OF_EVERY_EVENT = frozenset(
    {"originator_id", "originator_version", "timestamp", "originator_topic"}
)


def _plain(event: StateEvent) -> PlainEvent:
    """Return an event of an aggregate as plain data."""
    fields = {
        name: to_iso(value) if isinstance(value, datetime) else value
        for name, value in vars(event).items()
        if name not in _OF_EVERY_EVENT
    }
    at = to_iso(event.timestamp)
    topic: str = vars(type(event))["TOPIC"]
    return PlainEvent(event.originator_id, event.originator_version, 0, topic, at, fields)


def spec_upcast(field: str, value: Json) -> "staticmethod[[JsonObject], None]":
    """Return the upcast that adds a field to an event's `spec`.

    Args:
        field: its name.
        value: what held before the field existed; all events share it, so nothing may change it.
    """

    def upcast(state: JsonObject) -> None:
        cast("JsonObject", state["spec"])[field] = value

    return staticmethod(upcast)


class Stateful(Generic[S]):
    """Base of aggregates whose state is a row.

    `STATE` is the row's type; `CACHED` names the properties that are cached until the next event.

    Attributes:
        state: after the last event.
        state_before: before the last event.
        seen_at: if the aggregate was made from its row, the position of the last event in it; None
            if it was made from its events.
    """

    STATE: ClassVar[type[Row]]
    CACHED: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.state = cast("S", _empty(self.STATE))
        self.state_before = self.state
        self.seen_at: int | None = None

    @property
    def public_id(self) -> str:
        """The id by which clients ask for the aggregate."""
        return str(cast("Aggregate", self).id)

    def _at(self, now: datetime) -> datetime:
        """Return the time of a new event, which is never before that of the last one."""
        return max(cut_to_ms(now), cast("Aggregate", self).modified_on)

    @classmethod
    def fold(cls) -> Evolve[S]:
        """Return the fold of the aggregate's events, which raises ValueError for other events."""
        first: dict[str, Evolve[S]] = {}
        later: dict[str, Evolve[S]] = {}
        for member in vars(cls).values():
            is_event = isinstance(member, type) and issubclass(member, StateEvent)
            if is_event and "TOPIC" in vars(member):
                events = first if issubclass(member, Aggregate.Created) else later
                events[vars(member)["TOPIC"]] = member.state_changes

        def evolve(state: S | None, event: PlainEvent) -> Changes:
            evolve_event = (first if state is None else later).get(event.topic)
            if evolve_event is None:
                number = "first" if state is None else "later"
                raise ValueError(f"{event.topic} is no {number} event of {cls.__name__}")
            return evolve_event(state, event)

        return evolve


@cache
def _empty(state: type[Row]) -> Row:
    return dict.fromkeys(column.name for column in columns_in(state))


class _Stored(TypedDict):
    """The columns of every row that `rehydrate` needs."""

    aggregate_version: ReadOnly[int]
    position: ReadOnly[int]
    created_at: ReadOnly[str]
    updated_at: ReadOnly[str]


def rehydrate(kind: type[A], aggregate_id: UUID, row: Row) -> A:
    """Return the aggregate whose state is a row, without reading its events.

    Args:
        kind: a subclass of `Stateful`.
        aggregate_id: of the row.
        row: as the last event left it; columns that only clients see may be missing.

    Raises:
        ValueError: the row was edited: its JSON does not have the types of `STATE`.
    """
    for name, json_type, nullable in _json_columns(cast("type[Stateful[Row]]", kind).STATE):
        value = row.get(name)
        is_null = value is None and (nullable or name not in row)
        if not is_null and not isinstance(value, json_type):
            raise ValueError(f"{name} of {aggregate_id} is a {type(value).__name__}")
    stored = cast("_Stored", row)
    aggregate = object.__new__(kind)
    aggregate.__base_init__(
        aggregate_id, stored["aggregate_version"], from_iso(stored["created_at"])
    )
    aggregate.modified_on = from_iso(stored["updated_at"])
    vars(aggregate).update(state=row, state_before=row, seen_at=stored["position"])
    return aggregate


@cache
def _json_columns(state: type[Row]) -> list[tuple[str, type, bool]]:
    """Return the columns of objects and arrays: name, type, and whether it is nullable."""
    return [
        (column.name, cast("type", get_origin(column.value)), column.nullable)
        for column in columns_in(state)
        if column.kind == "jsonb" and get_origin(column.value) in (dict, list)
    ]
