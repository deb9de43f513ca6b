"""LISTEN: a hint that something was appended. Whoever waits here reads after a while anyway."""

import asyncio
import logging
from contextlib import suppress
from uuid import uuid4

import psycopg

from eventlog.database.connection import Database
from eventlog.database.sql import CHANNEL, PENDING
from projections.rows import Connection
from runtime.supervision import Supervised, Supervision

logger = logging.getLogger(__name__)

RECONNECT_PAUSE_S = 0.5

PROBE_TIMEOUT_S = 2.0

DEAF_POLL_S = 0.1
"""How often to read where notifications do not come through."""


class Signal:
    """One waiter's share of the listener."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self._event = asyncio.Event()
        self._pending = False

    def set(self, *, pending: bool = False) -> None:
        """Wake the waiter, now or when it next waits.

        Args:
            pending: whether a run has come to wait for a worker.
        """
        self._event.set()
        self._pending = self._pending or pending

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a notification, a reconnect, or until the time is over.

        Returns:
            whether a notification told of pending runs.
        """
        if not self._listener.hears:
            timeout_s = min(timeout_s, DEAF_POLL_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        self._event.clear()
        pending = self._pending
        self._pending = False
        return pending


class Listener:
    """Keeps one listening connection; wakes every signal at each notification and reconnect."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._signals: set[Signal] = set()
        self._task: Supervised | None = None
        self.hears = True

    def signal(self) -> Signal:
        """Return a new waiter's signal."""
        signal = Signal(self)
        self._signals.add(signal)
        return signal

    async def start(self, supervision: Supervision) -> None:
        """Begin to listen."""
        self._task = supervision.start("log listener", self._run)

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            await self._task.end()

    async def _run(self) -> None:
        while True:
            try:
                connection = await self._database.connect()
            except psycopg.Error as error:
                logger.warning("cannot listen to the log, trying again: %s", error)
                await asyncio.sleep(RECONNECT_PAUSE_S)
                continue
            try:
                await self._listen(connection)
            except psycopg.Error as error:
                logger.warning("stopped hearing the log, listening anew: %s", error)
                await asyncio.sleep(RECONNECT_PAUSE_S)
            finally:
                await connection.close()

    async def _listen(self, connection: Connection) -> None:
        await connection.execute(f"LISTEN {CHANNEL}")
        self.hears = await _hears_itself(connection)
        if not self.hears:
            logger.warning(
                "notifications do not come through, probably because of a proxy that pools"
                " transactions; reading every %s s instead."
                " Give a direct connection to PostgreSQL to save that.",
                DEAF_POLL_S,
            )
        self._wake()  # Something may have been appended before we listened.
        async for told in connection.notifies():
            self._wake(pending=told.payload.endswith(PENDING))

    def _wake(self, *, pending: bool = False) -> None:
        for signal in self._signals:
            signal.set(pending=pending)


async def _hears_itself(connection: Connection) -> bool:
    token = f"probe {uuid4()}"
    await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, token))
    told = connection.notifies(timeout=PROBE_TIMEOUT_S, stop_after=1)
    heard = [notification async for notification in told]
    return bool(heard)
