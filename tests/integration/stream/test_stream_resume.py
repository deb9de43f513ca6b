"""The stream from any position, over both protocols (contract, section 5)."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError

from api.stream import sessions
from api.stream.frames import StreamRequest
from api.stream.hub import Arrival, Hub
from api.stream.sessions import Streams
from tests.integration.shared_api import Json, SharedApi, job_body
from tests.integration.streams import server_sent, stream
from tests.support.in_process import in_process
from tests.support.processes import eventually
from tests.support.stream.expected import check_marks, comparable, messages_in, of_events


async def test_a_client_resumes_from_every_position(shared: SharedApi, log: Json) -> None:
    for after in range(log["head"] + 1):
        expected = await messages_in(shared.database_url, after)
        with stream(shared, after=after, logId=log["id"].upper()) as opened:
            received = opened.until_served(log["head"])
        assert [comparable(message) for message in of_events(received)] == expected
        check_marks(received)


def test_the_ack_says_from_where_the_client_will_be_served(shared: SharedApi, log: Json) -> None:
    with stream(shared, after=3) as opened, server_sent(shared, after=3) as events:
        ack, same = opened.next(), events.next()
        assert set(ack) == {"type", "data", "emittedAt"}
        assert {**ack["data"], "now": 0} == {
            "now": 0,
            "logId": log["id"],
            "head": log["head"],
            "after": 3,
        }
        assert {**same["data"], "now": ack["data"]["now"]} == ack["data"]
        assert events.last_id == "3"
    with server_sent(shared) as events:
        assert "after" not in events.next()["data"]
        # So that a browser that is cut off at once misses nothing.
        assert events.last_id == str(log["head"])


async def test_after_what_was_missed_comes_what_happens(shared: SharedApi, log: Json) -> None:
    del log
    with stream(shared, after=0) as opened, server_sent(shared, after=0) as events:
        opened.until_served(3)
        run = shared.launch(shared.register()["slug"])
        expected = await messages_in(shared.database_url)
        opened.until_served(expected[-1].position)
        events.until(
            lambda message: (
                message.get("position") == expected[-1].position and "more" not in message
            )
        )
    for received in (opened.received, events.received):
        assert [comparable(message) for message in of_events(received)] == expected
        check_marks(received)
    assert opened.of_run(run["id"])


async def test_server_sent_events_resume_by_the_last_id_that_a_browser_has(
    shared: SharedApi, log: Json
) -> None:
    expected = await messages_in(shared.database_url)
    for cut in range(1, len(expected) + 2):
        # Also between two messages of one position.
        with server_sent(shared, after=0) as events:
            for _ in range(cut):
                events.next()
        seen = [comparable(message) for message in of_events(events.received)]
        while seen and seen[-1].position > int(events.last_id or 0):
            seen.pop()
        # A browser sends its old query again; what it has seen since is stronger.
        with server_sent(
            shared, after=0, headers={"Last-Event-ID": events.last_id or ""}
        ) as events:
            if len(seen) < len(expected):
                events.until(
                    lambda message: (
                        message.get("position", 0) >= log["head"] and "more" not in message
                    )
                )
            else:
                events.next()
        assert seen + [comparable(message) for message in of_events(events.received)] == expected


def test_server_sent_events_are_not_kept_by_anybody_on_the_way(shared: SharedApi) -> None:
    with server_sent(shared) as events:
        headers = events.answer.headers
        assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert headers["Cache-Control"] == "no-store"
        assert "Content-Length" not in headers


def test_openapi_knows_the_server_sent_events(shared: SharedApi) -> None:
    operation = shared.get("/openapi.json")["paths"]["/events/stream"]["get"]
    assert set(operation["responses"]) == {*{"200", "400", "401", "403", "409", "429", "503"}}
    assert set(operation["responses"]["200"]["content"]) == {"text/event-stream"}
    assert {parameter["name"] for parameter in operation["parameters"]} == {
        *("after", "logId", "types", "job", "last-event-id")
    }


def open_later(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Serve clients that have heard that they are connected only once the event is set."""
    may_open = threading.Event()
    open_now = Streams.open

    @asynccontextmanager
    async def open_then(
        streams: Streams, request: StreamRequest, arrival: Arrival
    ) -> AsyncIterator[sessions.Stream]:
        await asyncio.to_thread(may_open.wait)
        async with open_now(streams, request, arrival) as opened:
            yield opened

    monkeypatch.setattr(Streams, "open", open_then)
    return may_open


async def test_a_client_is_told_of_what_it_does_once_it_is_connected(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before it is told where it begins; the hub may have moved on by then."""
    may_open = open_later(monkeypatch)
    with in_process(database_url, tmp_path / "data") as api:
        api.client.post("/jobs", json=job_body(slug="before")).raise_for_status()
        before = (await messages_in(database_url))[-1].position
        with stream(api.client) as opened, server_sent(api.client) as events:
            api.client.post("/jobs", json=job_body(slug="after")).raise_for_status()
            expected = await messages_in(database_url, before)
            last = expected[-1].position
            eventually(lambda: api.hub.head == last, what="the hub's moving on")
            may_open.set()
            for one in (opened, events):
                ack = one.next()
                assert ack["data"]["head"] == before
                one.until(lambda message: message["position"] == last)
                messages = of_events(one.received)
                assert [comparable(message) for message in messages] == expected


@pytest.mark.parametrize("is_seen_by_the_look", [False, True])
async def test_who_comes_while_the_log_is_replaced_is_told_so(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_seen_by_the_look: bool
) -> None:
    may_open = open_later(monkeypatch)
    reason = "the log is another one"
    look = Hub._read_head

    async def look_and_see(hub: Hub) -> None:
        await look(hub)
        if is_seen_by_the_look:
            hub.end_all(reason)

    monkeypatch.setattr(Hub, "_read_head", look_and_see)
    with (
        in_process(database_url, tmp_path / "data") as api,
        stream(api.client) as opened,
        server_sent(api.client, after=0) as events,
    ):
        if not is_seen_by_the_look:
            api.hub.end_all(reason)
        may_open.set()
        opened.next()
        with pytest.raises(ConnectionClosedError, match="read anew") as closed:
            opened.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        events.next()
        assert events.next()["type"] == "connection.ended"
