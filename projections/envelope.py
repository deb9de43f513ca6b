"""An event as plain data: what every fold reads, and what auditors and clients are shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from uuid import UUID

import orjson
from eventsourcing.utils import resolve_topic
from typing_extensions import ReadOnly, TypedDict

from domain import log_archive  # noqa: F401 - importing them registers their topics
from domain.catalog import (
    build,  # noqa: F401 - importing them registers their topics
    repository,  # noqa: F401 - importing them registers their topics
)
from domain.identifiers import event_id
from domain.jobs import (
    definition,  # noqa: F401 - importing them registers their topics
    run,  # noqa: F401 - importing them registers their topics
)
from domain.json_values import JsonObject
from domain.personal import subject  # noqa: F401 - importing them registers their topics


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
class Envelope:
    """One event of the log, upcast to today's shape. Nobody changes it.

    Not frozen, for then it would take five times as long to make, and a rebuild makes one of every
    event.

    Attributes:
        aggregate_id: whose event it is.
        version: its number among the events of that aggregate (1, 2, …).
        position: its place in the log.
        topic: for example `job_run.started`.
        at: when it happened, as ISO 8601 text.
        data: the event's own fields; times are text.
        recorded_at: when the database wrote it.
    """

    aggregate_id: UUID
    version: int
    position: int
    topic: str
    at: str
    data: JsonObject
    recorded_at: str | None = None
    actor: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None

    @property
    def subject(self) -> str:
        """Return what kind of aggregate it belongs to: such as `job_run` or `repository`."""
        return self.topic.partition(".")[0]

    def present(self) -> JsonObject:
        """Return the event as the API shows it."""
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
    """Return an event's stored fields in today's shape, `timestamp` among them.

    Old shapes are lifted by the event class's `upcast_vX_vY` functions over the plain fields, step
    by step.
    """
    fields: JsonObject = orjson.loads(state)
    version = fields.pop("class_version", 1)
    if upcasts := _upcasts(topic):
        for upcast in upcasts[cast("int", version) - 1 :]:
            upcast(fields)
    return fields


@cache
def _upcasts(topic: str) -> Sequence[Callable[[JsonObject], None]]:
    """Return the steps from a topic's first shape to today's.

    Kept, for a rebuild asks of every event.
    """
    event_class = resolve_topic(topic)
    versions = range(1, getattr(event_class, "class_version", 1))
    return [
        getattr(event_class, f"upcast_v{version}_v{version + 1}")
        for version in versions
    ]


def bare_envelope(
    aggregate_id: UUID, version: int, position: int, topic: str, state: bytes
) -> Envelope:
    """Return the envelope of a stored event as folds need it: without who wrote it, when and why.

    Rows written live and rows folded again both come from here, and so from the very bytes that are
    stored.
    """
    data: dict[str, Any] = decode_state(topic, state)
    data.pop("originator_topic", None)
    return Envelope(aggregate_id, version, position, topic, data.pop("timestamp"), data)


def to_envelope(row: EventRow) -> Envelope:
    """Return the envelope of a row of the log."""
    envelope = bare_envelope(
        UUID(row["originator_id"]),
        row["originator_version"],
        row["notification_id"],
        row["topic"],
        row["state"],
    )
    envelope.recorded_at = row["recorded_at"]
    envelope.actor = row["actor"]
    envelope.correlation_id = row["correlation_id"]
    envelope.causation_id = row["causation_id"]
    return envelope
