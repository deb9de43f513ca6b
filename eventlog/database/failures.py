"""Tells temporary errors of the database from errors of the statement."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from domain.errors import LogUnavailableError

_AWAY_STATES = ("08", "53", "57P0", "25P03", "25P04", "25006")
"""Classes and codes of SQLSTATE: connection lost, out of resources, shut down, idle too long in a
transaction, and read-only after a failover. They are listed because psycopg's `OperationalError`
lacks some of them, and includes some errors in the data."""

_TRANSIENT = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.QueryCanceled,
    # A pooler in between has made the server forget prepared statements.
    errors.InvalidSqlStatementName,
)


def is_away(error: psycopg.Error) -> bool:
    """Return whether the server or the connection has failed; do not use the connection again."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_AWAY_STATES)


def is_transient(error: psycopg.Error) -> bool:
    """Return whether another try may succeed; the transaction was certainly rolled back."""
    return isinstance(error, _TRANSIENT)


def is_unavailable(error: psycopg.Error) -> bool:
    """Return whether the database cannot do this at the moment."""
    return is_transient(error) or is_away(error)


@contextmanager
def raise_unavailable() -> Iterator[None]:
    """Turn errors of a database that is unavailable (`is_unavailable`) into LogUnavailableError."""
    try:
        yield
    except psycopg.Error as error:
        if not is_unavailable(error):
            raise
        raise LogUnavailableError(f"the database cannot be read: {error}") from error
