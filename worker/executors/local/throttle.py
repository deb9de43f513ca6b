"""Lets attempts begin a few at a time: to wake many processes at once makes each of them slow.

A process that has just run an attempt finds its code and data in the processor's caches; one that
waited while a dozen others ran finds neither, and takes several times as long for what is short. So
a burst of short attempts goes through few processes, and long ones wait for each other for a moment
only.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable


def _processors() -> int:
    """Return how many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


AT_ONCE = 2 * _processors()
"""Attempts that may be in their first moment at a time: so many that whenever one is over, another
one is under way."""

MOMENT_S = 0.002
"""After this an attempt counts as long, and another one may begin beside it."""


class Pace:
    """Hands out turns, given back when the attempt is over, and taken back after a moment."""

    def __init__(self) -> None:
        self._free = AT_ONCE
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> Callable[[], None]:
        """Wait for a turn; return what gives it back."""
        if self._free:
            self._free -= 1
        else:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            except asyncio.CancelledError:
                if not waiting.cancelled():
                    self._pass_on()
                raise
        return _Turn(self._pass_on).give_back

    def _pass_on(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._free += 1


class _Turn:
    """One turn, given back once."""

    def __init__(self, pass_on: Callable[[], None]) -> None:
        self._pass_on: Callable[[], None] | None = pass_on
        self._over = asyncio.get_running_loop().call_later(MOMENT_S, self.give_back)

    def give_back(self) -> None:
        """Let another attempt begin."""
        pass_on = self._pass_on
        self._pass_on = None
        if pass_on is not None:
            self._over.cancel()
            pass_on()
