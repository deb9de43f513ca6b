"""Clients that try to exhaust the API, each in a process of its own.

    python -m tests.support.wires.bombs NAME URL

It says `armed` once all that it needs is open and sent, and goes on until its input ends.
"""

import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from time import sleep
from typing import Any

import orjson

from tests.support.wires.raw_sockets import RawSocket

HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
)

CONT, TEXT, PING = 0x0, 0x1, 0x9

MANY = 1_500
SOME = 60

JSON = "Content-Type: application/json"


def frame(opcode: int, content: bytes, *, is_last: bool = True) -> bytes:
    """Return a frame as clients send them, masked by zeros."""
    first = opcode | (0x80 if is_last else 0)
    if len(content) < 126:
        head = struct.pack("!BB", first, 0x80 | len(content))
    elif len(content) < 65_536:
        head = struct.pack("!BBH", first, 0x80 | 126, len(content))
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, len(content))
    return head + bytes(4) + content


def websocket(url: str) -> RawSocket:
    """Connect to the stream of events."""
    socket = RawSocket(url)
    socket.head("GET /ws", *HANDSHAKE)
    assert socket.answer().status == 101
    return socket


def open_and_send(url: str, number: int, content: bytes) -> list[RawSocket]:
    """Open connections, and send this over each; servers may close them meanwhile."""
    sockets = []
    for _ in range(number):
        with suppress(OSError):
            socket = RawSocket(url, 2)
            sockets.append(socket)
            socket.send(content)
    return sockets


def idle(url: str) -> list[RawSocket]:
    return open_and_send(url, MANY, b"")


def unfinished_heads(url: str) -> list[RawSocket]:
    return open_and_send(url, MANY, b"GET /health HTTP/1.1\r\nX: " + b"x" * 60_000)


def unfinished_bodies(url: str) -> list[RawSocket]:
    head = f"POST /jobs HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nContent-Length: 1000000\r\n\r\n"
    return open_and_send(url, MANY, head.encode() + b" " * 900_000)


def slow_bodies(url: str) -> list[RawSocket]:
    """Send large bodies just as fast as they must come, over and over."""
    head = f"POST /jobs HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nContent-Length: 1000000\r\n\r\n"

    def attack() -> None:
        while True:
            with suppress(OSError):
                socket = RawSocket(url, 2)
                socket.send(head.encode())
                while True:
                    socket.send(b" " * 6_000)
                    sleep(0.25)

    for _ in range(SOME):
        Thread(target=attack, daemon=True).start()
    sleep(1.0)
    return []


def endless_heads(url: str) -> list[RawSocket]:
    return send_for_ever(url, SOME, b"GET / HTTP/1.1\r\nX: ", b"x" * 65_536)


def many_headers(url: str) -> list[RawSocket]:
    return send_for_ever(url, SOME, b"GET / HTTP/1.1\r\n", b"a:\r\n" * 16_384)


def pipelined(url: str) -> list[RawSocket]:
    return send_for_ever(url, SOME, b"", b"GET /health HTTP/1.1\r\n\r\n" * 3_000)


def unfinished_messages(url: str) -> list[RawSocket]:
    sockets = [websocket(url) for _ in range(SOME * 10)]
    for socket in sockets:
        with suppress(OSError):
            socket.send(frame(TEXT, b"x" * 60_000, is_last=False))
            socket.send(frame(CONT, b"x" * 900_000, is_last=False))
    return sockets


def _flood(content: bytes) -> Callable[[str], list[RawSocket]]:
    def flood(url: str) -> list[RawSocket]:
        sockets = [websocket(url) for _ in range(SOME)]
        for socket in sockets:
            Thread(target=_send_on, args=(socket, content), daemon=True).start()
        return sockets

    return flood


def send_for_ever(url: str, number: int, first: bytes, then: bytes) -> list[RawSocket]:
    """Send and never end; where the server closes, begin anew."""

    def attack() -> None:
        while True:
            with suppress(OSError):
                socket = RawSocket(url, 2)
                socket.send(first)
                _send_on(socket, then)
                socket.close()

    for _ in range(number):
        Thread(target=attack, daemon=True).start()
    return []


def _send_on(socket: RawSocket, content: bytes) -> None:
    with suppress(OSError):
        while True:
            socket.send(content)


def unknown_fields(url: str) -> list[RawSocket]:
    body = orjson.dumps({f"f{number}": 0 for number in range(90_000)})
    return ask_for_ever(url, 2, request("POST /jobs", body))


def request(line: str, body: bytes) -> bytes:
    """Return a request with a body of JSON."""
    head = f"{line} HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def ask_for_ever(url: str, number: int, request: bytes) -> list[RawSocket]:
    """Send a request and wait for its answer, over and over, by so many clients at a time."""

    def attack() -> None:
        while True:
            with suppress(OSError):
                socket = RawSocket(url)
                while True:
                    socket.send(request)
                    socket.answer()

    for _ in range(number):
        Thread(target=attack, daemon=True).start()
    return []


def _check(
    schema: dict[str, Any], parameters: Any, number: int
) -> Callable[[str], list[RawSocket]]:
    """Return the bomb of launches whose parameters are costly to check."""

    def check(url: str) -> list[RawSocket]:
        socket = RawSocket(url)
        job = {
            "slug": "bomb",
            "name": "Bomb",
            "type": "batch",
            "entryPoint": "none.at_all",
            "parametersSchema": schema,
        }
        socket.send(request("POST /jobs", orjson.dumps(job)))
        assert socket.answer().status == 201
        socket.close()
        body = orjson.dumps({"parameters": parameters})
        return ask_for_ever(url, number, request("POST /jobs/bomb/run", body))

    return check


def _text(pattern: str, text: str, number: int) -> Callable[[str], list[RawSocket]]:
    return _check({"properties": {"a": {"pattern": pattern}}}, {"a": text}, number)


LETTERS = "".join(chr(number) for number in range(0x4E00, 0x4E00 + 1_000))

DOUBLING: dict[str, Any] = {
    f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)
}


def costly_schemas(url: str) -> list[RawSocket]:
    members = {f"p{n}": {"type": "string", "minLength": 1} for n in range(10_000)}
    job = {
        "slug": "large",
        "name": "Large",
        "type": "batch",
        "entryPoint": "none.at_all",
        "parametersSchema": {"properties": members},
    }
    return ask_for_ever(url, 2, request("POST /jobs", orjson.dumps(job)))


def _unread_lists(number: int, size: int) -> Callable[[str], list[RawSocket]]:
    """Return the bomb of clients that ask for all jobs, over and over, and read no answer."""

    def unread(url: str) -> list[RawSocket]:
        socket = RawSocket(url)
        for job in range(number):
            body = {
                "slug": f"job-{job}",
                "name": "Large",
                "type": "batch",
                "entryPoint": "none.at_all",
                "metadata": "x" * size,
            }
            socket.send(request("POST /jobs", orjson.dumps(body)))
            assert socket.answer().status == 201
        socket.close()
        sent = b"GET /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1_000
        return send_for_ever(url, SOME, b"", sent)

    return unread


def _register(socket: RawSocket, slug: str) -> None:
    job = {"slug": slug, "name": slug, "type": "batch", "entryPoint": "none.at_all"}
    socket.send(request("POST /jobs", orjson.dumps(job)))
    assert socket.answer().status == 201


READERS = 24

LARGE_RUNS = 12


def _dear(path: str) -> Callable[[str], list[RawSocket]]:
    """Return the bomb of many clients that ask for the dearest pages of large runs."""

    def dear(url: str) -> list[RawSocket]:
        socket = RawSocket(url)
        _register(socket, "large")
        parameters = {f"p{number}": number for number in range(30_000)}
        body = orjson.dumps({"parameters": parameters})
        for _ in range(LARGE_RUNS):
            socket.send(request("POST /jobs/large/run", body))
            assert socket.answer().status == 202
        socket.close()
        sent = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        return ask_for_ever(url, READERS, sent.encode())

    return dear


CONDITIONS = "&".join(f"parameters.k{number}!=1" for number in range(48))


BOMBS: dict[str, Callable[[str], list[RawSocket]]] = {
    "idle connections": idle,
    "unfinished heads": unfinished_heads,
    "unfinished bodies": unfinished_bodies,
    "slow bodies": slow_bodies,
    "endless heads": endless_heads,
    "many headers": many_headers,
    "pipelined requests": pipelined,
    "unfinished messages": unfinished_messages,
    "unread pongs": _flood(frame(PING, b"x" * 125) * 500),
    "empty pings": _flood(frame(PING, b"") * 10_000),
    "unread words": _flood(frame(TEXT, b"ping") * 6_000),
    "empty words": _flood(frame(TEXT, b"") * 10_000),
    "empty parts": _flood(
        frame(TEXT, b"", is_last=False) + frame(CONT, b"", is_last=False) * 9_999
    ),
    "unknown fields": unknown_fields,
    "a pattern of many letters": _text(f"[{LETTERS}a]*\\d", "a" * 1_000_000, 2),
    "a pattern without end": _text("^(a|a)*$", "a" * 60 + "!", 8),
    "a pattern over a long text": _text("a*\\d", "a" * 1_000_000, 2),
    "a schema without end": _check({"$ref": "#/$defs/d0", "$defs": {**DOUBLING, "d30": {}}}, {}, 8),
    "a long list of mistakes": _check(
        {"properties": {"a": {"items": {"type": "string"}}}}, {"a": [0] * 400_000}, 2
    ),
    "costly schemas": costly_schemas,
    "unread lists of large jobs": _unread_lists(40, 900_000),
    "unread lists of many jobs": _unread_lists(400, 20_000),
}

COSTLY: dict[str, Callable[[str], list[RawSocket]]] = {
    "dear conditions": _dear(f"/job-runs?{CONDITIONS}&createdBefore=2001-01-01T00:00:00Z"),
    "dear pages": _dear(f"/job-runs?{CONDITIONS}&offset=4000"),
    "the dear past": _dear("/job-runs?status=pending&asOf=10&limit=50"),
    "large exports": _dear("/events?limit=1000"),
}
"""Questions that cost much, beside which others are answered."""


def main() -> None:
    """Run the command line."""
    name, url = sys.argv[1:]
    held = {**BOMBS, **COSTLY}[name](url)
    print("armed", len(held), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
