"""What the connections of a server share: how many there may be, and whose turn it is."""

import asyncio
import resource
from collections import deque
from collections.abc import Callable, Sequence
from http import HTTPStatus
from time import perf_counter
from typing import Protocol

import orjson
import uvicorn
from starlette.types import ASGIApp

from api.http.bodies import IncomingBodies, ParsingTurns
from api.http.limits import (
    CLOSE_CLIENTS_S,
    INCOMING_BYTES,
    INLET_PAUSE_S,
    INLET_S,
    KEEP_ALIVE_S,
    LAST_WORDS_S,
    MAX_CONNECTIONS,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_MESSAGE_BYTES,
    PARSED_BYTES,
    RESERVED_DESCRIPTORS,
    TAKE_S,
    UNSENT_BYTES,
)
from api.http.wire.clients import Paused, Unsent


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
    return min(
        MAX_CONNECTIONS, max(descriptors - RESERVED_DESCRIPTORS, descriptors // 2)
    )


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
