"""A client that reads nothing costs the others nothing, and is cut off (contract, section 5)."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.integration.shared_api import Json, job_body
from tests.integration.streams import stream
from tests.support.processes import Process, eventually

BIG = "x" * 150_000
BIG_RUNS = 200
"""Together 60 MB of messages: far more than the kernel and the service hold for one client."""

MEMORY_MB = 55
"""A bounded queue made the process grow by 30, one without a bound by 88."""


@contextmanager
def client_that_never_reads(api: Process) -> Iterator[socket.socket]:
    host, port = api.url().removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect((host, int(port)))
        connection.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert connection.recv(12) == b"HTTP/1.1 101"
        yield connection


def is_held_by_server(connection: socket.socket) -> bool:
    """Return whether the server's end still belongs to a process: Linux shows an orphan without an inode."""
    ours, theirs = connection.getsockname()[1], connection.getpeername()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote, inode = fields[1], fields[2], fields[9]
        if (int(local.split(":")[1], 16), int(remote.split(":")[1], 16)) == (theirs, ours):
            return inode != "0"
    return False


def pending(run_id: str) -> Callable[[Json], bool]:
    return lambda message: message["type"] == "job.run.pending" and message["data"]["run"]["id"] == run_id


def memory_mb(process: Process) -> float:
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def test_a_client_that_never_reads_delays_nobody_and_is_closed(client: httpx.Client, api: Process) -> None:
    job = job_body()
    client.post("/jobs", json=job).raise_for_status()

    def launch(context: Json) -> str:
        answer = client.post(f"/jobs/{job['slug']}/run", json={"context": context}).raise_for_status()
        return str(answer.json()["data"]["id"])

    for _ in range(20):
        launch({"warm": BIG})
    with client_that_never_reads(api) as slow, stream(client) as fast:
        fast.next()
        before = memory_mb(api)
        for _ in range(BIG_RUNS):
            run_id = launch({"big": BIG})
            fast.until(pending(run_id))
        assert memory_mb(api) - before < MEMORY_MB
        eventually(lambda: not is_held_by_server(slow), what="the server's letting go of the client that never reads")
        last = launch({})
        fast.until(pending(last))
        fast.connection.send("ping")
        fast.until(lambda message: message["type"] == "pong")
