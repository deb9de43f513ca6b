"""What the database's errors mean: which are temporary, and not the fault of the statement."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from domain.errors import LogUnavailableError

_AWAY_STATES = ("08", "53", "57P0", "25P03", "25P04", "25006")
"""Classes and codes of SQLSTATE: connection lost, out of resources, shut down, too long in a
transaction, and read-only after a failover. Some of them are no `OperationalError`, while some
errors in the data are one."""

_PASSING = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.QueryCanceled,
    # Somebody between us and the server has made it forget what was prepared.
    errors.InvalidSqlStatementName,
)


def is_away(error: psycopg.Error) -> bool:
    """Return whether the error is about the server or the connection, which is of no more use."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_AWAY_STATES)


def is_passing(error: psycopg.Error) -> bool:
    """Return whether another try may well succeed; the transaction is certainly undone."""
    return isinstance(error, _PASSING)


def is_unavailable(error: psycopg.Error) -> bool:
    """Return whether the database cannot do at the moment what it will do later."""
    return is_passing(error) or is_away(error)


@contextmanager
def unavailable_told() -> Iterator[None]:
    """Tell errors that say that the database is unavailable as LogUnavailableError."""
    try:
        yield
    except psycopg.Error as error:
        if not is_unavailable(error):
            raise
        raise LogUnavailableError(f"the database cannot be read: {error}") from error
