"""Load: the same POST over many connections that stay open.

`wrk` makes it where it is installed and nothing limits how much is posted, else this module; both
leave the server its processor.
"""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple, cast
from urllib.parse import SplitResult, urlsplit

import uvloop

from benchmarks.harness.processes import BrokenError

CONNECTIONS = 64

WRK = shutil.which("wrk")

REFUSALS = (b"HTTP/1.1 503", b"HTTP/1.1 429")

PAUSE_S = 0.01
"""Between two looks at whether more are allowed, and before a refused launch is tried again."""

_SCRIPT = """
wrk.method = "POST"
wrk.body = '{body}'
wrk.headers["Content-Type"] = "application/json"
"""


def generator() -> str:
    """Name what makes the load."""
    return "wrk" if WRK else "a Python client on uvloop"


class Posted(NamedTuple):
    """How many were answered with success, a second and in all."""

    a_second: float
    number: int


def post_for(seconds: float, url: str, body: bytes, connections: int = CONNECTIONS) -> Posted:
    """Post for some seconds, over all connections.

    Raises:
        BrokenError: any answer was none, or no success.
    """
    if WRK and seconds >= 1:  # It knows whole seconds only.
        return _by_wrk(seconds, url, body, connections)
    return by_python(seconds, url, body, connections)


def _by_wrk(seconds: float, url: str, body: bytes, connections: int) -> Posted:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT.replace("{body}", body.decode()))
        script.flush()
        options = ["-t1", f"-c{connections}", f"-d{round(seconds)}s", "-s", script.name]
        done = subprocess.run(
            [str(WRK), *options, url], capture_output=True, text=True, check=False
        )
    match = re.search(r"(\d+) requests in .*Requests/sec:\s+([\d.]+)", done.stdout, re.DOTALL)
    if done.returncode or match is None or re.search(r"Non-2xx|Socket errors", done.stdout):
        raise BrokenError(f"{done.stdout}{done.stderr}")
    return Posted(float(match[2]), int(match[1]))


def by_python(seconds: float, url: str, body: bytes, connections: int = CONNECTIONS) -> Posted:
    """Do the same without `wrk`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_by_python(seconds, url, body, connections))


async def _by_python(seconds: float, url: str, body: bytes, connections: int) -> Posted:
    launched = Launched(allowed=sys.maxsize)
    clients = Clients(url, body, launched, connections)
    began = perf_counter()
    await clients.start()
    await asyncio.sleep(seconds)
    await clients.stop()
    if launched.refused or launched.unanswered:
        raise BrokenError(f"refused {launched.refused}, unanswered {launched.unanswered}")
    return Posted(launched.accepted / (perf_counter() - began), launched.accepted)


@dataclass
class Launched:
    """What clients did, together.

    Attributes:
        allowed: launches that may be sent; somebody else raises it.
        sent: launches, without those that were refused.
        accepted: launches.
        refused: answers that said that nothing was written.
        unanswered: launches whose connection was closed instead, as it may be after a pause.
        answers_s: how long each answer took.
    """

    allowed: int = 0
    sent: int = 0
    accepted: int = 0
    refused: int = 0
    unanswered: int = 0
    answers_s: list[float] = field(default_factory=list)


class Clients:
    """Connections, each with one launch at a time, as fast as answered and allowed.

    A refusal (503, 429) says that nothing was written, so it is sent again after a pause.
    """

    def __init__(
        self, url: str, body: bytes, launched: Launched, connections: int = CONNECTIONS
    ) -> None:
        self._connections = connections
        self._target = urlsplit(url)
        self._request = _post(self._target, body)
        self._launched = launched
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect, and launch from now on."""
        for _ in range(self._connections):
            client = await _Client.connected(self._target)
            self._tasks.append(asyncio.create_task(self._launch(client)))

    async def stop(self) -> None:
        """Let what was sent be answered, and raise what went wrong."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def _launch(self, client: "_Client") -> None:
        launched = self._launched
        while not self._stopping.is_set():
            if launched.sent >= launched.allowed:
                await asyncio.sleep(PAUSE_S)
                continue
            if client.is_closed:
                client = await _Client.connected(self._target)
            launched.sent += 1
            began = perf_counter()
            try:
                answer = await client.ask(self._request)
            except OSError:
                launched.unanswered += 1
                launched.sent -= 1
                continue
            launched.answers_s.append(perf_counter() - began)
            if answer.startswith(b"HTTP/1.1 2"):
                launched.accepted += 1
            elif answer.startswith(REFUSALS):
                launched.refused += 1
                launched.sent -= 1
                await asyncio.sleep(PAUSE_S)
            else:
                raise BrokenError(answer.decode())
        client.close()


def _post(target: SplitResult, body: bytes) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


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
        if len(content) >= _content_length(head):
            answer.set_result(self._received)

    def connection_lost(self, exc: Exception | None) -> None:
        answer = self._answer
        if answer is not None and not answer.done():
            closed = ConnectionResetError("the server closed the connection")
            answer.set_exception(exc or closed)


def _content_length(head: bytes) -> int:
    start = head.lower().index(b"content-length:") + len(b"content-length:")
    return int(head[start:].partition(b"\r\n")[0])
