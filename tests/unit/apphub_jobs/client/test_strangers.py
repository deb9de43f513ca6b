"""What clients make of a server that is not AppHub Jobs: an error of theirs, and at once."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from apphub_jobs import Client
from apphub_jobs.client import ApiError, ClientError, MissingFieldError, UnreachableError

ANSWERS = {
    "/jobs": {"data": [{"id": "1", "type": "articles"}]},
    "/job-runs/1": {"data": {"id": "1", "type": "articles"}},
    "/job-runs": {"data": [], "meta": {"total": 0}},
}
"""Of an API whose answers have the same envelope, as many have."""


class Stranger(BaseHTTPRequestHandler):
    """Answers as a stranger does: with its own JSON, broken compression, or a page."""

    def do_GET(self) -> None:
        """Answer a request."""
        path = self.path.partition("?")[0]
        body = b"<html>Welcome</html>"
        self.send_response(200)
        if path in ANSWERS:
            body = json.dumps(ANSWERS[path]).encode()
            self.send_header("Content-Type", "application/json")
        elif path == "/schedules":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def stranger() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda client: [job.slug for job in client.jobs()], MissingFieldError),
        (lambda client: client.run("1"), MissingFieldError),
        (lambda client: list(client.runs()), MissingFieldError),
        (lambda client: list(client.schedules.each()), UnreachableError),
        (lambda client: next(client.stream()), ApiError),
    ],
    ids=["jobs", "run", "runs", "broken compression", "stream"],
)
def test_each_call_is_refused(
    stranger: str, call: Callable[[Client], object], kind: type[ClientError]
) -> None:
    with Client(stranger, retry_for=0) as client, pytest.raises(kind) as raised:
        call(client)
    assert "AppHub Jobs" in str(raised.value) or "APPHUB_URL" in str(raised.value)


@pytest.mark.parametrize("token", ["s3cret\n", "s3cret\x00", "s3cret\u20ac"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_printed(token: str) -> None:
    with pytest.raises(ValueError, match="copy it again") as raised:
        Client("http://127.0.0.1:1", token)
    assert "s3cret" not in str(raised.value)
