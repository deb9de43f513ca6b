"""LISTEN: notifications of appended events. They are hints: waiters also read at intervals."""

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
from runtime.tasks import Supervised, Supervision, retry

logger = logging.getLogger(__name__)

RECONNECT_PAUSE_S = 0.5

PROBE_TIMEOUT_S = 2.0

SILENT_POLL_S = 0.1
"""How often waiters read if notifications do not arrive."""


@dataclass(frozen=True)
class Announcement:
    """Pending runs that were announced since the last wait.

    Attributes:
        pending: number of runs that have become pending.
        position: position of the last event that was announced with them; 0 if it is unknown.
        run_id: the run's id, if it is one run whose id is known.
    """

    pending: int = 0
    position: int = 0
    run_id: UUID | None = None


NOTHING = Announcement()

_IS_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Signal:
    """Wakes one waiter when events are appended."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self._event = asyncio.Event()
        self._is_urgent = False
        self._announced = NOTHING

    def set(self) -> None:
        """Wake the waiter, now or when it next waits."""
        self._is_urgent = True
        self._event.set()

    def notify(self, announcement: Announcement) -> None:
        """Pass on an announcement; one of pending runs also wakes waiters for urgent ones only."""
        if announcement.pending:
            self._announced = _merge(self._announced, announcement)
            self._is_urgent = True
        self._event.set()

    async def wait(self, timeout_s: float, *, only_urgent: bool = False) -> Announcement:
        """Wait for a notification, a reconnect, or the timeout.

        Args:
            timeout_s: the longest wait; shorter if notifications do not arrive.
            only_urgent: whether to ignore announcements without pending runs.

        Returns:
            The pending runs that were announced since the last wait.
        """
        if not self._listener.receives:
            timeout_s = min(timeout_s, SILENT_POLL_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
                while only_urgent and not self._is_urgent:
                    self._event.clear()
                    await self._event.wait()
        self._event.clear()
        announced = self._announced
        self._announced = NOTHING
        self._is_urgent = False
        return announced


class Listener:
    """Keeps one listening connection; wakes every signal at each notification and reconnect.

    Attributes:
        receives: whether notifications arrive.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._signals: set[Signal] = set()
        self._task: Supervised | None = None
        self.receives = True

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
        connect = self._database.connect
        failure = "cannot listen to the log"
        while True:
            connection = await retry(connect, failure, psycopg.Error, RECONNECT_PAUSE_S)
            try:
                await self._listen(connection)
            except psycopg.Error as error:
                logger.warning(
                    "the connection that listens to the log was lost, listening again: %s", error
                )
                await asyncio.sleep(RECONNECT_PAUSE_S)
            finally:
                await connection.close()

    async def _listen(self, connection: Connection) -> None:
        await connection.execute(f"LISTEN {CHANNEL}")
        self.receives = await self._receives(connection)
        if not self.receives:
            logger.warning(
                "notifications do not arrive, probably because of a proxy that pools"
                " transactions; reading every %s s instead."
                " Give a direct connection to PostgreSQL to save that.",
                SILENT_POLL_S,
            )
        self._wake()  # Events may have been appended before LISTEN.
        await self._pass_on(connection)

    async def _pass_on(self, connection: Connection) -> None:
        """Pass on notifications until the connection is lost.

        It uses a callback, since psycopg's `notifies` polls ten times a second, and continues to
        wait before the tasks that a notification wakes can run.

        Raises:
            psycopg.Error: the connection is lost.
        """
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[None] = loop.create_future()
        pgconn = connection.pgconn
        socket = pgconn.socket  # Raises an error if the connection is lost.

        def read() -> None:
            try:
                pgconn.consume_input()
            except psycopg.Error as error:
                loop.remove_reader(socket)
                if not lost.done():
                    lost.set_exception(error)
            while notification := pgconn.notifies():
                self._notify(notification.extra.decode())

        loop.add_reader(socket, read)
        try:
            await lost
        except asyncio.CancelledError:
            # Only here: after an error, another connection may have the socket's number by now.
            loop.remove_reader(socket)
            raise

    def _notify(self, payload: str) -> None:
        announcement = parse_announcement(payload)
        for signal in self._signals:
            signal.notify(announcement)

    async def _receives(self, connection: Connection) -> bool:
        """Return whether a notification of another session arrives.

        The session's own notifications arrive even where those of others do not.
        """
        async with await self._database.connect() as other:
            probe = f"probe {uuid4()}"
            await other.execute("SELECT pg_notify(%s, %s)", (CHANNEL, probe))
        async for notification in connection.notifies(timeout=PROBE_TIMEOUT_S):
            # Other notifications may have come with the answer to LISTEN.
            if notification.payload == probe:
                return True
        return False

    def _wake(self) -> None:
        for signal in self._signals:
            signal.set()


def parse_announcement(payload: str) -> Announcement:
    """Parse an announcement: a position, then numbers and ids of pending runs if there are any.

    Other versions of the program omit the run's id or the number; after a shift of the clock both
    are missing.
    """
    if not payload.endswith(PENDING):
        return NOTHING
    words = payload.split()
    numbers = [int(word) for word in words if word.isdecimal()]
    ids = [UUID(word) for word in words if _IS_ID.fullmatch(word)]
    position, *counts = numbers or [0]
    run_id = ids[0] if len(ids) == 1 else None
    return Announcement(sum(counts) or 1, position, run_id)


def _merge(earlier: Announcement, later: Announcement) -> Announcement:
    if not earlier.pending:
        return later
    return Announcement(earlier.pending + later.pending, later.position)
