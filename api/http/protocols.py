"""uvicorn's connections, with bounds for what a client may cost before its request is read.

First how requests are cut into pieces and answers are written (`Pieces`, `HeadWithBody`), then
WebSockets, which end for clients that do not answer, then the server's settings and its HTTP
connections (`HttpProtocol`).
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from httptools import HttpParserError
from starlette.types import ASGIApp
from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import SecurityError
from websockets.frames import Frame

from api.access import network_of
from api.http import limits
from api.http.bodies import LargeBody
from api.http.connections import (
    ABORT,
    HEAD_TOO_LARGE,
    LATE,
    NO_HTTP,
    SLOW,
    TOO_MANY_CONNECTIONS,
    Connections,
    Deadline,
    Inlet,
    ServerConfig,
    Watched,
    refusal,
)

PIECE_BYTES = 8_192
_END_OF_HEAD = b"\r\n\r\n"

_LENGTH = b"\r\ncontent-length: "


class HeadWithBody(asyncio.Transport):
    """Where an answer is written, its head with its body: each write is a packet of its own.

    Only where the body's length is known, and so is that it will follow.
    """

    def __init__(
        self, transport: asyncio.Transport, close: Callable[[], None] | None = None
    ) -> None:
        self._transport = transport
        self._close = close or transport.close
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:  # type: ignore[override]
        """Write, or let the head wait."""
        if self._head is None and _LENGTH in data:
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
        """Close after all that was written."""
        if self._head:
            self._transport.write(self._head)
        self._close()


def is_one_request(data: bytes) -> bool:
    """Return whether this is a small piece, in which no more than one head ends."""
    return len(data) <= PIECE_BYTES and data.count(_END_OF_HEAD) <= 1


class Pieces:
    """What came over a connection and was not parsed yet."""

    def __init__(self) -> None:
        self._bytes = b""
        self._begin = 0

    def __bool__(self) -> bool:
        return self._begin < len(self._bytes)

    def add(self, data: bytes) -> None:
        """Append what came."""
        self._bytes = self._bytes[self._begin :] + data
        self._begin = 0

    def clear(self) -> None:
        """Drop all of it."""
        self._bytes = b""
        self._begin = 0

    def next(self, most_bytes: int) -> bytes:
        """Return at most so many bytes."""
        piece = self._bytes[self._begin : self._begin + most_bytes]
        self._begin += len(piece)
        if not self:
            self.clear()
        return piece

    def next_head(self, most_bytes: int) -> bytes:
        """Return at most so many bytes, and nothing beyond the end of a head."""
        until = self._begin + most_bytes
        end = self._bytes.find(_END_OF_HEAD, self._begin, until)
        if end < 0:
            return self.next(most_bytes)
        return self.next(end + len(_END_OF_HEAD) - self._begin)


_HEAD_TOO_LARGE = refusal(431, "head_too_large", "the handshake has too many or too long headers")
_NO_HANDSHAKE = refusal(400, "invalid_http", "this is no WebSocket handshake")

_SMALL_BYTES = 128
_PIECE_BYTES = 1_024


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that is gone some seconds after its handler has ended."""

    _limited: Connections
    _inlet: Inlet
    _unread: Pieces
    _pong = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        super().connection_made(transport)
        config = cast("ServerConfig", self.config)
        self._inlet = config.inlet
        self._limited = config.limited
        self._limited.websockets += 1
        self._unread = Pieces()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._limited.websockets -= 1
        self._unread.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, at once where it is a word, else in turn."""
        if not self.handshake_initiated:
            self._shake_hands(data)
        elif len(data) <= _SMALL_BYTES and not (self._unread or self._inlet.is_busy):
            super().data_received(data)
        else:
            self._unread.add(data)
            self.transport.pause_reading()
            self._inlet.add(self)

    def read_piece(self) -> bool:
        """Read a piece of what came; return whether there is more to be read now."""
        if self._is_ahead():
            return False
        piece = self._unread.next(_PIECE_BYTES)
        super().data_received(piece)
        if self.transport.is_closing():
            self._unread.clear()
        elif not (self._unread or self._is_ahead()):
            self.transport.resume_reading()
        return bool(self._unread) and not self._is_ahead()

    def _is_ahead(self) -> bool:
        """Return whether the application has not taken yet what was read."""
        return self.read_paused

    async def receive(self) -> ASGIReceiveEvent:
        """Hand over what the client sent, and read on once all was taken."""
        message = await super().receive()
        if self._unread and not self.read_paused:
            self.transport.pause_reading()
            self._inlet.add(self)
        return message

    def _shake_hands(self, data: bytes) -> None:
        super().data_received(data)
        failed = self.conn.handshake_exc
        if failed is not None and not self.handshake_initiated:
            # The library waits for ever where it cannot read a handshake.
            answer = _NO_HANDSHAKE
            if isinstance(failed, SecurityError):
                answer = _HEAD_TOO_LARGE
            self.transport.write(answer)
            self.transport.close()

    def handle_cont(self, event: Frame) -> None:
        """Gather a message's parts as one: each alone would cost more than its content."""
        if event.data:
            gathered = b"".join(self.frames)
            self.frames = [gathered + event.data]
        if event.fin:
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer, but only the last one where the client does not read: so the protocol has it."""
        pongs = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))
        elif pongs:
            self._pong = pongs[-1]

    def resume_writing(self) -> None:
        """Go on writing, first what the client waits for."""
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and not self.transport.is_closing():
            self.transport.write(pong)

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        """Give the client a little time to answer the close."""
        super().on_task_complete(task)
        self.loop.call_later(limits.CLOSE_CLIENTS_S, self.transport.abort)

    def shutdown(self) -> None:
        """Say goodbye when the server stops, which must not wait for those who do not listen."""
        super().shutdown()
        self.loop.call_later(limits.LAST_WORDS_S, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Likewise where it has not answered a ping."""
        super().keepalive_timeout()
        self.loop.call_later(limits.CLOSE_CLIENTS_S, self.transport.abort)


def server_config(app: ASGIApp, port: int = 0, proxies: Sequence[str] = ()) -> ServerConfig:
    """Return how uvicorn is to serve the application.

    Args:
        app: the application.
        port: where it listens; 0 for a free one.
        proxies: whose word on where a client is is taken.
    """
    return ServerConfig(app, HttpProtocol, WebSocketProtocol, port, proxies)


class HttpProtocol(Watched):
    """A connection that a response can abort, and on which the answer to a POST is one write.

    What a client may cost before its request is with the application is bounded here.
    """

    _server: ServerConfig
    _is_refused = False
    _unread: Pieces
    _in_head = False
    _head_bytes = 0
    _head_deadline: Deadline
    _in_body = False
    _declared_bytes = 0
    _body_bytes = 0
    _window_bytes = 0
    _body_deadline: Deadline
    _large_body: LargeBody | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, if need be instead of one that only waits."""
        super().connection_made(transport)
        self._server = cast("ServerConfig", self.config)
        self.unsent = self._server.unsent
        self.paused = self._server.paused
        self._unread = Pieces()
        self._head_deadline = Deadline(self.loop, limits.HEAD_S, self._head_is_late)
        self._body_deadline = Deadline(self.loop, limits.BODY_S, self._body_is_late)
        if not self._server.limited.has_room(len(self.connections)):
            self._is_refused = True
            transport.write(TOO_MANY_CONNECTIONS)
            transport.close()
            return
        self._server.limited.waits(self, transport)
        self._head_deadline.start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._server.limited.is_busy(self)
        self._release_room()
        self._cancel_timers()
        self.tell_running()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse piece by piece, so that no piece costs much before it is found to be too much."""
        if self._is_refused:
            self.discard(len(data))
            return
        if self._reads_on() and is_one_request(data) and not self._unread:
            self._take(data)
        else:
            self._take_pieces(data)
        self._watch()

    def _take_pieces(self, data: bytes) -> None:
        self._unread.add(data)
        while self._unread and self._reads_on():
            self._take(self._next_piece())
        if self._unread and not self.transport.is_closing():
            self.paused.add(self.transport)

    def _reads_on(self) -> bool:
        """Return whether to take more now: no request is read before the last one's answer left."""
        if self._is_refused or self.transport.is_closing() or self._is_upgraded():
            self._unread.clear()
            return False
        if self._in_body:
            return not self._waits_for_room()
        return self.running is None and not self.flow.write_paused

    def _is_upgraded(self) -> bool:
        return self.transport.get_protocol() is not self

    def _next_piece(self) -> bytes:
        left = self._declared_bytes - self._body_bytes
        if self._in_body and left > 0:
            return self._unread.next(min(left, PIECE_BYTES))
        return self._unread.next_head(PIECE_BYTES)

    def _take(self, piece: bytes) -> None:
        if not self._in_body:
            self._head_bytes += len(piece)
            if self._head_bytes > limits.MAX_HEAD_BYTES:
                self._refuse(HEAD_TOO_LARGE)
                return
        super().data_received(piece)
        if self._is_refused:
            return
        if self._in_head and len(self.headers) > limits.MAX_HEADERS:
            self._refuse(HEAD_TOO_LARGE)
        elif self._in_body and self.running is self.cycle:
            self._charge()

    def _watch(self) -> None:
        """Wait for the rest of what has begun, but not for ever."""
        if self._is_refused or self._is_upgraded():
            return
        if self._in_body:
            self._wait_for_body()
        elif self._in_head or self.running is None:
            self._head_deadline.start()

    def _wait_for_body(self) -> None:
        if not self._body_deadline.runs:
            self._window_bytes = self._body_bytes
            self._body_deadline.start()

    def _charge(self) -> None:
        """Count what has come of a large body; no more of it may be read for a while."""
        declared = self._declared_bytes
        if max(declared, self._body_bytes) <= limits.SMALL_BODY_BYTES:
            return
        if declared > limits.MAX_BODY_BYTES:
            return  # It is refused, and discarded.
        if self._large_body is None:
            address, _ = self.client or ("", 0)
            self._large_body = LargeBody(network_of(address), self._read_on, self._cut_off)
        self._server.incoming.hold(self._large_body, self._body_bytes)

    def _waits_for_room(self) -> bool:
        return self._large_body is not None and self._large_body.is_waiting

    def _release_room(self) -> None:
        if self._large_body is not None:
            self._server.parsing.release(self._large_body)
            self._server.incoming.release(self._large_body)
            self._large_body = None

    def _cut_off(self) -> None:
        self._refuse(SLOW)

    def _read_on(self) -> None:
        """Take what had to wait."""
        if self._unread and not self.transport.is_closing():
            self.paused.discard(self.transport)
            self.transport.resume_reading()
            self.loop.call_soon(self.data_received, b"")

    def _head_is_late(self) -> None:
        if self.running is not None:
            self._head_deadline.start()  # The next head may have to wait for this answer.
        elif self._in_head:
            self._refuse(LATE)
        else:
            self.transport.close()

    def _body_is_late(self) -> None:
        is_our_fault = self.flow.read_paused or self._waits_for_room()
        came_bytes = self._body_bytes - self._window_bytes
        if is_our_fault or came_bytes >= limits.MIN_BODY_BYTES:
            self._wait_for_body()
        else:
            self._refuse(LATE)

    def resume_writing(self) -> None:
        """Go on reading."""
        super().resume_writing()
        self._read_on()

    def on_message_begin(self) -> None:
        """Tell the request how a response aborts."""
        super().on_message_begin()
        self._in_head = True
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}

    def on_headers_complete(self) -> None:
        """Let the answer's head wait for its body."""
        if len(self.headers) > limits.MAX_HEADERS:
            self._refuse(HEAD_TOO_LARGE)
            raise HttpParserError
        self._begin_body()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is before:
            return
        if self.running is None:
            self.running = self.cycle
        if self.scope["method"] in {"POST", "PATCH", "PUT"}:
            with_body = HeadWithBody(self.transport, self._close_after_answer)
            self.cycle.transport = with_body

    def _begin_body(self) -> None:
        self._in_head = False
        self._in_body = True
        self._body_bytes = 0
        self._declared_bytes = 0
        for name, value in self.headers:
            if name == b"content-length":
                self._declared_bytes = int(value)
        self._server.limited.is_busy(self)
        self._cancel_timers()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to a WebSocket, if there may be one more."""
        if self._server.limited.websockets < limits.MAX_WEBSOCKETS:
            super().handle_websocket_upgrade()
        else:
            self._refuse(TOO_MANY_CONNECTIONS)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, or discard it where the answer was given."""
        self._body_bytes += len(body)
        super().on_body(body)
        if self.running is None:
            self.discard(len(body))

    def on_message_complete(self) -> None:
        """Expect no more of this body."""
        self._in_body = False
        self._head_bytes = 0
        self._cancel_timers()
        body = self._large_body
        if body is None or self.running is not self.cycle:
            super().on_message_complete()
            return
        # The application reads on to the body's end, and parses it, when it is its turn.
        body.parse = partial(_tell_end, self.cycle)
        self._server.incoming.complete(body)
        self._server.parsing.ask(body)

    def on_response_complete(self) -> None:
        """Answer the request that waited behind, or wait for the next one."""
        self.running = None
        if self.pipeline:
            self.running, _ = self.pipeline[-1]
        self.discarded_bytes = 0
        self._release_room()
        super().on_response_complete()
        if self.running is None and not self.transport.is_closing():
            self._server.limited.waits(self, self.transport)
        self._read_on()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser does not understand in the words of all other refusals."""
        del msg
        if not self._is_refused:
            self._refuse(NO_HTTP)

    def _refuse(self, answer: bytes) -> None:
        """Answer the request that is coming in, if it is its turn, and close."""
        self._stop_parsing()
        may_answer = self._may_answer()
        self.tell_running()
        if may_answer:
            self.transport.write(answer)
            self.close_gently()
        else:
            self.transport.close()

    def _may_answer(self) -> bool:
        """Return whether no other answer is due before, and none was given."""
        if self.running is None:
            return not self._in_body
        is_its_turn = self.running is self.cycle and self._in_body
        return is_its_turn and not self.cycle.response_started

    def _close_after_answer(self) -> None:
        if self._in_body:
            self._stop_parsing()
            self.close_gently()
        else:
            self.transport.close()

    def _stop_parsing(self) -> None:
        self._is_refused = True
        self._unread.clear()
        self._cancel_timers()

    def _cancel_timers(self) -> None:
        self._head_deadline.cancel()
        self._body_deadline.cancel()


def _tell_end(cycle: RequestResponseCycle) -> None:
    """Let the application see that the body is complete, as uvicorn does."""
    cycle.more_body = False
    cycle.message_event.set()
