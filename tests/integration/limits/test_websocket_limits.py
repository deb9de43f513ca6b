"""What a client may send over a WebSocket."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.integration.shared_api import SharedApi, check_failure, job_body
from tests.integration.streams import stream
from tests.support.in_process import InProcessApi, in_process
from tests.support.processes import eventually
from tests.support.wires.bombs import CONT, HANDSHAKE, PING, TEXT, frame
from tests.support.wires.raw_sockets import RawSocket, raw_socket


@contextmanager
def websocket(shared: SharedApi) -> Iterator[RawSocket]:
    with raw_socket(str(shared.client.base_url)) as socket:
        socket.head("GET /ws", *HANDSHAKE)
        assert socket.answer().status == 101
        socket.frame()  # What greets every client.
        yield socket


def pong_of(socket: RawSocket) -> bool:
    opcode, content = socket.frame()
    return opcode == TEXT and json.loads(content)["type"] == "pong"


def test_a_long_message_is_refused(shared: SharedApi) -> None:
    with stream(shared) as opened:
        opened.next()
        opened.connection.send("x" * 65_536)
        opened.connection.send("ping")
        assert opened.next()["type"] == "pong"
        opened.connection.send("x" * 65_537)
        with pytest.raises(ConnectionClosedError) as closed:
            opened.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_nothing_is_compressed(shared: SharedApi) -> None:
    with raw_socket(str(shared.client.base_url)) as socket:
        socket.head("GET /ws", *HANDSHAKE)
        answer = socket.answer()
        assert answer.status == 101
        assert "sec-websocket-extensions" not in answer.headers


def test_a_word_in_many_parts_is_understood(shared: SharedApi) -> None:
    with websocket(shared) as socket:
        empty = frame(CONT, b"", is_last=False)
        parts = [frame(TEXT, b"p", is_last=False), *[empty] * 5_000]
        parts += [frame(CONT, letter, is_last=False) for letter in (b"i", b"n")]
        socket.send(b"".join([*parts, *[empty] * 5_000, frame(CONT, b"g")]))
        assert pong_of(socket)


def test_each_word_of_many_at_once_is_answered(shared: SharedApi) -> None:
    with websocket(shared) as socket:
        socket.send(frame(TEXT, b"ping") * 300)
        assert all(pong_of(socket) for _ in range(300))


def test_pings_are_answered_and_so_is_what_comes_between(shared: SharedApi) -> None:
    with websocket(shared) as socket:
        socket.send((frame(PING, b"x" * 125) * 40 + frame(TEXT, b"ping")) * 5)
        pongs = [socket.frame() for _ in range(205)]
        words = [content for opcode, content in pongs if opcode == TEXT]
        assert len(words) == 5
        assert [content for opcode, content in pongs if opcode != TEXT] == [b"x" * 125] * 200


def test_a_client_that_reads_only_later_is_answered_its_last_ping(shared: SharedApi) -> None:
    with websocket(shared) as socket:
        socket.socket.settimeout(2)
        numbers = iter(range(200_000))
        sent = b""
        try:
            for number in numbers:
                sent = str(number).encode().rjust(125)
                socket.send(frame(PING, sent))
                if number >= 100_000:
                    break
        except TimeoutError:
            pytest.fail("the server stopped reading")
        socket.socket.settimeout(30)
        content = b""
        answered = 0
        while content != sent:
            _, content = socket.frame()
            answered += 1
        assert answered < 100_000


def test_requests_are_served_where_there_are_too_many_streams(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http.connections.MAX_CONNECTIONS", 8)
    monkeypatch.setattr("api.http.connections.MAX_STREAM_SHARE", 3 / 8)
    with in_process(database_url, tmp_path / "data") as api:
        slug = api.client.post("/jobs", json=job_body()).json()["data"]["slug"]
        run_id = api.client.post(f"/jobs/{slug}/run").json()["data"]["id"]
        followed, sent = f"/job-runs/{run_id}/logs?follow=true", "/events/stream"
        with (
            stream(api.client) as one,
            api.client.stream("GET", sent) as two,
            api.client.stream("GET", followed) as three,
        ):
            one.next()
            assert (two.status_code, three.status_code) == (200, 200)
            with pytest.raises(InvalidStatus) as refused, stream(api.client):
                pass
            assert refused.value.response.status_code == 503
            for path in (sent, followed):
                check_failure(api.client.get(path), 429, "too_many_requests")
            assert api.client.get("/health").status_code == 200
        # Those are over once the server has noticed that their clients left.
        eventually(lambda: _is_admitted(api, sent), what="a stream in their place")
        with stream(api.client) as again:
            again.next()


def _is_admitted(api: InProcessApi, path: str) -> bool:
    with api.client.stream("GET", path) as answer:
        return answer.status_code == 200
