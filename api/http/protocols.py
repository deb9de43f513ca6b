"""uvicorn's connections, with bounds for what a client may cost before its request is read."""

import asyncio
from collections.abc import Callable
from typing import cast

from starlette.types import ASGIApp, Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http import limits
from api.http.connections import Connections, ServerConfig, refusal
from api.http.websocket_protocol import WebSocketProtocol

_ABORT = "apphub.abort"
"""Our extension of ASGI: how a response cuts off a client that does not even take its end."""

_PIECE_BYTES = 16_384

_WITH_BODY = frozenset({"POST", "PATCH", "PUT"})

_TOO_MANY_CONNECTIONS = refusal(
    503, "too_many_connections", "too many connections at the moment, ask again"
)
_HEAD_TOO_LARGE = refusal(
    431,
    "head_too_large",
    f"the request's head has more than {limits.MAX_HEAD_BYTES} bytes"
    f" or {limits.MAX_HEADERS} headers",
)
_LATE = refusal(408, "request_timeout", "the request came too slowly, or not to its end")
_NO_HTTP = refusal(400, "invalid_http", "this is no HTTP/1.1 request")


def server_config(app: ASGIApp, port: int = 0) -> ServerConfig:
    """Return how uvicorn is to serve the application."""
    return ServerConfig(app, HttpProtocol, WebSocketProtocol, port)


class _RefusedError(Exception):
    """What the parser is told to stop it."""


class HttpProtocol(HttpToolsProtocol):
    """A connection that a response can abort, and on which the answer to a POST is one write.

    What a client may cost before its request is with the application is bounded here.
    """

    _limited: Connections
    _is_answering = False
    _is_refused = False

    _in_head = False
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    _in_body = False
    _body_bytes = 0
    _discarded_bytes = 0
    _body_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, if need be instead of one that only waits."""
        super().connection_made(transport)
        limited = cast("ServerConfig", self.config).limited
        self._limited = limited
        is_one_too_many = len(self.connections) > limited.most
        if is_one_too_many and not limited.close_longest_waiting():
            self._is_refused = True
            transport.write(_TOO_MANY_CONNECTIONS)
            transport.close()
            return
        limited.waits(self, transport)
        self._head_timer = self.loop.call_later(limits.HEAD_S, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._limited.is_busy(self)
        self._cancel_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse piece by piece, so that no piece costs much before it is found to be too much."""
        for start in range(0, len(data), _PIECE_BYTES):
            if self._is_refused or self.transport.is_closing() or self._is_upgraded():
                return
            self._take(data[start : start + _PIECE_BYTES])

    def _is_upgraded(self) -> bool:
        return self.transport.get_protocol() is not self

    def _take(self, piece: bytes) -> None:
        was_in_head = self._in_head
        super().data_received(piece)
        if self._is_refused or self._is_upgraded():
            return
        if self._in_body:
            self._wait_for_body()
            return
        if self._in_head:
            self._check_head(len(piece) if was_in_head else 0)
        if self._in_head or not self._is_answering:
            self._wait_for_head()

    def _check_head(self, more_bytes: int) -> None:
        """Refuse a head that is too large before it is complete."""
        self._head_bytes += more_bytes
        if self._head_bytes > limits.MAX_HEAD_BYTES or len(self.headers) > limits.MAX_HEADERS:
            self._refuse(_HEAD_TOO_LARGE)

    def _wait_for_head(self) -> None:
        if self._head_timer is None and not self._is_refused:
            self._head_timer = self.loop.call_later(limits.HEAD_S, self._head_is_late)

    def _wait_for_body(self) -> None:
        if self._body_timer is None:
            self._body_bytes = 0
            self._body_timer = self.loop.call_later(limits.BODY_S, self._body_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._is_answering:
            self._wait_for_head()  # The next head may have to wait for this answer.
        elif self._in_head:
            self._refuse(_LATE)
        else:
            self.transport.close()

    def _body_is_late(self) -> None:
        self._body_timer = None
        # It is not the client who is late where we do not read.
        if self.flow.read_paused or self._body_bytes >= limits.MIN_BODY_BYTES:
            self._wait_for_body()
        else:
            self._refuse(_LATE)

    def on_message_begin(self) -> None:
        """Tell the request how a response aborts."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        self.scope["extensions"] = {_ABORT: {"abort": self.transport.abort}}

    def on_headers_complete(self) -> None:
        """Let the answer's head wait for its body."""
        if self._head_is_too_large() or len(self.pipeline) >= limits.MAX_PIPELINED:
            self._refuse(_HEAD_TOO_LARGE)
            raise _RefusedError
        self._in_head = False
        self._in_body = True
        self._discarded_bytes = 0
        self._limited.is_busy(self)
        self._cancel_timers()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is before:
            return
        self._is_answering = True
        if self.scope["method"] in _WITH_BODY:
            self.cycle.transport = HeadWithBody(self.transport, self._close_after_answer)

    def _head_is_too_large(self) -> bool:
        if len(self.headers) > limits.MAX_HEADERS:
            return True
        if self._head_bytes + 2 * _PIECE_BYTES <= limits.MAX_HEAD_BYTES:
            return False  # Its first and its last piece are not counted.
        size = len(self.url)
        for name, value in self.headers:
            size += len(name) + len(value)
        return size > limits.MAX_HEAD_BYTES

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._body_bytes += len(body)
        super().on_body(body)
        if not self._is_answering:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > limits.MAX_DISCARDED_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        """Expect no more of this body."""
        self._in_body = False
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._is_answering = bool(self.pipeline)
        super().on_response_complete()
        if not self._is_answering and not self.transport.is_closing():
            self._limited.waits(self, self.transport)

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser does not understand in the words of all other refusals."""
        del msg
        if not self._is_refused:
            self._refuse(_NO_HTTP)

    def _refuse(self, answer: bytes) -> None:
        """Answer the request that is coming in, if it is its turn, and close."""
        self._is_refused = True
        self._cancel_timers()
        if not self._may_answer():
            self.transport.close()
            return
        if self._is_answering:  # The application shall not answer it, too.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(answer)
        self._close_gently()

    def _may_answer(self) -> bool:
        """Return whether no other answer is due before, and none was given."""
        if self._is_answering:
            return not (self._in_head or self.pipeline or self.cycle.response_started)
        return not self._in_body

    def _close_after_answer(self) -> None:
        if self._in_body:
            self._is_refused = True
            self._cancel_timers()
            self._close_gently()
        else:
            self.transport.close()

    def _close_gently(self) -> None:
        """Close our half, and discard what comes until the client closes its own."""
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(limits.LINGER_S, self.transport.abort)

    def _cancel_timers(self) -> None:
        for timer in (self._head_timer, self._body_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._body_timer = None


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


_LENGTH = b"\r\ncontent-length: "


async def abort(scope: Scope, receive: Receive) -> None:
    """Cut the client off, and wait until that has happened."""
    scope["extensions"][_ABORT]["abort"]()
    while (await receive())["type"] != "http.disconnect":
        pass
