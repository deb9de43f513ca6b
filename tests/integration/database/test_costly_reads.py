"""Costly questions of one process: their turns, their time, and what ends with who has left."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from psycopg.conninfo import make_conninfo

from domain.errors import OverloadedError, TooCostlyError
from eventlog.database import costly_reads
from eventlog.database.connection import Database, borrowed
from eventlog.database.costly_reads import MAX_CONCURRENT, CostlyReads
from projections.rows import Connection, read_value
from tests.support.logs import query

ENDLESS = "SELECT pg_sleep(3600)"

_ENDLESS_ONES = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'active' AND query LIKE 'SELECT pg_sleep%%'
"""


@pytest.fixture
async def costly(database_url: str) -> AsyncIterator[CostlyReads]:
    async with Database(database_url).costly_pool(MAX_CONCURRENT) as pool:
        yield CostlyReads(pool)


async def ask(costly: CostlyReads, limit_s: float = 3600.0) -> None:
    async with costly.turn(["/parameters.a", "/offset"], limit_s) as connection:
        await connection.execute(ENDLESS)


def endless_ones(url: str) -> int:
    [(count,)] = query(url, _ENDLESS_ONES)
    assert isinstance(count, int)
    return count


async def until(url: str, count: int) -> None:
    async with asyncio.timeout(60):
        while endless_ones(url) != count:
            await asyncio.sleep(0.02)


async def test_what_takes_too_long_is_ended_and_refused_by_the_names_of_its_filters(
    costly: CostlyReads, database_url: str
) -> None:
    with pytest.raises(TooCostlyError) as refused:
        await ask(costly, 0.3)
    assert refused.value.code == "query_too_costly"
    paths = [issue.path for issue in refused.value.issues]
    assert paths == ["/parameters.a", "/offset"]
    assert "narrow it by job" in refused.value.issues[0].message
    await until(database_url, 0)
    async with costly.turn([]) as connection:
        assert await read_value(connection, int, "SELECT 1") == 1


async def test_the_operators_shorter_limit_is_told_likewise(database_url: str) -> None:
    with_limit = make_conninfo(database_url, options="-c statement_timeout=200")
    async with Database(with_limit).costly_pool(MAX_CONCURRENT) as pool:
        with pytest.raises(TooCostlyError):
            await ask(CostlyReads(pool))


async def test_turns_end_with_who_has_left_and_go_to_who_has_waited(
    costly: CostlyReads, database_url: str
) -> None:
    tasks = [asyncio.create_task(ask(costly)) for _ in range(4)]
    await until(database_url, MAX_CONCURRENT)
    for task in tasks[:MAX_CONCURRENT]:
        task.cancel()
    await asyncio.gather(*tasks[:MAX_CONCURRENT], return_exceptions=True)
    await until(database_url, MAX_CONCURRENT)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until(database_url, 0)


async def test_who_waits_for_too_long_is_refused(
    costly: CostlyReads, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [asyncio.create_task(ask(costly)) for _ in range(MAX_CONCURRENT)]
    await until(database_url, MAX_CONCURRENT)
    monkeypatch.setattr(costly_reads, "WAIT_S", 0.1)
    with pytest.raises(OverloadedError, match="costly queries"):
        await ask(costly)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_every_session_that_is_lent_has_a_limit(database_url: str) -> None:
    database = Database(database_url)
    async with database.pool(1) as pool, borrowed(pool) as connection:
        assert await _limit(connection) == "1min"
    async with database.costly_pool(1) as pool, borrowed(pool) as connection:
        assert await _limit(connection) == "1min"
    with_limit = make_conninfo(database_url, options="-c statement_timeout=7s")
    async with Database(with_limit).pool(1) as pool, borrowed(pool) as connection:
        assert await _limit(connection) == "7s"


async def _limit(connection: Connection) -> str:
    return await read_value(connection, str, "SHOW statement_timeout")
