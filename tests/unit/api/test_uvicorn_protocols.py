"""The answer to a POST is one write, and nothing of it is ever held back."""

import asyncio
from collections.abc import Iterable
from typing import Any

from api.http.protocols import CoalescingTransport

HEAD = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Noting(asyncio.Transport):
    """Notes what reaches the socket."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: Any) -> None:
        self.writes.append(data)

    def writelines(self, parts: Iterable[Any]) -> None:
        self.writes.append(b"".join(parts))

    def close(self) -> None:
        self.writes.append(b"closed")


def written(*pieces: bytes) -> list[bytes]:
    socket = Noting()
    answer = CoalescingTransport(socket)
    for piece in pieces:
        answer.write(piece)
    answer.close()
    return socket.writes[: socket.writes.index(b"closed")]


def test_a_head_goes_with_its_body() -> None:
    assert written(HEAD, b"{}") == [HEAD + b"{}"]
    assert written(HEAD, b"{", b"}") == [HEAD + b"{", b"}"]
    assert written(HEAD, b"") == [HEAD]


def test_what_is_of_unknown_length_is_written_at_once() -> None:
    chunk = b"2\r\n" + HEAD + b"\r\n"
    assert written(CHUNKED, chunk, chunk) == [CHUNKED, chunk, chunk]
    assert written(CONTINUE, HEAD, b"{}") == [CONTINUE, HEAD, b"{}"]


def test_a_head_without_a_body_is_written_before_the_end() -> None:
    assert written(HEAD) == [HEAD]
