"""A real PostgreSQL for tests: one embedded server, a migrated template, a clone for each test."""

import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from api.embedded.server import EmbeddedPostgres
from migrations import runner

Fill = Callable[[str], Awaitable[None]]
"""Fills the database with this URL."""

Filled = Callable[[str, Fill], Awaitable[str]]
"""Gives a database of one's own: called by its contents' name, filled once for all tests."""


@contextmanager
def server(directory: Path) -> Iterator[str]:
    """Give a server's URL: APPHUB_TEST_DATABASE_URL, else an embedded one, which all share."""
    given = os.environ.get("APPHUB_TEST_DATABASE_URL")
    if given:
        yield given
        return
    embedded = EmbeddedPostgres(directory)
    try:
        yield embedded.start()
    finally:
        embedded.stop()


@contextmanager
def quick_server(directory: Path) -> Iterator[str]:
    """Give the URL of a server for tests: the same, but an embedded one waits for no disk.

    What it wrote would only be lost with the machine; tests kill no more than processes.
    """
    with server(directory) as url:
        if not os.environ.get("APPHUB_TEST_DATABASE_URL"):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("ALTER SYSTEM SET full_page_writes = off")
                connection.execute("SELECT pg_reload_conf()")
        yield url


def template(server_url: str, directory: Path) -> str:
    """Return the name of a migrated database, made once however many workers ask."""
    name = f"template_{runner.HEAD}"
    with _made_once(server_url, directory, name, None) as url:
        if url is not None:
            runner.upgrade(url)
    return name


async def filled_template(
    server_url: str, directory: Path, name: str, fill: Fill
) -> str:
    """Return the name of a database that was filled once, however many workers ask.

    Args:
        server_url: of the server.
        directory: that all workers share.
        name: of what it is filled with.
        fill: fills the migrated database with this URL, and leaves no session.
    """
    name = f"filled_{name}"
    migrated = template(server_url, directory)
    with _made_once(server_url, directory, name, migrated) as url:
        if url is not None:
            await fill(url)
    return name


@contextmanager
def _made_once(
    server_url: str, directory: Path, name: str, source: str | None
) -> Iterator[str | None]:
    """Give the URL of a new database that is still to be made, or None where it has been."""
    made = directory / f"{name}.made"
    with (directory / f"{name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if made.exists():
            yield None
            return
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(_create(name, source))
        yield make_conninfo(server_url, dbname=name)
        made.touch()


def _create(name: str, source: str | None) -> str:
    return f"CREATE DATABASE {name}" + (f" TEMPLATE {source}" if source else "")


@contextmanager
def clone(server_url: str, template_name: str | None) -> Iterator[str]:
    """Give the URL of a database of one's own; empty without a template."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(_create(name, template_name))
        try:
            yield make_conninfo(server_url, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


_LOSING = """
    CREATE SCHEMA losing;
    CREATE FUNCTION losing.pg_notify(channel text, payload text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF payload LIKE 'probe %' OR random() >= {share} THEN
            PERFORM pg_catalog.pg_notify(channel, payload);
        END IF;
    END $$;
"""


def lose_notifications(url: str, share: float) -> None:
    """Let this share of all later sessions' notifications be lost; every listener hears itself."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_LOSING.format(share=share).encode())
        name = connection.info.dbname
        connection.execute(
            f"ALTER DATABASE {name} SET search_path = losing, public, pg_catalog".encode()
        )


@contextmanager
def scratch() -> Iterator[str]:
    """Give the URL of a migrated database on a server of its own; both are gone afterwards."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        directory = Path(name)
        directory.chmod(0o711)
        server_url = stack.enter_context(server(directory / "postgres"))
        yield stack.enter_context(clone(server_url, template(server_url, directory)))
