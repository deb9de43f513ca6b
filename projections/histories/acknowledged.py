"""Is all in the log that clients were promised? What they have are ids of runs and of events."""

from collections.abc import Iterable
from uuid import UUID

from projections.histories.causes import event_number, names_an_event
from projections.histories.event import LoggedEvent


class Acknowledged:
    """The ids that have not been seen yet."""

    def __init__(self, ids: Iterable[UUID]) -> None:
        self._ids: set[bytes] = set()
        # Runs with an idempotency key have such ids, too: only the log can tell.
        self._may_be_events: set[int] = set()
        for one in ids:
            self._ids.add(one.bytes)
            if names_an_event(one.bytes):
                self._may_be_events.add(one.int)

    def take(self, event: LoggedEvent) -> None:
        """Note that this event is in the log, and so its aggregate."""
        aggregate_id = event.aggregate_id
        if aggregate_id in self._ids:
            self._seen(aggregate_id)
        if self._may_be_events:
            number = event_number(aggregate_id, event.version)
            if number in self._may_be_events:
                event_id = number.to_bytes(16, "big")
                self._seen(event_id)

    def __bool__(self) -> bool:
        """Return whether anything is missing so far."""
        return bool(self._ids)

    def missing(self) -> list[UUID]:
        """Return the ids of which the log knows nothing."""
        return [UUID(bytes=one) for one in sorted(self._ids)]

    def _seen(self, one: bytes) -> None:
        self._ids.discard(one)
        number = int.from_bytes(one, "big")
        self._may_be_events.discard(number)
