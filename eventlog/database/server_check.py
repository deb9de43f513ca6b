"""Checks that a server can keep the log, before anything is done there.

Its version, its encoding, and a pooler in front of it, if there is one.
"""

from uuid import uuid4

import psycopg

from eventlog.database.connection import Database

MINIMUM_VERSION = 150_000
"""PostgreSQL 15, as libpq counts versions."""

ENCODING = "UTF8"

NOTIFY_TIMEOUT_S = 2.0

Session = psycopg.Connection[tuple[object, ...]]


class ServerError(Exception):
    """The server cannot keep the log; the message says why and what to do."""


def check_server(url: str) -> None:
    """Check that a server can keep the log.

    Raises:
        ServerError: it cannot, and waiting does not change that.
        psycopg.OperationalError: the server cannot be reached.
    """
    with _session(url) as session:
        _check_version(session)
        _check_encoding(session)
        if _is_pooled(session):
            _check_pooler(session, url)


def _session(url: str) -> Session:
    return psycopg.connect(Database(url).conninfo, autocommit=True)


def _check_version(session: Session) -> None:
    version = session.info.server_version
    if version < MINIMUM_VERSION:
        release = version // 10_000
        raise ServerError(f"the database is PostgreSQL {release}; 15 or newer is needed")


def _check_encoding(session: Session) -> None:
    encoding = session.info.parameter_status("server_encoding")
    if encoding != ENCODING:
        raise ServerError(
            f"the database's encoding is {encoding}, which cannot hold every text; it must be"
            f" {ENCODING}: CREATE DATABASE … ENCODING '{ENCODING}' TEMPLATE template0, copy the"
            " data there by pg_dump, and use that database"
        )


def _is_pooled(session: Session) -> bool:
    """Return whether there is a pooler between this process and the server."""
    return session.info.backend_pid != _value(session, "SELECT pg_backend_pid()")


def _check_pooler(session: Session, url: str) -> None:
    """Check that prepared statements stay: either the pooler or the session must keep them."""
    name = f"apphub_{uuid4().hex}"
    session.pgconn.prepare(name.encode(), b"SELECT 1")
    query = f"SELECT count(*) FROM pg_prepared_statements WHERE name = '{name}'"
    is_prepared = _value(session, query) == 1
    if is_prepared and not _keeps_session(session, url, name):
        raise ServerError(
            "the pooler in front of the database gives each transaction another session and forgets"
            " prepared statements: set its max_prepared_statements to 100 or more (PgBouncer 1.21"
            " or newer), or let it pool sessions, or give PostgreSQL's own address"
        )


def _keeps_session(session: Session, url: str, channel: str) -> bool:
    """Return whether the session stays the same: only then do notifications of others arrive."""
    session.execute(f"LISTEN {channel}".encode())
    with _session(url) as other:
        other.execute(f"NOTIFY {channel}".encode())
    return any(session.notifies(timeout=NOTIFY_TIMEOUT_S, stop_after=1))


def _value(session: Session, query: str) -> object:
    row = session.execute(query.encode()).fetchone()
    if row is None:
        raise ServerError(f"the database answers nothing to {query}")
    return row[0]
