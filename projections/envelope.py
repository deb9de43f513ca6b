"""Events as plain data, for folds, auditors and clients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from domain.errors import UnreadableEventError
from domain.identifiers import event_id
from domain.json_values import JsonObject
from domain.state import PlainEvent
from domain.topics import class_version, event_class

UNFOLDABLE = (KeyError, TypeError, ValueError, AttributeError)
"""What reading or folding an event raises if this version of the program cannot read it."""


class EventRow(TypedDict):
    """A row of the log."""

    originator_id: ReadOnly[str]
    originator_version: ReadOnly[int]
    notification_id: ReadOnly[int]
    topic: ReadOnly[str]
    state: ReadOnly[bytes]
    recorded_at: ReadOnly[str]
    actor: ReadOnly[str]
    correlation_id: ReadOnly[str | None]
    causation_id: ReadOnly[str | None]


@dataclass(slots=True)
class Envelope(PlainEvent):
    """An event with who recorded it, when and why, as auditors and clients see it.

    Attributes:
        recorded_at: when the database recorded it.
        unreadable: why this version of the program cannot read it, or its aggregate; None for
            nearly all. Then topic, `at` and data are those that are stored.
        size: the number of its stored bytes; 0 if it is not needed.
    """

    recorded_at: str | None = None
    actor: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    unreadable: str | None = None
    size: int = 0

    @property
    def subject(self) -> str:
        """Return the kind of its aggregate, such as `job_run` or `repository`."""
        return self.topic.partition(".")[0]

    def present(self) -> JsonObject:
        """Return the event as clients see it."""
        return {
            "position": self.position,
            "eventId": str(event_id(self.aggregate_id, self.version)),
            "type": self.topic,
            "subject": {"type": self.subject, "id": str(self.aggregate_id)},
            "version": self.version,
            "occurredAt": self.at,
            "recordedAt": self.recorded_at,
            "actor": self.actor,
            "correlationId": self.correlation_id,
            "causationId": self.causation_id,
            "data": self.data,
        }


def decode_state(topic: str, state: bytes) -> JsonObject:
    """Return an event's stored fields in the newest shape, including `timestamp`.

    The event class's `upcast_vX_vY` functions lift older shapes step by step.

    Raises:
        UnreadableEventError: a newer version of the program wrote it.
    """
    fields: dict[str, Any] = orjson.loads(state)
    version: int = fields.pop("class_version", 1)
    upcasts = _upcasts(topic)
    newest = len(upcasts) + 1
    if version > newest:
        message = f"shape {version} of {topic}: this version knows none after {newest}"
        raise UnreadableEventError(message)
    if version == newest:
        return fields
    for upcast in upcasts[version - 1 :]:
        upcast(fields)
    return fields


@cache
def _upcasts(topic: str) -> Sequence[Callable[[JsonObject], None]]:
    """Return the steps from a topic's first shape to the newest.

    Cached, as a rebuild needs them for every event.
    """
    event_type = event_class(topic)
    versions = range(1, class_version(topic))
    names = [f"upcast_v{version}_v{version + 1}" for version in versions]
    return [getattr(event_type, name) for name in names]


def bare_envelope(
    aggregate_id: UUID, version: int, position: int, topic: str, state: bytes
) -> Envelope:
    """Return the envelope of a stored event for folds: without who recorded it, when and why.

    Live writes and rebuilds both use it, so their rows come from the same stored bytes.
    """
    data: dict[str, Any] = decode_state(topic, state)
    data.pop("originator_topic", None)
    return Envelope(aggregate_id, version, position, topic, data.pop("timestamp"), data)


def to_envelope(row: EventRow) -> Envelope:
    """Return the envelope of a row of the log, an opaque one if its event cannot be read."""
    try:
        envelope = bare_envelope(
            UUID(row["originator_id"]),
            row["originator_version"],
            row["notification_id"],
            row["topic"],
            row["state"],
        )
    except UNFOLDABLE as error:
        envelope = _opaque(row, error)
    envelope.recorded_at = row["recorded_at"]
    envelope.actor = row["actor"]
    envelope.correlation_id = row["correlation_id"]
    envelope.causation_id = row["causation_id"]
    envelope.size = len(row["state"])
    return envelope


def _opaque(row: EventRow, error: Exception) -> Envelope:
    """Return the envelope of an event that cannot be read, with its stored data."""
    data = _stored_fields(row["state"])
    at = row["recorded_at"]
    timestamp = data.get("timestamp")
    if isinstance(timestamp, str) and _is_time(timestamp):
        at = timestamp
        del data["timestamp"]
    return Envelope(
        UUID(row["originator_id"]),
        row["originator_version"],
        row["notification_id"],
        row["topic"],
        at,
        data,
        unreadable=str(error) or repr(error),
    )


def _stored_fields(state: bytes) -> JsonObject:
    try:
        fields = orjson.loads(state)
    except ValueError:
        fields = None
    if isinstance(fields, dict):
        return fields
    return {"state": state.decode(errors="replace")}


def _is_time(text: str) -> bool:
    try:
        return from_iso(text).tzinfo is not None
    except ValueError:
        return False
