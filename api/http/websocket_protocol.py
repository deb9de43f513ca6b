"""uvicorn's WebSockets, with bounds for what clients send, and an end for those that are deaf."""

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import SecurityError

from api.http import limits
from api.http.connections import refusal

_HEAD_TOO_LARGE = refusal(431, "head_too_large", "the handshake has too many or too long headers")
_NO_HANDSHAKE = refusal(400, "invalid_http", "this is no WebSocket handshake")


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that is gone some seconds after its handler has ended."""

    def data_received(self, data: bytes) -> None:
        """Take what came; a handshake that the library cannot read would wait for ever."""
        super().data_received(data)
        failed = self.conn.handshake_exc
        if failed is not None and not self.handshake_initiated:
            is_too_large = isinstance(failed, SecurityError)
            self.transport.write(_HEAD_TOO_LARGE if is_too_large else _NO_HANDSHAKE)
            self.transport.close()

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
