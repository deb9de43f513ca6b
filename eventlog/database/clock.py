"""The database's clock, computed in memory: hosts with skewed clocks agree, without round trips.

First the clock, then that of a test service's database, which can be moved.
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
"""Host clocks drift by some 10 µs a second at worst, so the error stays below a fraction of a
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
        """Return the database's present time."""
        return datetime.fromtimestamp(self._epoch_s + monotonic(), UTC)

    async def start(self, supervision: Supervision) -> None:
        """Measure once, and continue to measure in the background."""
        await self.sync()
        self._task = supervision.start("database clock", self._run)

    async def stop(self) -> None:
        """Stop measuring."""
        if self._task is not None:
            await self._task.end()

    async def sync(self) -> None:
        """Measure the offset, as if the database's answer had taken no time.

        So this clock may be late by a round trip and is never early: a run that is launched now is
        due at once for a claim, which uses the database's own clock.
        """
        async with borrowed(self._pool) as connection:
            now = await read_value(connection, str, self.TIME)
            received_s = monotonic()
        self._epoch_s = from_iso(now).timestamp() - received_s

    def follow(self, earlier: datetime, now: datetime) -> bool:
        """Set this clock back if the database's clock was set back; return whether it was.

        Without this, commands would decide by a time in the future until the next measurement.

        Args:
            earlier: the time of this clock before the database's was read.
            now: the time of the database's clock, read just now.
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
# Statements call `clock_timestamp()`. In a test service's database, the search path leads to
# another function of this name. So a test service executes the same statements as all others, and
# the clock of no other service can be moved.

SCHEMA = """
    CREATE SCHEMA testing;
    CREATE TABLE testing.clock (ahead interval NOT NULL);
    INSERT INTO testing.clock VALUES ('0');
    CREATE FUNCTION testing.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
        AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM testing.clock'
"""
"""Execute it before the tables are created: their defaults call the clock, too."""

_OPTIONS = "-csearch_path=public,testing,pg_catalog -csynchronous_commit=off"


def shiftable(url: str) -> str:
    """Return the URL by which a test service connects to its database."""
    return make_conninfo(url, options=_OPTIONS)


async def shift(connection: Connection, ahead: timedelta) -> None:
    """Set the database's clock ahead of the real time, and wake workers to claim due runs."""
    await connection.execute("UPDATE testing.clock SET ahead = %s", [ahead])
    await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, PENDING])


class ShiftedClock(DatabaseClock):
    """The clock of a test service: each change of the shift takes effect at once."""

    TIME = "SELECT pg_catalog.clock_timestamp() AS now"

    def __init__(self, pool: AsyncConnectionPool[Connection], ahead: ClockShift) -> None:
        super().__init__(pool)
        self._ahead = ahead

    def __call__(self) -> datetime:
        """Return the database's present time, shifted."""
        return super().__call__() + self._ahead.read()
