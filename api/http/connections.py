"""What the connections of a server share: their number, their buffers and their turns to be read.

First what bounds one connection: responses that its client does not read (`SendBuffers`), a paused
connection (`PausedConnections`) and data that nobody needs (`MonitoredProtocol`). Then what bounds
all of them (`ConnectionLimit`, `ReadScheduler`), the server's settings (`ServerConfig`) and the
responses to requests that reach no route.
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

from api.http.bodies import IncomingBodies, ParsingQueue
from api.http.limits import (
    CLOSE_CLIENTS_S,
    FINAL_FLUSH_S,
    KEEP_ALIVE_S,
    LINGER_S,
    MAX_CONNECTIONS,
    MAX_DISCARDED_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_INCOMING_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_PARSED_BYTES,
    MAX_UNSENT_BYTES,
    READ_BUDGET_S,
    READ_PAUSE_S,
    RESERVED_DESCRIPTORS,
    STALLED_CLIENT_S,
)

ABORT = "apphub.abort"
"""Our extension of ASGI: how a response aborts the connection of a client that does not read."""

CHECK_EVERY_S = 1.0
"""How often connections are checked for progress."""


async def abort(scope: Scope, receive: Receive) -> None:
    """Abort the client's connection, and wait until it is closed."""
    scope["extensions"][ABORT]["abort"]()
    while (await receive())["type"] != "http.disconnect":
        pass


class SendBuffers:
    """Bounds what is buffered for clients that do not read, in bytes and in time.

    The connections are ordered by their last progress, the oldest first. A check moves those with
    progress to the end, the one that took most last: what a client's kernel takes by itself, and
    reports only later, is little.
    """

    def __init__(self, max_bytes: int, stalled_s: float) -> None:
        self._max_bytes = max_bytes
        self._stalled_s = stalled_s
        self._buffers: dict[asyncio.Transport, _SendBuffer] = {}
        self._bytes = 0
        self._is_check_planned = False

    def add(self, transport: asyncio.Transport) -> None:
        """Add a connection to which more is written than its client takes at once."""
        now = asyncio.get_running_loop().time()
        size = transport.get_write_buffer_size()
        unread_bytes = size + _queued_bytes(transport)
        if self._bytes + size > self._max_bytes:
            self._measure_progress(now)
        self._buffers[transport] = _SendBuffer(size, unread_bytes, now)
        self._bytes += size
        if self._bytes > self._max_bytes:
            self._abort_stalled(now)
        if not self._is_check_planned:
            self._plan_check()

    def discard(self, transport: asyncio.Transport) -> None:
        """Remove a connection whose client has read nearly all, or has left."""
        buffer = self._buffers.pop(transport, None)
        if buffer is not None:
            self._bytes -= buffer.bytes

    def check(self) -> None:
        """Measure progress; abort connections without any for too long, or beyond the bound."""
        now = asyncio.get_running_loop().time()
        self._measure_progress(now)
        self._abort_stalled(now)

    def _plan_check(self) -> None:
        self._is_check_planned = bool(self._buffers)
        if self._is_check_planned:
            asyncio.get_running_loop().call_later(CHECK_EVERY_S, self._run_planned_check)

    def _run_planned_check(self) -> None:
        self._plan_check()  # First, so that the next check runs even if this one fails.
        self.check()

    def _abort_stalled(self, now: float) -> None:
        for transport, buffer in list(self._buffers.items()):
            is_stalled = now - buffer.progress_at_s > self._stalled_s
            # A single larger response is in memory already, so its client may read it.
            is_beyond_bound = self._bytes > self._max_bytes and len(self._buffers) > 1
            if is_stalled or is_beyond_bound:
                self.discard(transport)
                transport.abort()

    def _measure_progress(self, now: float) -> None:
        self._bytes = 0
        read_bytes: dict[asyncio.Transport, int] = {}
        for transport, buffer in self._buffers.items():
            buffer.bytes = transport.get_write_buffer_size()
            self._bytes += buffer.bytes
            unread_bytes = buffer.bytes + _queued_bytes(transport)
            if unread_bytes < buffer.unread_bytes:
                buffer.progress_at_s = now
                read_bytes[transport] = buffer.unread_bytes - unread_bytes
            buffer.unread_bytes = unread_bytes
        for transport in sorted(read_bytes, key=read_bytes.__getitem__):
            self._buffers[transport] = self._buffers.pop(transport)


@dataclass
class _SendBuffer:
    """What is buffered for one client.

    Attributes:
        bytes: in this process.
        unread_bytes: in this process and in the kernel.
        progress_at_s: when the last progress was measured, in the loop's time.
    """

    bytes: int
    unread_bytes: int
    progress_at_s: float


def _queued_bytes(transport: asyncio.Transport) -> int:
    """Return the bytes that the kernel buffers for a client; 0 where it cannot be queried.

    For a slow client these are megabytes.
    """
    if sys.platform != "linux":
        return 0
    client_socket = transport.get_extra_info("socket")
    answer = fcntl.ioctl(client_socket.fileno(), termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


class PausedConnections:
    """Connections that are not read at present, and so do not report that their client left."""

    def __init__(self) -> None:
        self._transports: set[asyncio.Transport] = set()
        self._is_check_planned = False

    def add(self, transport: asyncio.Transport) -> None:
        """Pause reading, and check from now on whether the client has left."""
        transport.pause_reading()
        self._transports.add(transport)
        if not self._is_check_planned:
            self._plan_check()

    def discard(self, transport: asyncio.Transport) -> None:
        """Remove a connection that is read again, or closed."""
        self._transports.discard(transport)

    def _plan_check(self) -> None:
        self._is_check_planned = bool(self._transports)
        if self._is_check_planned:
            asyncio.get_running_loop().call_later(CHECK_EVERY_S, self._check)

    def _check(self) -> None:
        self._plan_check()  # First, so that the next check runs even if this one fails.
        for transport in list(self._transports):
            if _is_reset(transport):
                self._transports.discard(transport)
                transport.abort()


_TCP_CLOSE = 7
"""Linux's number of the state of a connection that is over."""


def _is_reset(transport: asyncio.Transport) -> bool:
    """Return whether the client has reset the connection; False where it cannot be queried."""
    if not hasattr(socket, "TCP_INFO"):
        return False
    client_socket = transport.get_extra_info("socket")
    [state] = client_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return bool(state == _TCP_CLOSE)


class MonitoredProtocol(HttpToolsProtocol):
    """uvicorn's HTTP connection, with bounds for unread responses and for discarded data.

    Attributes:
        send_buffers: of all connections of the server.
        paused_connections: of the server.
        active_cycle: the request that is being answered; `cycle` is the one that arrives.
        discarded_bytes: what arrived after the response and was discarded.
    """

    send_buffers: SendBuffers
    paused_connections: PausedConnections
    active_cycle: RequestResponseCycle | None = None
    discarded_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from what is checked."""
        self.send_buffers.discard(self.transport)
        self.paused_connections.discard(self.transport)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to check whether the client reads its response."""
        super().pause_writing()
        self.send_buffers.add(self.transport)

    def resume_writing(self) -> None:
        """End the checks: the client has read nearly all."""
        super().resume_writing()
        self.send_buffers.discard(self.transport)

    def count_discarded(self, added_bytes: int) -> None:
        """Count data that nobody needs; abort a connection with too much of it."""
        self.discarded_bytes += added_bytes
        if self.discarded_bytes > MAX_DISCARDED_BYTES:
            self.transport.abort()

    def disconnect_active_cycle(self) -> None:
        """Notify the application that nobody waits for its response any more."""
        if self.active_cycle is not None:
            self.active_cycle.disconnected = True
            self.active_cycle.message_event.set()

    def close_gracefully(self) -> None:
        """Close our half, and discard what arrives until the client closes its own."""
        if self.transport.is_closing():
            return
        self.transport.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)


class ConnectionLimit:
    """Bounds the number of connections; idle ones make way for new ones, the longest idle first.

    Attributes:
        max_connections: how many there may be.
        websocket_count: how many WebSockets are open.
    """

    def __init__(self, max_connections: int) -> None:
        self.max_connections = max_connections
        self.websocket_count = 0
        self._idle: dict[asyncio.Protocol, asyncio.Transport] = {}

    def mark_idle(self, connection: asyncio.Protocol, transport: asyncio.Transport) -> None:
        """Mark a connection that waits for a request."""
        self._idle[connection] = transport

    def mark_busy(self, connection: asyncio.Protocol) -> None:
        """Mark a connection that has a request, or is closed."""
        self._idle.pop(connection, None)

    def admit(self, count: int) -> bool:
        """Return whether `count` connections may be open; close the longest idle one if need be."""
        if count <= self.max_connections:
            return True
        longest_idle = next(iter(self._idle), None)
        if longest_idle is None:
            return False
        self._idle.pop(longest_idle).close()
        return True


class ReadScheduler:
    """Reads one piece of each connection in turn, in a bounded share of the loop's time.

    Tiny frames cost a thousand times as much as their bytes: without the bound, a few clients that
    send nothing else would delay all others.
    """

    def __init__(self) -> None:
        self._connections: deque[ScheduledConnection] = deque()

    @property
    def is_busy(self) -> bool:
        """Whether any connection has data to read."""
        return bool(self._connections)

    def add(self, connection: "ScheduledConnection") -> None:
        """Read a connection in turn, until it has no more data."""
        if connection in self._connections:
            return
        if not self._connections:
            connection.loop.call_soon(self._read)
        self._connections.append(connection)

    def _read(self) -> None:
        deadline = perf_counter() + READ_BUDGET_S
        while self._connections and perf_counter() < deadline:
            connection = self._connections[0]
            has_more = connection.read_piece()
            self._connections.popleft()
            if has_more:
                self._connections.append(connection)
        if self._connections:
            self._connections[0].loop.call_later(READ_PAUSE_S, self._read)


class ScheduledConnection(Protocol):
    """A connection whose client has sent more than was read."""

    loop: asyncio.AbstractEventLoop

    def read_piece(self) -> bool:
        """Read a piece; return whether there is more to read now."""


class ServerConfig(uvicorn.Config):
    """uvicorn's settings, and what all connections of a server share."""

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
            # A message goes to many clients, and would be compressed for each of them; a compressed
            # message of a client might be a thousand times as long.
            ws_per_message_deflate=False,
            access_log=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            log_config=None,
            timeout_keep_alive=KEEP_ALIVE_S,
            # `api.http.open_requests` answers all requests before.
            timeout_graceful_shutdown=CLOSE_CLIENTS_S + FINAL_FLUSH_S,
        )
        self.connection_limit = ConnectionLimit(_max_connections())
        self.incoming_bodies = IncomingBodies(MAX_INCOMING_BYTES)
        self.parsing_queue = ParsingQueue(MAX_PARSED_BYTES)
        self.read_scheduler = ReadScheduler()
        self.send_buffers = SendBuffers(MAX_UNSENT_BYTES, STALLED_CLIENT_S)
        self.paused_connections = PausedConnections()


def raise_descriptor_limit() -> None:
    """Raise this process's limit of open files and sockets to the hard limit."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


def _max_connections() -> int:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(descriptors - RESERVED_DESCRIPTORS, descriptors // 2))


def closing_response(status: int, code: str, message: str) -> bytes:
    """Return a whole HTTP response that closes the connection, for requests without a route."""
    body = orjson.dumps({"error": message, "code": code})
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body


TOO_MANY_CONNECTIONS = closing_response(
    503, "too_many_connections", "too many connections at the moment, try again later"
)
HEAD_TOO_LARGE = closing_response(
    431,
    "head_too_large",
    f"the request's head has more than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} headers",
)
REQUEST_TIMEOUT = closing_response(
    408, "request_timeout", "the request arrived too slowly or incompletely"
)
SLOW_BODY = closing_response(
    429,
    "too_many_requests",
    "the body arrived slowly while other requests waited: nothing was done, send it again",
)
INVALID_HTTP = closing_response(400, "invalid_http", "this is not an HTTP/1.1 request")


class Deadline:
    """Calls a function unless it is canceled in time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, timeout_s: float, on_expiry: Callable[[], None]
    ) -> None:
        """Create a deadline that is not running.

        Args:
            loop: the loop whose time counts.
            timeout_s: how long after its start the deadline expires.
            on_expiry: called when it does.
        """
        self._loop = loop
        self._timeout_s = timeout_s
        self._on_expiry = on_expiry
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        """Whether the deadline was started, and has neither expired nor been canceled."""
        return self._timer is not None

    def start(self) -> None:
        """Start the deadline, unless it is running."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._expire)

    def cancel(self) -> None:
        """Stop the deadline, if it is running."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        self._on_expiry()
