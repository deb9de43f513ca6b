"""The stream while the database or the run logs' store is away, and after a failure of the hub."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosedError

from api.extension import ExtensionParts
from catalog.build import BuildTarget
from catalog.commands import Catalog
from domain.jobs.launching import Launch
from domain.json_values import JsonObject
from eventlog.history.reader import Step
from projections.messages import NO_DETAILS
from tests.integration.shared_api import job_body
from tests.integration.streams import server_sent, stream
from tests.support import s3
from tests.support.in_process import InProcessApi, in_process
from tests.support.logs import TESTER, parts, registered
from tests.support.processes import eventually
from tests.support.stream.expected import comparable, messages_in, of_events
from tests.support.wires.proxy import Proxy
from worker.logs.object_store import READ_TIMEOUT_S


async def append_some(database_url: str, slug: str, events: int) -> None:
    async with parts(database_url) as part:
        await registered(part.jobs, slug)
        for _ in range(events):
            await part.jobs.launch(slug, Launch(), TESTER)


class Way:
    """The API's way to the database."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        self._proxy.refusing = True
        self._loop.call_soon_threadsafe(self._proxy.lose_all)

    def open(self) -> None:
        self._proxy.refusing = False


async def through_a_proxy(
    database_url: str, data_dir: Path, story: Callable[[InProcessApi, Way], None]
) -> None:
    """Tell the story to an API whose way to the database can be closed."""

    async with Proxy(database_url) as proxy:
        way = Way(proxy)

        def tell() -> None:
            with in_process(proxy.url, data_dir) as api:
                story(api, way)

        await asyncio.to_thread(tell)


async def test_clients_survive_a_lost_database(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.stream.sessions.HEARTBEAT_S", 0.2)
    monkeypatch.setattr("api.stream.sessions.NEAR", 5)
    monkeypatch.setattr("eventlog.database.connection.CONNECT_TIMEOUT_S", 1)
    await append_some(database_url, "before", 40)

    # It is told in a thread, which has no loop of its own.
    def story(api: InProcessApi, way: Way) -> None:
        known = api.hub.head
        with stream(api.client, after=0) as opened, server_sent(api.client, after=0) as events:
            opened.until_served(known)
            way.close()
            asyncio.run(append_some(database_url, "meanwhile", 20))
            with stream(api.client, after=0) as late:
                late.next()
                # It must read, and cannot yet.
                assert late.next()["type"] == "heartbeat"
                with (
                    stream(api.client, after=known + 5) as later,
                    pytest.raises(ConnectionClosedError) as closed,
                ):
                    later.next()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1013
                answer = api.client.get("/events/stream", params={"after": known + 5})
                assert (answer.status_code, answer.json()["code"]) == (503, "log_unavailable")
                way.open()
                head = asyncio.run(messages_in(database_url))[-1].position
                for one in (opened, events, late):
                    one.until(
                        lambda message: message.get("position") == head and "more" not in message
                    )
        expected = asyncio.run(messages_in(database_url))
        for one in (opened, events, late):
            assert [comparable(message) for message in of_events(one.received)] == expected

    await through_a_proxy(database_url, tmp_path / "data", story)


async def test_a_hub_that_failed_goes_on_where_it_was(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = [RuntimeError("for a test")]

    async def details_of(self: ExtensionParts, step: Step) -> JsonObject:
        del self, step
        if failures:
            raise failures.pop()
        return NO_DETAILS

    monkeypatch.setattr(ExtensionParts, "details_of", details_of)
    with in_process(database_url, tmp_path / "data") as api, stream(api.client) as opened:
        ack = opened.next()
        eventually(lambda: api.hub.subscribers == 1, what="the client's joining the hub")
        for _ in range(3):
            api.client.post("/jobs", json=job_body()).raise_for_status()
        expected = await messages_in(database_url, ack["data"]["head"])
        opened.until_served(expected[-1].position)
    assert [comparable(message) for message in of_events(opened.received)] == expected
    assert not failures
    assert "background task stream hub died" in caplog.text
    states = {state.name: state for state in api.app.state.service.supervision.states()}
    assert states["stream hub"].deaths == 1


@pytest.mark.slow
async def test_a_silent_store_of_run_logs_does_not_silence_the_stream(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_endpoint: str
) -> None:
    with s3.Gate(s3_endpoint) as gate:
        for name, value in s3.variables(gate.endpoint).items():
            monkeypatch.setenv(name, value)
        store = f"s3://{s3.BUCKET}/{uuid4()}"
        with (
            in_process(database_url, tmp_path / "data", store) as api,
            stream(api.client) as opened,
        ):
            opened.next()
            gate.close("silent")
            api.client.post(
                "/apps", json={"id": "app", "name": "An app", "repoUrl": "/srv/x"}
            ).raise_for_status()
            started = monotonic()
            messages = [opened.until(lambda message: message["type"] == "repository.updated")]
            await request_builds(database_url, 3)
            messages += [
                opened.until(lambda message: message["type"] == "build.updated") for _ in range(3)
            ]
            assert monotonic() - started < READ_TIMEOUT_S
            assert [message["data"]["build"]["hasLogs"] for message in messages[1:]] == [False] * 3
            gate.open()


async def request_builds(database_url: str, builds: int) -> None:
    async with parts(database_url) as part:
        for _ in range(builds):
            await Catalog(part.jobs).request_build("app", BuildTarget(), TESTER)
