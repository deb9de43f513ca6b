"""Clients that no library would be: they send what they like, as slowly as they like."""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class RawAnswer:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's content."""
        return json.loads(self.body)


class RawSocket:
    """A connection to the API."""

    def __init__(self, url: str, timeout_s: float = 30) -> None:
        address = urlsplit(url)
        self.host = f"{address.hostname}:{address.port}"
        self.socket = socket.create_connection((address.hostname, address.port), timeout_s)
        self._received = b""

    def send(self, content: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(content)

    def send_if_open(self, content: bytes) -> None:
        """Send bytes, unless the server has closed the connection."""
        with suppress(ConnectionError):
            self.socket.sendall(content)

    def is_answered(self) -> bool:
        """Return whether there is something to be read, be it the connection's end."""
        readable, _, _ = select.select([self.socket], [], [], 0)
        return bool(readable)

    def head(self, line: str, *lines: str) -> None:
        """Send a request's head."""
        whole = "\r\n".join([f"{line} HTTP/1.1", f"Host: {self.host}", *lines, "", ""])
        self.send(whole.encode("latin-1"))

    def answer(self) -> RawAnswer:
        """Read one answer, which tells its length."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        status, *lines = head.rstrip().split("\r\n")
        headers = {
            name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)
        }
        body = self._exactly(int(headers.get("content-length", "0")))
        return RawAnswer(int(status.split()[1]), headers, body)

    def frame(self) -> tuple[int, bytes]:
        """Read one frame of a WebSocket: its opcode and its content."""
        first, length = self._exactly(2)
        if length == 126:
            length = int.from_bytes(self._exactly(2))
        elif length == 127:
            length = int.from_bytes(self._exactly(8))
        return first & 0x0F, self._exactly(length)

    def is_closed_by_server(self) -> bool:
        """Wait until the server sends something more, or closes; return whether it closed."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """Leave."""
        self.socket.close()

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._receive()
        line, _, self._received = self._received.partition(end)
        return line

    def _exactly(self, length: int) -> bytes:
        while len(self._received) < length:
            self._receive()
        content, self._received = self._received[:length], self._received[length:]
        return content

    def _receive(self) -> None:
        came = self.socket.recv(65_536)
        if not came:
            raise ConnectionResetError
        self._received += came


@contextmanager
def raw_socket(url: str, timeout_s: float = 30) -> Iterator[RawSocket]:
    """Connect to the API, and leave it afterwards."""
    opened = RawSocket(url, timeout_s)
    try:
        yield opened
    finally:
        opened.close()
