"""Which errors of the database are temporary, and not the statement's fault."""

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
    # A pooler in between has made the server forget prepared statements.
    errors.InvalidSqlStatementName,
)


def is_away(error: psycopg.Error) -> bool:
    """Return whether the server or the connection has failed; do not use the connection again."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_AWAY_STATES)


def is_passing(error: psycopg.Error) -> bool:
    """Return whether another try may succeed; the transaction was certainly rolled back."""
    return isinstance(error, _PASSING)


def is_unavailable(error: psycopg.Error) -> bool:
    """Return whether the database is unavailable for the moment."""
    return is_passing(error) or is_away(error)


@contextmanager
def raise_unavailable() -> Iterator[None]:
    """Raise LogUnavailableError in place of errors that mean that the database is unavailable."""
    try:
        yield
    except psycopg.Error as error:
        if not is_unavailable(error):
            raise
        raise LogUnavailableError(f"the database cannot be read: {error}") from error
