"""The stream's limits, tightened: slow clients, silence, a hub that lags behind the log."""

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError

from api.stream.hub import Hub
from domain.jobs.launching import Launch
from eventlog.database.listener import Listener
from tests.integration.shared_api import Json, job_body
from tests.integration.streams import Events, Stream, server_sent, stream
from tests.support.databases import lose_notifications
from tests.support.in_process import InProcessApi, in_process
from tests.support.logs import TESTER, parts, query, registered
from tests.support.processes import eventually
from tests.support.stream.expected import check_marks, comparable, messages_in, of_events

BIG = "x" * 100_000


@pytest.fixture
def limited(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InProcessApi]:
    """Run an API with short queues, short silences and all the time in the world for farewells."""
    monkeypatch.setattr("api.stream.hub.MAX_QUEUED_EVENTS", 10)
    monkeypatch.setattr("api.stream.sessions.NEAR", 5)
    monkeypatch.setattr("api.stream.sessions.HEARTBEAT_S", 0.2)
    monkeypatch.setattr("api.stream.endpoints.FINAL_FLUSH_S", 60)
    with in_process(database_url, tmp_path / "data") as api:
        yield api


def launch(api: InProcessApi, slug: str = "job", **body: object) -> None:
    api.client.post(f"/jobs/{slug}/run", json=body).raise_for_status()


def register(api: InProcessApi, slug: str = "job") -> None:
    api.client.post("/jobs", json=job_body(slug=slug)).raise_for_status()


def fall_asleep(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let no hub look where the log ends while nobody listens.

    Returns:
        what is set once the process hears notifications, which wakes all who wait for them.
    """
    wake = Listener._wake
    hears = threading.Event()

    def wake_and_say_so(listener: Listener) -> None:
        wake(listener)
        hears.set()

    async def sleep_on(_: Hub) -> None:
        pass

    monkeypatch.setattr("api.stream.hub.POLL_S", 600)
    monkeypatch.setattr(Listener, "_wake", wake_and_say_so)
    monkeypatch.setattr(Hub, "_skip", sleep_on)
    return hears


def read_to_the_end(opened: Stream) -> str:
    """Read until the server closes because the client was too slow, and return the reason."""
    with pytest.raises(ConnectionClosedError) as closed:
        opened.until(lambda _: False)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
    return closed.value.rcvd.reason


@pytest.mark.parametrize("types", [None, "job.run.updated"])
async def test_a_client_that_is_too_slow_is_told_where_to_resume_and_loses_nothing(
    limited: InProcessApi, database_url: str, types: str | None
) -> None:
    register(limited)
    with stream(limited.client, types=types, max_queue=1, ping_interval=None) as opened:
        head = opened.next()["data"]["head"]
        while limited.hub.subscribers:
            # It leaves the hub when it is found to be too slow.
            launch(limited, context={"big": BIG})
        reason = read_to_the_end(opened)
    match = re.fullmatch(r"too slow: connect again with after=(\d+)", reason)
    assert match is not None
    resumed_after = int(match[1])
    seen = of_events(opened.received)
    assert (
        resumed_after
        == max(message["position"] for message in seen if "more" not in message)
        > head
    )
    expected = [
        event for event in await messages_in(database_url, head) if types in {None, event.type}
    ]
    with stream(limited.client, after=resumed_after, types=types) as again:
        again.until_served(expected[-1].position)
    whole = [message for message in seen if message["position"] <= resumed_after] + of_events(
        again.received
    )
    assert [comparable(message) for message in whole] == expected
    check_marks(whole)


async def start_many(database_url: str, runs: int) -> None:
    """Launch big runs, and start all of them in one append."""
    async with parts(database_url) as part:
        slug = await registered(part.jobs, "many")
        for _ in range(runs // 20):
            big = Launch(parameters={"big": BIG})
            await asyncio.gather(*(part.jobs.launch(slug, big, TESTER) for _ in range(20)))
        claims = await part.executions.claim(await part.worker("worker"), runs)
        assert len(claims) == runs


async def test_clients_that_read_are_not_overrun_by_a_backlog(
    client: httpx.Client, database_url: str
) -> None:
    """The events are small; what is told of them, 120 runs twice, is three times what may wait."""
    with ThreadPoolExecutor() as readers, stream(client) as opened, server_sent(client) as events:

        def read(one: Stream | Events) -> int:
            one.next()
            running = 0
            while running < 120:
                message = one.until(lambda message: message["type"] == "job.run.updated")
                running += message["data"]["run"]["status"] == "running"
            return running

        reading = [readers.submit(read, opened), readers.submit(read, events)]
        await start_many(database_url, 120)
        assert [each.result() for each in reading] == [120, 120]
    for ack, *received in (opened.received, events.received):
        expected = await messages_in(database_url, ack["data"]["head"])
        assert [comparable(message) for message in of_events(received)] == expected


def is_heartbeat(message: Json) -> bool:
    return bool(message["type"] == "heartbeat")


async def test_silence_is_broken_by_heartbeats_that_carry_the_position(
    limited: InProcessApi, database_url: str
) -> None:
    register(limited)
    with (
        stream(limited.client, job="quiet") as opened,
        server_sent(limited.client, job="quiet") as events,
    ):
        ack = opened.next()
        events.next()
        beat = opened.until(is_heartbeat)
        assert set(beat) == {"type", "data", "emittedAt", "position"}
        assert set(beat["data"]) == {"now"}
        assert beat["position"] >= ack["data"]["head"]
        for _ in range(3):
            launch(limited)
        head = (await messages_in(database_url))[-1].position
        opened.until(lambda message: is_heartbeat(message) and message["position"] == head)
        events.until(lambda message: is_heartbeat(message) and message["position"] == head)
        assert events.last_id == str(head)
        register(limited, "quiet")
        launch(limited, "quiet")
        opened.until(lambda message: message["type"] == "job.run.updated")
        assert opened.until(is_heartbeat)["position"] == head + 2
    positions = [message["position"] for message in opened.received if is_heartbeat(message)]
    assert positions == sorted(positions)
    assert [message["type"] for message in of_events(opened.received)] == [
        "job.definition.updated",
        "job.run.pending",
        "job.run.updated",
    ]


def test_who_leaves_is_forgotten(limited: InProcessApi) -> None:
    with stream(limited.client) as opened, server_sent(limited.client) as events:
        opened.next()
        events.next()
        assert limited.hub.subscribers == 2
    eventually(lambda: limited.hub.subscribers == 0, what="the hub's forgetting both clients")


async def test_a_client_may_know_more_than_the_hub(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_notifications(database_url, share=1)
    # As if the database were away when they come: the hub does not learn where the log ends.
    monkeypatch.setattr("api.stream.hub.READ_HEAD_TIMEOUT_S", 0)
    hears = fall_asleep(monkeypatch)
    with in_process(database_url, tmp_path / "data") as api:
        assert hears.wait(90)
        known = api.hub.head
        register(api)
        for _ in range(3):
            launch(api)
        expected = await messages_in(database_url)
        head = expected[-1].position
        with (
            stream(api.client, after=head) as ahead,
            stream(api.client, after=head - 1) as opened,
            server_sent(api.client, after=0) as events,
        ):
            assert ahead.next()["data"]["head"] == head
            events.until(lambda message: message.get("position") == head and "more" not in message)
            assert api.hub.head == known
            query(database_url, "SELECT 1 FROM pg_catalog.pg_notify('jobs_events', '')")
            eventually(lambda: api.hub.head == head, what="the hub's reading on")
            launch(api)
            query(database_url, "SELECT 1 FROM pg_catalog.pg_notify('jobs_events', '')")
            for one in (ahead, opened, events):
                one.until(
                    lambda message: message.get("position") == head + 1 and "more" not in message
                )
        everything = await messages_in(database_url)
        for one, after in ((ahead, head), (opened, head - 1), (events, 0)):
            received = [comparable(message) for message in of_events(one.received)]
            assert received == [event for event in everything if event.position > after]


async def test_who_comes_begins_at_the_log_s_end_though_the_hub_has_slept(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_notifications(database_url, share=1)
    hears = fall_asleep(monkeypatch)
    with in_process(database_url, tmp_path / "data") as api:
        assert hears.wait(90)
        known = api.hub.head
        register(api)
        launch(api)
        head = (await messages_in(database_url))[-1].position
        assert api.hub.head == known
        with stream(api.client) as opened:
            assert opened.next()["data"]["head"] == head
            assert api.hub.head == head


async def test_who_comes_while_the_hub_lets_a_moment_pass_hears_what_came_before(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.stream.hub.POLL_S", 600)
    monkeypatch.setattr("api.stream.hub.SKIP_AFTER_S", 0)
    # As if the database were away then: it does not learn where the log ends.
    monkeypatch.setattr("api.stream.hub.READ_HEAD_TIMEOUT_S", 0)
    with in_process(database_url, tmp_path / "data") as api:
        register(api)
        known = (await messages_in(database_url))[-1].position
        eventually(lambda: api.hub.head == known, what="the hub's reading on")
        monkeypatch.setattr("api.stream.hub.SKIP_AFTER_S", 600)
        api.hub._joined.set()
        launch(api)
        eventually(lambda: not api.hub._joined.is_set(), what="the hub's hearing of it")
        assert api.hub.head == known
        with stream(api.client, after=known) as opened:
            opened.until(lambda message: message.get("position") == known + 1)
