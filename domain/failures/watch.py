"""The position up to which the log was searched for failures: one aggregate for all processes.

Each search advances it in the unit that records its findings, so no failure is recorded twice.
"""

from datetime import datetime
from typing import Self

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import cut_to_ms
from domain.identifiers import FAILURE_WATCH_ID
from domain.state import BigInt, Changes, Id, PlainEvent, StateEvent, Stateful, Time


class WatchState(TypedDict):
    """The search; failures up to the position `searched_until` are in groups."""

    aggregate_id: ReadOnly[Id]
    searched_until: ReadOnly[BigInt]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]


class FailureWatch(Stateful[WatchState], Aggregate):
    """Aggregate of the search."""

    TOPIC = "failure_watch"
    STATE = WatchState

    class Event(StateEvent):
        """Base of its events."""

        TOPIC = "failure_watch.event"

    class Begun(Event, Aggregate.Created):
        """The log was searched for the first time, up to `searched_until`."""

        TOPIC = "failure_watch.begun"
        searched_until: int

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            return {
                "aggregate_id": str(event.aggregate_id),
                "searched_until": event.data["searched_until"],
                "created_at": event.at,
            }

    class Moved(Event):
        """It was searched up to `searched_until`."""

        TOPIC = "failure_watch.moved"
        searched_until: int

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            return {"searched_until": event.data["searched_until"]}

    @property
    def searched_until(self) -> int:
        return self.state["searched_until"]

    @classmethod
    def begin(cls, searched_until: int, now: datetime) -> Self:
        """Record the first search."""
        return cls._create(
            cls.Begun, id=FAILURE_WATCH_ID, timestamp=cut_to_ms(now), searched_until=searched_until
        )

    def move(self, searched_until: int, now: datetime) -> None:
        """Record another search; one that ended before changes nothing."""
        if searched_until <= self.searched_until:
            return
        self.trigger_event(
            FailureWatch.Moved, timestamp=self._at(now), searched_until=searched_until
        )
