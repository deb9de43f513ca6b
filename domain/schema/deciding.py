"""Decisions that may take long, made such that nobody waits for them but who asked.

Schemas are programs of clients. On the event loop each gets a few milliseconds; one that needs more
is left to a thread, where the interpreter interrupts it every five milliseconds. There is one such
thread, so however many clients ask for much, they take one share of the processor.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from domain.errors import OverloadedError
from domain.schema.budget import PostponedError, briefly

T = TypeVar("T")

MAX_WAITING = 32
"""Half a minute at worst: a check may take most of a second."""


class _Aside:
    """The thread, and how many decisions it has still to make."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "long-decisions")
        self._waiting = 0

    async def decided(self, decide: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise OverloadedError(f"{MAX_WAITING} long checks wait already")
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            return await loop.run_in_executor(self._thread, decide)
        finally:
            self._waiting -= 1


_aside = _Aside()


async def decided(decide: Callable[[], T]) -> T:
    """Return what `decide` returns, called here or, where it checks too much for that, in a thread.

    Then it is called a second time, from the start: before its checks it must change nothing.

    Raises:
        OverloadedError: too many long ones wait already.
    """
    try:
        return briefly(decide)
    except PostponedError:
        return await _aside.decided(decide)
