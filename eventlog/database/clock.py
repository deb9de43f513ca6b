"""The database's clock, kept at hand.

Skewed hosts agree, and no command pays a round trip for the time.
"""

import asyncio
import logging
from datetime import UTC, datetime
from time import monotonic, time

from psycopg_pool import AsyncConnectionPool

from domain.clock import from_iso
from domain.errors import LogUnavailableError
from eventlog.database.connection import borrowed
from eventlog.database.sql import NOW
from projections.rows import Connection, read_value
from runtime.supervision import Supervised, Supervision

logger = logging.getLogger(__name__)

SYNC_EVERY_S = 10.0
"""Host clocks drift by some 10 µs a second at worst, so this keeps within a fraction of a
millisecond."""


class DatabaseClock:
    """Tells the database's time from the monotonic clock and the offset last measured."""

    TIME = NOW
    """What is asked for the database's time."""

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

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SYNC_EVERY_S)
            try:
                await self.sync()
            except LogUnavailableError as error:
                logger.warning(
                    "cannot read the database's clock, going on with the last offset: %s",
                    error,
                )
