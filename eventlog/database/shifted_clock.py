"""A database whose clock can be moved, and the clock of processes that work on it: for tests.

Statements ask `clock_timestamp()`. In a test service's database another function of this name is
found first, so what a service's own code asks is the same, and no other service can be moved.
"""

from datetime import datetime, timedelta

from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from eventlog.database.clock import DatabaseClock
from eventlog.database.sql import CHANNEL, PENDING
from projections.rows import Connection
from runtime.clock_shift import ClockShift

SCHEMA = """
    CREATE SCHEMA testing;
    CREATE TABLE testing.clock (ahead interval NOT NULL);
    INSERT INTO testing.clock VALUES ('0');
    CREATE FUNCTION testing.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
        AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM testing.clock'
"""
"""To be there before the tables are, whose defaults ask for the time as well."""

_OPTIONS = "-csearch_path=public,testing,pg_catalog -csynchronous_commit=off"


def shiftable(url: str) -> str:
    """Return the URL by which a test service reaches its database."""
    return make_conninfo(url, options=_OPTIONS)


async def shift(connection: Connection, ahead: timedelta) -> None:
    """Let the database's clock be ahead by so much, and workers look what is due by it."""
    await connection.execute("UPDATE testing.clock SET ahead = %s", [ahead])
    await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, PENDING])


class ShiftedClock(DatabaseClock):
    """Tells the moved time of a test service's database, from the moment at which it is moved."""

    TIME = "SELECT pg_catalog.clock_timestamp() AS now"

    def __init__(
        self, pool: AsyncConnectionPool[Connection], ahead: ClockShift
    ) -> None:
        super().__init__(pool)
        self._ahead = ahead

    def __call__(self) -> datetime:
        """Return the present."""
        return super().__call__() + self._ahead.read()
