"""From an event's commit to 100 clients of `/ws`; and what 1 000 clients miss.

    python -m benchmarks.rows.streaming [--quick] [--rounds N] [--seconds S] [--json FILE]

Launches come at a steady rate over HTTP. Counted is from the moment at which the event was
inserted, by the server's clock, so that its commit counts as well: the figures are a little too
high. The clients share one process with the launcher, and the two processors with all else.
"""

import asyncio
import base64
import math
import os
import resource
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic, perf_counter
from typing import cast
from urllib.parse import urlsplit

import orjson
import psycopg
import uvloop

from benchmarks.harness.alone import run_alone
from benchmarks.harness.processes import BrokenError
from benchmarks.harness.results import Bench, Row
from benchmarks.harness.systems import OURS, PATH, site
from runtime.process import collect_garbage_rarely
from tests.support.wires.http_wire import Poster

_LONG, _LONGER = 126, 127

_TEXT, _CLOSE, _PING = 1, 8, 9

AT_A_TIME = 50

HANDSHAKE_S = 30.0


class Client(asyncio.Protocol):
    """One client; nothing it sends but its handshake and its pongs.

    Attributes:
        received: for each message, when it came, and its text.
        acknowledged: done once the stream has begun.
    """

    def __init__(self, host: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /ws HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        self._handshake = "\r\n".join(lines).encode()
        self._buffer = b""
        self._open = False
        self.transport: asyncio.Transport | None = None
        self.received: list[tuple[float, bytes]] = []
        self.acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._handshake)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        self._buffer += data
        if not self._open:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self._fail(BrokenError(head.decode()))
                return
            self._open, self._buffer = True, rest
        while (frame := _frame(self._buffer)) is not None:
            kind, start, end = frame
            self._take(kind, self._buffer[start:end], now)
            self._buffer = self._buffer[end:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or BrokenError("the server closed a stream"))

    def _take(self, kind: int, content: bytes, now: float) -> None:
        if kind == _PING and self.transport is not None:
            self.transport.write(bytes([0x8A, 0x80 | len(content), 0, 0, 0, 0]) + content)
        elif kind == _TEXT and self.acknowledged.done():
            self.received.append((now, content))
        elif kind == _TEXT:
            self.acknowledged.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self.acknowledged.done():
            self.acknowledged.set_exception(error)

    def arrivals(self) -> dict[int, float]:
        """Return when each position's first message came."""
        arrivals: dict[int, float] = {}
        for at, content in self.received:
            message = orjson.loads(content)
            if "eventId" in message:
                arrivals.setdefault(message["position"], at)
        return arrivals


def _frame(buffer: bytes) -> tuple[int, int, int] | None:
    """Return the first frame's kind, and where its content starts and ends; None if not whole."""
    if len(buffer) < 2:  # noqa: PLR2004 - the shortest head
        return None
    length, start = buffer[1], 2
    if length == _LONG:
        length, start = int.from_bytes(buffer[2:4]), 4
    elif length == _LONGER:
        length, start = int.from_bytes(buffer[2:10]), 10
    end = start + length
    return None if len(buffer) < end else (buffer[0] & 15, start, end)


@asynccontextmanager
async def clients(url: str, number: int) -> AsyncIterator[Sequence[Client]]:
    """Give this many clients, all of which hear the stream from here on."""
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    host, port = str(address.hostname), int(address.port or 80)
    connected: list[Client] = []
    try:
        for _ in range(0, number, AT_A_TIME):
            some = await asyncio.gather(
                *(
                    loop.create_connection(lambda: Client(address.netloc), host, port)
                    for _ in range(min(AT_A_TIME, number - len(connected)))
                )
            )
            connected += [client for _, client in some]
            async with asyncio.timeout(HANDSHAKE_S):
                await asyncio.gather(*(client.acknowledged for _, client in some))
        yield connected
    finally:
        for client in connected:
            if client.transport is not None:
                client.transport.abort()
        await asyncio.sleep(0)  # The loop closes them at its next turn.


CLIENTS = 100

LAUNCHES_A_SECOND = 50

CROWD_LAUNCHES_A_SECOND = 10
"""Ten thousand messages a second, with a thousand clients."""

SETTLE_S = 30.0

LAUNCHED = """
    SELECT notification_id, extract(epoch FROM recorded_at)::float8
    FROM jobs_events WHERE notification_id > %s
"""

HEAD = "SELECT max(notification_id) FROM jobs_events"


def measure(bench: Bench) -> list[Row]:
    """Measure the times, then count what a crowd has missed."""
    _allow_files()
    # Else a pause of this process, a tenth of a second each round, counts as the service's.
    collect_garbage_rarely()
    number = min(CLIENTS, bench.effort.clients)
    rounds, medians = [], []
    for _ in range(bench.effort.rounds):
        delays, _ = _round(bench, number, LAUNCHES_A_SECOND)
        rounds.append(_quantile(delays, 0.99))
        medians.append(_quantile(delays, 0.5))
        bench.say(f"{len(delays):,} events heard: p99 {rounds[-1]:.1f} ms")
    delays, missed = _round(bench, bench.effort.clients, CROWD_LAUNCHES_A_SECOND)
    bench.say(
        f"{bench.effort.clients:,} clients: {missed} of {len(delays) + missed:,} events missed"
    )
    note = f"{LAUNCHES_A_SECOND} launches a second; from the insert, so the commit itself counts"
    return [
        Row(
            name="stream",
            title=f"commit → WebSocket client, p99 with {number} clients",
            unit="ms",
            rounds=rounds,
            lower_is_better=True,
            limit=15.0,
            more={"median, ms": _quantile(medians, 0.5)},
            notes=[note],
        ),
        Row(
            name="crowd",
            title=f"events that {bench.effort.clients} clients miss, in all",
            unit="",
            rounds=[missed],
            lower_is_better=True,
            limit=0.0,
            more={"events times clients": len(delays) + missed, "p99, ms": _quantile(delays, 0.99)},
        ),
    ]


def _allow_files() -> None:
    """Let this process and those it starts hold as many connections as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _round(bench: Bench, number: int, a_second: float) -> tuple[list[float], int]:
    """Return each message's delay in milliseconds, and how many were missed."""
    with (
        site(bench, OURS) as own,
        own.api() as url,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        psycopg.connect(own.url, autocommit=True) as connection,
    ):
        before = connection.execute(HEAD).fetchone()
        launches = max(3, round(a_second * bench.effort.seconds))
        listeners = runner.run(_listen(url.removesuffix(PATH), number, launches, 1 / a_second))
        launched = connection.execute(LAUNCHED, before).fetchall()
    recorded = {int(position): float(at) for position, at in launched}
    arrivals = [client.arrivals() for client in listeners]
    missed = sum(len(recorded.keys() - seen.keys()) for seen in arrivals)
    delays = [
        (at - recorded[position]) * 1_000 for seen in arrivals for position, at in seen.items()
    ]
    return delays, missed


async def _listen(url: str, number: int, launches: int, pause_s: float) -> Sequence[Client]:
    """Launch at a steady rate while this many listen.

    Wait until all have heard all, or no longer than some time.
    """
    async with clients(url, number) as listeners:
        poster = Poster(url, 16)
        due = perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(launches):
                group.create_task(poster.post(PATH, {"parameters": {"number": 1}}))
                due += pause_s
                await asyncio.sleep(max(0.0, due - perf_counter()))
        await _settle(listeners, launches)
        await poster.close()
        return listeners


async def _settle(listeners: Sequence[Client], events: int) -> None:
    """Wait until all have heard of this many events; some have several messages."""
    deadline, behind = monotonic() + SETTLE_S, list(listeners)
    while behind and monotonic() < deadline:
        await asyncio.sleep(0.2)
        behind = [client for client in behind if len(client.arrivals()) < events]


def _quantile(values: Sequence[float], share: float) -> float:
    return (
        sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]
        if values
        else math.nan
    )


if __name__ == "__main__":
    run_alone(measure, __doc__)
