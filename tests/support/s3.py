"""A real S3 server for tests (SeaweedFS), and a gate before it that closes when a test says so."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx
import obstore
from obstore.store import S3Store

from tests.support.ports import free_port
from tests.support.processes import eventually

BUCKET = "run-logs"
KEY = "the-access-key"
SECRET = "the-secret-key-that-no-attempt-may-see"

_PARTS = ("master", "volume", "filer", "s3")


def variables(endpoint: str) -> dict[str, str]:
    """Return what an operator sets for a server at this address."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }


def store(endpoint: str, prefix: str = "") -> S3Store:
    """Return a client of one's own."""
    return S3Store(
        BUCKET,
        prefix=prefix or None,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id=KEY,
        secret_access_key=SECRET,
        client_options={"allow_http": True},
    )


@contextmanager
def server(directory: Path) -> Iterator[str]:
    """Give the address of a server with an empty bucket; its data lie in the directory."""
    (directory / "data").mkdir(parents=True)
    with ExitStack() as stack:
        for attempt in range(3):  # Others may take a port that was free a moment ago.
            ports = _free_ports()
            process = _start(directory, ports)
            stack.callback(_stop, process, ports)
            endpoint = f"http://127.0.0.1:{ports['s3']}"
            if _answers(process, endpoint):
                break
            assert attempt < 2, (directory / "server.log").read_text()
        # A bucket comes into being with the first object in it.
        eventually(lambda: _made(endpoint), what="the bucket being made")
        yield endpoint


def _start(directory: Path, ports: Mapping[str, int]) -> "subprocess.Popen[bytes]":
    options = [f"-{part}.port={ports[part]}" for part in _PARTS]
    options += [f"-{part}.port.grpc={ports[f'{part}.grpc']}" for part in _PARTS]
    options += [f"-{part}.localSocket={directory}/{part}.sock" for part in ("filer", "s3")]
    options += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-filer", "-s3"]
    options += [f"-dir={directory}/data", "-ip=127.0.0.1", "-master.telemetry=false"]
    with (directory / "server.log").open("ab") as log:
        return subprocess.Popen(
            [Path(sys.executable).parent / "weed", "server", *options],
            stdout=log,
            stderr=log,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(directory),
                "TMPDIR": str(directory),
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
            },
        )


def _free_ports() -> dict[str, int]:
    names = [*_PARTS, *(f"{part}.grpc" for part in _PARTS)]
    return {name: free_port() for name in names}


def _answers(process: "subprocess.Popen[bytes]", endpoint: str) -> bool:
    def state() -> str | None:
        if process.poll() is not None:
            return "ended"
        with suppress(httpx.HTTPError):
            httpx.get(endpoint, timeout=5)
            return "answers"
        return None

    return bool(eventually(state, 60, "the S3 server answering") == "answers")


def _made(endpoint: str) -> bool:
    with suppress(obstore.exceptions.BaseError, OSError):
        obstore.put(store(endpoint), "made", b"")
        obstore.delete(store(endpoint), "made")
        return True
    return False


def _stop(process: "subprocess.Popen[bytes]", ports: Mapping[str, int]) -> None:
    process.kill()
    process.wait(90)
    for part in _PARTS:  # No option leads these elsewhere.
        Path(f"/tmp/seaweedfs-{part}-grpc-{ports[f'{part}.grpc']}.sock").unlink(missing_ok=True)


class Gate:
    """Forwards connections to a server as long as it is open."""

    def __init__(self, endpoint: str) -> None:
        self._server = urlsplit(endpoint)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._open = threading.Event()
        self._open.set()
        self._refuses = False
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def endpoint(self) -> str:
        """Return the address that leads through the gate."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._refuses = True
        self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listening.close()
        self._cut()
        self._open.set()

    def close(self, how: str) -> None:
        """Let nothing through: connections are `refused`, or nothing gets an answer (`silent`)."""
        self._refuses = how == "refused"
        self._open.clear()
        if self._refuses:
            self._cut()

    def open(self) -> None:
        """Let everything through again, also what was held back."""
        self._refuses = False
        self._open.set()

    def _cut(self) -> None:
        with self._lock:
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self._refuses:
                client.close()
                continue
            server = socket.create_connection(
                (str(self._server.hostname), int(self._server.port or 80))
            )
            with self._lock:
                self._sockets |= {client, server}
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        back = threading.Thread(target=self._forward, args=(server, client), daemon=True)
        back.start()
        self._forward(client, server)
        back.join()
        with self._lock:
            self._sockets -= {client, server}
        client.close()
        server.close()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(1 << 16):
                self._open.wait()
                target.sendall(content)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
