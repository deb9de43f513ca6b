"""What the database cannot do at the moment is said to be so, everywhere, and passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, LiteralString

import psycopg
import pytest

from domain.errors import LogUnavailableError
from domain.jobs.launching import Launch
from domain.ports import Origin
from eventlog.append import writer as writer_module
from eventlog.append.plan import Statement
from eventlog.append.transaction import prepare
from eventlog.append.writer import WriteTimeouts
from eventlog.database import connection as connections
from eventlog.database.connection import Database, borrowed
from eventlog.database.listener import Listener
from eventlog.pending_work import Work
from projections.rows import Connection
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.wires.proxy import Proxy

ENOUGH_S = 30.0

TIMEOUTS = WriteTimeouts(write_s=1.0, settle_s=5.0)

COUNT = "SELECT count(*) FROM jobs_events WHERE topic = 'job_run.requested'"


@asynccontextmanager
async def locked(url: str, table: LiteralString) -> AsyncIterator[None]:
    """Keep a table from everybody, as a change of its shape does."""
    async with await psycopg.AsyncConnection.connect(url) as session:
        await session.execute(f"LOCK TABLE {table}")
        yield


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("55P03", id="lock timeout"),
        pytest.param("57014", id="canceled"),
        pytest.param("40P01", id="deadlock"),
        pytest.param("40001", id="serialization failure"),
        pytest.param("25P04", id="transaction timeout"),
        pytest.param("25006", id="read only"),
        pytest.param("53100", id="disk full"),
        pytest.param("53200", id="out of memory"),
        pytest.param("53300", id="too many connections"),
        pytest.param("57P01", id="admin shutdown"),
        pytest.param("57P03", id="starting up"),
    ],
)
async def test_whoever_reads_is_told_that_the_database_is_unavailable(
    part: Parts, state: str
) -> None:
    failing = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(LogUnavailableError):
        async with borrowed(part.pool) as connection:
            await connection.execute(failing)


async def test_what_is_wrong_with_the_question_is_told_as_it_is(part: Parts) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        async with borrowed(part.pool) as connection:
            await connection.execute("SELECT 1 FROM no_such_table")


async def test_a_locked_table_is_unavailable_for_as_long_as_it_is_locked(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LOCK_TIMEOUT_MS", 200)
    async with parts(database_url, timeouts=TIMEOUTS) as part:
        slug = await registered(part.jobs)
        work = Work(
            part.pool,
            part.files,
            Listener(Database(database_url)),
            part.jobs.quarantine,
            part.writer.cache.queue,
        )
        async with locked(database_url, "job_runs"):
            with pytest.raises(LogUnavailableError):
                await work.next_due()
            with pytest.raises(LogUnavailableError):
                await part.jobs.launch(slug, Launch(), TESTER)
        await part.jobs.launch(slug, Launch(), TESTER)
        assert (await work.next_due()).in_s == 0
    assert query(database_url, COUNT) == [(1,)]


async def test_what_waits_while_a_table_is_locked_is_refused_together_and_soon(
    database_url: str, part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = await registered(part.jobs)
    tries = 0

    async def counted(*arguments: Any) -> list[Statement]:
        nonlocal tries
        tries += 1
        return await prepare(*arguments)

    monkeypatch.setattr(writer_module, "prepare", counted)
    launches = 100
    async with locked(database_url, "job_runs"):
        launching = [part.jobs.launch(slug, Launch(), TESTER) for _ in range(launches)]
        answers = await asyncio.gather(*launching, return_exceptions=True)
    assert {type(answer) for answer in answers} == {LogUnavailableError}
    # Each try holds the append lock for as long as it waits.
    assert tries < launches / 10
    await part.jobs.launch(slug, Launch(), TESTER)
    assert query(database_url, COUNT) == [(1,)]


def _execute(url: str, statements: LiteralString) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(statements)


@pytest.mark.parametrize("state", ["40P01", "40001", "57014"])
async def test_what_fails_in_passing_is_tried_again_however_long_it_has_waited(
    database_url: str, state: LiteralString
) -> None:
    async with parts(database_url, timeouts=WriteTimeouts(locked_s=0.0)) as part:
        slug = await registered(part.jobs)
        _execute(
            database_url,
            f"""
            CREATE SEQUENCE appends;
            CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('appends') = 1 THEN
                    RAISE EXCEPTION 'once' USING ERRCODE = '{state}';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER fail_once BEFORE INSERT ON jobs_events
                FOR EACH ROW EXECUTE FUNCTION fail_once();
            """,
        )
        await part.jobs.launch(slug, Launch(), TESTER)
    assert query(database_url, COUNT) == [(1,)]


def _fill_disk(url: str, condition: LiteralString) -> None:
    """Let inserts into the log fail as on a full disk."""
    _execute(
        url,
        f"""
        CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER disk_is_full BEFORE INSERT ON jobs_events
            FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION disk_is_full();
        """,
    )


async def test_a_disk_that_stays_full_is_reported_after_a_few_tries(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connects: list[float] = []
    connect = Database.connect

    async def counted(self: Database) -> Connection:
        connects.append(monotonic())
        return await connect(self)

    async with parts(database_url, timeouts=TIMEOUTS) as part, asyncio.timeout(ENOUGH_S):
        slug = await registered(part.jobs)
        _fill_disk(database_url, "true")
        monkeypatch.setattr(Database, "connect", counted)
        with pytest.raises(LogUnavailableError):
            await part.jobs.launch(slug, Launch(), TESTER)
        # Each try disconnects once, and once more to find out whether it was committed.
        assert len(connects) <= 25
        _execute(database_url, "DROP FUNCTION disk_is_full CASCADE")
        await part.jobs.launch(slug, Launch(), TESTER)
    assert query(database_url, COUNT) == [(1,)]


async def test_all_that_waits_for_a_database_that_is_away_is_refused_together(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connects = 0
    connect = Database.connect

    async def counted(self: Database) -> Connection:
        nonlocal connects
        connects += 1
        return await connect(self)

    monkeypatch.setattr(writer_module, "MAX_BATCH", 16)
    async with (
        Proxy(database_url) as proxy,
        parts(database_url, writer_url=proxy.url, timeouts=TIMEOUTS) as part,
        asyncio.timeout(ENOUGH_S),
    ):
        slug = await registered(part.jobs)
        proxy.refusing = True
        proxy.lose_all()
        monkeypatch.setattr(Database, "connect", counted)
        launches = [part.jobs.launch(slug, Launch(), TESTER) for _ in range(8 * 16)]
        answers = await asyncio.gather(*launches, return_exceptions=True)
        assert {type(answer) for answer in answers} == {LogUnavailableError}
        # A second's tries in all, and one for each further batch.
        assert connects < 4 * 10


async def test_a_unit_that_cannot_be_committed_takes_none_with_it(database_url: str) -> None:
    heavy = Origin(actor="heavy")
    async with parts(database_url, timeouts=TIMEOUTS) as part, asyncio.timeout(ENOUGH_S):
        slug = await registered(part.jobs)
        _fill_disk(database_url, "NEW.actor = 'heavy'")
        origins = [TESTER, TESTER, heavy, TESTER, TESTER, TESTER]
        launches = [part.jobs.launch(slug, Launch(), origin) for origin in origins]
        answers = await asyncio.gather(*launches, return_exceptions=True)
    refused = [isinstance(answer, LogUnavailableError) for answer in answers]
    assert refused == [origin is heavy for origin in origins]
    assert query(database_url, COUNT) == [(5,)]
