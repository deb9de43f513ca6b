"""Many clients of `/ws` in one process, cheaply: frames are split, stamped, and read later."""

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import orjson

from benchmarks.harness.processes import BrokenError

_LONG, _LONGER = 126, 127

_TEXT, _CLOSE, _PING = 1, 8, 9

AT_A_TIME = 50

HANDSHAKE_S = 30.0


class Client(asyncio.Protocol):
    """One client; nothing it sends but its handshake and its pongs.

    Attributes:
        received: for each message, when it came, and its text.
        acknowledged: done once the stream has begun.
    """

    def __init__(self, host: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /ws HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        self._handshake = "\r\n".join(lines).encode()
        self._buffer = b""
        self._open = False
        self.transport: asyncio.Transport | None = None
        self.received: list[tuple[float, bytes]] = []
        self.acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._handshake)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        self._buffer += data
        if not self._open:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self._fail(BrokenError(head.decode()))
                return
            self._open, self._buffer = True, rest
        while (frame := _frame(self._buffer)) is not None:
            kind, start, end = frame
            self._take(kind, self._buffer[start:end], now)
            self._buffer = self._buffer[end:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or BrokenError("the server closed a stream"))

    def _take(self, kind: int, content: bytes, now: float) -> None:
        if kind == _PING and self.transport is not None:
            self.transport.write(bytes([0x8A, 0x80 | len(content), 0, 0, 0, 0]) + content)
        elif kind == _TEXT and self.acknowledged.done():
            self.received.append((now, content))
        elif kind == _TEXT:
            self.acknowledged.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self.acknowledged.done():
            self.acknowledged.set_exception(error)

    def arrivals(self) -> dict[int, float]:
        """Return when each position's first message came."""
        arrivals: dict[int, float] = {}
        for at, content in self.received:
            message = orjson.loads(content)
            if "eventId" in message:
                arrivals.setdefault(message["position"], at)
        return arrivals


def _frame(buffer: bytes) -> tuple[int, int, int] | None:
    """Return the first frame's kind, and where its content starts and ends; None if not whole."""
    if len(buffer) < 2:  # noqa: PLR2004 - the shortest head
        return None
    length, start = buffer[1], 2
    if length == _LONG:
        length, start = int.from_bytes(buffer[2:4]), 4
    elif length == _LONGER:
        length, start = int.from_bytes(buffer[2:10]), 10
    end = start + length
    return None if len(buffer) < end else (buffer[0] & 15, start, end)


@asynccontextmanager
async def clients(url: str, number: int) -> AsyncIterator[Sequence[Client]]:
    """Give this many clients, all of which hear the stream from here on."""
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    host, port = str(address.hostname), int(address.port or 80)
    connected: list[Client] = []
    try:
        for _ in range(0, number, AT_A_TIME):
            some = await asyncio.gather(
                *(
                    loop.create_connection(lambda: Client(address.netloc), host, port)
                    for _ in range(min(AT_A_TIME, number - len(connected)))
                )
            )
            connected += [client for _, client in some]
            async with asyncio.timeout(HANDSHAKE_S):
                await asyncio.gather(*(client.acknowledged for _, client in some))
        yield connected
    finally:
        for client in connected:
            if client.transport is not None:
                client.transport.abort()
        await asyncio.sleep(0)  # The loop closes them at its next turn.
