"""Up to where the log was searched for failures: one aggregate for all processes.

Whoever notes what it found moves it on in the same unit, so nothing is noted twice.
"""

from __future__ import annotations

from datetime import datetime

from eventsourcing.domain import Aggregate

from domain.clock import cut_to_ms
from domain.identifiers import FAILURE_WATCH_ID


class FailureWatch(Aggregate):
    """Aggregate of the search.

    Attributes:
        searched_until: the position up to which failures are noted.
    """

    TOPIC = "failure_watch"

    class Event(Aggregate.Event):
        """Base of its events."""

        TOPIC = "failure_watch.event"

    class Begun(Event, Aggregate.Created):
        """The log was searched for the first time, up to `searched_until`."""

        TOPIC = "failure_watch.begun"
        searched_until: int

    class Moved(Event):
        """It was searched up to `searched_until`."""

        TOPIC = "failure_watch.moved"
        searched_until: int

        def apply(self, aggregate: FailureWatch) -> None:
            aggregate.searched_until = self.searched_until

    def __init__(self, searched_until: int) -> None:
        self.searched_until = searched_until

    @classmethod
    def begin(cls, searched_until: int, now: datetime) -> FailureWatch:
        """Record the first search."""
        return cls._create(
            cls.Begun,
            id=FAILURE_WATCH_ID,
            timestamp=cut_to_ms(now),
            searched_until=searched_until,
        )

    def move(self, searched_until: int, now: datetime) -> None:
        """Record another search; one that came less far changes nothing."""
        if searched_until <= self.searched_until:
            return
        at = cut_to_ms(now)
        self.trigger_event(
            FailureWatch.Moved,
            timestamp=max(at, self.modified_on),
            searched_until=searched_until,
        )
