"""How requests are cut into pieces, and how answers are written."""

import asyncio
from collections.abc import Callable

PIECE_BYTES = 8_192
_END_OF_HEAD = b"\r\n\r\n"

_LENGTH = b"\r\ncontent-length: "


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


def is_one_request(data: bytes) -> bool:
    """Return whether this is a small piece, in which no more than one head ends."""
    return len(data) <= PIECE_BYTES and data.count(_END_OF_HEAD) <= 1


class Pieces:
    """What came over a connection and was not parsed yet."""

    def __init__(self) -> None:
        self._bytes = b""
        self._begin = 0

    def __bool__(self) -> bool:
        return self._begin < len(self._bytes)

    def add(self, data: bytes) -> None:
        """Append what came."""
        self._bytes = self._bytes[self._begin :] + data
        self._begin = 0

    def clear(self) -> None:
        """Drop all of it."""
        self._bytes = b""
        self._begin = 0

    def next(self, most_bytes: int) -> bytes:
        """Return at most so many bytes."""
        piece = self._bytes[self._begin : self._begin + most_bytes]
        self._begin += len(piece)
        if not self:
            self.clear()
        return piece

    def next_head(self, most_bytes: int) -> bytes:
        """Return at most so many bytes, and nothing beyond the end of a head."""
        until = self._begin + most_bytes
        end = self._bytes.find(_END_OF_HEAD, self._begin, until)
        if end < 0:
            return self.next(most_bytes)
        return self.next(end + len(_END_OF_HEAD) - self._begin)
