"""Clients that send more than they read: answers wait in a bounded place, and not for ever."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import sleep
from typing import cast

import pytest

from api.http import connections, limits
from api.http.connections import PausedConnections, SendBuffers
from tests.support.in_process import InProcessApi, in_process
from tests.support.processes import eventually
from tests.support.wires.raw_sockets import raw_socket

JOBS = 30

LARGE = "x" * 900_000

ASKED = b"GET /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n"

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def api(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InProcessApi]:
    monkeypatch.setattr(limits, "STALLED_CLIENT_S", 3.0)
    with in_process(database_url, tmp_path) as api:
        yield api


def _url(api: InProcessApi) -> str:
    return str(api.client.base_url).rstrip("/")


def test_who_takes_nothing_of_a_long_answer_is_cut_off_and_who_is_slow_gets_it_whole(
    api: InProcessApi,
) -> None:
    for number in range(JOBS):
        job = {
            "slug": f"job-{number:02}",
            "name": "Large",
            "type": "batch",
            "entryPoint": "none",
            "metadata": LARGE,
        }
        api.client.post("/jobs", json=job).raise_for_status()
    with raw_socket(_url(api)) as stalled:
        stalled.send(ASKED)
        with api.client.stream("GET", "/jobs") as slow:
            pieces: list[bytes] = []
            for piece in slow.iter_bytes(2_000_000):
                pieces.append(piece)
                sleep(0.3)  # All the while it takes something.
        assert b"".join(pieces).count(b'"slug":"job-') == JOBS
        eventually(lambda: _is_left(stalled.socket), what="the server's leaving")
        assert _read_to_the_end(stalled.socket) < JOBS * len(LARGE)


ESTABLISHED = "01"


def _is_left(client: socket.socket) -> bool:
    """Return whether the server has closed its end; the client need not have seen that yet."""
    ends = (client.getpeername()[1], client.getsockname()[1])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        ports = [int(address.rpartition(":")[2], 16) for address in (local, remote)]
        if tuple(ports) == ends:
            return state != ESTABLISHED
    return True


def _read_to_the_end(stalled: socket.socket) -> int:
    """Return how many bytes came before the server closed or cut off the connection."""
    received = 0
    with suppress(ConnectionError):
        while came := stalled.recv(1_000_000):
            received += len(came)
    return received


def test_a_few_requests_may_wait_and_are_answered_in_order(api: InProcessApi) -> None:
    with raw_socket(_url(api)) as asking:
        asking.send(HEALTH * 100)
        answers = [asking.answer() for _ in range(100)]
    assert {answer.status for answer in answers} == {200}


class Server(asyncio.Protocol):
    """A connection of a server, as seen from within."""

    def __init__(self) -> None:
        self.is_made = asyncio.Event()
        self.is_lost = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.is_made.set()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost.set()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Server, socket.socket]]:
    """Give both ends of a connection."""
    server = Server()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: server, "127.0.0.1", 0)
    async with listening:
        address = listening.sockets[0].getsockname()
        with socket.create_connection(address) as client:
            await server.is_made.wait()
            yield server, client
            server.transport.abort()


async def test_a_client_that_leaves_is_noticed_while_nothing_is_read_of_it() -> None:
    paused = PausedConnections()
    async with connected() as (server, client):
        client.sendall(b"GET ")
        paused.add(server.transport)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await server.is_lost.wait()


class FailsOnce(asyncio.Transport):
    """A connection of a client that takes nothing; the first check of it fails."""

    def __init__(self, client: socket.socket) -> None:
        super().__init__({"socket": client})
        self.is_cut_off = asyncio.Event()
        self._checks = 0

    def get_write_buffer_size(self) -> int:
        self._checks += 1
        if self._checks == 2:
            raise OSError("a check that fails")
        return 1

    def abort(self) -> None:
        self.is_cut_off.set()


async def test_a_check_that_fails_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CHECK_EVERY_S", 0.05)
    failed: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failed.append(context["exception"]))
    send_buffers = SendBuffers(max_bytes=10, stalled_s=0)
    async with connected() as (_, client):
        transport = FailsOnce(client)
        send_buffers.add(transport)
        async with asyncio.timeout(90):
            await transport.is_cut_off.wait()
    assert [str(error) for error in failed] == ["a check that fails"]


@asynccontextmanager
async def paired() -> AsyncIterator[tuple[Server, socket.socket]]:
    """Give both ends of a connection of which nothing is taken but what the client reads.

    With TCP its system takes megabytes, and tells of some of it only a while later.
    """
    server = Server()
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(lambda: server, ours)
    with theirs:
        yield server, theirs
        server.transport.abort()


async def _take(client: socket.socket, size: int) -> None:
    await asyncio.to_thread(client.recv, size, socket.MSG_WAITALL)


@pytest.mark.parametrize(
    "first_takes_bytes",
    [
        pytest.param(0, id="nothing is taken of it"),
        pytest.param(100_000, id="little is taken of it, seen at the same check"),
    ],
)
@pytest.mark.parametrize(
    "is_checked_before",
    [
        pytest.param(True, id="checked before the last comes"),
        pytest.param(False, id="checked as the last comes"),
    ],
)
async def test_of_too_much_that_waits_goes_what_has_been_left_for_longest(
    first_takes_bytes: int, *, is_checked_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CHECK_EVERY_S", 600)  # The test runs all checks.
    send_buffers = SendBuffers(max_bytes=5_500_000, stalled_s=600)
    async with (
        paired() as (taking, takes),
        paired() as (first, takes_little),
        paired() as (last, _),
    ):
        taking.transport.write(bytes(1_900_000))
        send_buffers.add(taking.transport)
        first.transport.write(bytes(3_500_000))
        send_buffers.add(first.transport)
        await _take(takes, 1_000_000)
        await _take(takes_little, first_takes_bytes)
        if is_checked_before:
            send_buffers.check()
        last.transport.write(bytes(3_500_000))
        send_buffers.add(last.transport)
        await first.is_lost.wait()
        assert not taking.is_lost.is_set()
        assert not last.is_lost.is_set()
