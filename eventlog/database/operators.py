"""Sessions of operators, who read whole tables for minutes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from psycopg import errors

from eventlog.database.connection import Database
from projections.rows import Connection

Progress = Callable[[str, int, int], None]
"""Told what is being done to which table, how far it is, and how far it goes."""


PATIENCE = "5s"
"""How long to wait for the session of another one who does the same: the server needs a moment to
notice that a client was killed."""


@asynccontextmanager
async def operator_session(database: Database) -> AsyncIterator[Connection]:
    """Give a session for long statements; its server soon notices that the client was killed."""
    async with await database.connect() as connection:
        await connection.execute(
            "SET statement_timeout = 0; SET work_mem = '64MB'; SET cursor_tuple_fraction = 1"
        )
        with suppress(errors.InvalidParameterValue):
            # Only Linux, macOS and the BSDs can tell.
            await connection.execute("SET client_connection_check_interval = '1s'")
        yield connection


async def took_lock(session: Connection, lock: int) -> bool:
    """Take an advisory lock that goes with the session; return False if another one keeps it."""
    try:
        await session.execute(f"BEGIN; SET LOCAL lock_timeout = '{PATIENCE}'")
        await session.execute(f"SELECT pg_advisory_lock({lock}); COMMIT")
    except errors.LockNotAvailable:
        await session.execute("ROLLBACK")
        return False
    return True
