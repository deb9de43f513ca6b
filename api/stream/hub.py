"""One reader of the log for all of a process's stream clients: each event is encoded once.

First a client as the hub knows it, with its bounded queue (`Subscriber`), then the `Hub`.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple, TypeVar

from api.extension import Parts
from api.stream.frames import Delivery, Frame, Selection, encode
from domain.errors import LogUnavailableError
from eventlog.database.listener import Listener
from eventlog.history.reader import CHUNK, Reader, Replay, Step
from runtime.tasks import Supervised, Supervision

MAX_BEHIND = 1_000
"""Events that may wait for one client. A browser that renders each of them keeps up; beyond, it has
stopped reading."""

MAX_BEHIND_CHARACTERS = 8_388_608
"""The same, by size: a run's parameters may make one event a megabyte long, twice."""


class Arrival(NamedTuple):
    """When a client came.

    Attributes:
        position: where the log ended then, as far as was known.
        breaks: how often all streams had been ended before.
    """

    position: int
    breaks: int


class Subscriber:
    """One client's share: a bounded queue of what is still to be sent to it.

    Attributes:
        ended: why it gets no more and cannot resume, if so.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._waiting: deque[tuple[int, list[Frame]]] = deque()
        self._characters = 0
        self._news = asyncio.Event()
        self._too_slow = asyncio.Event()
        self.ended: str | None = None
        self._passed = 0
        self._served = 0
        self._in_hand: int | None = None

    @property
    def position(self) -> int:
        """The last position up to which the client has all that it wants."""
        behind = self._in_hand is not None or self._waiting or self._too_slow.is_set()
        if behind:
            return self._served
        return self._passed

    def begin_after(self, position: int) -> None:
        """Leave out what comes up to this position: the client has it."""
        while self._waiting:
            first, frames = self._waiting[0]
            if first > position:
                break
            self._waiting.popleft()
            self._characters -= _size(frames)
        self._served = position
        self._passed = max(self._passed, position)

    def offer(self, delivery: Delivery) -> None:
        """Queue an event's messages; who is too far behind gets no more, and must leave."""
        if self._too_slow.is_set() or delivery.position <= self._passed:
            return
        frames = delivery.frames(self._selection.accepts)
        if frames and self.is_full():
            self._served = self.position
            self._too_slow.set()
            self._waiting.clear()
        elif frames:
            self._served = self.position
            self._waiting.append((delivery.position, frames))
            self._characters += _size(frames)
            self._news.set()
        self._passed = delivery.position

    def end(self, reason: str) -> None:
        """Give it nothing more, for this reason."""
        self.ended = reason
        self._waiting.clear()
        self._too_slow.set()

    def is_full(self, share: float = 1.0) -> bool:
        """Return whether this share of the queue is in use."""
        return (
            len(self._waiting) >= MAX_BEHIND * share
            or self._characters > MAX_BEHIND_CHARACTERS * share
        )

    async def next(self, timeout_s: float) -> list[Frame]:
        """Return the next event's messages, or nothing if there are none for so long.

        Whoever asks has sent those before.
        """
        if self._in_hand is not None:
            self._served = self._in_hand
            self._in_hand = None
        if not self._waiting:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
        if not self._waiting:
            return []
        self._in_hand, frames = self._waiting.popleft()
        self._characters -= _size(frames)
        return frames

    async def fell_behind(self) -> None:
        """Wait until the client is too slow or gets no more, perhaps for ever."""
        await self._too_slow.wait()


def _size(frames: list[Frame]) -> int:
    lengths = [len(frame.text) for frame in frames]
    return sum(lengths)


logger = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_PAUSE_S = 0.5

BACKLOG_CHARACTERS = 1_048_576
"""Clients are given time to read after this much of a backlog, or after a whole chunk of events."""

SKIP_AFTER_S = 0.1
"""How long after news the hub looks where the log ends while nobody listens: at each of a hundred
commits a second it would cost launches more than their commits' announcements. Who comes makes it
look at once."""

LOOK_S = 0.25
"""How long who comes waits for that: if the database is away, the end known last will do."""

GLANCE_S, GLANCES = 0.005, 50
"""How often, and how many times at most, a backlog looks whether clients that have much to read
already have read some. Without a backlog nobody waits for anybody."""


class Hub:
    """Follows the log and tells every subscriber."""

    def __init__(self, reader: Reader, listener: Listener, parts: Parts) -> None:
        self._reader = reader
        self._parts = parts
        self._signal = listener.signal()
        self._opened: set[Subscriber] = set()
        self._subscribers: set[Subscriber] = set()
        self._is_another = False
        self._breaks = 0
        self._ended_for = ""
        self._joined = asyncio.Event()
        self._task: Supervised | None = None
        self.log_id = ""
        self.head = 0

    @property
    def subscribers(self) -> int:
        """How many clients are told."""
        return len(self._subscribers)

    async def start(self, supervision: Supervision) -> None:
        """Begin to follow, from the log's present end."""
        self.log_id = await self._reader.log_id()
        self.head = await self._reader.head()
        self._task = supervision.start("stream hub", self._follow)

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            await self._task.end()

    async def arrive(self) -> Arrival:
        """Note that a client comes now."""
        # Before the look, in which the log may turn out to be another one.
        breaks = self._breaks
        await self._look()
        return Arrival(self.head, breaks)

    def open(self, subscriber: Subscriber, arrival: Arrival) -> None:
        """Take in a subscriber that may join later; end it if the log is another one by now."""
        self._opened.add(subscriber)
        if arrival.breaks < self._breaks:
            subscriber.end(self._ended_for)

    def end_all(self, reason: str) -> None:
        """End all streams: the log is not the one that they were told of."""
        self._is_another = True
        self._breaks += 1
        self._ended_for = reason
        self.head = 0
        for subscriber in self._opened:
            subscriber.end(reason)
        self._opened.clear()
        self._subscribers.clear()
        self._joined.set()

    def join(self, subscriber: Subscriber) -> int:
        """Tell the subscriber of every event from now on.

        Returns:
            the position of the last one before.
        """
        subscriber.begin_after(self.head)
        self._subscribers.add(subscriber)
        self._joined.set()
        return self.head

    async def _look(self) -> None:
        """Find out where the log ends: while nobody listens, that is not known exactly."""
        with suppress(LogUnavailableError, TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._move_on(self._reader.head)

    def leave(self, subscriber: Subscriber) -> None:
        """Tell the subscriber nothing more, if it had joined."""
        self._opened.discard(subscriber)
        self._subscribers.discard(subscriber)

    async def _follow(self) -> None:
        replay = Replay(self._reader)
        while True:
            if self._is_another:
                self._is_another = False
                self.log_id = await patiently(self._reader.log_id)
                replay = Replay(self._reader)
            if self._subscribers:
                if not await self._tell_of_next(replay):
                    await self._reader.wait_for_events(self._signal)
                continue
            await self._reader.wait_for_events(self._signal)
            if not self._subscribers:
                await self._skip()
            # Rows that nobody needs may be of subjects that are being erased.
            replay = Replay(self._reader)

    async def _tell_of_next(self, replay: Replay) -> bool:
        """Read on and tell of it; return whether there was anything."""
        read = partial(self._reader.after, self.head)
        events = await patiently(read)
        if not events:
            return False
        fold = partial(replay.steps, events)
        await self._pass_on(await patiently(fold))
        return True

    async def _skip(self) -> None:
        """Move on with the log without reading it, as long as nobody listens.

        A moment later: whoever has just launched a run needs the database more.
        """
        self._joined.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(SKIP_AFTER_S):
                await self._joined.wait()
        read_head = partial(patiently, self._reader.head)
        await self._move_on(read_head)

    async def _move_on(self, read_head: Callable[[], Awaitable[int]]) -> None:
        if not self._subscribers:
            head = await read_head()
            # Who joined meanwhile was promised all that comes after the old head.
            if not self._subscribers:
                self.head = max(self.head, head)

    async def _pass_on(self, steps: list[Step]) -> None:
        told = 0
        for step in steps:
            if told > BACKLOG_CHARACTERS:
                await self._let_clients_read()
                told = 0
            told += await self._tell(step)
        if len(steps) == CHUNK:
            await self._let_clients_read()

    async def _tell(self, step: Step) -> int:
        """Tell all subscribers of an event; return how many characters that is for each."""
        size = 0
        if self._subscribers:
            look_up = partial(self._parts.details_of, step)
            delivery = encode(step, await patiently(look_up))
            size = delivery.size
            for subscriber in self._subscribers:
                subscriber.offer(delivery)
        if not self._is_another:
            self.head = step.event.position
        return size

    async def _let_clients_read(self) -> None:
        """Wait a moment for clients that would be overrun: no socket is as fast as the log."""
        await asyncio.sleep(0)
        for _ in range(GLANCES):
            half_full = [subscriber.is_full(0.5) for subscriber in self._subscribers]
            if not any(half_full):
                break
            await asyncio.sleep(GLANCE_S)


async def patiently(read: Callable[[], Awaitable[T]]) -> T:
    """Wait for the database if it is away: what was read already must reach the clients."""
    while True:
        try:
            return await read()
        except LogUnavailableError as error:
            logger.warning("cannot read the log, trying again: %s", error)
            await asyncio.sleep(RETRY_PAUSE_S)
