"""A log that went back, as after a failover to an older copy, is noticed at the next contact."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from websockets.exceptions import ConnectionClosed

from api.extension import ExtensionParts
from api.stream.frames import Selection
from api.stream.hub import Arrival, Hub, Subscriber
from domain.errors import LogUnavailableError, StaleExecutionError
from domain.jobs.launching import Launch
from domain.jobs.run_events import Holder, Report
from domain.json_values import JsonObject
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.history.reader import Step
from runtime.tasks import Supervision
from tests.integration.streams import server_sent, stream
from tests.support.in_process import InProcessApi, in_process
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.processes import eventually

ENOUGH_S = 30.0


class Copies:
    """A database, and a copy of what it was before."""

    def __init__(self, server_url: str, url: str) -> None:
        self._server_url = server_url
        self._name = str(conninfo_to_dict(url)["dbname"])
        self._copy = f"{self._name}_copy"

    def copy(self) -> None:
        """Keep the database as it is now; nobody may be connected to it."""
        self._execute(f"CREATE DATABASE {self._copy} TEMPLATE {self._name}")

    def go_back(self) -> None:
        """Put the copy in the database's place."""
        gone = f"{self._name}_gone"
        self._execute(
            f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            f" WHERE datname = '{self._name}'",
            f"ALTER DATABASE {self._name} RENAME TO {gone}",
            f"ALTER DATABASE {self._copy} RENAME TO {self._name}",
            f"DROP DATABASE {gone} WITH (FORCE)",
        )

    def _execute(self, *statements: str) -> None:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture
def copies(database_server: str, database_url: str) -> Copies:
    return Copies(database_server, database_url)


async def let_go(url: str) -> None:
    """Wait until nobody is connected any more: a copy needs that."""
    name = conninfo_to_dict(url)["dbname"]
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    async with asyncio.timeout(ENOUGH_S):
        while query(url, others, name) != [(0,)]:
            await asyncio.sleep(0.05)


async def test_a_result_is_not_appended_onto_somebody_elses_execution(
    database_url: str, copies: Copies
) -> None:
    async with parts(database_url) as part:
        slug = await registered(part.jobs)
        await part.jobs.launch(slug, Launch(), TESTER)
    await let_go(database_url)
    copies.copy()
    async with parts(database_url) as one:
        await one.worker("one")
        [claim] = await one.executions.claim("one", 1)
        copies.go_back()
        async with parts(database_url) as other:
            await other.worker("other")
            [again] = await other.executions.claim("other", 1)
            assert again.run.id == claim.run.id
            with pytest.raises(StaleExecutionError):
                await succeed(one, claim.run.id, claim.holder)
            await succeed(other, again.run.id, again.holder)


async def succeed(part: Parts, run_id: object, holder: Holder) -> None:
    """End a run as a worker does: a log that is away for the moment is asked again."""
    async with asyncio.timeout(ENOUGH_S):
        while True:
            try:
                await part.executions.succeed(run_id, holder, None, Report())  # type: ignore[arg-type]
            except LogUnavailableError:
                await asyncio.sleep(0.1)
            else:
                return


async def test_launches_follow_the_definitions_of_the_log_that_there_is(
    database_url: str, copies: Copies
) -> None:
    async with parts(database_url) as part:
        slug = await registered(part.jobs)
    await let_go(database_url)
    copies.copy()
    async with parts(database_url) as one:
        await one.jobs.revise_job(slug, {"entry_point": "test.gone"}, None, TESTER)
        await one.jobs.launch(slug, Launch(), TESTER)
        copies.go_back()
        async with parts(database_url) as other:
            await other.jobs.revise_job(slug, {"entry_point": "test.new"}, None, TESTER)
        async with asyncio.timeout(ENOUGH_S):
            while not query(database_url, "SELECT 1 FROM job_runs"):
                try:
                    await one.jobs.launch(slug, Launch(), TESTER)
                except LogUnavailableError:
                    await asyncio.sleep(0.1)
    assert query(database_url, "SELECT entry_point FROM job_runs") == [("test.new",)]


@contextmanager
def serving(url: str, data_dir: Path) -> Iterator[InProcessApi]:
    with in_process(url, data_dir) as api:
        yield api


async def test_streams_end_with_the_reason_and_begin_anew(
    database_url: str, copies: Copies, tmp_path: Path
) -> None:
    async with parts(database_url) as part:
        slug = await registered(part.jobs)
        await part.jobs.launch(slug, Launch(), TESTER)
    await let_go(database_url)
    copies.copy()
    with serving(database_url, tmp_path) as api:
        for _ in range(5):
            api.client.post(f"/jobs/{slug}/run", json={}).raise_for_status()
        with stream(api.client) as socket, server_sent(api.client) as events:
            head = socket.next()["data"]["head"]
            events.next()
            copies.go_back()
            with pytest.raises(ConnectionClosed) as closed:
                socket.until(lambda _: False)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008
            assert "the log went back" in closed.value.rcvd.reason
            last = events.until(lambda message: message["type"] == "connection.ended")
            assert "the log went back" in last["data"]["reason"]

        def beyond() -> bool:
            with stream(api.client, after=head) as refused:
                try:
                    refused.next()
                except ConnectionClosed as error:
                    return error.rcvd is not None and "beyond" in error.rcvd.reason
            return False

        eventually(beyond, ENOUGH_S, "a position of the log that is no more is refused")
        with stream(api.client) as anew:
            assert anew.next()["data"]["head"] < head
            launched = api.client.post(f"/jobs/{slug}/run", json={}).raise_for_status()
            run_id = launched.json()["data"]["id"]
            anew.until(lambda message: message["type"] == "job.run.pending")
            assert anew.of_run(run_id)


class _Held:
    """Looks up an event's details no sooner than the test says."""

    def __init__(self) -> None:
        self.needed = asyncio.Event()
        self.released = asyncio.Event()

    async def details_of(self, _: Step) -> JsonObject:
        self.needed.set()
        await self.released.wait()
        return {}


async def test_no_stream_gets_events_of_the_log_before(part: Parts) -> None:
    slug = await registered(part.jobs)
    held = _Held()
    hub = Hub(part.reader, Listener(Database(part.url)), cast("ExtensionParts", held))
    await hub.start(Supervision())
    try:
        before, after = Subscriber(Selection()), Subscriber(Selection())
        hub.register(before, await hub.arrive())
        hub.join(before)
        await part.jobs.launch(slug, Launch(), TESTER)
        await asyncio.wait_for(held.needed.wait(), ENOUGH_S)
        hub.end_all("the log was replaced")
        hub.register(after, Arrival(hub.head, 1))
        hub.join(after)
        held.released.set()
        first, *_ = await after.next(ENOUGH_S)
        assert first.type == "job.definition.updated", "the first event of the log, read anew"
    finally:
        await hub.stop()


KEEP = "CREATE TABLE {0}_before AS SELECT * FROM {0}"

PUT_BACK = "DELETE FROM {0}; INSERT INTO {0} SELECT * FROM {0}_before"

TABLES = ("jobs_events", "job_runs", "job_definitions")


def _in_place(url: str, statement: str) -> None:
    """Do it to each table, as a restore into the same database does: no session is cut off."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for table in TABLES:
            connection.execute(statement.format(table).encode())


async def test_no_result_is_appended_onto_the_same_version_that_came_about_in_another_way(
    database_url: str,
) -> None:
    async with parts(database_url) as one:
        slug = await registered(one.jobs)
        await one.jobs.launch(slug, Launch(), TESTER)
        await one.worker("one")
        _in_place(database_url, KEEP)
        [claim] = await one.executions.claim("one", 1)
        _in_place(database_url, PUT_BACK)
        async with parts(database_url) as other:
            await other.worker("other")
            [again] = await other.executions.claim("other", 1)
            assert again.run.version == claim.run.version
            with pytest.raises(StaleExecutionError):
                await one.executions.succeed(claim.run.id, claim.holder, None, Report())
            await other.executions.succeed(again.run.id, again.holder, None, Report())


async def test_no_launch_follows_the_same_version_that_came_about_in_another_way(
    database_url: str,
) -> None:
    async with parts(database_url) as one:
        slug = await registered(one.jobs)
        _in_place(database_url, KEEP)
        await one.jobs.revise_job(slug, {"entry_point": "test.gone"}, None, TESTER)
        await one.jobs.launch(slug, Launch(), TESTER)
        _in_place(database_url, PUT_BACK)
        async with parts(database_url) as other:
            await other.jobs.revise_job(slug, {"entry_point": "test.new"}, None, TESTER)
            await one.jobs.launch(slug, Launch(), TESTER)
    assert query(database_url, "SELECT entry_point FROM job_runs") == [("test.new",)]
