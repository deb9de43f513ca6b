"""Turns at something that takes much memory, and a bounded queue for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class QueueFullError(Exception):
    """Too many wait already."""


class Turns:
    """Lets a few at a time, the others in the order in which they came."""

    def __init__(self, at_once: int, most_waiting: int) -> None:
        self._semaphore = asyncio.Semaphore(at_once)
        self._most_waiting = most_waiting
        self._waiting = 0

    @asynccontextmanager
    async def taken(self, *, is_new: bool = True) -> AsyncIterator[None]:
        """Wait for a turn, and have it meanwhile.

        Args:
            is_new: whether it may be refused; who has begun is to come to an end.

        Raises:
            QueueFullError: too many wait already.
        """
        if is_new and self._waiting >= self._most_waiting:
            raise QueueFullError
        self._waiting += 1
        try:
            await self._semaphore.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._semaphore.release()
