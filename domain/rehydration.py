"""Aggregates as their rows say, without the events that led there.

A row of a table holds all that its aggregate's decisions need, and how many events it goes back
to. To read it takes as long after a hundred thousand events as after one.
"""

from typing import TypeVar
from uuid import UUID

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso

A = TypeVar("A", bound=Aggregate)


_SEEN_AT = "seen_at"


class Standing(TypedDict):
    """What the row of every aggregate says of it: its events, and when the first and last were."""

    aggregate_version: ReadOnly[int]
    position: ReadOnly[int]
    created_at: ReadOnly[str]
    updated_at: ReadOnly[str]


def restored(of: type[A], aggregate_id: str, row: Standing) -> A:
    """Return the aggregate with what all of them have; its own `__init__` is yet to be called."""
    aggregate = object.__new__(of)
    aggregate.__base_init__(
        UUID(aggregate_id), row["aggregate_version"], from_iso(row["created_at"])
    )
    aggregate.modified_on = from_iso(row["updated_at"])
    vars(aggregate)[_SEEN_AT] = row["position"]
    return aggregate


def seen_at(aggregate: Aggregate) -> int | None:
    """Return where its last event stood when its row was read; None if it came from its events."""
    position: int | None = vars(aggregate).get(_SEEN_AT)
    return position
