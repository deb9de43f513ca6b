"""One reader of the log for all stream clients of a process, so that each event is encoded once.

First a client's bounded queue (`Subscriber`), which ends the stream of a client that is too slow;
then the `Hub`, which fills the queues.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple, TypeVar

from api.extension import ExtensionParts
from api.stream.frames import Delivery, Frame, Selection, encode
from domain.errors import LogUnavailableError
from eventlog.database.listener import Listener
from eventlog.history.reader import CHUNK, Reader, Replay, Step
from runtime.tasks import Supervised, Supervision, retry

MAX_QUEUED_EVENTS = 1_000
"""Events that may wait for one client. A browser that renders each event keeps up; a client with
more has stopped reading."""

MAX_QUEUED_CHARACTERS = 8_388_608
"""The same by the length of their JSON: an event may have two megabytes, since a run's parameters
may have one and stand in it twice."""

POLL_S = 1.0
"""Longest delay of an event whose notification was lost."""


class Arrival(NamedTuple):
    """The state of the hub when a client connected.

    Attributes:
        position: the log's head.
        generation: how often the log had been replaced, which ends all streams.
    """

    position: int
    generation: int


class Subscriber:
    """One client's bounded queue of messages.

    Attributes:
        end_reason: why the stream ended and cannot be resumed; None while it can.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._queue: deque[_QueuedEvent] = deque()
        self._queued_characters = 0
        self._has_messages = asyncio.Event()
        self._is_over = asyncio.Event()
        self.end_reason: str | None = None
        # Of the last event that was offered, of the last one whose messages the client has all, and
        # of the one whose messages are being sent.
        self._offered_position = 0
        self._sent_position = 0
        self._sending_position: int | None = None

    @property
    def position(self) -> int:
        """The last position up to which the client has all its messages."""
        is_behind = self._sending_position is not None or self._queue or self._is_over.is_set()
        return self._sent_position if is_behind else self._offered_position

    def begin_after(self, position: int) -> None:
        """Drop messages up to this position, which the client has already."""
        while self._queue and self._queue[0].position <= position:
            self._take()
        self._sent_position = position
        self._offered_position = max(self._offered_position, position)

    def offer(self, delivery: Delivery) -> None:
        """Queue an event's messages, or end the stream of a client whose queue is full."""
        if self._is_over.is_set() or delivery.position <= self._offered_position:
            return
        frames = delivery.frames(self._selection.accepts)
        if frames:
            self._sent_position = self.position
            if self.is_full():
                self._is_over.set()
                self._queue.clear()
            else:
                queued = _QueuedEvent(delivery.position, frames, _size(frames))
                self._queue.append(queued)
                self._queued_characters += queued.characters
                self._has_messages.set()
        self._offered_position = delivery.position

    def end(self, reason: str) -> None:
        """End the stream for this reason; it cannot be resumed."""
        self.end_reason = reason
        self._queue.clear()
        self._is_over.set()

    def is_full(self, share: float = 1.0) -> bool:
        """Return whether this share of the queue is in use."""
        return (
            len(self._queue) >= MAX_QUEUED_EVENTS * share
            or self._queued_characters > MAX_QUEUED_CHARACTERS * share
        )

    async def next(self, timeout_s: float) -> list[Frame]:
        """Return the next event's messages, or an empty list after the timeout.

        The caller has sent the messages of the call before.
        """
        if self._sending_position is not None:
            self._sent_position = self._sending_position
            self._sending_position = None
        if not self._queue:
            self._has_messages.clear()
            # Costs half as much as `asyncio.timeout`, for each client and event.
            timer = asyncio.get_running_loop().call_later(timeout_s, self._has_messages.set)
            try:
                await self._has_messages.wait()
            finally:
                timer.cancel()
        if not self._queue:
            return []
        next_event = self._take()
        self._sending_position = next_event.position
        return next_event.frames

    def _take(self) -> "_QueuedEvent":
        first = self._queue.popleft()
        self._queued_characters -= first.characters
        return first

    async def until_over(self) -> None:
        """Wait until the client is too slow, or the stream has ended for an `end_reason`."""
        await self._is_over.wait()


class _QueuedEvent(NamedTuple):
    """An event's messages in a queue."""

    position: int
    frames: list[Frame]
    characters: int


def _size(frames: list[Frame]) -> int:
    return sum([len(frame.text) for frame in frames])


T = TypeVar("T")

RETRY_PAUSE_S = 0.5

BACKLOG_CHARACTERS = 1_048_576
"""The hub pauses for its clients after this much of a backlog, or after a full chunk of events."""

SKIP_AFTER_S = 0.1
"""How long after a notification the hub reads the log's head while it has no clients. To read it
after each of a hundred commits a second would cost more than the notifications. When a client
connects, the hub reads it at once."""

READ_HEAD_TIMEOUT_S = 0.25
"""How long a client that connects waits for that. Afterwards its stream begins at the last head
that was read."""

PAUSE_S, MAX_PAUSES = 0.005, 50
"""How long, and how many times at most, the hub pauses in a backlog while a client's queue is half
full. Without a backlog it never pauses."""


class Hub:
    """Follows the log and passes each event's messages to every subscriber.

    Attributes:
        log_id: the log's id.
        head: the last position that was read.
    """

    def __init__(self, reader: Reader, listener: Listener, parts: ExtensionParts) -> None:
        self._reader = reader
        self._parts = parts
        self._signal = listener.signal()
        # A client that still reads events from the log has registered, and not yet joined.
        self._registered: set[Subscriber] = set()
        self._subscribers: set[Subscriber] = set()
        self._log_replaced = False
        self._generation = 0
        self._end_reason = ""
        self._joined = asyncio.Event()
        self._task: Supervised | None = None
        self.log_id = ""
        self.head = 0

    @property
    def subscribers(self) -> int:
        """The number of clients that get every event from now on."""
        return len(self._subscribers)

    async def start(self, supervision: Supervision) -> None:
        """Begin to follow, from the log's head."""
        self.log_id = await self._reader.log_id()
        self.head = await self._reader.head()
        self._task = supervision.start("stream hub", self._follow)

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            await self._task.end()

    async def arrive(self) -> Arrival:
        """Return the state by which the stream of a client that connects now begins.

        Call this before the request is checked and the connection accepted: events that the client
        causes afterwards belong to its stream.
        """
        # First, since reading the head may show that the log was replaced.
        generation = self._generation
        await self._read_head()
        return Arrival(self.head, generation)

    def register(self, subscriber: Subscriber, arrival: Arrival) -> None:
        """Register a subscriber that joins later; end it if the log was replaced meanwhile."""
        self._registered.add(subscriber)
        if arrival.generation < self._generation:
            subscriber.end(self._end_reason)

    def end_all(self, reason: str) -> None:
        """End all streams, because the log was replaced or has lost events."""
        self._log_replaced = True
        self._generation += 1
        self._end_reason = reason
        self.head = 0
        for subscriber in self._registered:
            subscriber.end(reason)
        self._registered.clear()
        self._subscribers.clear()
        self._joined.set()

    def join(self, subscriber: Subscriber) -> int:
        """Pass every event from now on to the subscriber.

        Returns:
            The position of the last event before.
        """
        subscriber.begin_after(self.head)
        self._subscribers.add(subscriber)
        self._joined.set()
        return self.head

    async def _read_head(self) -> None:
        """Update the head, which is not kept up to date while there are no subscribers."""
        with suppress(LogUnavailableError, TimeoutError):
            async with asyncio.timeout(READ_HEAD_TIMEOUT_S):
                await self._skip_to_head(self._reader.head)

    def leave(self, subscriber: Subscriber) -> None:
        """Forget the subscriber, whether it has joined or not."""
        self._registered.discard(subscriber)
        self._subscribers.discard(subscriber)

    async def _follow(self) -> None:
        replay = Replay(self._reader)
        while True:
            if self._log_replaced:
                self._log_replaced = False
                self.log_id = await retry_until_available(self._reader.log_id)
                replay = Replay(self._reader)
            if self._subscribers:
                if not await self._deliver_next(replay):
                    await self._signal.wait(POLL_S)
                continue
            await self._signal.wait(POLL_S)
            if not self._subscribers:
                await self._skip()
            # The replay's rows are not needed, and may hold personal data that is being erased.
            replay = Replay(self._reader)

    async def _deliver_next(self, replay: Replay) -> bool:
        """Read and deliver the next events; return whether there were any."""
        events = await retry_until_available(partial(self._reader.after, self.head))
        if not events:
            return False
        await self._deliver_all(await retry_until_available(partial(replay.steps, events)))
        return True

    async def _skip(self) -> None:
        """Advance to the log's head without reading events, as long as there is no subscriber.

        After a pause: the launch that caused the notification needs the database first.
        """
        self._joined.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(SKIP_AFTER_S):
                await self._joined.wait()
        await self._skip_to_head(partial(retry_until_available, self._reader.head))

    async def _skip_to_head(self, read_head: Callable[[], Awaitable[int]]) -> None:
        if not self._subscribers:
            generation = self._generation
            head = await read_head()
            # A client that joined meanwhile gets all events after the old head. The head of a log
            # that was replaced meanwhile may lie beyond the present one.
            if not self._subscribers and generation == self._generation:
                self.head = max(self.head, head)

    async def _deliver_all(self, steps: list[Step]) -> None:
        characters = 0
        for step in steps:
            if characters > BACKLOG_CHARACTERS:
                await self._pause_for_clients()
                characters = 0
            if self._log_replaced:
                return  # Clients that joined since then follow another log.
            characters += await self._deliver(step)
        if len(steps) == CHUNK:
            await self._pause_for_clients()

    async def _deliver(self, step: Step) -> int:
        """Pass an event to all subscribers; return how many characters its messages have."""
        size = 0
        if self._subscribers:
            details = await retry_until_available(partial(self._parts.details_of, step))
            if self._log_replaced:
                return 0
            delivery = encode(step, details)
            size = delivery.size
            for subscriber in self._subscribers:
                subscriber.offer(delivery)
        self.head = step.event.position
        return size

    async def _pause_for_clients(self) -> None:
        """Wait while a client's queue is half full: sockets are slower than the log."""
        await asyncio.sleep(0)
        for _ in range(MAX_PAUSES):
            if not any(subscriber.is_full(0.5) for subscriber in self._subscribers):
                break
            await asyncio.sleep(PAUSE_S)


async def retry_until_available(read: Callable[[], Awaitable[T]]) -> T:
    """Repeat a read until the log is available."""
    return await retry(read, "cannot read the log", LogUnavailableError, RETRY_PAUSE_S)
