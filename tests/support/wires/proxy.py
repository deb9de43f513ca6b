"""A TCP proxy in front of PostgreSQL that loses connections exactly when a test says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo


@dataclass
class Cut:
    """Lose the connection at a message of the protocol that the client sends from now on.

    A transaction of a few packets has dozens: each statement is parsed, bound, described and
    executed.

    Attributes:
        message: the n-th one, or the first one that contains a text.
        when: `before` the server gets it, or `after`: then the server acts on it, but nobody hears
            its answer. With `held` no connection is lost, and answers are kept back from now on.
    """

    message: int | bytes
    when: Literal["before", "after", "held"]
    happened: bool = False

    async def wait(self) -> None:
        """Wait until it has happened."""
        while not self.happened:
            await asyncio.sleep(0.01)

    def is_at(self, number: int, message: bytes) -> bool:
        """Return whether this message is the one."""
        if isinstance(self.message, bytes):
            return self.message in message
        return number == self.message


class Proxy:
    """Forwards to the server of a URL; `url` leads through it.

    Attributes:
        requests_flow: cleared, what clients send is kept back, and connections stay open.
        answers_flow: cleared, what the server answers is kept back.
        held: number of times that an answer was kept back.
        refused: number of connections that were refused.
    """

    def __init__(self, server_url: str) -> None:
        self.lead_to(server_url)
        self._listening: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.cut: Cut | None = None
        self.refusing = False
        self.held = 0
        self.refused = 0
        self.messages = 0
        self.requests_flow = _flowing()
        self.answers_flow = _flowing()

    @property
    def url(self) -> str:
        """Return the URL that leads through the proxy."""
        assert self._listening is not None
        port = self._listening.sockets[0].getsockname()[1]
        return make_conninfo(
            self._server_url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable"
        )

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None
        self._listening.close()
        self.lose_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut_at(self, message: int | bytes, when: Literal["before", "after", "held"]) -> Cut:
        """Plan a cut."""
        self.messages = 0
        self.cut = Cut(message, when)
        return self.cut

    def lead_to(self, server_url: str) -> None:
        """Connect to this server from now on."""
        self._server = conninfo_to_dict(server_url)
        self._server_url = server_url

    def lose_all(self) -> None:
        """Lose every connection now."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            self.refused += 1
            writer.transport.abort()
            return
        try:
            upstream = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, upstream[1]}
        for task in (
            asyncio.create_task(self._forward(reader, upstream[1], writer)),
            asyncio.create_task(self._back(upstream[0], writer, upstream[1])),
        ):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._server["host"]), self._server.get("port") or "5432"
        if host.startswith("/"):
            return await asyncio.open_unix_connection(Path(host) / f".s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(str(port)))

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
    ) -> None:
        with suppress(ConnectionError):
            async for message in _messages(reader):
                await self.requests_flow.wait()
                self.messages += 1
                cut = self.cut
                if cut is not None and not cut.happened and cut.is_at(self.messages, message):
                    cut.happened = True
                    if cut.when == "held":
                        self.answers_flow.clear()
                        server.write(message)
                        await server.drain()
                        continue
                    if cut.when == "after":
                        client.transport.abort()  # First, so that no answer can slip through.
                        server.write(message)
                        await server.drain()
                        server.write_eof()
                        return
                    break
                server.write(message)
                await server.drain()
        self._end(server, client)

    async def _back(
        self,
        server: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        upstream: asyncio.StreamWriter,
    ) -> None:
        with suppress(ConnectionError):
            while answer := await server.read(1 << 20):
                if not self.answers_flow.is_set():
                    self.held += 1
                    await self.answers_flow.wait()
                if client.transport.is_closing():
                    break
                client.write(answer)
                await client.drain()
        self._end(upstream, client)

    def _end(self, *writers: asyncio.StreamWriter) -> None:
        for writer in writers:
            writer.transport.abort()
            self._writers.discard(writer)


def _flowing() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield a client's messages: the first has no type before its length, all others do."""
    type_bytes = 0
    with suppress(asyncio.IncompleteReadError):
        while True:
            head = await reader.readexactly(type_bytes + 4)
            yield head + await reader.readexactly(int.from_bytes(head[type_bytes:], "big") - 4)
            type_bytes = 1
