"""A client that reads nothing costs the others nothing, and is cut off (contract, section 5)."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.shared_api import Json, job_body
from tests.integration.streams import server_sent, stream
from tests.support.processes import Process, eventually
from tests.support.slow import slow

BIG = "x" * 150_000
BIG_RUNS = 200
"""Together 60 MB of messages: far more than the kernel and the service hold for one client."""

MEMORY_MB = 55
"""A bounded queue made the process grow by 30, one without a bound by 88."""


UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


@contextmanager
def client_that_never_reads(api: Process, path: str) -> Iterator[socket.socket]:
    host, port = api.url().removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect((host, int(port)))
        upgrade = UPGRADE if path.startswith("/ws") else ""
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{upgrade}\r\n".encode())
        assert connection.recv(12) in {b"HTTP/1.1 101", b"HTTP/1.1 200"}
        yield connection


def is_held_by_server(connection: socket.socket) -> bool:
    """Return whether the server's end has a process; Linux shows orphans without an inode."""
    ours, theirs = connection.getsockname()[1], connection.getpeername()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote, inode = fields[1], fields[2], fields[9]
        if (int(local.split(":")[1], 16), int(remote.split(":")[1], 16)) == (theirs, ours):
            return inode != "0"
    return False


def pending(run_id: str) -> Callable[[Json], bool]:
    return lambda message: (
        message["type"] == "job.run.pending" and message["data"]["run"]["id"] == run_id
    )


def memory_mb(process: Process) -> float:
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def register(client: httpx.Client) -> str:
    job = job_body()
    client.post("/jobs", json=job).raise_for_status()
    return str(job["slug"])


def launch(client: httpx.Client, slug: str, **context: str) -> str:
    answer = client.post(f"/jobs/{slug}/run", json={"context": context}).raise_for_status()
    return str(answer.json()["data"]["id"])


@pytest.mark.parametrize("path", [slow("/ws"), "/events/stream"])
def test_a_client_that_never_reads_delays_nobody_and_is_closed(
    client: httpx.Client, api: Process, path: str
) -> None:
    slug = register(client)
    for _ in range(20):
        launch(client, slug, warm=BIG)
    with client_that_never_reads(api, path) as slow, stream(client) as fast:
        fast.next()
        before = memory_mb(api)
        for _ in range(BIG_RUNS):
            run_id = launch(client, slug, big=BIG)
            fast.until(pending(run_id))
        assert memory_mb(api) - before < MEMORY_MB
        eventually(
            lambda: not is_held_by_server(slow),
            what="the server's letting go of the client that never reads",
        )
        last = launch(client, slug)
        fast.until(pending(last))
        fast.connection.send("ping")
        fast.until(lambda message: message["type"] == "pong")
    assert [line for line in api.errors if "Traceback" in line or "ERROR" in line] == []


STALLED = 24
"""More than the API has connections to the database."""

STALLED_MB = 4
"""What one client that catches up may cost: two were measured; without a bound by size it was
16."""


@pytest.mark.slow
def test_clients_that_stop_reading_while_they_catch_up_cost_little_and_hold_no_connection(
    client: httpx.Client, api: Process
) -> None:
    slug = register(client)
    runs = [launch(client, slug, big=BIG) for _ in range(BIG_RUNS)]
    with ExitStack() as stack:
        with stream(client, after=0) as warm:
            warm.until(pending(runs[-1]))
        before = memory_mb(api)
        for number in range(STALLED):
            stack.enter_context(
                client_that_never_reads(api, ("/ws?after=0", "/events/stream?after=0")[number % 2])
            )
        with stream(client, after=0, job=slug) as fast:
            for run_id in runs:  # All of the log goes past the stalled clients.
                fast.until(pending(run_id))
        assert memory_mb(api) - before < STALLED * STALLED_MB
        # Without a connection to be had, that would be a 503.
        client.get("/jobs").raise_for_status()
        fresh = launch(client, slug)
        with stream(client, after=0, types="job.run.pending") as late:
            late.until(pending(fresh))


def test_a_server_that_stops_does_not_wait_for_streams(client: httpx.Client, api: Process) -> None:
    slug = register(client)
    runs = [launch(client, slug, big=BIG) for _ in range(50)]
    with (
        client_that_never_reads(api, "/events/stream?after=0"),
        client_that_never_reads(api, "/ws?after=0"),
        stream(client, after=0) as opened,
        server_sent(client, after=0) as events,
    ):
        opened.until(pending(runs[-1]))
        events.until(pending(runs[-1]))
        api.popen.send_signal(signal.SIGTERM)
        with pytest.raises(StopIteration):
            events.until(lambda _: False)
        with pytest.raises(ConnectionClosed) as closed:
            opened.until(lambda _: False)
        assert closed.value.rcvd is not None
        # The word for a server that restarts: connect again.
        assert closed.value.rcvd.code == 1012
        assert api.popen.wait(60) == 0
    assert [line for line in api.errors if "Traceback" in line or "ERROR" in line] == []
