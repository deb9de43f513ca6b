"""The stream's messages as they are sent, and what a client selects of them.

First the messages, encoded once and shared by all clients that get them (`encode`); then a client's
request: from which position, and which messages (`wanted_of`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import cast

import orjson

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
        position: from where to resume once this has been handled; None where more of the same
            position follow.
    """

    type: str
    text: str
    position: int | None

    @cached_property
    def server_sent(self) -> bytes:
        """The same as a server-sent event.

        Only what may be resumed from has an id: browsers resume from the last one.
        """
        event = f"event: {self.type}\ndata: {self.text}\n\n"
        if self.position is not None:
            event = f"id: {self.position}\n{event}"
        return event.encode()


class Told:
    """A message of an event, as the last one of its position and as one that others follow."""

    def __init__(self, message: Message, position: int, common: JsonObject) -> None:
        self.message = message
        document: JsonObject = {"type": message.type, "data": message.data, **common}
        self.last = Frame(message.type, _text(document), position)

    @cached_property
    def followed(self) -> Frame:
        """The variant that says that more of the same position follow."""
        unclosed = self.last.text[:-1]
        text = unclosed + ',"more":true}'
        return Frame(self.last.type, text, None)


@dataclass(frozen=True)
class Delivery:
    """All that clients are told of one event."""

    position: int
    told: tuple[Told, ...]

    @property
    def size(self) -> int:
        """How many characters the messages have."""
        lengths = [len(told.last.text) for told in self.told]
        return sum(lengths)

    def frames(self, accepts: Callable[[Message], bool]) -> list[Frame]:
        """Return the messages that a client wants. All but the last one say that more follow."""
        wanted = [told for told in self.told if accepts(told.message)]
        if not wanted:
            return []
        last = wanted.pop()
        frames = [told.followed for told in wanted]
        frames.append(last.last)
        return frames


def encode(step: Step, details: JsonObject = NO_DETAILS) -> Delivery:
    """Return what clients are told of an event."""
    event = step.event
    common: JsonObject = {
        "emittedAt": _now(),
        "position": event.position,
        "eventId": str(event_id(event.aggregate_id, event.version)),
        "occurredAt": event.at,
    }
    told = [
        Told(message, event.position, common)
        for message in messages(event, step.before, step.after, details)
    ]
    return Delivery(event.position, tuple(told))


def job_of(message: Message) -> str | None:
    """Return the slug of the job that the message concerns, or None where it concerns no job."""
    schedule = message.data.get("schedule")
    if schedule is not None:
        launching = cast("JsonObject", schedule)
        return str(launching["job"])
    about = message.data.get("run") or message.data.get("job")
    if about is None:
        return None
    job = cast("JsonObject", about)
    return str(job["slug"])


def ack(log_id: str, head: int, start: int, after: int | None) -> Frame:
    """Return the first message of a connection, which will be told what comes after `start`."""
    now = _now()
    data: JsonObject = {"now": now, "logId": log_id, "head": head}
    if after is not None:
        data["after"] = after
    kind = "connection.ack"
    message: JsonObject = {"type": kind, "data": data, "emittedAt": now}
    return Frame(kind, _text(message), start)


def ended(reason: str) -> Frame:
    """Return the last message of a connection that cannot be resumed, where no code can say so."""
    now = _now()
    kind = "connection.ended"
    message: JsonObject = {"type": kind, "data": {"reason": reason}, "emittedAt": now}
    return Frame(kind, _text(message), None)


def heartbeat(position: int) -> Frame:
    """Return the sign of life: this client has been served up to the position."""
    return _sign_of_life("heartbeat", position)


def pong(position: int) -> Frame:
    """Return the answer to a ping: this client has been served up to the position."""
    return _sign_of_life("pong", position)


def _sign_of_life(kind: str, position: int) -> Frame:
    now = _now()
    message: JsonObject = {
        "type": kind,
        "data": {"now": now},
        "emittedAt": now,
        "position": position,
    }
    return Frame(kind, _text(message), position)


def _text(message: JsonObject) -> str:
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
)


def message_types() -> tuple[str, ...]:
    """Return every type of message that tells of an event (contract, section 5)."""
    return (*_TYPES, *ADDED_TYPES, UNKNOWN)


LAST_EVENT_ID = "Last-Event-ID"

_POSITION = re.compile(r"[0-9]{1,18}")
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class Selection:
    """Which messages a client wants; None selects all.

    Attributes:
        job: a slug in lower case; only messages of this job's runs, definitions and schedules.
    """

    types: frozenset[str] | None = None
    job: str | None = None

    def accepts(self, message: Message) -> bool:
        """Return whether the client wants this message."""
        if self.types is not None and message.type not in self.types:
            return False
        if self.job is None:
            return True
        slug = job_of(message)
        return slug is not None and slug.lower() == self.job


@dataclass(frozen=True)
class Wanted:
    """A client's request.

    Attributes:
        after: the position to resume from; None begins with the next event.
        log_id: the log that this position belongs to, if the client knows.
    """

    after: int | None = None
    log_id: str | None = None
    selection: Selection = Selection()


def wanted_of(query: Mapping[str, str], last_event_id: str | None = None) -> Wanted:
    """Return what the query asks for.

    A browser that reconnects sends the same query, and its last event's id.

    Raises:
        InvalidInputError: a position that is none, an unknown type, no slug.
    """
    if last_event_id:
        after = _position(last_event_id, f"/{LAST_EVENT_ID}")
    else:
        after = _position(query.get("after"), "/after")
    types = _types(query.get("types", ""))
    job = _job(query.get("job"))
    return Wanted(after, query.get("logId"), Selection(types, job))


def _position(text: str | None, path: str) -> int | None:
    if text is None:
        return None
    if not _POSITION.fullmatch(text):
        message = "must be a position: a whole number, 0 for the log's beginning"
        raise _invalid(path, message, "pattern")
    return int(text)


def _types(text: str) -> frozenset[str] | None:
    found: set[str] = set()
    for pattern in text.replace(",", " ").split():
        found.update(_matching(pattern))
    if not found:
        return None
    return frozenset(found)


def _matching(pattern: str) -> frozenset[str]:
    if pattern.endswith(".*"):
        beginning = pattern[:-1]
        found = frozenset(kind for kind in message_types() if kind.startswith(beginning))
    else:
        found = frozenset({pattern} & set(message_types()))
    if not found:
        known = ", ".join(message_types())
        message = f"unknown type {pattern!r}; there are {known}, and for example job.run.*"
        raise _invalid("/types", message, "enum")
    return found


def _job(slug: str | None) -> str | None:
    if slug is None:
        return None
    if not _SLUG.fullmatch(slug):
        raise _invalid("/job", "must be the slug of a job", "pattern")
    return slug.lower()


def _invalid(path: str, message: str, keyword: str) -> InvalidInputError:
    return InvalidInputError([Issue(path, message, keyword)])
