"""What a client may cost before its request is read: bytes, time and connections."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from tests.integration.shared_api import SharedApi, job_body
from tests.support.in_process import InProcessApi, in_process
from tests.support.processes import eventually
from tests.support.wires.raw_sockets import RawSocket, raw_socket

CONNECTIONS = 8


@pytest.fixture
def limited(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InProcessApi]:
    """Run an API with little patience, and few connections."""
    monkeypatch.setattr("api.http.limits.HEAD_S", 1.0)
    monkeypatch.setattr("api.http.limits.BODY_S", 1.0)
    monkeypatch.setattr("api.http.connections.MAX_CONNECTIONS", CONNECTIONS)
    with in_process(database_url, tmp_path / "data") as api:
        yield api


def base(api: InProcessApi | SharedApi) -> str:
    return str(api.client.base_url)


def check_refused(socket: RawSocket, status: int, code: str) -> None:
    answer = socket.answer()
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"error", "code"}
    assert answer.headers["connection"] == "close"
    assert socket.is_closed_by_server()


@pytest.mark.parametrize(
    "lines",
    [
        ["X: " + "x" * 70_000],
        [f"X-{number}: {'x' * 700}" for number in range(100)],
        [f"X-{number}: 1" for number in range(200)],
        [f"X-{number}: 1" for number in range(100_000)],
    ],
    ids=["one header", "long headers", "many headers", "very many headers"],
)
def test_a_head_that_is_too_large_is_a_431(shared: SharedApi, lines: list[str]) -> None:
    with raw_socket(base(shared)) as socket:
        socket.send_if_open(
            "\r\n".join(["GET /health HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()
        )
        check_refused(socket, 431, "head_too_large")


def test_a_long_path_is_a_431_too(shared: SharedApi) -> None:
    with raw_socket(base(shared)) as socket:
        socket.head("GET /" + "x" * 70_000)
        check_refused(socket, 431, "head_too_large")


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nX: "])
def test_a_head_without_end_is_refused_while_it_comes(shared: SharedApi, start: bytes) -> None:
    with raw_socket(base(shared)) as socket:
        socket.send(start)
        for _ in range(100):
            socket.send_if_open(b"x" * 10_000)
        check_refused(socket, 431, "head_too_large")


def test_a_large_head_is_read_and_so_is_the_next(shared: SharedApi) -> None:
    with raw_socket(base(shared)) as socket:
        for _ in range(3):
            socket.head("GET /health", *[f"X-{number}: {'x' * 600}" for number in range(100)])
            assert socket.answer().status == 200
            socket.head("POST /jobs", "Content-Length: 60000")
            socket.send(b"x" * 60_000)
            assert socket.answer().status == 415


def test_what_is_no_http_is_refused_in_the_words_of_all_refusals(shared: SharedApi) -> None:
    with raw_socket(base(shared)) as socket:
        socket.send(b"\x16\x03\x01 hello\r\n\r\n")
        check_refused(socket, 400, "invalid_http")


def test_an_unfinished_head_is_a_408(limited: InProcessApi) -> None:
    with raw_socket(base(limited)) as socket:
        socket.send(b"GET /health HTTP/1.1\r\nX: ")
        check_refused(socket, 408, "request_timeout")


def test_a_head_that_trickles_in_has_no_more_time(limited: InProcessApi) -> None:
    with raw_socket(base(limited)) as socket:
        socket.send(b"GET /health HTTP/1.1\r\nX: ")
        # It would go on for ever if each byte brought more time.
        while not socket.is_answered():
            socket.send_if_open(b"x")
            sleep(0.05)
        check_refused(socket, 408, "request_timeout")


@pytest.mark.parametrize("trickle", [b"", b"\r\n"])
def test_a_connection_on_which_no_request_begins_is_closed(
    limited: InProcessApi, trickle: bytes
) -> None:
    with raw_socket(base(limited)) as socket:
        for _ in range(30):
            socket.send_if_open(trickle)
            sleep(0.05)
        assert socket.is_closed_by_server()


@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_an_unfinished_body_is_a_408(limited: InProcessApi, framing: str) -> None:
    with raw_socket(base(limited)) as socket:
        socket.head("POST /jobs", "Content-Type: application/json", framing)
        check_refused(socket, 408, "request_timeout")


def test_a_body_that_trickles_in_is_a_408(limited: InProcessApi) -> None:
    with raw_socket(base(limited)) as socket:
        socket.head("POST /jobs", "Content-Type: application/json", "Content-Length: 100000")
        for _ in range(40):
            socket.send_if_open(b" ")
            sleep(0.05)
        check_refused(socket, 408, "request_timeout")


def test_a_body_that_comes_steadily_has_its_time(
    limited: InProcessApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each piece is enough for a second, so that a busy machine may be slow between them.
    monkeypatch.setattr("api.http.limits.MIN_BODY_BYTES", 20_000)
    with raw_socket(base(limited)) as socket:
        socket.head("POST /jobs", "Content-Type: application/json", "Content-Length: 500000")
        for _ in range(25):
            socket.send(b" " * 20_000)
            sleep(0.07)
        assert socket.answer().status == 400


def test_requests_one_behind_the_other_are_answered_in_order(shared: SharedApi) -> None:
    with raw_socket(base(shared)) as socket:
        paths = ["/health", "/nowhere", "/jobs", "/nowhere", "/health"]
        socket.send(
            b"".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in paths)
        )
        assert [socket.answer().status for _ in paths] == [200, 404, 200, 404, 200]


def test_a_flood_of_requests_on_one_connection_is_answered_one_by_one(shared: SharedApi) -> None:
    with raw_socket(base(shared)) as socket:
        sending = Thread(target=socket.send, args=(b"GET /health HTTP/1.1\r\n\r\n" * 3_000,))
        sending.start()
        assert {socket.answer().status for _ in range(3_000)} == {200}
        sending.join()


def test_who_waits_longest_makes_room_for_who_comes(limited: InProcessApi) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(raw_socket(base(limited))) for _ in range(CONNECTIONS)]
        with raw_socket(base(limited)) as late:
            late.head("GET /health")
            assert late.answer().status == 200
            assert idle[0].is_closed_by_server()
        idle[-1].head("GET /health")
        assert idle[-1].answer().status == 200


def test_where_all_are_busy_who_comes_is_refused(
    limited: InProcessApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http.connections.MAX_STREAM_SHARE", 1.0)
    with ExitStack() as stack:
        # One after the other: each has a second from its beginning to the end of its head.
        for _ in range(CONNECTIONS):
            busy = stack.enter_context(raw_socket(base(limited)))
            busy.head("GET /events/stream")
            assert busy.answer().status == 200
        with raw_socket(base(limited)) as late:
            check_refused(late, 503, "too_many_connections")
        busy.close()

        def is_served() -> bool:
            with raw_socket(base(limited)) as again:
                again.head("GET /health")
                return again.answer().status == 200

        eventually(is_served, what="room for another connection")


def test_an_idle_connection_is_closed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http.limits.KEEP_ALIVE_S", 1)
    with in_process(database_url, tmp_path / "data") as api, raw_socket(base(api)) as socket:
        socket.head("GET /health")
        assert socket.answer().status == 200
        assert socket.is_closed_by_server()
        assert api.client.post("/jobs", json=job_body()).status_code == 201
