"""One tailing reader for all of a process's stream clients: encodes each event once, and fans it out."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

import orjson

from api.catalog_views import CatalogViews
from domain.clock import to_iso
from domain.errors import LogUnavailableError
from domain.identifiers import event_id
from domain.tasks import end
from eventlog.listener import Listener
from eventlog.reader import Reader
from eventlog.replay import Replay, Step
from projections.envelope import Envelope
from projections.feed import NOTHING, Beside, messages

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_BEHIND = 1_000
"""Events that may wait for one client. A browser that renders each of them keeps up; beyond, it has stopped reading."""

MAX_BEHIND_CHARACTERS = 8_388_608
"""The same, by size: a run's parameters may make one event a megabyte long, twice."""

RETRY_PAUSE_S = 0.5


class Subscriber:
    """One client's share: a bounded queue of what is still to be sent to it."""

    def __init__(self) -> None:
        self._waiting: deque[list[str]] = deque()
        self._characters = 0
        self._news = asyncio.Event()
        self._too_slow = asyncio.Event()

    def offer(self, texts: list[str]) -> None:
        """Queue an event's messages; a client that is too far behind gets no more and must leave."""
        if len(self._waiting) >= MAX_BEHIND or self._characters > MAX_BEHIND_CHARACTERS:
            self._too_slow.set()
            self._waiting.clear()
        if not self._too_slow.is_set():
            self._waiting.append(texts)
            self._characters += _size(texts)
            self._news.set()

    async def next(self) -> list[str]:
        """Return the next event's messages."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        texts = self._waiting.popleft()
        self._characters -= _size(texts)
        return texts

    async def fell_behind(self) -> None:
        """Wait until the client is too slow, perhaps for ever."""
        await self._too_slow.wait()


def _size(texts: list[str]) -> int:
    return sum(map(len, texts))


class Hub:
    """Follows the log and tells every subscriber."""

    def __init__(self, reader: Reader, listener: Listener, views: CatalogViews) -> None:
        self._reader = reader
        self._views = views
        self._listener = listener
        self._replay = Replay(reader)
        self._subscribers: set[Subscriber] = set()
        self._task: asyncio.Task[None] | None = None
        self.log_id = ""
        self.head = 0

    async def start(self) -> None:
        """Begin to follow, from the log's present end."""
        self.log_id = await self._reader.log_id()
        self.head = await self._reader.head()
        self._task = asyncio.create_task(self._run(), name="stream hub")

    async def stop(self) -> None:
        """Stop following."""
        await end(self._task)

    @asynccontextmanager
    async def subscribed(self) -> AsyncIterator[Subscriber]:
        """Be told of every event after `head`, as it is when this begins."""
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    async def _run(self) -> None:
        async for events in self._reader.follow(self.head, self._listener.signal()):
            for step in await self._steps(events):
                texts = await self._texts(step) if self._subscribers else []
                for subscriber in self._subscribers:
                    subscriber.offer(texts)
                self.head = step.event.position
            # Clients are served between chunks, however long the backlog is.
            await asyncio.sleep(0)

    async def _steps(self, events: Sequence[Envelope]) -> list[Step]:
        return await _patiently(lambda: self._replay.steps(events))

    async def _texts(self, step: Step) -> list[str]:
        return encode(step, await _patiently(lambda: self._views.beside(step)))


async def _patiently(read: Callable[[], Awaitable[T]]) -> T:
    """Wait for the database if it is away: what was read already must reach the clients all the same."""
    while True:
        try:
            return await read()
        except LogUnavailableError as error:
            logger.warning("cannot read the log, trying again: %s", error)
            await asyncio.sleep(RETRY_PAUSE_S)


def encode(step: Step, beside: Beside = NOTHING) -> list[str]:
    """Return an event's messages as texts; all but the last say that more of the same position follow."""
    event = step.event
    told = messages(event, step.before, step.after, beside)
    common = {
        "emittedAt": to_iso(datetime.now(UTC)),
        "position": event.position,
        "eventId": str(event_id(event.aggregate_id, event.version)),
        "occurredAt": event.at,
    }
    texts = []
    for index, message in enumerate(told):
        more = {"more": True} if index < len(told) - 1 else {}
        texts.append(orjson.dumps({"type": message.type, "data": message.data, **common, **more}).decode())
    return texts
