"""Clients as their connections see them: what they do not take, and what they send in vain."""

import asyncio
import fcntl
import socket
import sys
import termios
from dataclasses import dataclass

from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

from api.http.limits import LINGER_S, MAX_DISCARDED_BYTES

ABORT = "apphub.abort"
"""Our extension of ASGI: how a response cuts off a client that does not even take its end."""

LOOK_S = 1.0
"""How often it is looked how much clients have taken."""


@dataclass
class _Waiting:
    """What waits for a client.

    Attributes:
        bytes: here.
        untaken_bytes: what the system holds for it included.
        since: when it was seen last that it had taken something.
    """

    bytes: int
    untaken_bytes: int
    since: float


class Unsent:
    """What waits to be sent to clients that do not take it: not for ever, and not too much.

    First comes who has been left for longest. A look moves to the end whom it sees to have
    taken something, and last who took most: what a client's system takes by itself, and
    tells of a while later, is little.
    """

    def __init__(self, most_bytes: int, take_s: float) -> None:
        self._most_bytes = most_bytes
        self._take_s = take_s
        self._waiting: dict[asyncio.Transport, _Waiting] = {}
        self._bytes = 0
        self._looks = False

    def add(self, transport: asyncio.Transport) -> None:
        """Note that more waits for a client than it takes at once."""
        now = asyncio.get_running_loop().time()
        size = transport.get_write_buffer_size()
        untaken_bytes = size + _queued_bytes(transport)
        if self._bytes + size > self._most_bytes:
            self._note_what_is_taken(now)
        self._waiting[transport] = _Waiting(size, untaken_bytes, now)
        self._bytes += size
        if self._bytes > self._most_bytes:
            self._bound(now)
        if not self._looks:
            self._plan_look()

    def discard(self, transport: asyncio.Transport) -> None:
        """Note that a client has taken nearly all, or is gone."""
        waiting = self._waiting.pop(transport, None)
        if waiting is not None:
            self._bytes -= waiting.bytes

    def _plan_look(self) -> None:
        """Look in a while, if there is still somebody to look after."""
        self._looks = bool(self._waiting)
        if self._looks:
            asyncio.get_running_loop().call_later(LOOK_S, self._look_again)

    def _look_again(self) -> None:
        # The next look comes even if this one fails.
        self._plan_look()
        self.look()

    def look(self) -> None:
        """Look who has taken something; cut off who takes nothing, if there is need or in time."""
        now = asyncio.get_running_loop().time()
        self._note_what_is_taken(now)
        self._bound(now)

    def _bound(self, now: float) -> None:
        for transport, waiting in list(self._waiting.items()):
            waited_s = now - waiting.since
            is_late = waited_s > self._take_s
            # One answer that is larger by itself is in memory already, and may be taken.
            is_too_much = self._bytes > self._most_bytes and len(self._waiting) > 1
            if is_late or is_too_much:
                self.discard(transport)
                transport.abort()

    def _note_what_is_taken(self, now: float) -> None:
        self._bytes = 0
        taken_bytes: dict[asyncio.Transport, int] = {}
        for transport, waiting in self._waiting.items():
            waiting.bytes = transport.get_write_buffer_size()
            self._bytes += waiting.bytes
            untaken_bytes = waiting.bytes + _queued_bytes(transport)
            if untaken_bytes < waiting.untaken_bytes:
                waiting.since = now
                taken_bytes[transport] = waiting.untaken_bytes - untaken_bytes
            waiting.untaken_bytes = untaken_bytes
        for transport in sorted(taken_bytes, key=taken_bytes.__getitem__):
            self._waiting[transport] = self._waiting.pop(transport)


def _queued_bytes(transport: asyncio.Transport) -> int:
    """Return what the system holds for a client, where it tells: megabytes, if that is slow."""
    if sys.platform != "linux":
        return 0
    asked = transport.get_extra_info("socket")
    answer = fcntl.ioctl(asked.fileno(), termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


class Paused:
    """Connections that are not read from: by themselves, they do not tell that the client left."""

    def __init__(self) -> None:
        self._paused: set[asyncio.Transport] = set()
        self._looks = False

    def add(self, transport: asyncio.Transport) -> None:
        """Stop reading, and look from now on whether the client is still there."""
        transport.pause_reading()
        self._paused.add(transport)
        if not self._looks:
            self._plan_look()

    def discard(self, transport: asyncio.Transport) -> None:
        """Forget a connection that is read again, or gone."""
        self._paused.discard(transport)

    def _plan_look(self) -> None:
        self._looks = bool(self._paused)
        if self._looks:
            asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        # The next look comes even if this one fails.
        self._plan_look()
        for transport in list(self._paused):
            if _has_left(transport):
                self._paused.discard(transport)
                transport.abort()


_CLOSED = 7
"""Linux's number of a connection that is over, TCP_CLOSE."""


def _has_left(transport: asyncio.Transport) -> bool:
    """Return whether the client has broken off the connection, where the system tells."""
    if not hasattr(socket, "TCP_INFO"):
        return False
    asked = transport.get_extra_info("socket")
    [state] = asked.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return bool(state == _CLOSED)


class Watched(HttpToolsProtocol):
    """uvicorn's connection, whose client is watched: what it takes, and what it sends in vain.

    Attributes:
        running: the request that is being answered.
        discarded_bytes: what came and nobody wanted.
    """

    unsent: Unsent
    paused: Paused
    running: RequestResponseCycle | None = None
    discarded_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.unsent.discard(self.transport)
        self.paused.discard(self.transport)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the client does not take what is sent as fast."""
        super().pause_writing()
        self.unsent.add(self.transport)

    def resume_writing(self) -> None:
        """Note that the client has taken it."""
        super().resume_writing()
        self.unsent.discard(self.transport)

    def discard(self, more_bytes: int) -> None:
        """Count what came and nobody wants; cut the client off that sends very much of it."""
        self.discarded_bytes += more_bytes
        if self.discarded_bytes > MAX_DISCARDED_BYTES:
            self.transport.abort()

    def tell_running(self) -> None:
        """Tell the application that nobody waits for its answer any more."""
        if self.running is not None:
            self.running.disconnected = True
            self.running.message_event.set()

    def close_gently(self) -> None:
        """Close our half, and discard what comes until the client closes its own."""
        if self.transport.is_closing():
            return
        self.transport.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)


async def abort(scope: Scope, receive: Receive) -> None:
    """Cut the client off, and wait until that has happened."""
    scope["extensions"][ABORT]["abort"]()
    while (await receive())["type"] != "http.disconnect":
        pass
