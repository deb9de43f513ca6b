"""A real PostgreSQL for tests: one embedded server, a migrated template, a clone for each test."""

import fcntl
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api import embedded as roles
from api.embedded import EmbeddedPostgres
from migrations import runner
from tests.support.processes import eventually

Fill = Callable[[str], Awaitable[None]]
"""Fills the database with this URL."""

Filled = Callable[[str, Fill], Awaitable[str]]
"""Gives a database of one's own: called by its contents' name, filled once for all tests."""


@contextmanager
def server(directory: Path) -> Iterator[str]:
    """Give a server's URL: APPHUB_TEST_DATABASE_URL, else an embedded one, which all share."""
    server_url = os.environ.get("APPHUB_TEST_DATABASE_URL")
    if server_url:
        yield server_url
        _left().join()
        _forget()
        return
    embedded = EmbeddedPostgres(directory, can_create_databases=True)
    try:
        url = embedded.start()
        _allow_what_tests_do(directory)
        yield url
    finally:
        _forget()
        embedded.stop()


_TESTS_MAY = (
    # To write down at once what was filled in.
    f"GRANT pg_checkpoint TO {roles.SERVICE}",
    # To spoil a log behind its triggers' back.
    f"GRANT SET ON PARAMETER session_replication_role TO {roles.SERVICE}",
)


def _allow_what_tests_do(directory: Path) -> None:
    with _alone_as_superuser(directory) as connection:
        for statement in _TESTS_MAY:
            connection.execute(statement.encode())


@contextmanager
def _alone_as_superuser(directory: Path) -> Iterator[psycopg.Connection]:
    """Connect as the superuser; of all processes that do it this way, one at a time goes on."""
    with (directory / "tests.lock").open("ab") as lock, superuser(directory) as connection:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield connection


TRUSTING = f"local all {roles.SUPERUSER} trust\n"


@contextmanager
def superuser(directory: Path, database: str = "postgres") -> Iterator[psycopg.Connection]:
    """Connect as the superuser of an embedded server; whoever may write its files can."""
    cluster = (directory / "postgres").resolve() / "data"
    pid, _, _, _, socket, *_ = (cluster / "postmaster.pid").read_text().splitlines()
    rules = cluster / "pg_hba.conf"
    with (directory / "superuser.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = rules.read_text()
        if not known.startswith(TRUSTING):
            rules.write_text(TRUSTING + known)
            os.kill(int(pid), signal.SIGHUP)
    url = make_conninfo("", host=socket, user=roles.SUPERUSER, dbname=database)
    eventually(lambda: _can_connect(url), what="the server trusting its superuser")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def _can_connect(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def quick_server(directory: Path) -> Iterator[str]:
    """Give the URL of a server for tests: the same, but an embedded one waits for no disk.

    What it wrote would only be lost with the machine; tests kill no more than processes. It asks
    for the password, too, but thousands of sessions need not take half their time to stretch it.
    """
    with server(directory) as url:
        if not os.environ.get("APPHUB_TEST_DATABASE_URL"):
            password = sql.Literal(conninfo_to_dict(url)["password"])
            with _alone_as_superuser(directory) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("ALTER SYSTEM SET full_page_writes = off")
                connection.execute("ALTER SYSTEM SET max_wal_size = '256MB'")
                connection.execute("SELECT pg_reload_conf()")
                connection.execute("SET scram_iterations = 1")
                connection.execute(_PASSWORD.format(sql.Identifier(roles.SERVICE), password))
        yield url


_PASSWORD = sql.SQL("ALTER ROLE {} PASSWORD {}")


def template(server_url: str, directory: Path) -> str:
    """Return the name of a migrated database, made once however many workers ask."""
    name = f"template_{runner.HEAD}"
    with _made_once(server_url, directory, name, None) as url:
        if url is not None:
            runner.upgrade(url)
            # The first session keeps in a file what each needs of the catalogs; clones get it, too.
            psycopg.connect(url).close()
    return name


async def filled_template(server_url: str, directory: Path, name: str, fill: Fill) -> str:
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
        _administer(server_url, f"DROP DATABASE IF EXISTS {name}")
        _administer(server_url, _create(name, source))
        yield make_conninfo(server_url, dbname=name)
        made.touch()


def _create(name: str, source: str | None) -> str:
    """Return what makes a database: copied as files, where all would go through the log else."""
    copied = f" TEMPLATE {source} STRATEGY FILE_COPY" if source else ""
    return f"CREATE DATABASE {name}{copied}"


@contextmanager
def clone(server_url: str, template_name: str | None) -> Iterator[str]:
    """Give the URL of a database of one's own; empty without a template."""
    name = f"test_{uuid4().hex}"
    _administer(server_url, _create(name, template_name))
    try:
        yield make_conninfo(server_url, dbname=name)
    finally:
        _drop_later(server_url, name)


_Left = Queue[tuple[str, str]]


def _drop_later(server_url: str, name: str) -> None:
    """Drop a database beside the tests that follow, whoever still uses it.

    The server drops it only once all sessions have heard of it, and one that sends to somebody who
    reads nothing hears it late: a minute, where tests stall connections.
    """
    _left().put((server_url, name))


@cache
def _left() -> _Left:
    left: _Left = Queue()
    threading.Thread(target=_drop, args=(left,), name="dropping", daemon=True).start()
    return left


def _drop(left: _Left) -> None:
    while True:
        server_url, name = left.get()
        try:
            _administer(server_url, f"DROP DATABASE {name} WITH (FORCE)")
        except psycopg.OperationalError:
            pass  # The server is gone, and all of its databases with it.
        except psycopg.Error as error:
            print(f"database {name} is left: {error}", file=sys.stderr)
        finally:
            left.task_done()


class _Kept(threading.local):
    """A thread's session with the server whose databases it made last; None without one."""

    session: tuple[str, psycopg.Connection] | None = None


_kept = _Kept()


def _administer(server_url: str, statement: str) -> None:
    """Make or drop a database, in a session that is kept: each costs as much as a small test."""
    if _kept.session is not None and _kept.session[0] == server_url:
        try:
            _kept.session[1].execute(statement.encode())
        except psycopg.OperationalError:
            if not _kept.session[1].closed:
                raise
        else:
            return
    _forget()
    _kept.session = (server_url, psycopg.connect(server_url, autocommit=True))
    _kept.session[1].execute(statement.encode())


def _forget() -> None:
    """End the session that this thread keeps."""
    if _kept.session is not None:
        _kept.session[1].close()
        _kept.session = None


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
