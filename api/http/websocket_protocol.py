"""uvicorn's WebSockets, with bounds for what clients send, and an end for those that are deaf."""

import asyncio
from typing import cast

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import SecurityError
from websockets.frames import Frame

from api.http import limits
from api.http.connections import Connections, Inlet, ServerConfig, refusal
from api.http.wire.pieces import Pieces

_HEAD_TOO_LARGE = refusal(
    431, "head_too_large", "the handshake has too many or too long headers"
)
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
