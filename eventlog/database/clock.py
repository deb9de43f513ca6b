"""The database's clock, kept in memory: skewed hosts agree, and no command costs a round trip.

First the clock, then the database of a test service, whose clock can be moved.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from time import monotonic, time

from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from domain.clock import CLOCK_STEP, from_iso
from domain.errors import LogUnavailableError
from eventlog.database.connection import borrowed
from eventlog.database.sql import CHANNEL, NOW, PENDING
from projections.rows import Connection, read_value
from runtime.process import ClockShift
from runtime.tasks import Supervised, Supervision, repeat

logger = logging.getLogger(__name__)

SYNC_EVERY_S = 10.0
"""Host clocks drift by some 10 µs a second at worst, so this keeps within a fraction of a
millisecond."""


class DatabaseClock:
    """Computes the database's time from the monotonic clock and the last measured offset."""

    TIME = NOW
    """The query for the database's time."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool
        self._epoch_s = time() - monotonic()
        self._task: Supervised | None = None

    def __call__(self) -> datetime:
        """Return the database's present."""
        return datetime.fromtimestamp(self._epoch_s + monotonic(), UTC)

    async def start(self, supervision: Supervision) -> None:
        """Measure once, then go on measuring."""
        await self.sync()
        self._task = supervision.start("database clock", self._run)

    async def stop(self) -> None:
        """Stop measuring."""
        if self._task is not None:
            await self._task.end()

    async def sync(self) -> None:
        """Measure the offset, as if the answer had taken no time.

        So this clock may be late by a round trip and is never early: what is launched now is due at
        once for a claim, which goes by the database's own clock.
        """
        async with borrowed(self._pool) as connection:
            now = await read_value(connection, str, self.TIME)
            answered_s = monotonic()
        self._epoch_s = from_iso(now).timestamp() - answered_s

    def follow(self, earlier: datetime, now: datetime) -> bool:
        """Set this clock back if the database's was; return whether it was.

        Without this, commands would decide by a time in the future until the next measurement.

        Args:
            earlier: what this clock showed before the database's was read.
            now: what the database's clock shows; it was read just now.
        """
        is_set_back = earlier > now + CLOCK_STEP
        if is_set_back:
            logger.warning("the database's clock was set back by %s", earlier - now)
            self._epoch_s = now.timestamp() - monotonic()
        return is_set_back

    async def _run(self) -> None:
        async def step() -> float:
            await self.sync()
            return SYNC_EVERY_S

        failure = "cannot read the database's clock, continuing with the last offset"
        await asyncio.sleep(SYNC_EVERY_S)
        await repeat(step, failure, LogUnavailableError, SYNC_EVERY_S)


# For tests: a database whose clock can be moved, and the clock of processes that use it.
#
# Statements call `clock_timestamp()`. In a test service's database another function of this name is
# found first, so a service runs the same statements, and no other service's clock can be moved.

SCHEMA = """
    CREATE SCHEMA testing;
    CREATE TABLE testing.clock (ahead interval NOT NULL);
    INSERT INTO testing.clock VALUES ('0');
    CREATE FUNCTION testing.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
        AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM testing.clock'
"""
"""Create it before the tables, whose defaults call the clock as well."""

_OPTIONS = "-csearch_path=public,testing,pg_catalog -csynchronous_commit=off"


def shiftable(url: str) -> str:
    """Return the URL by which a test service reaches its database."""
    return make_conninfo(url, options=_OPTIONS)


async def shift(connection: Connection, ahead: timedelta) -> None:
    """Set the database's clock ahead, and let workers look for due runs."""
    await connection.execute("UPDATE testing.clock SET ahead = %s", [ahead])
    await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, PENDING])


class ShiftedClock(DatabaseClock):
    """Shows the shifted time of a test service's database, as soon as it is shifted."""

    TIME = "SELECT pg_catalog.clock_timestamp() AS now"

    def __init__(self, pool: AsyncConnectionPool[Connection], ahead: ClockShift) -> None:
        super().__init__(pool)
        self._ahead = ahead

    def __call__(self) -> datetime:
        """Return the present."""
        return super().__call__() + self._ahead.read()
