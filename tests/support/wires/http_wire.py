"""The least that posts JSON over HTTP/1.1: a load generator must spare the processor."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import orjson

Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Poster:
    """Posts over a few connections that stay open."""

    def __init__(self, url: str, connections: int) -> None:
        self._host = str(urlsplit(url).hostname)
        self._port = urlsplit(url).port
        self._left = connections
        self._free: asyncio.Queue[Wire] = asyncio.Queue()

    async def post(self, path: str, body: Any) -> Any:
        """Return the body of the answer, which must be a success."""
        if self._free.empty() and self._left:
            self._left -= 1
            wire = await asyncio.open_connection(self._host, self._port)
        else:
            wire = await self._free.get()
        reader, writer = wire
        content = orjson.dumps(body)
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        answer = await reader.readexactly(int(headers["content-length"]))
        assert status.split()[1].startswith("2"), answer
        self._free.put_nowait(wire)
        return orjson.loads(answer)

    async def close(self) -> None:
        """Close the connections, none of which is in use any more."""
        while not self._free.empty():
            _, writer = self._free.get_nowait()
            writer.close()
            await writer.wait_closed()
