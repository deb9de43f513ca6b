"""A log that went back, as after a failover to an older copy, is noticed at the next contact."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

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
from eventlog.append.writer import WriteTimeouts
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.database.sql import APPEND_LOCK, HEAD
from eventlog.history.reader import Reader, Step
from runtime.tasks import Supervision
from tests.integration.streams import server_sent, stream
from tests.support.in_process import InProcessApi, in_process
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.processes import eventually
from tests.support.wires.proxy import Proxy

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
        self._close()
        self._replace()

    def move(self) -> None:
        """Put a copy of what the database is now in its place: nothing is lost."""
        self._close()
        self.copy()
        self._replace()

    def _close(self) -> None:
        self._execute(
            f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            f" WHERE datname = '{self._name}'",
        )

    def _replace(self) -> None:
        gone = f"{self._name}_gone"
        self._execute(
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


async def succeed(part: Parts, run_id: UUID, holder: Holder) -> None:
    """End a run as a worker does."""
    await repeated(lambda: part.executions.succeed(run_id, holder, None, Report()))


async def repeated(command: Callable[[], Awaitable[object]]) -> None:
    """Give a command as clients do: again while the log is away."""
    async with asyncio.timeout(ENOUGH_S):
        while True:
            try:
                await command()
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
        await repeated(lambda: one.jobs.launch(slug, Launch(), TESTER))
    assert query(database_url, "SELECT entry_point FROM job_runs") == [("test.new",)]


@pytest.fixture
async def copied(database_url: str, copies: Copies) -> str:
    """Copy a log with one job; return the job's slug."""
    async with parts(database_url) as part:
        slug = await registered(part.jobs)
    await let_go(database_url)
    copies.copy()
    return slug


async def test_it_is_noticed_once_however_slow_some_connections_are(
    database_url: str, copies: Copies, copied: str
) -> None:
    """What is decided after that is not refused."""
    async with Proxy(database_url) as proxy, parts(database_url) as one:
        await one.jobs.launch(copied, Launch(), TESTER)
        copies.go_back()
        database = one.writer.database
        comparing = proxy.cut_at(b"log_identity", "held")
        slow = asyncio.create_task(replace(database, url=proxy.url).connect())
        await comparing.wait()
        await repeated(lambda: one.jobs.launch(copied, Launch(), TESTER))
        with holding_the_lock(database_url):
            first = asyncio.create_task(one.jobs.launch(copied, Launch(), TESTER))
            while query(database_url, WAITING) != [(1,)]:
                await asyncio.sleep(0.01)
            second = asyncio.create_task(one.jobs.launch(copied, Launch(), TESTER))
            while one.writer._requests.is_empty:
                await asyncio.sleep(0.01)
            proxy.answers_flow.set()
            await (await slow).close()
        await asyncio.gather(first, second)
        assert database.continuity.breaks == 1


@contextmanager
def holding_the_lock(url: str) -> Iterator[None]:
    """Hold the append lock."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (APPEND_LOCK,))
        yield


WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
"""


async def test_what_was_decided_before_takes_nothing_along_that_was_decided_after(
    database_url: str, copies: Copies, copied: str
) -> None:
    async with (
        Proxy(database_url) as proxy,
        parts(database_url, writer_url=proxy.url, timeouts=WriteTimeouts(write_s=90)) as one,
    ):
        await one.jobs.launch(copied, Launch(), TESTER)
        proxy.refusing = True
        copies.go_back()
        first = asyncio.create_task(one.jobs.launch(copied, Launch(), TESTER))
        while not proxy.refused:
            await asyncio.sleep(0.01)
        before = asyncio.create_task(one.jobs.launch(copied, Launch(), TESTER))
        while one.writer._requests.is_empty:
            await asyncio.sleep(0.01)
        await repeated(one.reader.head)
        assert one.writer.database.continuity.breaks == 1
        after = asyncio.create_task(one.jobs.launch(copied, Launch(), TESTER))
        while one.writer._requests._queue.qsize() < 2 and not after.done():
            await asyncio.sleep(0.01)
        proxy.refusing = False
        outcomes = await asyncio.gather(first, before, after, return_exceptions=True)
        run_id = (await after).run_id
    assert [type(outcome) for outcome in outcomes[:2]] == [LogUnavailableError] * 2
    assert query(database_url, "SELECT id FROM job_runs") == [(run_id,)]


async def test_an_answer_of_the_log_before_is_not_taken_for_one_of_the_log_that_there_is(
    database_url: str, copies: Copies, copied: str
) -> None:
    async with Proxy(database_url) as proxy, parts(database_url) as one:
        database = one.writer.database
        async with replace(database, url=proxy.url).pool(1) as slow_pool:
            reader = Reader(slow_pool, one.files, database.continuity)
            listener = Listener(database)
            hub = Hub(reader, listener, cast("ExtensionParts", _Held()))
            database.continuity.on_log_replaced(hub.end_all)
            supervision = Supervision()
            await listener.start(supervision)
            await hub.start(supervision)
            try:
                for _ in range(5):
                    await one.jobs.launch(copied, Launch(), TESTER)
                proxy.cut_at(b"ORDER BY notification_id DESC", "held")
                await one.jobs.launch(copied, Launch(), TESTER)
                while not proxy.held:
                    await asyncio.sleep(0.01)
                copies.go_back()
                await repeated(lambda: one.jobs.launch(copied, Launch(), TESTER))
                assert database.continuity.breaks == 1
                proxy.answers_flow.set()
                async with asyncio.timeout(ENOUGH_S):
                    while query(database_url, HEAD) != [(hub.head,)]:
                        await asyncio.sleep(0.05)
                copies.move()
                await repeated(lambda: one.jobs.launch(copied, Launch(), TESTER))
                assert database.continuity.breaks == 1
            finally:
                await hub.stop()
                await listener.stop()


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
