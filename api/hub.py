"""One tailing reader for all of a process's stream clients: encodes each event once, and fans it out."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import orjson

from domain.clock import to_iso
from domain.identifiers import event_id
from eventlog.listener import Listener
from eventlog.reader import Reader
from eventlog.replay import Replay, Step
from projections.feed import messages

MAX_BEHIND = 1_000
"""Events that may wait for one client. A browser that renders each of them keeps up; beyond, it has stopped reading."""


class Subscriber:
    """One client's share: a bounded queue of what is still to be sent to it."""

    def __init__(self) -> None:
        self._waiting: deque[list[str]] = deque()
        self._news = asyncio.Event()
        self.too_slow = False

    def offer(self, texts: list[str]) -> None:
        """Queue an event's messages; a client that is too far behind gets no more and must leave."""
        if len(self._waiting) >= MAX_BEHIND:
            self.too_slow = True
            self._waiting.clear()
        if not self.too_slow:
            self._waiting.append(texts)
        self._news.set()

    async def next(self) -> list[str] | None:
        """Return the next event's messages, or None once the client is too slow."""
        while not self._waiting and not self.too_slow:
            self._news.clear()
            await self._news.wait()
        return None if self.too_slow else self._waiting.popleft()


class Hub:
    """Follows the log and tells every subscriber."""

    def __init__(self, reader: Reader, listener: Listener) -> None:
        self._reader = reader
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
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

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
            for step in await self._replay.steps(events):
                texts = encode(step) if self._subscribers else []
                for subscriber in self._subscribers:
                    subscriber.offer(texts)
                self.head = step.event.position
            # Clients are served between chunks, however long the backlog is.
            await asyncio.sleep(0)


def encode(step: Step) -> list[str]:
    """Return an event's messages as texts; all but the last say that more of the same position follow."""
    event = step.event
    told = messages(event, step.before, step.after)
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
