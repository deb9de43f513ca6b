"""Waiting ends in time, also if the service has stopped answering."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from apphub_jobs import Client
from apphub_jobs.client import WaitTimeoutError

ACK = {"type": "connection.ack", "data": {"logId": "l", "head": 1}}
RUN = {"id": "1", "slug": "job", "status": "pending"}


class Silent(BaseHTTPRequestHandler):
    """Answers the first request for the run, and acknowledges streams; then it is silent."""

    has_answered = False
    released = Event()

    def do_GET(self) -> None:
        """Answer a request."""
        is_stream = self.path.startswith("/events/stream")
        if not is_stream and Silent.has_answered:
            self.released.wait()
            return
        body = json.dumps({"data": {"run": RUN}})
        if is_stream:
            body = f"data: {json.dumps(ACK)}\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if is_stream else "application/json")
        self.end_headers()
        self.wfile.write(body.encode())
        self.wfile.flush()
        Silent.has_answered = True
        if is_stream:
            self.released.wait()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def silent() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        Silent.has_answered = False
        Silent.released.clear()
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        Silent.released.set()
        server.shutdown()


def test_a_service_that_answers_no_more_does_not_prolong_a_wait(silent: str) -> None:
    with Client(silent, timeout=600, retry_for=600) as client:
        run = client.run("1")
        with pytest.raises(WaitTimeoutError, match=r"after 0\.2 s"):
            run.wait(0.2)
