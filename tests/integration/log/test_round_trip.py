"""Statements go together, their rows come back, and a session survives what goes wrong."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from psycopg import errors

from eventlog.database import pipeline
from eventlog.database.connection import Database
from eventlog.database.pipeline import RoundTrip, is_sound, roll_back
from projections.rows import Connection
from tests.support.wires.proxy import Proxy


async def _run(url: str, scenario: Callable[[Connection], Awaitable[None]]) -> None:
    async with await Database(url).connect() as connection:
        await scenario(connection)


async def test_answers_come_in_order_typed_as_everywhere(database_url: str) -> None:
    async def scenario(connection: Connection) -> None:
        ids = [uuid4(), uuid4()]
        for _ in range(3):  # Prepared once, used again.
            trip = RoundTrip(connection)
            texts = trip.add("SELECT %s::text AS one, %s::integer AS two", ("a'b\\c", 7))
            answer = trip.add(
                "SELECT id FROM unnest(%(ids)s::uuid[]) AS id WHERE %(ids)s::uuid[] IS NOT NULL",
                {"ids": ids},
            )
            time = trip.add(
                "SELECT timestamptz '2026-11-25 01:02:03.4Z' AS at, '{\"a\": 1}'::jsonb AS value"
            )
            nothing = trip.add("SELECT 1 AS one WHERE false")
            await trip.send()
            assert texts.rows == [{"one": "a'b\\c", "two": 7}]
            assert [row["id"] for row in answer.rows] == [str(one) for one in ids]
            assert time.rows == [{"at": "2026-11-25T01:02:03.400Z", "value": {"a": 1}}]
            assert nothing.rows == []

    await _run(database_url, scenario)


async def test_what_follows_an_error_is_not_done_and_the_session_can_go_on(
    database_url: str,
) -> None:
    async def scenario(connection: Connection) -> None:
        await connection.execute("CREATE TEMPORARY TABLE kept (number integer)")
        trip = RoundTrip(connection)
        trip.add("BEGIN")
        trip.add("INSERT INTO kept VALUES (1)")
        trip.add("SELECT 1 / %s::integer", (0,))
        trip.add("COMMIT")
        with pytest.raises(errors.DivisionByZero):
            await trip.send()
        assert not is_sound(connection)
        await roll_back(connection)
        again = RoundTrip(connection)
        counted = again.add("SELECT count(*) AS count FROM kept")
        await again.send()
        assert counted.rows == [{"count": 0}]
        assert is_sound(connection)

    await _run(database_url, scenario)


async def test_what_somebody_made_the_session_forget_is_prepared_anew(database_url: str) -> None:
    async def scenario(connection: Connection) -> None:
        async def ask() -> list[dict[str, object]]:
            trip = RoundTrip(connection)
            answer = trip.add("SELECT 1 AS one")
            await trip.send()
            return answer.rows

        await ask()
        await connection.execute("DEALLOCATE ALL")
        with pytest.raises(errors.InvalidSqlStatementName):
            await ask()
        assert await ask() == [{"one": 1}]

    await _run(database_url, scenario)


async def test_a_session_that_is_cut_off_says_so(database_url: str) -> None:
    async def scenario(connection: Connection) -> None:
        trip = RoundTrip(connection)
        trip.add("SELECT pg_terminate_backend(pg_backend_pid())")
        trip.add("SELECT 1")
        with pytest.raises((errors.AdminShutdown, errors.OperationalError)):
            await trip.send()
        with pytest.raises(errors.OperationalError):
            await roll_back(connection)

    await _run(database_url, scenario)


async def test_a_session_whose_server_answers_nothing_is_closed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy(database_url) as proxy:

        async def scenario(connection: Connection) -> None:
            monkeypatch.setattr(pipeline, "ANSWER_S", 0.2)
            proxy.answers_flow.clear()
            trip = RoundTrip(connection)
            trip.add("SELECT 1 AS one")
            with pytest.raises(errors.OperationalError):
                await trip.send()
            assert connection.closed

        await _run(proxy.url, scenario)
