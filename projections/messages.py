"""The messages of the stream for an event, with the row as this event left it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.json_values import JsonObject
from domain.ports import Row
from projections import (
    bulk,
    erased_subjects,
    failure_groups,
    failure_watch,
    job_definitions,
    job_runs,
    saved_views,
    schedules,
)
from projections.envelope import Envelope


@dataclass(frozen=True)
class Message:
    """A message of the stream (contract, section 5), without its times and position."""

    type: str
    data: JsonObject


NO_DETAILS: JsonObject = {}
"""Details are present data that are shown with a row but are no part of it; most rows have none."""

MessagesOf = Callable[[Envelope, Row, JsonObject], list[Message]]
"""Returns the messages of an event, given its aggregate's row after it and the row's details."""

_ADDED: dict[str, MessagesOf] = {}

ADDED_TYPES: list[str] = []
"""The types of messages that `add` has added."""


def add(subject: str, messages_of: MessagesOf, types: Sequence[str]) -> None:
    """Add the messages of another kind of aggregate to the whole process.

    Args:
        subject: the first word of its events' topics.
        messages_of: makes the messages of an event.
        types: all types of these messages.
    """
    _ADDED[subject] = messages_of
    ADDED_TYPES.extend(kind for kind in types if kind not in ADDED_TYPES)


UNKNOWN = "event.unknown"
"""The type of messages of events that this version cannot read: these have the stored event."""


_PLAIN: dict[str, tuple[str, str, Callable[[Row], JsonObject]]] = {
    "subject": ("subject.erased", "subject", erased_subjects.present),
    "schedule": ("schedule.updated", "schedule", schedules.present),
    "failure_group": ("failure.updated", "failure", failure_groups.present),
    "failure_watch": ("failure.noted", "search", failure_watch.present),
    "bulk_operation": ("bulk.updated", "bulk", bulk.present),
    "saved_view": ("view.updated", "view", saved_views.present),
}
"""For subjects whose events have one message each: its type, the field of the row, and the function
that presents the row."""


def messages(
    event: Envelope, before: Row | None, after: Row, details: JsonObject = NO_DETAILS
) -> list[Message]:
    """Return the messages of an event, given its aggregate's row before and after it."""
    if event.unreadable is not None:
        return [Message(UNKNOWN, {"event": event.present()})]
    match event.subject:
        case "job_run":
            return _run_messages(before, after)
        case "job_definition":
            return _job_messages(event, after)
        case subject if subject in _PLAIN:
            kind, field, present = _PLAIN[subject]
            return [Message(kind, {field: present(after)})]
        case subject if subject in _ADDED:
            return _ADDED[subject](event, after, details)
        case _:
            return []


_CHANGES_OF_JOBS = {
    "job_definition.paused": "job.definition.paused",
    "job_definition.resumed": "job.definition.resumed",
}
"""The types of additional messages for events that change a job."""


def _job_messages(event: Envelope, after: Row) -> list[Message]:
    data: JsonObject = {"job": job_definitions.present(after)}
    if event.topic == "job_definition.deleted":
        return [Message("job.definition.deleted", data)]
    updated = Message("job.definition.updated", data)
    change = _CHANGES_OF_JOBS.get(event.topic)
    if change is None:
        return [updated]
    return [Message(change, data), updated]


def _run_messages(before: Row | None, after: Row) -> list[Message]:
    data: JsonObject = {"run": job_runs.present(after)}
    updated = Message("job.run.updated", data)
    status = after["status"]
    if before is not None and before["status"] == status:
        return [updated]
    return [Message(f"job.run.{status}", data), updated]
