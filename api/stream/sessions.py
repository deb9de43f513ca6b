"""The one way in which `/ws` and `/events/stream` serve a client: first the log, then the hub."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from time import monotonic

from api.extension import Parts
from api.stream.frames import Frame, Wanted, ack, encode, heartbeat
from api.stream.hub import RETRY_PAUSE_S, Arrival, Hub, Subscriber, patiently
from domain.errors import ConflictError, LogUnavailableError
from eventlog.history.reader import Reader, Replay, Step
from projections.messages import messages

logger = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
"""The longest silence on a connection. Proxies cut idle ones after a minute, and filtered clients
learn how far they are."""

NEAR = 500
"""A client joins the hub once it is this close behind it: half of what may wait for it while it
reads the rest."""

READERS = 4
"""Clients that read the log at the same time; the others wait, so that requests find free
connections."""

CHUNK = 100
CHUNK_BYTES = 1_048_576
ROWS = 200
"""What one client that catches up may hold: events, their size in the log, and rows of what still
moves."""


class Streams:
    """Opens streams."""

    def __init__(self, hub: Hub, reader: Reader, parts: Parts) -> None:
        self.hub = hub
        self.reader = reader
        self.parts = parts
        self.turns = asyncio.Semaphore(READERS)

    async def check(self, wanted: Wanted) -> None:
        """Refuse positions that this log does not have.

        Raises:
            ConflictError: the position is of another log, or beyond the end of this one.
            LogUnavailableError: the log cannot be asked at the moment.
        """
        log_id = self.hub.log_id
        if wanted.log_id is not None and wanted.log_id.lower() != log_id:
            message = f"this is the log {log_id}: read anew what you need, begin at its head"
            raise ConflictError("other_log", message)
        if wanted.after is None or wanted.after <= self.hub.head:
            return
        # The hub may not have read yet what somebody was told of already.
        head = await self.reader.head()
        if wanted.after > head:
            message = (
                f"position {wanted.after} is beyond the head {head}:"
                " read anew what you need, begin there"
            )
            raise ConflictError("position_beyond_head", message)

    async def arrive(self) -> Arrival:
        """Note that a client comes now: it is told from here on, unless it names a position.

        To be asked before its request is checked, and before it hears that it is connected: what it
        does then, it is told of.
        """
        return await self.hub.arrive()

    @asynccontextmanager
    async def open(self, wanted: Wanted, arrival: Arrival) -> AsyncIterator["Stream"]:
        """Serve a client whose request has been checked."""
        subscriber = Subscriber(wanted.selection)
        self.hub.open(subscriber, arrival)
        try:
            yield Stream(self, subscriber, wanted, arrival.position)
        finally:
            self.hub.leave(subscriber)


class Stream:
    """One client's way through the log.

    Attributes:
        ack: the first message to send.
    """

    def __init__(
        self, streams: Streams, subscriber: Subscriber, wanted: Wanted, arrived_at: int
    ) -> None:
        self._streams = streams
        self._hub = streams.hub
        self._subscriber = subscriber
        self._selection = wanted.selection
        self._read_up_to = head = arrived_at
        if wanted.after is not None:
            self._read_up_to = wanted.after
            head = max(self._hub.head, wanted.after)
        self._joined_at: int | None = None
        self._is_live = False
        self._join_if_near()
        log_id = self._hub.log_id
        self.ack = ack(log_id, head, self._read_up_to, wanted.after)

    @property
    def position(self) -> int:
        """The last position up to which the client has all: resuming from here loses nothing."""
        if self._is_live:
            return self._subscriber.position
        return self._read_up_to

    @property
    def ended(self) -> str | None:
        """Why the client gets no more and cannot resume, if so."""
        return self._subscriber.ended

    async def fell_behind(self) -> None:
        """Wait until the client is too slow or gets no more, perhaps for ever.

        While it reads the log by itself, it never is.
        """
        await self._subscriber.fell_behind()

    async def messages(self) -> AsyncGenerator[list[Frame]]:
        """Yield each event's messages, and heartbeats in between, for ever.

        Whoever asks for the next ones has sent those before.
        """
        async with aclosing(self._missed()) as missed:
            async for frames in missed:
                yield frames
        self._subscriber.begin_after(self._read_up_to)
        self._is_live = True
        while True:
            frames = await self._subscriber.next(HEARTBEAT_S)
            yield frames or [heartbeat(self.position)]

    async def _missed(self) -> AsyncGenerator[list[Frame]]:
        """Yield from the log what the hub had told before; as fast as the client reads."""
        replay = Replay(self._streams.reader, ROWS)
        last_sign = monotonic()
        while not self._has_caught_up():
            for step in await self._next_steps(replay):
                frames = await self._frames(step)
                if frames:
                    yield frames
                    last_sign = monotonic()
                self._read_up_to = step.event.position
                # Others have their turn, also while the socket takes all at once.
                await asyncio.sleep(0)
            if monotonic() - last_sign > HEARTBEAT_S:
                yield [heartbeat(self._read_up_to)]
                last_sign = monotonic()

    def _has_caught_up(self) -> bool:
        self._join_if_near()
        if self._joined_at is None:
            return False
        return self._read_up_to >= self._joined_at

    def _join_if_near(self) -> None:
        if self._joined_at is not None:
            return
        behind = self._hub.head - self._read_up_to
        if behind <= NEAR:
            self._joined_at = self._hub.join(self._subscriber)

    async def _next_steps(self, replay: Replay) -> list[Step]:
        """Read on, with a connection that is given back at once; nothing if none can be had."""
        reader = self._streams.reader
        steps: list[Step] = []
        try:
            async with self._streams.turns:
                events = await reader.after(self._read_up_to, CHUNK, CHUNK_BYTES)
                steps = await replay.steps(events)
        except LogUnavailableError as error:
            logger.warning("cannot read the log for a client, trying again: %s", error)
        if not steps:
            await asyncio.sleep(RETRY_PAUSE_S)
        return steps

    async def _frames(self, step: Step) -> list[Frame]:
        accepts = self._selection.accepts
        told = messages(step.event, step.before, step.after)
        if not any(accepts(message) for message in told):
            return []
        look_up = partial(self._streams.parts.details_of, step)
        details = await patiently(look_up)
        delivery = encode(step, details)
        return delivery.frames(accepts)
