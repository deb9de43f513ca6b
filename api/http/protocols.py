"""uvicorn's connections, with an end for clients that read nothing.

Closing waits until all is sent, which with such a client would be for ever.
"""

import asyncio

from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

CLOSE_CLIENTS_S = 5
"""How long open requests and streams may take to end once the server stops."""

LAST_WORDS_S = 2
"""How long a stream's end may take to reach the client.

One that reads nothing is cut off instead.
"""

_ABORT = "apphub.abort"
"""Our extension of ASGI: how a response cuts off a client that does not even take its end."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that is gone some seconds after its handler has ended."""

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        """Give the client a little time to answer the close."""
        super().on_task_complete(task)
        self.loop.call_later(CLOSE_CLIENTS_S, self.transport.abort)

    def shutdown(self) -> None:
        """Say goodbye when the server stops, which must not wait for those who do not listen."""
        super().shutdown()
        self.loop.call_later(LAST_WORDS_S, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Likewise where it has not answered a ping."""
        super().keepalive_timeout()
        self.loop.call_later(CLOSE_CLIENTS_S, self.transport.abort)


class HttpProtocol(HttpToolsProtocol):
    """A connection that a response can abort, and on which the answer to a POST is one write."""

    def on_message_begin(self) -> None:
        """Tell the request how."""
        super().on_message_begin()
        self.scope["extensions"] = {_ABORT: {"abort": self.transport.abort}}

    def on_headers_complete(self) -> None:
        """Let the answer's head wait for its body."""
        before = self.cycle
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is not before and self.scope["method"] == "POST":
            cycle.transport = HeadWithBody(self.transport)


class HeadWithBody(asyncio.Transport):
    """Where an answer is written: its head with its body, for each write is a packet of its own.

    Only where the body's length is known, and so is that it will follow.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
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
        self._transport.close()


_LENGTH = b"\r\ncontent-length: "


async def abort(scope: Scope, receive: Receive) -> None:
    """Cut the client off, and wait until that has happened."""
    scope["extensions"][_ABORT]["abort"]()
    while (await receive())["type"] != "http.disconnect":
        pass
