"""Load: the same POST over many connections that stay open.

`wrk` makes it where it is installed, else this module. Both leave the server its processor;
docs/performance.md says what they cost.

    python -m benchmarks.harness.load http://127.0.0.1:4000/jobs/noop/run 4
"""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import cast
from urllib.parse import SplitResult, urlsplit

import uvloop

from benchmarks.harness.processes import BrokenError

CONNECTIONS = 64

ANSWER_S = 30.0
"""Longest wait for an answer."""

WRK = shutil.which("wrk")

_SCRIPT = """
wrk.method = "POST"
wrk.body = '{body}'
wrk.headers["Content-Type"] = "application/json"
"""


def generator() -> str:
    """Name what makes the load."""
    return "wrk" if WRK else "a Python client on uvloop"


def rate(url: str, body: bytes, seconds: float, connections: int = CONNECTIONS) -> float:
    """Post for some seconds; return how many were answered with success a second.

    Raises:
        BrokenError: any answer was none, or no success.
    """
    if WRK and seconds >= 1:  # It knows whole seconds only.
        return _rate_of_wrk(url, body, seconds, connections)
    return rate_of_python(url, body, seconds, connections)


def _rate_of_wrk(url: str, body: bytes, seconds: float, connections: int) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT.replace("{body}", body.decode()))
        script.flush()
        command = [
            str(WRK),
            "-t1",
            f"-c{connections}",
            f"-d{round(seconds)}s",
            "-s",
            script.name,
            url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if done.returncode or found is None or re.search(r"Non-2xx|Socket errors", done.stdout):
        raise BrokenError(f"{done.stdout}{done.stderr}")
    return float(found[1])


def rate_of_python(url: str, body: bytes, seconds: float, connections: int = CONNECTIONS) -> float:
    """Do the same without `wrk`."""
    target = urlsplit(url)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_post_for(target, post_request(target, body), seconds, connections))


def post_request(target: SplitResult, body: bytes) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _post_for(target: SplitResult, request: bytes, seconds: float, connections: int) -> float:
    loop = asyncio.get_running_loop()
    began = perf_counter()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: _Client(request, began + seconds), str(target.hostname), int(target.port or 80)
        )
        clients.append(client)
    async with asyncio.timeout(seconds + ANSWER_S):
        await asyncio.gather(*(client.done for client in clients))
    return sum(client.answered for client in clients) / (perf_counter() - began)


class _Client(asyncio.Protocol):
    """One connection: sends the request, waits for the whole answer, sends it again."""

    def __init__(self, request: bytes, until: float) -> None:
        self._request = request
        self._until = until
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self.answered = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's own is no subclass of it.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, content = self._received.partition(b"\r\n\r\n")
        if not separator or len(content) < content_length(head):
            return
        if not head.startswith(b"HTTP/1.1 2"):
            self._end(BrokenError(self._received.decode()))
            return
        self._received = b""
        self.answered += 1
        if perf_counter() > self._until:
            self._end()
        elif self._transport is not None:
            self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or BrokenError("the server closed the connection"))

    def _end(self, error: Exception | None = None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        if self._transport is not None:
            self._transport.close()


def content_length(head: bytes) -> int:
    start = head.lower().index(b"content-length:") + len(b"content-length:")
    return int(head[start:].partition(b"\r\n")[0])


def main() -> None:
    """Compare both generators at one address."""
    url, seconds = sys.argv[1], float(sys.argv[2])
    body = b'{"parameters":{"number":1}}'
    files = sys.argv[3:]
    if files:
        body = Path(files[0]).read_bytes()
    if WRK:
        print(f"wrk:    {_rate_of_wrk(url, body, seconds, CONNECTIONS):,.0f}/s")
    print(f"Python: {rate_of_python(url, body, seconds):,.0f}/s")


if __name__ == "__main__":
    main()
