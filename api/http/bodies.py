"""Large request bodies: how much memory they may hold, and the order in which they are parsed.

A body that is still arriving costs only its received bytes, so a slow client delays no other.
A parsed body costs thirty times as much, so bodies are parsed round robin, one client after the
other. A client is the network address of a connection; behind a proxy all clients are one.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from api.http.limits import SLOW_BODY_S, SOCKET_BUFFER_BYTES

CHECK_EVERY_S = 0.1
"""How often paused bodies are checked."""


@dataclass(eq=False)
class LargeBody:
    """The body of a request, from its first byte to the response.

    Attributes:
        client: the network address of the client.
        resume_reading: called when more of the body may be read.
        reject: called when the body arrives slowly while others are paused.
        held_bytes: the received bytes.
        is_paused: whether the body is not read at present.
        is_complete: whether all of the body has arrived.
        is_admitted: whether the body is parsed, or its request handled.
        parse: called when the body may be parsed.
    """

    client: str
    resume_reading: Callable[[], object]
    reject: Callable[[], object]
    held_bytes: int = 0
    is_paused: bool = False
    is_complete: bool = False
    is_admitted: bool = False
    parse: Callable[[], object] = bool
    _read_s: float = 0.0
    _resumed_at_s: float = 0.0

    def resume(self) -> None:
        """Mark the body as being read."""
        self.is_paused = False
        self._resumed_at_s = monotonic()

    def pause(self) -> None:
        """Mark the body as not being read."""
        self.is_paused = True
        self._read_s += monotonic() - self._resumed_at_s

    def read_s(self) -> float:
        """Return for how many seconds the body has been read, without its pauses."""
        if self.is_paused:
            return self._read_s
        return self._read_s + monotonic() - self._resumed_at_s


class IncomingBodies:
    """Bounds the bytes that all bodies hold together.

    Beyond the bound, bodies are paused. They resume as other requests are answered, those of the
    client with the fewest held bytes first. While bodies are paused, a body that has been read for
    `SLOW_BODY_S` and is not complete is rejected, those of the client with the most held bytes
    first.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._bytes_by_client: Counter[str] = Counter()
        self._bodies: set[LargeBody] = set()
        self._paused: dict[LargeBody, None] = {}
        self._is_check_planned = False

    def update(self, body: LargeBody, held_bytes: int) -> None:
        """Set the received bytes of a body; pause the body if all hold too much.

        Args:
            body: the body; the first call adds it.
            held_bytes: all its received bytes.
        """
        if body not in self._bodies:
            self._bodies.add(body)
            body.resume()
        self._add_bytes(body, held_bytes - body.held_bytes)
        if self._held_bytes > self._max_bytes and not body.is_paused:
            body.pause()
            self._paused[body] = None
            self._plan_check()

    def complete(self, body: LargeBody) -> None:
        """Mark a body as complete."""
        body.is_complete = True
        self._resume(body)

    def release(self, body: LargeBody) -> None:
        """Remove a body whose request is answered, or whose client has left."""
        if body in self._bodies:
            self._bodies.remove(body)
            self._paused.pop(body, None)
            self._add_bytes(body, -body.held_bytes)
            self._resume_paused()

    def _add_bytes(self, body: LargeBody, added_bytes: int) -> None:
        body.held_bytes += added_bytes
        self._held_bytes += added_bytes
        self._bytes_by_client[body.client] += added_bytes
        if not self._bytes_by_client[body.client]:
            del self._bytes_by_client[body.client]

    def _plan_check(self) -> None:
        if not self._is_check_planned:
            self._is_check_planned = True
            asyncio.get_running_loop().call_later(CHECK_EVERY_S, self._check)

    def _check(self) -> None:
        self._is_check_planned = False
        if not self._paused:
            return
        self._plan_check()  # First, so that the next check runs even if this one fails.
        self._reject_slow()
        self._resume_paused()

    def _resume_paused(self) -> None:
        free_buffers = (self._max_bytes - self._held_bytes) // SOCKET_BUFFER_BYTES
        if free_buffers <= 0 and all(body.is_paused for body in self._bodies):
            free_buffers = 1  # Else all bodies would wait for each other.
        candidates = sorted(self._paused, key=lambda body: self._bytes_by_client[body.client])
        for body in candidates[: max(free_buffers, 0)]:
            self._resume(body)

    def _resume(self, body: LargeBody) -> None:
        if body.is_paused:
            self._paused.pop(body, None)
            body.resume()
            body.resume_reading()

    def _reject_slow(self) -> None:
        slow = [
            body
            for body in self._bodies
            if not (body.is_complete or body.is_paused) and body.read_s() > SLOW_BODY_S
        ]
        slow.sort(key=lambda body: (self._bytes_by_client[body.client], body.read_s()))
        while slow and self._held_bytes > self._max_bytes:
            body = slow.pop()
            body.reject()
            self.release(body)


class ParsingQueue:
    """Admits complete bodies to parsing: as many as memory allows, round robin over clients."""

    def __init__(self, max_bytes: int) -> None:
        self._free_bytes = max_bytes
        self._pending: dict[str, deque[LargeBody]] = {}

    def enqueue(self, body: LargeBody) -> None:
        """Have a complete body parsed, at once or when memory is free."""
        self._pending.setdefault(body.client, deque()).append(body)
        self._admit_pending()

    def release(self, body: LargeBody) -> None:
        """Free the memory of an admitted body, or take a pending one out of the queue."""
        if body.is_admitted:
            body.is_admitted = False
            self._free_bytes += body.held_bytes
        elif body in (pending := self._pending.get(body.client, deque())):
            pending.remove(body)
            if not pending:
                del self._pending[body.client]
        self._admit_pending()

    def _admit_pending(self) -> None:
        while self._pending:
            client, bodies = next(iter(self._pending.items()))
            body = bodies[0]
            if body.held_bytes > self._free_bytes:
                return
            bodies.popleft()
            # The client's next body comes after those of all other clients.
            del self._pending[client]
            if bodies:
                self._pending[client] = bodies
            self._free_bytes -= body.held_bytes
            body.is_admitted = True
            body.parse()
