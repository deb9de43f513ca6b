"""What the connections of a server share: how many there may be, and which one is served next.

First a connection's client: what it does not take, and what it sends in vain (`Unsent`, `Watched`);
then all connections (`Connections`, `Inlet`); last the server's settings (`ServerConfig`).
"""

import asyncio
import fcntl
import resource
import socket
import sys
import termios
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Protocol

import orjson
import uvicorn
from starlette.types import ASGIApp, Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.http.bodies import IncomingBodies, ParsingTurns
from api.http.limits import (
    CLOSE_CLIENTS_S,
    INCOMING_BYTES,
    INLET_PAUSE_S,
    INLET_S,
    KEEP_ALIVE_S,
    LAST_WORDS_S,
    LINGER_S,
    MAX_CONNECTIONS,
    MAX_DISCARDED_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_MESSAGE_BYTES,
    PARSED_BYTES,
    RESERVED_DESCRIPTORS,
    TAKE_S,
    UNSENT_BYTES,
)

# A client as its connection sees it: data that it does not take, and data sent in vain.

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


class Connections:
    """How many there may be, and which of them wait for a request, the longest waiting first.

    Attributes:
        most: how many there may be.
        websockets: how many WebSockets there are.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.websockets = 0
        self._waiting: dict[asyncio.Protocol, asyncio.Transport] = {}

    def waits(self, one: asyncio.Protocol, transport: asyncio.Transport) -> None:
        """Note that a connection waits for a request."""
        self._waiting[one] = transport

    def is_busy(self, one: asyncio.Protocol) -> None:
        """Note that a connection has a request, or is gone."""
        self._waiting.pop(one, None)

    def has_room(self, number: int) -> bool:
        """Return whether there may be so many, if need be without the one that waits longest."""
        if number <= self.most:
            return True
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        self._waiting.pop(longest).close()
        return True


class Sender(Protocol):
    """A connection whose client has sent more than was read."""

    loop: asyncio.AbstractEventLoop

    def read_piece(self) -> bool:
        """Read a piece; return whether there is more to be read now."""


class Inlet:
    """Reads a piece of each connection in turn, and spends a bounded part of the loop's time on it.

    Tiny frames cost a thousand times as much as their bytes: a few clients that send nothing else
    would otherwise keep everybody waiting.
    """

    def __init__(self) -> None:
        self._senders: deque[Sender] = deque()

    @property
    def is_busy(self) -> bool:
        """Whether anybody waits for its turn."""
        return bool(self._senders)

    def add(self, sender: Sender) -> None:
        """Give a connection its turns, until it has no more to be read."""
        if sender in self._senders:
            return
        if not self._senders:
            sender.loop.call_soon(self._read)
        self._senders.append(sender)

    def _read(self) -> None:
        until = perf_counter() + INLET_S
        while self._senders and perf_counter() < until:
            sender = self._senders[0]
            has_more = sender.read_piece()
            self._senders.popleft()
            if has_more:
                self._senders.append(sender)
        if self._senders:
            self._senders[0].loop.call_later(INLET_PAUSE_S, self._read)


class ServerConfig(uvicorn.Config):
    """uvicorn's settings, and the connections that all protocols of a server share."""

    def __init__(
        self,
        app: ASGIApp,
        http: type[asyncio.Protocol],
        websockets: type[asyncio.Protocol],
        port: int,
        proxies: Sequence[str],
    ) -> None:
        super().__init__(
            app,
            port=port,
            http=http,
            ws=websockets,
            ws_max_size=MAX_MESSAGE_BYTES,
            # A message goes to many clients, and would be compressed for each of them; what they
            # send compressed might be a thousand times as long.
            ws_per_message_deflate=False,
            access_log=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            log_config=None,
            timeout_keep_alive=KEEP_ALIVE_S,
            # Before that, all are answered: `api.http.open_requests`.
            timeout_graceful_shutdown=CLOSE_CLIENTS_S + LAST_WORDS_S,
        )
        self.limited = Connections(_most_connections())
        self.incoming = IncomingBodies(INCOMING_BYTES)
        self.parsing = ParsingTurns(PARSED_BYTES)
        self.inlet = Inlet()
        self.unsent = Unsent(UNSENT_BYTES, TAKE_S)
        self.paused = Paused()


def raise_descriptor_limit() -> None:
    """Let this process have as many open files and sockets as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _most_connections() -> int:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(descriptors - RESERVED_DESCRIPTORS, descriptors // 2))


def refusal(status: int, code: str, message: str) -> bytes:
    """Return a whole answer that closes the connection, for requests that no route ever sees."""
    body = orjson.dumps({"error": message, "code": code})
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body


TOO_MANY_CONNECTIONS = refusal(
    503, "too_many_connections", "too many connections at the moment, ask again"
)
HEAD_TOO_LARGE = refusal(
    431,
    "head_too_large",
    f"the request's head has more than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} headers",
)
LATE = refusal(408, "request_timeout", "the request came too slowly, or not to its end")
SLOW = refusal(
    429,
    "too_many_requests",
    "the body came slowly while others waited to send theirs: nothing was done, send it again",
)
NO_HTTP = refusal(400, "invalid_http", "this is no HTTP/1.1 request")


class Deadline:
    """Something that must happen within a time from when it is waited for."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, after_s: float, late: Callable[[], None]
    ) -> None:
        """Call `late` once `after_s` seconds have passed since a start."""
        self._loop = loop
        self._after_s = after_s
        self._late = late
        self._timer: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        """Whether it is waited for."""
        return self._timer is not None

    def start(self) -> None:
        """Begin to wait, unless it is waited for already."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._after_s, self._pass)

    def cancel(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pass(self) -> None:
        self._timer = None
        self._late()
