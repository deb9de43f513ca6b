"""What all connections of a server share: bounds of their number, their buffers and their reading.

First responses that clients do not read (`SendBuffers`) and clients that leave while their
connection is not read (`PausedConnections`); then the number of connections (`ConnectionLimit`) and
the time for reading them (`ReadScheduler`); last the responses to requests that reach no route.
"""

import asyncio
import fcntl
import resource
import socket
import sys
import termios
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Protocol

import orjson
from starlette.types import Receive, Scope

from api.http.limits import (
    MAX_CONNECTIONS,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_STREAM_SHARE,
    READ_BUDGET_S,
    READ_PAUSE_S,
    RESERVED_DESCRIPTORS,
)
from domain.errors import OverloadedError

ABORT = "apphub.abort"
"""Key of an ASGI extension of ours, which aborts the connection of a client that does not read."""

STREAM = "apphub.stream"
"""Key of an ASGI extension of ours, which admits one more response without an end, or does not."""

FRAMES = "apphub.frames"
"""Key of complete frames in a `websocket.send`, which are encoded once and sent to many clients."""

CHECK_EVERY_S = 1.0
"""How often connections are checked for progress."""


async def abort(scope: Scope, receive: Receive) -> None:
    """Abort the client's connection, and wait until it is closed."""
    scope["extensions"][ABORT]["abort"]()
    while (await receive())["type"] != "http.disconnect":
        pass


def admit_stream(scope: Scope) -> None:
    """Count a response without an end until it is over.

    Raises:
        OverloadedError: there are too many, which must not keep other clients from connecting.
    """
    if not scope["extensions"][STREAM]["admit"]():
        raise OverloadedError("too many streams are open")


class SendBuffers:
    """Bounds what is buffered for clients that do not read, in bytes and in time.

    The connections are ordered by their last progress, the oldest first. A check moves those with
    progress to the end, and those that read most to the very end: little progress may be that of
    the client's kernel alone.
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
"""Linux's number of the state of a closed connection."""


def _is_reset(transport: asyncio.Transport) -> bool:
    """Return whether the client has reset the connection; False where it cannot be queried."""
    if not hasattr(socket, "TCP_INFO"):
        return False
    client_socket = transport.get_extra_info("socket")
    [state] = client_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return bool(state == _TCP_CLOSE)


class ConnectionLimit:
    """Bounds the number of connections; idle ones make way for new ones, the longest idle first.

    Attributes:
        max_connections: how many there may be.
        stream_count: how many of them are WebSockets or have responses without an end.
    """

    def __init__(self, max_connections: int) -> None:
        self.max_connections = max_connections
        self.stream_count = 0
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

    def admits_stream(self) -> bool:
        """Return whether there may be one more stream."""
        return self.stream_count < self.max_connections * MAX_STREAM_SHARE


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


def raise_descriptor_limit() -> None:
    """Raise this process's limit of open files and sockets to the hard limit."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


def max_connections() -> int:
    """Return how many connections the limit of open files permits."""
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
