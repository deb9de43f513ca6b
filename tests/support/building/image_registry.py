"""A registry of images for one user: as much of OCI's distribution as a push needs."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USER, PASSWORD = "pusher", "s3cret"

_BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class ImageRegistry(ThreadingHTTPServer):
    """Keeps blobs and manifests in memory."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        """Its `host:port`."""
        return f"127.0.0.1:{self.server_port}"


@contextmanager
def image_registry() -> Iterator[ImageRegistry]:
    """Give a registry without TLS that wants to know who asks."""
    with ImageRegistry() as registry:
        thread = threading.Thread(target=registry.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield registry
        finally:
            registry.shutdown()
            thread.join()


def write_credentials(file: Path, address: str) -> Path:
    """Write what `docker login` writes."""
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    file.write_text(json.dumps({"auths": {address: {"auth": auth}}}))
    return file


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ImageRegistry

    def _handle(self) -> None:
        body = self._body()
        path, _, query = self.path.partition("?")
        if self.headers.get("Authorization") != _BASIC:
            self._answer(401, {"WWW-Authenticate": 'Basic realm="images"'})
        elif path == "/v2/":
            self._answer(200)
        elif match := re.fullmatch(r"/v2/(.+)/blobs/(sha256:\w+)", path):
            self._give(self.server.blobs.get(match[2]), match[2])
        elif match := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path):
            self._manifest(f"{match[1]}:{match[2]}", body)
        elif "/blobs/uploads/" in path:
            self._upload(path, query, body)
        else:
            self._answer(404)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = _handle  # noqa: N815 - http.server's names

    def _manifest(self, name: str, body: bytes) -> None:
        if self.command == "PUT":
            self.server.manifests[name] = body
            self._answer(201, {"Docker-Content-Digest": _digest(body)})
        else:
            content = self.server.manifests.get(name)
            self._give(content, _digest(content or b""))

    def _upload(self, path: str, query: str, body: bytes) -> None:
        if self.command == "POST":
            path += str(len(self.server.uploads))
        self.server.uploads[path] = self.server.uploads.get(path, b"") + body
        size = len(self.server.uploads[path])
        if self.command == "PUT":
            content = self.server.uploads[path]
            assert query.replace("%3A", ":").endswith(_digest(content))
            self.server.blobs[_digest(content)] = content
        self._answer(
            201 if self.command == "PUT" else 202,
            {"Location": path, "Range": f"0-{max(size - 1, 0)}"},
        )

    def _give(self, content: bytes | None, digest: str) -> None:
        if content is None:
            self._answer(404)
        else:
            kind = "application/vnd.oci.image.manifest.v1+json"
            self._answer(200, {"Docker-Content-Digest": digest, "Content-Type": kind}, content)

    def _answer(
        self, status: int, headers: dict[str, str] | None = None, content: bytes = b""
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
