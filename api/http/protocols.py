"""uvicorn's connections, with bounds for what a client may cost before its request is read."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import cast

from httptools import HttpParserError
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from api.access.guesses import network_of
from api.http import limits
from api.http.bodies import LargeBody
from api.http.connections import (
    HEAD_TOO_LARGE,
    LATE,
    NO_HTTP,
    SLOW,
    TOO_MANY_CONNECTIONS,
    Deadline,
    ServerConfig,
)
from api.http.websocket_protocol import WebSocketProtocol
from api.http.wire.clients import ABORT, Watched
from api.http.wire.pieces import PIECE_BYTES, HeadWithBody, Pieces, is_one_request


def server_config(
    app: ASGIApp, port: int = 0, proxies: Sequence[str] = ()
) -> ServerConfig:
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
            self._large_body = LargeBody(
                network_of(address), self._read_on, self._cut_off
            )
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
