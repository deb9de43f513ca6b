"""Events to bytes and back: orjson's plain JSON, times as ISO 8601 text with milliseconds."""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder

from domain.clock import from_iso, to_iso
from domain.errors import UnreadableEventError
from domain.topics import AGGREGATES, event_class
from projections.envelope import decode_state


class PlainTranscoder(Transcoder):
    """Plain JSON, without the library's type marks: what is stored is what auditors read."""

    def encode(self, obj: Any) -> bytes:
        """Return the JSON text."""
        return orjson.dumps(
            obj, default=_encode_time, option=orjson.OPT_PASSTHROUGH_DATETIME
        )

    def decode(self, data: bytes) -> Any:
        """Return the plain values."""
        return orjson.loads(data)


class PlainMapper(Mapper[UUID]):
    """Turns stored fields back into events.

    An event's times are its `timestamp` and the fields that end in `_at`.
    """

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """Return the event, upcast to today's shape.

        Raises:
            UnreadableEventError: a newer version of the program wrote it.
        """
        known = event_class(stored_event.topic)
        fields: dict[str, Any] = decode_state(stored_event.topic, stored_event.state)
        # By this the library looks for the class of what the event creates.
        of = fields.get("originator_topic")
        if of is not None and of not in AGGREGATES:
            raise UnreadableEventError(f"the aggregate {of} is unknown to this version")
        for name, value in fields.items():
            if value is not None and _is_time(name):
                fields[name] = from_iso(value)
        fields["originator_id"] = stored_event.originator_id
        fields["originator_version"] = stored_event.originator_version
        event: DomainEventProtocol[UUID] = object.__new__(known)
        # The library's way to fill a frozen event.
        object.__setattr__(event, "__dict__", fields)
        return event


def _is_time(name: str) -> bool:
    return name == "timestamp" or name.endswith("_at")


def _encode_time(value: object) -> str:
    if isinstance(value, datetime):
        return to_iso(value)
    msg = f"an event cannot hold a {type(value).__name__}"
    raise TypeError(msg)
