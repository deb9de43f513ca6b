"""The stream of one client of `/ws` or `/events/stream`: first from the log, then from the hub."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from time import monotonic

from api.extension import ExtensionParts
from api.stream.frames import Frame, StreamRequest, ack, encode, heartbeat
from api.stream.hub import RETRY_PAUSE_S, Arrival, Hub, Subscriber, retry_until_available
from domain.errors import ConflictError, LogUnavailableError
from eventlog.history.reader import Reader, Replay, Step
from projections.messages import messages

logger = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
"""The longest silence on a connection: proxies cut idle connections after a minute. Heartbeats also
carry the position of clients whose filter matches nothing."""

NEAR = 500
"""A client joins the hub once it is at most this many positions behind. Its queue, which fills from
then on, holds twice as many, so that it can read the rest from the log first."""

MAX_READERS = 4
"""Clients that read the log at the same time; others wait, so that connections stay free for
requests."""

CHUNK_EVENTS = 100
CHUNK_BYTES = 1_048_576
"""The most that a client that catches up reads at a time; the bytes are those of the log."""

MAX_ROWS = 200
"""The most rows of unfinished aggregates that a client that catches up keeps in memory."""


class Streams:
    """Opens the streams of clients.

    Attributes:
        reading: limits the clients that read the log at the same time.
    """

    def __init__(self, hub: Hub, reader: Reader, parts: ExtensionParts) -> None:
        self.hub = hub
        self.reader = reader
        self.parts = parts
        self.reading = asyncio.Semaphore(MAX_READERS)

    async def check(self, request: StreamRequest) -> None:
        """Refuse positions that this log does not have.

        Raises:
            ConflictError: the position is of another log, or beyond the head of this one.
            LogUnavailableError: the log cannot be read at the moment.
        """
        log_id = self.hub.log_id
        if request.log_id is not None and request.log_id.lower() != log_id:
            message = f"this is the log {log_id}: read anew what you need, begin at its head"
            raise ConflictError("other_log", message)
        if request.after is None or request.after <= self.hub.head:
            return
        # This position may come from another process, whose hub has read further.
        head = await self.reader.head()
        if request.after > head:
            message = (
                f"position {request.after} is beyond the head {head}:"
                " read anew what you need, begin there"
            )
            raise ConflictError("position_beyond_head", message)

    @asynccontextmanager
    async def open(self, request: StreamRequest, arrival: Arrival) -> AsyncIterator["Stream"]:
        """Open the stream of a client whose request has been checked."""
        subscriber = Subscriber(request.selection)
        self.hub.register(subscriber, arrival)
        try:
            yield Stream(self, subscriber, request, arrival.position)
        finally:
            self.hub.leave(subscriber)


class Stream:
    """One client's stream.

    Attributes:
        ack: the first message to send.
    """

    def __init__(
        self, streams: Streams, subscriber: Subscriber, request: StreamRequest, arrived_at: int
    ) -> None:
        self._streams = streams
        self._hub = streams.hub
        self._subscriber = subscriber
        self._selection = request.selection
        if request.after is None:
            self._read_up_to = head = arrived_at
        else:
            self._read_up_to = request.after
            head = max(self._hub.head, request.after)
        self._joined_at: int | None = None
        self._is_live = False
        self._join_if_near()
        self.ack = ack(self._hub.log_id, head, self._read_up_to, request.after)

    @property
    def position(self) -> int:
        """The last position up to which the client has all its messages; it may resume there."""
        return self._subscriber.position if self._is_live else self._read_up_to

    @property
    def end_reason(self) -> str | None:
        """Why the stream ended and cannot be resumed; None while it can."""
        return self._subscriber.end_reason

    async def until_over(self) -> None:
        """Wait until the client is too slow, or the stream has ended for an `end_reason`.

        A client that is not near the hub reads the log at its own speed, and is never too slow.
        """
        await self._subscriber.until_over()

    async def messages(self) -> AsyncGenerator[list[Frame]]:
        """Yield each event's messages, and heartbeats in between, for ever.

        The caller has sent the messages that were yielded before.
        """
        async with aclosing(self._catch_up()) as messages_of_log:
            async for frames in messages_of_log:
                yield frames
        self._subscriber.begin_after(self._read_up_to)
        self._is_live = True
        while True:
            frames = await self._subscriber.next(HEARTBEAT_S)
            yield frames or [heartbeat(self.position)]

    async def _catch_up(self) -> AsyncGenerator[list[Frame]]:
        """Yield messages from the log, as fast as the client reads, up to where the hub joins."""
        replay = Replay(self._streams.reader, MAX_ROWS)
        sent_at = monotonic()
        while not self._has_caught_up():
            for step in await self._next_steps(replay):
                frames = await self._frames(step)
                if frames:
                    yield frames
                    sent_at = monotonic()
                self._read_up_to = step.event.position
                # Lets other tasks run even if the socket takes everything at once.
                await asyncio.sleep(0)
            if monotonic() - sent_at > HEARTBEAT_S:
                yield [heartbeat(self._read_up_to)]
                sent_at = monotonic()

    def _has_caught_up(self) -> bool:
        self._join_if_near()
        return self._joined_at is not None and self._read_up_to >= self._joined_at

    def _join_if_near(self) -> None:
        if self._joined_at is None and self._hub.head - self._read_up_to <= NEAR:
            self._joined_at = self._hub.join(self._subscriber)

    async def _next_steps(self, replay: Replay) -> list[Step]:
        """Return the next events; none, after a pause, if there are none or the read failed."""
        reader = self._streams.reader
        steps: list[Step] = []
        try:
            async with self._streams.reading:
                events = await reader.after(self._read_up_to, CHUNK_EVENTS, CHUNK_BYTES)
                steps = await replay.steps(events)
        except LogUnavailableError as error:
            logger.warning("cannot read the log for a client, trying again: %s", error)
        if not steps:
            await asyncio.sleep(RETRY_PAUSE_S)
        return steps

    async def _frames(self, step: Step) -> list[Frame]:
        accepts = self._selection.accepts
        if not any(map(accepts, messages(step.event, step.before, step.after))):
            return []
        details = await retry_until_available(partial(self._streams.parts.details_of, step))
        return encode(step, details).frames(accepts)
