"""Which servers are taken, and for how long one is waited for that is away."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from eventlog.database import server_check as server
from eventlog.database.connection import Database
from tests.support.processes import Process
from tests.support.slow import slow
from tests.support.wires.proxy import Proxy

COMMANDS = [["serve", "--port", "0"], ["worker"], ["up", "--port", "0"]]


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def other_encoding(
    request: pytest.FixtureRequest, database_server: str
) -> Iterator[tuple[str, str]]:
    """Give an encoding and the URL of an empty database in it."""
    name = f"encoded_{uuid4().hex}"
    with psycopg.connect(database_server, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{request.param}' TEMPLATE template0"
            " LOCALE_PROVIDER libc LOCALE 'C'".encode()
        )
        yield request.param, make_conninfo(database_server, dbname=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_database_that_cannot_keep_every_text_is_refused(
    other_encoding: tuple[str, str], tmp_path: Path
) -> None:
    encoding, url = other_encoding
    arguments = ["serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
    process = Process(arguments, {"APPHUB_DATABASE_URL": url})
    assert process.popen.wait(60) == 1
    [error_line] = process.errors
    assert f"encoding is {encoding}" in error_line
    assert "ENCODING 'UTF8'" in error_line
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_class WHERE relname = 'jobs_events'")
        assert tables.fetchone() == (0,)


async def test_no_session_compiles_statements(database_url: str) -> None:
    connection = await Database(database_url).connect()
    cursor = await connection.execute("SELECT current_setting('jit') AS jit")
    assert await cursor.fetchone() == {"jit": "off"}
    await connection.close()


async def test_texts_are_read_as_utf8_whatever_the_address_says(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    for url in (database_url, make_conninfo(database_url, client_encoding="LATIN1")):
        connection = await Database(url).connect()
        assert connection.info.encoding == "utf-8"
        await connection.close()


@pytest.mark.parametrize(("options", "holds"), [({}, "5"), ({"connect_timeout": 17}, "17")])
def test_a_server_is_tried_for_as_long_as_its_address_says(
    database_url: str, options: dict[str, int], holds: str
) -> None:
    with server._session(make_conninfo(database_url, **options)) as session:
        assert session.info.get_parameters()["connect_timeout"] == holds


@pytest.mark.parametrize("command", [*COMMANDS[:2], slow(COMMANDS[2])])
async def test_a_database_that_is_away_at_the_start_is_waited_for(
    database_url: str, command: list[str], tmp_path: Path
) -> None:
    async with Proxy(database_url) as proxy:
        proxy.refusing = True
        arguments = [*command, "--data-dir", str(tmp_path / "data")]
        process = Process(arguments, {"APPHUB_DATABASE_URL": proxy.url})
        try:
            await asyncio.to_thread(process.wait_for_line, "the database is away", errors=True)
            proxy.refusing = False
            await asyncio.to_thread(_wait_until_ready, process, command)
        finally:
            await asyncio.to_thread(process.stop)
        assert "Traceback" not in "\n".join(process.errors)


def _wait_until_ready(process: Process, command: list[str]) -> None:
    if command == ["worker"]:
        process.wait_for_line("is ready with", errors=True)
    else:
        process.url()


@pytest.mark.parametrize("command", COMMANDS)
async def test_one_that_stays_away_ends_the_start_with_the_reason(
    database_url: str, command: list[str], tmp_path: Path
) -> None:
    async with Proxy(database_url) as proxy:
        proxy.refusing = True
        waiting = ["--wait-for-database-s", "0.5", "--data-dir", str(tmp_path / "data")]
        process = Process([*command, *waiting], {"APPHUB_DATABASE_URL": proxy.url})
        assert await asyncio.to_thread(process.popen.wait, 60) == 1
    output = "\n".join(process.errors)
    assert "cannot reach the database" in output
    assert "Traceback" not in output


def test_a_wrong_password_is_not_waited_for(database_server: str, tmp_path: Path) -> None:
    url = make_conninfo(database_server, password="wrong")
    arguments = ["worker", "--data-dir", str(tmp_path / "data")]
    process = Process(arguments, {"APPHUB_DATABASE_URL": url})
    assert process.popen.wait(50) == 1
    assert "authentication failed" in "\n".join(process.errors)
