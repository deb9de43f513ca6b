"""Events to bytes and back: orjson's plain JSON, times as ISO 8601 text with milliseconds."""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder
from eventsourcing.utils import resolve_topic

from domain.clock import from_iso, to_iso
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
        """Return the event, upcast to today's shape."""
        event_class = resolve_topic(stored_event.topic)
        fields: dict[str, Any] = decode_state(stored_event.topic, stored_event.state)
        for name, value in fields.items():
            if value is not None and _is_time(name):
                fields[name] = from_iso(value)
        fields["originator_id"] = stored_event.originator_id
        fields["originator_version"] = stored_event.originator_version
        event: DomainEventProtocol[UUID] = object.__new__(event_class)
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
