"""The stream's messages as they are sent, and a client's request for them.

First the messages of an event, which are encoded once for all clients (`encode`); then messages
about the connection; then a client's request, which names a position and selects messages
(`StreamRequest`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import cast

import orjson
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from domain.clock import to_iso
from domain.errors import InvalidInputError, Issue
from domain.identifiers import event_id
from domain.jobs.run_events import STATUSES
from domain.json_values import JsonObject
from eventlog.history.reader import Step
from projections.messages import ADDED_TYPES, NO_DETAILS, UNKNOWN, Message, messages


@dataclass(frozen=True)
class Frame:
    """One message, ready to be sent.

    Attributes:
        type: such as `job.run.pending`.
        text: the message as JSON.
        position: the position to resume from once this message has been handled; None if more
            messages of the same position follow.
    """

    type: str
    text: str
    position: int | None

    @cached_property
    def web_socket(self) -> bytes:
        """The message as a frame of a WebSocket."""
        return WebSocketFrame(Opcode.TEXT, self.text.encode()).serialize(mask=False)

    @cached_property
    def server_sent(self) -> bytes:
        """The message as a server-sent event.

        It has an id only if a client may resume from it: browsers resume from the last id.
        """
        event = f"event: {self.type}\ndata: {self.text}\n\n"
        if self.position is not None:
            event = f"id: {self.position}\n{event}"
        return event.encode()


class EncodedMessage:
    """A message of an event, as the last one of its position and as one that others follow.

    Attributes:
        message: the message.
        last: its frame where it is the last one of its position.
    """

    def __init__(self, message: Message, position: int, common: JsonObject) -> None:
        self.message = message
        document: JsonObject = {"type": message.type, "data": message.data, **common}
        self.last = Frame(message.type, _to_json(document), position)

    @cached_property
    def not_last(self) -> Frame:
        """Its frame where others of the same position follow, which has `more: true`."""
        unclosed = self.last.text[:-1]
        return Frame(self.last.type, unclosed + ',"more":true}', None)


@dataclass(frozen=True)
class Delivery:
    """All messages of one event."""

    position: int
    messages: tuple[EncodedMessage, ...]

    @property
    def size(self) -> int:
        """How many characters the messages have."""
        return sum(len(encoded.last.text) for encoded in self.messages)

    def frames(self, accepts: Callable[[Message], bool]) -> list[Frame]:
        """Return the accepted messages. All but the last one say that more follow."""
        accepted = [encoded for encoded in self.messages if accepts(encoded.message)]
        if not accepted:
            return []
        *others, last = accepted
        return [*(encoded.not_last for encoded in others), last.last]


def encode(step: Step, details: JsonObject = NO_DETAILS) -> Delivery:
    """Return the messages of an event.

    Args:
        step: the event, with its aggregate's row before and after it.
        details: what extensions add to the messages.
    """
    event = step.event
    common: JsonObject = {
        "emittedAt": _now(),
        "position": event.position,
        "eventId": str(event_id(event.aggregate_id, event.version)),
        "occurredAt": event.at,
    }
    encoded = [
        EncodedMessage(message, event.position, common)
        for message in messages(event, step.before, step.after, details)
    ]
    return Delivery(event.position, tuple(encoded))


def job_of(message: Message) -> str | None:
    """Return the slug of the job that the message concerns, None if it concerns no job."""
    schedule = message.data.get("schedule")
    if schedule is not None:
        return str(cast("JsonObject", schedule)["job"])
    run_or_job = message.data.get("run") or message.data.get("job")
    if run_or_job is None:
        return None
    return str(cast("JsonObject", run_or_job)["slug"])


def ack(log_id: str, head: int, start: int, after: int | None) -> Frame:
    """Return the first message of a connection.

    Args:
        log_id: the log's id.
        head: the log's last position.
        start: the position after which the stream begins.
        after: the position that the client named, if it named one.
    """
    now = _now()
    data: JsonObject = {"now": now, "logId": log_id, "head": head}
    if after is not None:
        data["after"] = after
    kind = "connection.ack"
    message: JsonObject = {"type": kind, "data": data, "emittedAt": now}
    return Frame(kind, _to_json(message), start)


def connection_ended(reason: str) -> Frame:
    """Return the last message of a server-sent stream that cannot be resumed.

    A WebSocket has a close code for this.
    """
    now = _now()
    kind = "connection.ended"
    message: JsonObject = {"type": kind, "data": {"reason": reason}, "emittedAt": now}
    return Frame(kind, _to_json(message), None)


def heartbeat(position: int) -> Frame:
    """Return the message of an idle stream, which has been served up to the position."""
    return _progress("heartbeat", position)


def pong(position: int) -> Frame:
    """Return the answer to a ping, on a stream that has been served up to the position."""
    return _progress("pong", position)


def _progress(kind: str, position: int) -> Frame:
    now = _now()
    message: JsonObject = {
        "type": kind,
        "data": {"now": now},
        "emittedAt": now,
        "position": position,
    }
    return Frame(kind, _to_json(message), position)


def _to_json(message: JsonObject) -> str:
    return orjson.dumps(message).decode()


def _now() -> str:
    return to_iso(datetime.now(UTC))


_TYPES: tuple[str, ...] = (
    "job.definition.deleted",
    "job.definition.paused",
    "job.definition.resumed",
    "job.definition.updated",
    *(f"job.run.{status}" for status in STATUSES),
    "job.run.updated",
    "subject.erased",
    "schedule.updated",
    "failure.updated",
    "failure.noted",
    "bulk.updated",
    "view.updated",
)


def message_types() -> tuple[str, ...]:
    """Return every type of message about an event (contract, section 5)."""
    return (*_TYPES, *ADDED_TYPES, UNKNOWN)


LAST_EVENT_ID = "Last-Event-ID"

_POSITION = re.compile(r"[0-9]{1,18}")
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class Selection:
    """Which messages a client gets.

    Attributes:
        types: only messages of these types; None for all.
        job: a slug in lower case: only messages of this job's runs, definitions and schedules;
            None for all.
    """

    types: frozenset[str] | None = None
    job: str | None = None

    def accepts(self, message: Message) -> bool:
        """Return whether the client gets this message."""
        if self.types is not None and message.type not in self.types:
            return False
        if self.job is None:
            return True
        slug = job_of(message)
        return slug is not None and slug.lower() == self.job


@dataclass(frozen=True)
class StreamRequest:
    """A client's request.

    Attributes:
        after: the position to resume from; None begins with the next event.
        log_id: the log that this position belongs to; None if the client names none.
        selection: the messages that it wants.
    """

    after: int | None = None
    log_id: str | None = None
    selection: Selection = Selection()


def stream_request(query: Mapping[str, str], last_event_id: str | None = None) -> StreamRequest:
    """Return the request that a query describes.

    A browser that reconnects sends the same query, with the id of the last event that it got.

    Raises:
        InvalidInputError: a position, a type or the slug is invalid.
    """
    if last_event_id:
        after = _position(last_event_id, f"/{LAST_EVENT_ID}")
    else:
        after = _position(query.get("after"), "/after")
    types = _types(query.get("types", ""))
    job = _job(query.get("job"))
    return StreamRequest(after, query.get("logId"), Selection(types, job))


def _position(text: str | None, path: str) -> int | None:
    if text is None:
        return None
    if not _POSITION.fullmatch(text):
        message = "must be a position: a whole number, 0 for the log's beginning"
        raise _invalid(path, message, "pattern")
    return int(text)


def _types(text: str) -> frozenset[str] | None:
    types: set[str] = set()
    for pattern in text.replace(",", " ").split():
        types |= _matching_types(pattern)
    return frozenset(types) or None


def _matching_types(pattern: str) -> frozenset[str]:
    if pattern.endswith(".*"):
        matching = frozenset(kind for kind in message_types() if kind.startswith(pattern[:-1]))
    else:
        matching = frozenset({pattern} & set(message_types()))
    if not matching:
        types = ", ".join(message_types())
        message = f"unknown type {pattern!r}; there are {types}, and for example job.run.*"
        raise _invalid("/types", message, "enum")
    return matching


def _job(slug: str | None) -> str | None:
    if slug is None:
        return None
    if not _SLUG.fullmatch(slug):
        raise _invalid("/job", "must be the slug of a job", "pattern")
    return slug.lower()


def _invalid(path: str, message: str, keyword: str) -> InvalidInputError:
    return InvalidInputError([Issue(path, message, keyword)])
