"""LISTEN: a hint that something was appended. Whoever waits here reads after a while anyway."""

import asyncio
import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg

from eventlog.database.connection import Database
from eventlog.database.sql import CHANNEL, PENDING
from projections.rows import Connection
from runtime.tasks import Supervised, Supervision

logger = logging.getLogger(__name__)

RECONNECT_PAUSE_S = 0.5

PROBE_TIMEOUT_S = 2.0

DEAF_POLL_S = 0.1
"""How often to read where notifications do not come through."""


@dataclass(frozen=True)
class Told:
    """What notifications have told since the last time.

    Attributes:
        pending: how many runs have come to wait for a worker.
        position: of the last event that was announced with them.
        run_id: which run, where it is one.
    """

    pending: int = 0
    position: int = 0
    run_id: UUID | None = None


NOTHING = Told()

_IS_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Signal:
    """One waiter's share of the listener."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self._event = asyncio.Event()
        self._is_urgent = False
        self._told = NOTHING

    def set(self) -> None:
        """Wake the waiter, now or when it next waits."""
        self._is_urgent = True
        self._event.set()

    def tell(self, told: Told) -> None:
        """Pass on a notification; of pending runs the waiter hears whatever it waits for."""
        if told.pending:
            self._told = _together(self._told, told)
            self._is_urgent = True
        self._event.set()

    async def wait(self, timeout_s: float, *, only_urgent: bool = False) -> Told:
        """Wait for a notification, a reconnect, or until the time is over.

        Args:
            timeout_s: how long.
            only_urgent: whether to sleep through notifications that tell of no pending run.

        Returns:
            what was told of pending runs.
        """
        if not self._listener.hears:
            timeout_s = min(timeout_s, DEAF_POLL_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
                while only_urgent and not self._is_urgent:
                    self._event.clear()
                    await self._event.wait()
        self._event.clear()
        told = self._told
        self._told = NOTHING
        self._is_urgent = False
        return told


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
        self.hears = await self._hears(connection)
        if not self.hears:
            logger.warning(
                "notifications do not come through, probably because of a proxy that pools"
                " transactions; reading every %s s instead."
                " Give a direct connection to PostgreSQL to save that.",
                DEAF_POLL_S,
            )
        self._wake()  # Something may have been appended before we listened.
        async for told in connection.notifies():
            news = told_by(told.payload)
            for signal in self._signals:
                signal.tell(news)

    async def _hears(self, connection: Connection) -> bool:
        """Return whether a notification of another session arrives.

        Its own may come by the same way as an answer where no other does.
        """
        async with await self._database.connect() as other:
            probe = f"probe {uuid4()}"
            await other.execute("SELECT pg_notify(%s, %s)", (CHANNEL, probe))
        async for told in connection.notifies(timeout=PROBE_TIMEOUT_S):
            # Others' may have come with the answer to LISTEN, and tell nothing.
            if told.payload == probe:
                return True
        return False

    def _wake(self) -> None:
        for signal in self._signals:
            signal.set()


def told_by(payload: str) -> Told:
    """Read an announcement: a position, and how many runs it has left pending if any.

    Other versions of the program do not tell which one, or how many; whoever has moved the clock
    tells nothing of it.
    """
    if not payload.endswith(PENDING):
        return NOTHING
    words = payload.split()
    numbers = [int(word) for word in words if word.isdecimal()]
    ids = [UUID(word) for word in words if _IS_ID.fullmatch(word)]
    position, *counts = numbers or [0]
    run_id = ids[0] if len(ids) == 1 else None
    return Told(sum(counts) or 1, position, run_id)


def _together(before: Told, told: Told) -> Told:
    if not before.pending:
        return told
    return Told(before.pending + told.pending, told.position)
