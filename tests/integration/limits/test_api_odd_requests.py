"""Requests that no honest client sends: each is refused cleanly, and nothing is done for it."""

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.shared_api import SharedApi, check_failure, job_body
from tests.integration.streams import stream
from tests.support.processes import Process
from tests.support.wires.raw_sockets import raw_socket

ODD_ORIGINS = ["http://[", "http://[::1", "https://[x]", "http://]", "//[", "[", "null", ""]


def complaints(api: Process) -> list[str]:
    return [line for line in api.errors if "Traceback" in line or "ERROR" in line]


@pytest.mark.parametrize("origin", ODD_ORIGINS)
def test_an_origin_that_is_no_address_is_refused(shared: SharedApi, origin: str) -> None:
    before = shared.count_events()
    headers = {"Origin": origin}
    check_failure(shared.client.get("/jobs", headers=headers), 403, "token_insufficient")
    launched = shared.client.post("/jobs/repository-build/run", headers=headers)
    check_failure(launched, 403, "token_insufficient")
    with pytest.raises(InvalidStatus) as refused, stream(shared, headers=headers):
        pass
    assert refused.value.response.status_code == 403
    assert shared.count_events() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/jobs/SLUG/run%0A"),
        ("POST", "/jobs/SLUG/run%0a"),
        ("POST", "/jobs%0A"),
        ("GET", "/jobs%0A"),
        ("GET", "/jobs/SLUG%0A"),
        ("GET", "/health%0A"),
        ("GET", "/events/stream%0A"),
    ],
)
def test_a_line_feed_after_a_path_makes_it_another_path(
    shared: SharedApi, method: str, path: str
) -> None:
    slug = shared.register()["slug"]
    before = shared.count_events()
    body = job_body() if path.startswith("/jobs%") and method == "POST" else None
    answer = shared.client.request(method, path.replace("SLUG", slug), json=body)
    check_failure(answer, 404, "not_found")
    assert shared.count_events() == before


def test_a_line_feed_after_ws_leads_to_no_stream(shared: SharedApi) -> None:
    with raw_socket(str(shared.client.base_url)) as socket:
        socket.head(
            "GET /ws%0A",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        )
        assert socket.answer().status == 403


@pytest.mark.parametrize("path", ["/jobs", "/jobs/repository-build/run", "/job-runs/x/cancel"])
@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_client_that_leaves_amid_its_body_is_no_failure(
    api: Process, client: httpx.Client, path: str, framing: str
) -> None:
    with raw_socket(api.url()) as socket:
        socket.head(f"POST {path}", "Content-Type: application/json", framing)
        socket.send(b'5\r\n{"a":\r\n' if "chunked" in framing else b'{"a":')
        client.get("/health").raise_for_status()
    client.get("/health").raise_for_status()
    assert api.stop() == 0
    assert complaints(api) == []


@pytest.mark.parametrize("more", [(), ("Expect: 100-continue",), ("Connection: close",)])
def test_a_body_that_is_declared_too_long_is_refused_before_it_is_sent(
    shared: SharedApi, more: tuple[str, ...]
) -> None:
    with raw_socket(str(shared.client.base_url)) as socket:
        socket.head(
            "POST /jobs", "Content-Type: application/json", "Content-Length: 2000000", *more
        )
        answer = socket.answer()
        assert (answer.status, answer.json()["code"]) == (413, "body_too_large")
        assert answer.headers["connection"] == "close"
        socket.send_if_open(b"x" * 2_000_000)
        assert socket.is_closed_by_server()


HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ([f"X-{number}: 1" for number in range(124)], 431),
        ([f"X-{number}: 1" for number in range(1_000)], 431),
        (["X: " + "x" * 9_000], 431),
        (["X: " + "x" * 70_000], 431),
        (["Content-Length: 5"], 400),
        (["Transfer-Encoding: chunked"], 400),
    ],
)
def test_an_odd_handshake_is_answered(shared: SharedApi, more: list[str], status: int) -> None:
    with raw_socket(str(shared.client.base_url)) as socket:
        socket.head("GET /ws", *HANDSHAKE, *more)
        answer = socket.answer()
        assert answer.status == status
        assert set(answer.json()) == {"error", "code"}
        assert socket.is_closed_by_server()


def test_a_handshake_with_many_headers_is_served(shared: SharedApi) -> None:
    with raw_socket(str(shared.client.base_url)) as socket:
        socket.head("GET /ws", *HANDSHAKE, *[f"X-{number}: 1" for number in range(120)])
        assert socket.answer().status == 101
