"""The stream's messages as they are sent: an event's are encoded once, and shared by all clients that get them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import cast

import orjson

from domain.clock import to_iso
from domain.identifiers import event_id
from domain.json_values import JsonObject
from eventlog.history.steps import Step
from projections.messages import NOTHING, Beside, Message, messages


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
        """The same as a server-sent event. Only what may be resumed from has an id: browsers resume from the last."""
        identity = "" if self.position is None else f"id: {self.position}\n"
        return f"{identity}event: {self.type}\ndata: {self.text}\n\n".encode()


class Told:
    """A message of an event, in two variants: as its position's last one, and as one that others follow."""

    def __init__(self, message: Message, position: int, common: JsonObject) -> None:
        self.message = message
        text = orjson.dumps({"type": message.type, "data": message.data, **common}).decode()
        self.last = Frame(message.type, text, position)

    @cached_property
    def followed(self) -> Frame:
        """The variant that says that more of the same position follow."""
        return Frame(self.last.type, self.last.text[:-1] + ',"more":true}', None)


@dataclass(frozen=True)
class Delivery:
    """All that clients are told of one event."""

    position: int
    told: tuple[Told, ...]

    @property
    def size(self) -> int:
        """How many characters the messages have."""
        return sum(len(told.last.text) for told in self.told)

    def frames(self, accepts: Callable[[Message], bool]) -> list[Frame]:
        """Return the messages that a client wants; all but the last of these say that more follow."""
        wanted = [told for told in self.told if accepts(told.message)]
        return [*(told.followed for told in wanted[:-1]), *(told.last for told in wanted[-1:])]


def encode(step: Step, beside: Beside = NOTHING) -> Delivery:
    """Return what clients are told of an event."""
    event = step.event
    common: JsonObject = {
        "emittedAt": _now(),
        "position": event.position,
        "eventId": str(event_id(event.aggregate_id, event.version)),
        "occurredAt": event.at,
    }
    told = messages(event, step.before, step.after, beside)
    return Delivery(
        event.position, tuple(Told(message, event.position, common) for message in told)
    )


def job_of(message: Message) -> str | None:
    """Return the slug of the job that the message concerns, or None where it concerns no job."""
    about = message.data.get("run") or message.data.get("job")
    return None if about is None else str(cast("JsonObject", about)["slug"])


def ack(log_id: str, head: int, start: int, after: int | None) -> Frame:
    """Return the first message of a connection, which will be told what comes after `start`."""
    asked: JsonObject = {} if after is None else {"after": after}
    now = _now()
    data: JsonObject = {"now": now, "logId": log_id, "head": head, **asked}
    return Frame(
        "connection.ack", _text({"type": "connection.ack", "data": data, "emittedAt": now}), start
    )


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
