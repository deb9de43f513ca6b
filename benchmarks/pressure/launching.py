"""Clients that launch runs over HTTP, as fast as they are answered and as many as are allowed.

Each notes how long its answers took. A refusal (503, 429) says that nothing was written, so it is
asked again after a pause.
"""

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast
from urllib.parse import SplitResult, urlsplit

from benchmarks.harness.load import content_length, post_request
from benchmarks.harness.processes import BrokenError

REFUSALS = (b"HTTP/1.1 503", b"HTTP/1.1 429")

PAUSE_S = 0.01
"""Between two looks at whether more are allowed, and before a refused launch is tried again."""


@dataclass
class Launched:
    """What clients did, together.

    Attributes:
        allowed: launches that may be asked for; somebody else raises it.
        asked: launches, without those that were refused.
        accepted: launches.
        refused: answers that said that nothing was written.
        unanswered: launches whose connection was closed instead, as it may be after a pause.
        answers_s: how long each answer took.
    """

    allowed: int = 0
    asked: int = 0
    accepted: int = 0
    refused: int = 0
    unanswered: int = 0
    answers_s: list[float] = field(default_factory=list)


class Clients:
    """So many connections, each with one launch at a time."""

    def __init__(self, url: str, body: bytes, connections: int, told: Launched) -> None:
        self._target = urlsplit(url)
        self._request = post_request(self._target, body)
        self._connections = connections
        self._told = told
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect, and launch from now on."""
        for _ in range(self._connections):
            client = await _Client.connected(self._target)
            self._tasks.append(asyncio.create_task(self._launch(client)))

    async def stop(self) -> None:
        """Let what was asked be answered, and raise what went wrong."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def _launch(self, client: "_Client") -> None:
        told = self._told
        while not self._stopping.is_set():
            if told.asked >= told.allowed:
                await asyncio.sleep(PAUSE_S)
                continue
            if client.is_closed:
                client = await _Client.connected(self._target)
            told.asked += 1
            began = perf_counter()
            try:
                answer = await client.ask(self._request)
            except OSError:
                told.unanswered += 1
                told.asked -= 1
                continue
            told.answers_s.append(perf_counter() - began)
            if answer.startswith(b"HTTP/1.1 2"):
                told.accepted += 1
            elif answer.startswith(REFUSALS):
                told.refused += 1
                told.asked -= 1
                await asyncio.sleep(PAUSE_S)
            else:
                raise BrokenError(answer.decode())
        client.close()


class _Client(asyncio.Protocol):
    """One connection that asks one thing at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None

    @classmethod
    async def connected(cls, target: SplitResult) -> "_Client":
        loop = asyncio.get_running_loop()
        host, port = str(target.hostname), int(target.port or 80)
        _, client = await loop.create_connection(cls, host, port)
        return client

    @property
    def is_closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    async def ask(self, request: bytes) -> bytes:
        if self._transport is None:
            raise BrokenError("not connected")
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's own is no subclass of it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, content = self._received.partition(b"\r\n\r\n")
        answer = self._answer
        if not separator or answer is None or answer.done():
            return
        if len(content) >= content_length(head):
            answer.set_result(self._received)

    def connection_lost(self, exc: Exception | None) -> None:
        answer = self._answer
        if answer is not None and not answer.done():
            closed = ConnectionResetError("the server closed the connection")
            answer.set_exception(exc or closed)
