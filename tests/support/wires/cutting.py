"""A proxy that cuts connections to the API at random bytes, and whose server may be replaced."""

import asyncio
import random
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class CuttingProxy:
    """Forwards to `server`, an http URL; cuts each connection after some bytes from the server."""

    def __init__(self, server: str, mean_bytes: int) -> None:
        self.server = server
        self.cuts = 0
        self.connections = 0
        self._mean_bytes = mean_bytes
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Return the URL that leads through the proxy."""
        assert self._listening is not None
        return f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None
        self._listening.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        address = urlsplit(self.server)
        try:
            server_reader, server_writer = await asyncio.open_connection(
                address.hostname, address.port
            )
        except OSError:
            writer.transport.abort()
            return
        left = int(random.expovariate(1 / self._mean_bytes))
        both = (writer, server_writer)
        for forward in (
            self._forward(reader, server_writer, both),
            self._forward(server_reader, writer, both, left),
        ):
            task = asyncio.create_task(forward)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, ...],
        left: int | None = None,
    ) -> None:
        try:
            with suppress(OSError):
                while data := await source.read(65_536):
                    target.write(data[:left])
                    await target.drain()
                    if left is not None and (left := left - len(data)) <= 0:
                        self.cuts += 1
                        return
        finally:
            for writer in both:
                writer.transport.abort()
