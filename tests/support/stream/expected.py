"""What clients must be told of a log, worked out from the log alone."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson

from eventlog.database.connection import Database
from eventlog.history.reader import Reader, Replay
from eventlog.keys import LogFiles
from projections.messages import messages


@dataclass(frozen=True)
class ComparableMessage:
    """One message, without what depends on who is told, and when.

    Attributes:
        data: left out where the message also shows what is beside the log.
        slug: of the job that it concerns.
    """

    position: int
    type: str
    data: dict[str, Any] | None
    slug: str | None


def comparable(message: dict[str, Any]) -> ComparableMessage:
    """Return a message that a client received, to be compared."""
    kind, data = message["type"], message["data"]
    document = None if kind in {"repository.updated", "build.updated"} else data
    return ComparableMessage(
        message["position"], kind, document, (data.get("run") or data.get("job") or {}).get("slug")
    )


async def messages_of_log(reader: Reader, after: int = 0) -> list[ComparableMessage]:
    """Return all that the log tells after a position."""
    replay, received = Replay(reader), list[ComparableMessage]()
    while events := await reader.after(after):
        for step in await replay.steps(events):
            for message in messages(step.event, step.before, step.after):
                data = orjson.loads(orjson.dumps(message.data))
                position = step.event.position
                sent = {"position": position, "type": message.type, "data": data}
                received.append(comparable(sent))
        after = events[-1].position
    return received


async def messages_in(database_url: str, after: int = 0) -> list[ComparableMessage]:
    """Return all that the log of a database tells after a position."""
    async with Database(database_url).pool(2) as pool:
        return await messages_of_log(Reader(pool, LogFiles()), after)


def of_events(received: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages that tell of events: no acks, pongs or heartbeats."""
    return [message for message in received if "eventId" in message]


def check_marks(received: list[dict[str, Any]]) -> None:
    """Check that positions rise, and that `more` stands on all but a position's last message."""
    messages = of_events(received)
    for message, following in pairwise(messages):
        if message.get("more"):
            assert (following["position"], following["eventId"]) == (
                message["position"],
                message["eventId"],
            )
        else:
            assert following["position"] > message["position"]
    assert all(message.get("more", True) is True for message in messages)
    assert not messages or "more" not in messages[-1]


def is_job(slug: str) -> Callable[[ComparableMessage], bool]:
    """Return what recognises the messages of a job."""
    return lambda message: (message.slug or "").lower() == slug.lower()
