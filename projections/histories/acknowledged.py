"""Is all in the log that clients were promised? What they have are ids of runs and of events."""

from collections.abc import Iterable
from uuid import UUID

from projections.histories.causes import event_number
from projections.histories.event import LoggedEvent

_EVENT_VERSION = 5


class Acknowledged:
    """The ids that have not been seen yet."""

    def __init__(self, ids: Iterable[UUID]) -> None:
        self._ids = {one.bytes for one in ids}
        # Runs with an idempotency key have such ids, too: only the log can tell.
        self._may_be_events = {
            one.int for one in map(_id, self._ids) if one.version == _EVENT_VERSION
        }

    def take(self, event: LoggedEvent) -> None:
        """Note that this event is in the log, and so its aggregate."""
        if event.aggregate_id in self._ids:
            self._ids.discard(event.aggregate_id)
            self._may_be_events.discard(int.from_bytes(event.aggregate_id, "big"))
        if self._may_be_events:
            self._note(event_number(event.aggregate_id, event.version))

    def _note(self, number: int) -> None:
        if number in self._may_be_events:
            self._may_be_events.discard(number)
            self._ids.discard(number.to_bytes(16, "big"))

    def __bool__(self) -> bool:
        """Return whether anything is missing so far."""
        return bool(self._ids)

    def missing(self) -> list[UUID]:
        """Return the ids of which the log knows nothing."""
        return sorted(map(_id, self._ids))


def _id(number: bytes) -> UUID:
    return UUID(bytes=number)
