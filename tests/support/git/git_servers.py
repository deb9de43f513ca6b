"""Git servers for tests: a real one over HTTP, and some that behave badly."""

import base64
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any


@dataclass
class Server:
    """A running server: where it is, and the Authorization header of each request that it got."""

    address: str = ""
    authorizations: list[str | None] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    """Answers by the server's behaviour, and notes who asked."""

    protocol_version = "HTTP/1.1"
    server: "_HttpServer"

    def do_GET(self) -> None:
        self.server.seen.authorizations.append(self.headers.get("Authorization"))
        self.server.answer(self)

    do_POST = do_GET  # noqa: N815

    def say(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, answer: Any) -> None:
        super().__init__((host, 0), _Handler)
        self.answer = answer
        self.seen = Server(f"{host}:{self.server_port}")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was stopped hangs up."""


@contextmanager
def http_server(answer: Any, host: str = "127.0.0.1") -> Iterator[Server]:
    """Run an HTTP server that gives each request to `answer(handler)`."""
    with _HttpServer(host, answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.seen
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def git_server(
    root: Path, login: str | None = None, on_request: Callable[[], None] = lambda: None
) -> Iterator[Server]:
    """Run git's own HTTP server on a directory's repositories; a login is asked for if given."""
    expected = None if login is None else "Basic " + base64.b64encode(login.encode()).decode()

    def answer(handler: _Handler) -> None:
        on_request()
        if expected is not None and handler.headers.get("Authorization") != expected:
            handler.say(401, WWW_Authenticate='Basic realm="tests"')
            return
        status, headers, content = _run_backend(root, handler)
        handler.say(status, content, **headers)

    with http_server(answer) as server:
        yield server


def _run_backend(root: Path, handler: _Handler) -> tuple[int, dict[str, str], bytes]:
    path, _, query = handler.path.partition("?")
    body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": handler.command,
        "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
    }
    command = ["git", "-c", "safe.directory=*", "http-backend"]
    answer = subprocess.run(
        command, input=body, env=environment, capture_output=True, check=True
    ).stdout
    head, _, content = answer.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    status = int(headers.pop("Status", "200").split()[0])
    return (status, {name.replace("-", "_"): value for name, value in headers.items()}, content)


@contextmanager
def tcp_server(answer: Any) -> Iterator[str]:
    """Run a server that gives each connection to `answer(socket)` in a thread; give its address."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # The client was stopped.
                answer(self.request)

    class TcpServer(ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with TcpServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def packet(content: bytes) -> bytes:
    """Return a line as git's protocol frames it."""
    return b"%04x%s" % (len(content) + 4, content)


def serve_pack(
    connection: socket.socket, chunks: Iterable[bytes], commit: str = "1" * 40, more: str = ""
) -> None:
    """Speak git's protocol, version 0: say what there is, await the wish, and answer with these."""
    connection.recv(4_096)
    connection.sendall(packet(f"{commit} HEAD\0shallow {more}\n".encode()) + b"0000")
    wish = b""
    while not wish.endswith(b"0009done\n"):
        received = connection.recv(4_096)
        if not received:
            return
        wish += received
        if wish.endswith(b"0000") and b"deepen" in wish:
            connection.sendall(packet(f"shallow {commit}".encode()) + b"0000")
            wish = b""
    connection.sendall(packet(b"NAK\n"))
    for chunk in chunks:
        connection.sendall(chunk)
