"""A client of the stream as the hub knows it: when it came, and what is still to be sent to it."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from api.stream.frames import Delivery, Frame
from api.stream.request import Selection

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
