"""uvicorn's connections, with bounds for what a client may cost before its request is handled.

First how responses are written and received bytes are parsed in pieces (`CoalescingTransport`,
`ReceiveBuffer`), then WebSockets, then HTTP connections (`HttpProtocol`) and the settings of a
server that has both (`ServerConfig`).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import cast

import uvicorn
from httptools import HttpParserError
from starlette.types import ASGIApp
from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import SecurityError
from websockets.frames import Frame
from websockets.protocol import State

from api.access import network_of
from api.http import limits
from api.http.bodies import IncomingBodies, LargeBody, ParsingQueue
from api.http.connections import (
    ABORT,
    FRAMES,
    HEAD_TOO_LARGE,
    INVALID_HTTP,
    REQUEST_TIMEOUT,
    SLOW_BODY,
    STREAM,
    TOO_MANY_CONNECTIONS,
    ConnectionLimit,
    PausedConnections,
    ReadScheduler,
    SendBuffers,
    closing_response,
    max_connections,
)

_PIECE_BYTES = 8_192
_END_OF_HEAD = b"\r\n\r\n"
_CONTENT_LENGTH = b"\r\ncontent-length: "


class CoalescingTransport(asyncio.Transport):
    """Writes a response's head together with its body: each write is a packet of its own.

    Only a head with a content length waits, for then its body certainly follows.
    """

    def __init__(
        self, transport: asyncio.Transport, close: Callable[[], None] | None = None
    ) -> None:
        """Wrap a connection's transport.

        Args:
            transport: the transport.
            close: closes the connection; the transport's own `close` by default.
        """
        self._transport = transport
        self._close = close or transport.close
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:  # type: ignore[override]
        """Write data, or keep a head until its body is written."""
        if self._head is None and _CONTENT_LENGTH in data:
            self._head = data
        elif self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        else:
            self._head = b""
            self._transport.write(data)

    def is_closing(self) -> bool:
        """Return whether nothing can be written any more."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close the connection once all data are written."""
        if self._head:
            self._transport.write(self._head)
        self._close()


class ReceiveBuffer:
    """Bytes that a connection has received and not parsed."""

    def __init__(self) -> None:
        self._bytes = b""
        self._offset = 0

    def __bool__(self) -> bool:
        return self._offset < len(self._bytes)

    def append(self, data: bytes) -> None:
        """Append received bytes."""
        self._bytes = self._bytes[self._offset :] + data
        self._offset = 0

    def clear(self) -> None:
        """Drop all bytes."""
        self._bytes = b""
        self._offset = 0

    def take(self, max_bytes: int) -> bytes:
        """Remove and return at most `max_bytes`."""
        piece = self._bytes[self._offset : self._offset + max_bytes]
        self._offset += len(piece)
        if not self:
            self.clear()
        return piece

    def take_head(self, max_bytes: int) -> bytes:
        """Remove and return at most `max_bytes`, and nothing beyond the end of a head."""
        end = self._bytes.find(_END_OF_HEAD, self._offset, self._offset + max_bytes)
        if end < 0:
            return self.take(max_bytes)
        return self.take(end + len(_END_OF_HEAD) - self._offset)


_HANDSHAKE_TOO_LARGE = closing_response(
    431, "head_too_large", "the handshake has too many or too long headers"
)
_INVALID_HANDSHAKE = closing_response(400, "invalid_http", "this is not a WebSocket handshake")

_SMALL_BYTES = 128
_MESSAGE_PIECE_BYTES = 1_024


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that is read within bounds, and aborted if its client does not answer a close."""

    _connection_limit: ConnectionLimit
    _read_scheduler: ReadScheduler
    _unparsed: ReceiveBuffer
    _pending_pong = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        super().connection_made(transport)
        config = cast("ServerConfig", self.config)
        self._read_scheduler = config.read_scheduler
        self._connection_limit = config.connection_limit
        self._connection_limit.stream_count += 1
        self._unparsed = ReceiveBuffer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection no more."""
        self._connection_limit.stream_count -= 1
        self._unparsed.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a short message at once, longer data in turn with other connections."""
        if not self.handshake_initiated:
            self._receive_handshake(data)
        elif len(data) <= _SMALL_BYTES and not (self._unparsed or self._read_scheduler.is_busy):
            super().data_received(data)
        else:
            self._unparsed.append(data)
            self.transport.pause_reading()
            self._read_scheduler.add(self)

    def _receive_handshake(self, data: bytes) -> None:
        super().data_received(data)
        error = self.conn.handshake_exc
        if error is not None and not self.handshake_initiated:
            # The library waits for ever where it cannot parse a handshake.
            is_too_large = isinstance(error, SecurityError)
            self.transport.write(_HANDSHAKE_TOO_LARGE if is_too_large else _INVALID_HANDSHAKE)
            self.transport.close()

    def read_piece(self) -> bool:
        """Parse a piece of the received bytes; return whether there is more to parse now."""
        if self.read_paused:  # The application has not received yet what was parsed.
            return False
        super().data_received(self._unparsed.take(_MESSAGE_PIECE_BYTES))
        if self.transport.is_closing():
            self._unparsed.clear()
        elif not (self._unparsed or self.read_paused):
            self.transport.resume_reading()
        return bool(self._unparsed) and not self.read_paused

    async def receive(self) -> ASGIReceiveEvent:
        """Return the client's next message; parse on once the application has received all."""
        message = await super().receive()
        if self._unparsed and not self.read_paused:
            self.transport.pause_reading()
            self._read_scheduler.add(self)
        return message

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message; one of `FRAMES` is written as it is."""
        frames = cast("Mapping[str, object]", message).get(FRAMES)
        if not isinstance(frames, bytes):
            await super().send(message)
            return
        await self.writable.wait()
        if self.disconnected or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        self.transport.write(frames)

    def handle_cont(self, event: Frame) -> None:
        """Join a message's fragments at once: each alone would cost more than its content."""
        if event.data:
            self.frames = [b"".join(self.frames) + event.data]
        if event.fin:
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer pings; only the last one while the client does not read, as the RFC allows."""
        pongs = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))
        elif pongs:
            self._pending_pong = pongs[-1]

    def resume_writing(self) -> None:
        """Write a pending pong, and let the application write again."""
        super().resume_writing()
        pong, self._pending_pong = self._pending_pong, b""
        if pong and not self.transport.is_closing():
            self.transport.write(pong)

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        """Abort the connection if the client does not answer the close in time."""
        super().on_task_complete(task)
        self.loop.call_later(limits.CLOSE_CLIENTS_S, self.transport.abort)

    def shutdown(self) -> None:
        """Close as the server stops, and abort the connection if the client does not read that."""
        super().shutdown()
        self.loop.call_later(limits.FINAL_FLUSH_S, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Close after an unanswered ping, and abort if the client does not answer that either."""
        super().keepalive_timeout()
        self.loop.call_later(limits.CLOSE_CLIENTS_S, self.transport.abort)


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


class HttpProtocol(HttpToolsProtocol):
    """An HTTP connection that bounds what a client may cost.

    A response can abort it (`ABORT`), and the response to a POST is one write.

    Attributes:
        active_cycle: the request that is being answered; `cycle` is the one that arrives.
    """

    active_cycle: RequestResponseCycle | None = None
    _server: "ServerConfig"
    _is_rejected = False
    _unparsed: ReceiveBuffer
    _in_head = False
    _head_bytes = 0
    _head_deadline: Deadline
    _in_body = False
    _declared_bytes = 0
    _body_bytes = 0
    _body_bytes_at_start = 0
    _body_deadline: Deadline
    _large_body: LargeBody | None = None
    _discarded_bytes = 0
    _is_stream = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, if need be instead of an idle one, or refuse it."""
        super().connection_made(transport)
        self._server = cast("ServerConfig", self.config)
        self._unparsed = ReceiveBuffer()
        self._head_deadline = Deadline(self.loop, limits.HEAD_S, self._expire_head)
        self._body_deadline = Deadline(self.loop, limits.BODY_S, self._expire_body)
        if not self._server.connection_limit.admit(len(self.connections)):
            self._is_rejected = True
            transport.write(TOO_MANY_CONNECTIONS)
            transport.close()
            return
        self._server.connection_limit.mark_idle(self, transport)
        self._head_deadline.start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release what the connection holds."""
        self._server.connection_limit.mark_busy(self)
        self._end_stream()
        self._release_large_body()
        self._cancel_deadlines()
        self._disconnect_active_cycle()
        self._server.send_buffers.discard(self.transport)
        self._server.paused_connections.discard(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse in pieces, so that a request is refused before it has cost much."""
        if self._is_rejected:
            self._count_discarded(len(data))
            return
        if self._can_parse() and _has_one_head_at_most(data) and not self._unparsed:
            self._parse(data)
        else:
            self._unparsed.append(data)
            self._parse_pieces()
        self._start_deadline()

    def _parse_pieces(self) -> None:
        while self._unparsed and self._can_parse():
            self._parse(self._next_piece())
        if self._unparsed and not self.transport.is_closing():
            self._server.paused_connections.add(self.transport)

    def _can_parse(self) -> bool:
        """Return whether to parse more now: not before the last request is answered."""
        if self._is_rejected or self.transport.is_closing() or self._is_upgraded():
            self._unparsed.clear()
            return False
        if self._in_body:
            return not self._is_body_paused()
        return self.active_cycle is None and not self.flow.write_paused

    def _is_upgraded(self) -> bool:
        return self.transport.get_protocol() is not self

    def _next_piece(self) -> bytes:
        remaining_bytes = self._declared_bytes - self._body_bytes
        if self._in_body and remaining_bytes > 0:
            return self._unparsed.take(min(remaining_bytes, _PIECE_BYTES))
        return self._unparsed.take_head(_PIECE_BYTES)

    def _parse(self, piece: bytes) -> None:
        if not self._in_body:
            self._head_bytes += len(piece)
            if self._head_bytes > limits.MAX_HEAD_BYTES:
                self._reject(HEAD_TOO_LARGE)
                return
        super().data_received(piece)
        if self._is_rejected:
            return
        if self._in_head and len(self.headers) > limits.MAX_HEADERS:
            self._reject(HEAD_TOO_LARGE)
        elif self._in_body and self.active_cycle is self.cycle:
            self._update_large_body()

    def _start_deadline(self) -> None:
        """Bound the time in which the head or the body must be complete."""
        if self._is_rejected or self._is_upgraded():
            return
        if self._in_body:
            self._start_body_deadline()
        elif self._in_head or self.active_cycle is None:
            self._head_deadline.start()

    def _start_body_deadline(self) -> None:
        if not self._body_deadline.is_running:
            self._body_bytes_at_start = self._body_bytes
            self._body_deadline.start()

    def _update_large_body(self) -> None:
        """Account for the received bytes of a large body, which may pause it."""
        if max(self._declared_bytes, self._body_bytes) <= limits.SMALL_BODY_BYTES:
            return
        if self._declared_bytes > limits.MAX_BODY_BYTES:
            return  # The application refuses the request, and the body is discarded.
        if self._large_body is None:
            address, _ = self.client or ("", 0)
            self._large_body = LargeBody(
                network_of(address), self._resume_parsing, partial(self._reject, SLOW_BODY)
            )
        self._server.incoming_bodies.update(self._large_body, self._body_bytes)

    def _is_body_paused(self) -> bool:
        return self._large_body is not None and self._large_body.is_paused

    def _release_large_body(self) -> None:
        if self._large_body is not None:
            self._server.parsing_queue.release(self._large_body)
            self._server.incoming_bodies.release(self._large_body)
            self._large_body = None

    def _resume_parsing(self) -> None:
        """Parse what was received while the connection was paused."""
        if self._unparsed and not self.transport.is_closing():
            self._server.paused_connections.discard(self.transport)
            self.transport.resume_reading()
            self.loop.call_soon(self.data_received, b"")

    def _expire_head(self) -> None:
        if self.active_cycle is not None:
            self._head_deadline.start()  # The next head is parsed after this response.
        elif self._in_head:
            self._reject(REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _expire_body(self) -> None:
        is_delayed_by_us = self.flow.read_paused or self._is_body_paused()
        received_bytes = self._body_bytes - self._body_bytes_at_start
        if is_delayed_by_us or received_bytes >= limits.MIN_BODY_BYTES:
            self._start_body_deadline()
        else:
            self._reject(REQUEST_TIMEOUT)

    def pause_writing(self) -> None:
        """Begin to check whether the client reads its response."""
        super().pause_writing()
        self._server.send_buffers.add(self.transport)

    def resume_writing(self) -> None:
        """End the checks, as the client has read nearly all, and parse the request that waited."""
        super().resume_writing()
        self._server.send_buffers.discard(self.transport)
        self._resume_parsing()

    def on_message_begin(self) -> None:
        """Give the request's responses the means to abort the connection."""
        super().on_message_begin()
        self._in_head = True
        self.scope["extensions"] = {
            ABORT: {"abort": self.transport.abort},
            STREAM: {"admit": self._admit_stream},
        }

    def on_headers_complete(self) -> None:
        """Begin to handle the request; a response with a body is one write."""
        if len(self.headers) > limits.MAX_HEADERS:
            self._reject(HEAD_TOO_LARGE)
            raise HttpParserError
        self._begin_body()
        previous_cycle = self.cycle
        super().on_headers_complete()
        if self.cycle is previous_cycle:
            return  # The connection becomes a WebSocket, or is refused.
        if self.active_cycle is None:
            self.active_cycle = self.cycle
        if self.scope["method"] in {"POST", "PATCH", "PUT"}:
            self.cycle.transport = CoalescingTransport(self.transport, self._close_after_response)

    def _begin_body(self) -> None:
        self._in_head = False
        self._in_body = True
        self._body_bytes = 0
        self._declared_bytes = 0
        for name, value in self.headers:
            if name == b"content-length":
                self._declared_bytes = int(value)
        self._server.connection_limit.mark_busy(self)
        self._cancel_deadlines()

    def handle_websocket_upgrade(self) -> None:
        """Make the connection a WebSocket, unless there are too many."""
        if self._server.connection_limit.admits_stream():
            super().handle_websocket_upgrade()
        else:
            self._reject(TOO_MANY_CONNECTIONS)

    def on_body(self, body: bytes) -> None:
        """Receive a part of a body, or discard it if the response is complete."""
        self._body_bytes += len(body)
        super().on_body(body)
        if self.active_cycle is None:
            self._count_discarded(len(body))

    def on_message_complete(self) -> None:
        """Hand a complete body to the application; a large one waits until it may be parsed."""
        self._in_body = False
        self._head_bytes = 0
        self._cancel_deadlines()
        body = self._large_body
        if body is None or self.active_cycle is not self.cycle:
            super().on_message_complete()
            return
        # The application sees the body's end, and parses it, once the queue admits it.
        body.parse = partial(_complete_body, self.cycle)
        self._server.incoming_bodies.complete(body)
        self._server.parsing_queue.enqueue(body)

    def on_response_complete(self) -> None:
        """Answer the pipelined request, or wait for the next one."""
        self.active_cycle = None
        if self.pipeline:
            self.active_cycle, _ = self.pipeline[-1]
        self._discarded_bytes = 0
        self._end_stream()
        self._release_large_body()
        super().on_response_complete()
        if self.active_cycle is None and not self.transport.is_closing():
            self._server.connection_limit.mark_idle(self, self.transport)
        self._resume_parsing()

    def _admit_stream(self) -> bool:
        """Count the present response as a stream until it is over, unless there are too many."""
        if not self._is_stream and self._server.connection_limit.admits_stream():
            self._is_stream = True
            self._server.connection_limit.stream_count += 1
        return self._is_stream

    def _end_stream(self) -> None:
        if self._is_stream:
            self._is_stream = False
            self._server.connection_limit.stream_count -= 1

    def send_400_response(self, msg: str) -> None:
        """Refuse invalid HTTP with an error of the API's own format."""
        del msg
        if not self._is_rejected:
            self._reject(INVALID_HTTP)

    def _reject(self, response: bytes) -> None:
        """Answer the request that is arriving, if no other response is due before, and close."""
        self._stop_parsing()
        can_respond = self._can_respond()
        self._disconnect_active_cycle()
        if can_respond:
            self.transport.write(response)
            self._close_gracefully()
        else:
            self.transport.close()

    def _can_respond(self) -> bool:
        """Return whether no other response is due before, and none has begun."""
        if self.active_cycle is None:
            return not self._in_body
        is_active = self.active_cycle is self.cycle and self._in_body
        return is_active and not self.cycle.response_started

    def _close_after_response(self) -> None:
        if self._in_body:
            self._stop_parsing()
            self._close_gracefully()
        else:
            self.transport.close()

    def _close_gracefully(self) -> None:
        """Close our half, and discard what arrives until the client closes its own."""
        if self.transport.is_closing():
            return
        self.transport.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(limits.LINGER_S, self.transport.abort)

    def _count_discarded(self, added_bytes: int) -> None:
        """Count data that are not needed; abort a connection with too many of them."""
        self._discarded_bytes += added_bytes
        if self._discarded_bytes > limits.MAX_DISCARDED_BYTES:
            self.transport.abort()

    def _disconnect_active_cycle(self) -> None:
        """Notify the application that its response is not needed any more."""
        if self.active_cycle is not None:
            self.active_cycle.disconnected = True
            self.active_cycle.message_event.set()

    def _stop_parsing(self) -> None:
        self._is_rejected = True
        self._unparsed.clear()
        self._cancel_deadlines()

    def _cancel_deadlines(self) -> None:
        self._head_deadline.cancel()
        self._body_deadline.cancel()


def _has_one_head_at_most(data: bytes) -> bool:
    """Return whether data are small, and no more than one head ends in them."""
    return len(data) <= _PIECE_BYTES and data.count(_END_OF_HEAD) <= 1


def _complete_body(cycle: RequestResponseCycle) -> None:
    """Notify the application that the body is complete, as uvicorn does."""
    cycle.more_body = False
    cycle.message_event.set()


class ServerConfig(uvicorn.Config):
    """uvicorn's settings, and what all connections of a server share."""

    def __init__(self, app: ASGIApp, port: int = 0, proxies: Sequence[str] = ()) -> None:
        """Take an application and its address.

        Args:
            app: the application.
            port: the port to listen on; 0 for a free one.
            proxies: addresses and networks whose `X-Forwarded-*` headers are trusted.
        """
        super().__init__(
            app,
            port=port,
            http=HttpProtocol,
            ws=WebSocketProtocol,
            ws_max_size=limits.MAX_MESSAGE_BYTES,
            # A message goes to many clients, and would be compressed for each of them; a compressed
            # message of a client might be a thousand times as long.
            ws_per_message_deflate=False,
            access_log=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            log_config=None,
            timeout_keep_alive=limits.KEEP_ALIVE_S,
            # `api.http.open_requests` answers all requests before.
            timeout_graceful_shutdown=limits.CLOSE_CLIENTS_S + limits.FINAL_FLUSH_S,
        )
        self.connection_limit = ConnectionLimit(max_connections())
        self.incoming_bodies = IncomingBodies(limits.MAX_INCOMING_BYTES)
        self.parsing_queue = ParsingQueue(limits.MAX_PARSED_BYTES)
        self.read_scheduler = ReadScheduler()
        self.send_buffers = SendBuffers(limits.MAX_UNSENT_BYTES, limits.STALLED_CLIENT_S)
        self.paused_connections = PausedConnections()
