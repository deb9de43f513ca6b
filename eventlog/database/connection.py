"""Connections of the service and of operators, and what a server must be to keep the log.

First what every session sets, and values read as plain JSON; then operators' sessions, which read
whole tables for minutes; then checks of the server, before anything is done there; last how a start
waits for a database that is away (`Patience`).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, TypeVar
from uuid import uuid4
from weakref import WeakKeyDictionary

import orjson
import psycopg
from psycopg import AsyncConnection, errors
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg.types.string import TextLoader
from psycopg_pool import AsyncConnectionPool

from domain.errors import (
    LogUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    PositionsUsedError,
    SubjectKeysUnavailableError,
)
from eventlog.database.continuity import Continuity
from eventlog.database.failures import is_unavailable, raise_unavailable
from eventlog.keys import LogFiles
from projections.rows import Connection

CONNECT_TIMEOUT_S = 5

RECONNECT_S = 1.0

LOCK_TIMEOUT_MS = 10_000
"""Longest wait for the append lock. Above the idle time below, so that a session that was cut off
while it held the lock is gone before those that wait for it give up."""

IDLE_IN_TRANSACTION_MS = 5_000
"""A writer that stalls this long inside its transaction loses it. Below every lease, so that nobody
is declared dead because of somebody else's stall."""


QUERY_MS = 60_000
"""Longest query of the sessions that are lent for reading. A cheap one takes milliseconds; one that
unexpectedly does not ends here, before it keeps a session for good."""

_DEFAULTS = {
    "connect_timeout": str(CONNECT_TIMEOUT_S),
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""A peer that vanished silently is noticed within about ten seconds. The URL may say otherwise."""


@dataclass(frozen=True)
class Database:
    """Where a log is: in PostgreSQL, and in files. Its connections know nothing of the files.

    Attributes:
        url: `postgresql://…`, or any other form of a libpq connection string; all its options hold.
        files: hand them to whoever reads the log through a connection.
        continuity: notices that another log is reached than before.
    """

    url: str
    files: LogFiles = field(default_factory=LogFiles)
    continuity: Continuity = field(default_factory=Continuity, compare=False)

    @property
    def conninfo(self) -> str:
        """Return the URL with our defaults for what it leaves open; texts are always UTF-8."""
        options = conninfo_to_dict(self.url)
        missing = {name: value for name, value in _DEFAULTS.items() if name not in options}
        return make_conninfo(self.url, client_encoding="UTF8", **missing)

    async def connect(self) -> Connection:
        """Open a configured connection; its log is compared with what this process has seen."""
        connection = await AsyncConnection.connect(
            self.conninfo, autocommit=True, row_factory=dict_row
        )
        try:
            await self._configure(connection)
        except BaseException:  # Whoever stops waiting for it will not close it either.
            await connection.close()
            raise
        return connection

    async def _configure(self, connection: Connection) -> None:
        await configure(connection)
        await self.continuity.check(connection)

    async def _configure_reader(self, connection: Connection) -> None:
        await self._configure(connection)
        await connection.execute(_LIMIT_QUERIES, {"most": QUERY_MS})

    async def _configure_costly(self, connection: Connection) -> None:
        await self._configure_reader(connection)
        await connection.execute(_LIMIT_RESOURCES)

    def pool(self, size: int) -> AsyncConnectionPool[Connection]:
        """Return a pool of connections for queries; open it in the running loop."""
        return self._pool("queries", size, 1, self._configure_reader)

    def costly_pool(self, size: int) -> AsyncConnectionPool[Connection]:
        """Return a pool for costly queries; none of its connections is kept without need."""
        return self._pool("costly queries", size, 0, self._configure_costly)

    def _pool(
        self, name: str, size: int, kept: int, configured: Callable[[Connection], Awaitable[None]]
    ) -> AsyncConnectionPool[Connection]:
        return AsyncConnectionPool(
            self.conninfo,
            min_size=kept,
            max_size=size,
            open=False,
            kwargs={"autocommit": True, "row_factory": dict_row},
            configure=configured,
            check=_check,
            reset=_note_use,
            timeout=CONNECT_TIMEOUT_S,
            # The pool's own back-off would go on sleeping for half a minute after the database is
            # back.
            reconnect_timeout=RECONNECT_S,
            name=name,
        )


_LIMIT_QUERIES = """
    SELECT set_config('statement_timeout', %(most)s::text, false) FROM pg_settings
    WHERE name = 'statement_timeout' AND (setting::bigint = 0 OR setting::bigint > %(most)s)
"""
"""A shorter one that the operator has set holds."""

_LIMIT_RESOURCES = """
    SELECT set_config('max_parallel_workers_per_gather', '0', false),
        set_config('client_connection_check_interval', '2s', false)
"""
"""A costly query has one processor, not several; it ends with the process that sent it."""

CHECK_AFTER_S = 0.25
"""For how long after its last use a connection is lent again unchecked: a check is a round trip, so
checks would double those of a busy process."""

_used_at: WeakKeyDictionary[AsyncConnection[Any], float] = WeakKeyDictionary()


async def _note_use(connection: AsyncConnection[Any]) -> None:
    _used_at[connection] = monotonic()


async def _check(connection: AsyncConnection[Any]) -> None:
    if monotonic() - _used_at.get(connection, 0.0) > CHECK_AFTER_S:
        await AsyncConnectionPool.check_connection(connection)


@asynccontextmanager
async def borrowed(pool: AsyncConnectionPool[Connection]) -> AsyncIterator[Connection]:
    """Lend a connection for reading.

    Raises:
        LogUnavailableError: the database is away, or what is to be read is locked, whether from the
            start or while reading.
    """
    with raise_unavailable():
        async with pool.connection() as connection:
            yield connection


@asynccontextmanager
async def snapshot(connection: Connection) -> AsyncIterator[None]:
    """Let all queries in the block see one snapshot; the connection must be in no transaction."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


async def configure(connection: AsyncConnection[Any]) -> None:
    """Set up a session: UTC, timeouts, and values read as `adapt` says."""
    adapt(connection)
    await connection.execute(
        "SELECT set_config('TimeZone', 'UTC', false),"
        " set_config('lock_timeout', %s, false),"
        " set_config('idle_in_transaction_session_timeout', %s, false)",
        (f"{LOCK_TIMEOUT_MS}ms", f"{IDLE_IN_TRANSACTION_MS}ms"),
    )


def adapt(connection: psycopg.BaseConnection[Any]) -> None:
    """Make the connection read ids and times as text, and JSON by the codec that wrote it."""
    connection.adapters.register_loader("timestamptz", _IsoLoader)
    connection.adapters.register_loader("uuid", TextLoader)
    set_json_loads(orjson.loads, connection)
    set_json_dumps(orjson.dumps, connection)


class _IsoLoader(Loader):
    """Reads `2026-11-24 14:31:04.1+00` as `2026-11-24T14:31:04.100Z`; sessions are in UTC."""

    def load(self, data: bytes | bytearray | memoryview) -> str:
        text = bytes(data).decode()
        text = text.removesuffix("+00").replace(" ", "T", 1)
        seconds, _, fraction = text.partition(".")
        return f"{seconds}.{fraction[:3]:0<3}Z"


Progress = Callable[[str, int, int], None]
"""Called with what is being done to which table, the number done, and the total."""


LOCK_WAIT = "5s"
"""How long to wait for another session's lock: the server needs a moment to notice that its client
was killed."""


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


async def try_lock(session: Connection, lock: int) -> bool:
    """Take an advisory lock until the session ends; return False if another session keeps it."""
    try:
        await session.execute(f"BEGIN; SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        await session.execute(f"SELECT pg_advisory_lock({lock}); COMMIT")
    except errors.LockNotAvailable:
        await session.execute("ROLLBACK")
        return False
    return True


# Whether a server can keep the log is checked before anything is done there.

MINIMUM_VERSION = 150_000
"""PostgreSQL 15, as libpq counts versions."""

ENCODING = "UTF8"

NOTIFY_TIMEOUT_S = 2.0

Session = psycopg.Connection[tuple[object, ...]]


class ServerError(Exception):
    """The server cannot keep the log; the message says why and what to do."""


def check_server(url: str) -> None:
    """Make sure that the log can be kept there.

    Raises:
        ServerError: it cannot, however long one waits.
        psycopg.OperationalError: the server cannot be reached.
    """
    with _session(url) as session:
        _check_version(session)
        _check_encoding(session)
        if _is_pooled(session):
            _check_pooler(session, url)


def _session(url: str) -> Session:
    return psycopg.connect(Database(url).conninfo, autocommit=True)


def _check_version(session: Session) -> None:
    version = session.info.server_version
    if version < MINIMUM_VERSION:
        release = version // 10_000
        raise ServerError(f"the database is PostgreSQL {release}; 15 or newer is needed")


def _check_encoding(session: Session) -> None:
    encoding = session.info.parameter_status("server_encoding")
    if encoding != ENCODING:
        raise ServerError(
            f"the database's encoding is {encoding}, which cannot hold every text; it must be"
            f" {ENCODING}: CREATE DATABASE … ENCODING '{ENCODING}' TEMPLATE template0, copy the"
            " data there by pg_dump, and use that database"
        )


def _is_pooled(session: Session) -> bool:
    """Return whether a pooler stands between this process and the server."""
    return session.info.backend_pid != _value(session, "SELECT pg_backend_pid()")


def _check_pooler(session: Session, url: str) -> None:
    """Check that prepared statements stay: the pooler keeps them, or the session."""
    name = f"apphub_{uuid4().hex}"
    session.pgconn.prepare(name.encode(), b"SELECT 1")
    query = f"SELECT count(*) FROM pg_prepared_statements WHERE name = '{name}'"
    is_prepared = _value(session, query) == 1
    if is_prepared and not _keeps_session(session, url, name):
        raise ServerError(
            "the pooler in front of the database gives each transaction another session and forgets"
            " prepared statements: set its max_prepared_statements to 100 or more (PgBouncer 1.21"
            " or newer), or let it pool sessions, or give PostgreSQL's own address"
        )


def _keeps_session(session: Session, url: str, channel: str) -> bool:
    """Return whether the session stays the same: only then do others' notifications arrive."""
    session.execute(f"LISTEN {channel}".encode())
    with _session(url) as other:
        other.execute(f"NOTIFY {channel}".encode())
    return any(session.notifies(timeout=NOTIFY_TIMEOUT_S, stop_after=1))


def _value(session: Session, query: str) -> object:
    row = session.execute(query.encode()).fetchone()
    if row is None:
        raise ServerError(f"the database answers nothing to {query}")
    return row[0]


# A start waits for a database that is away: every step of it, in one way.
#
# A server may go away after the first check as well: it may restart, or recover from a crash. So
# each step of a start that uses the database is repeated until it succeeds; each may be done twice.
# A line of the log says what the start waits for, and is repeated now and then.

T = TypeVar("T")

logger = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Between two tries to reach a server that is away."""

WARN_EVERY_S = 5.0

_REFUSALS = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "no password supplied",
)
"""Parts of answers that waiting does not change."""

AWAY = (psycopg.Error, LogUnavailableError, OutcomeUnknownError, OverloadedError)
"""What a step may raise while the database is away."""


class Patience:
    """Waits for a database that is away, up to `longest_s` each time."""

    def __init__(self, longest_s: float = 0.0) -> None:
        self._longest_s = longest_s
        self._away_since: float | None = None
        self._warned_at = float("-inf")

    def wait(self, step: Callable[[], T]) -> T:
        """Do a step of the start, again and again while the database is away.

        Raises whatever the step raises last.
        """
        while True:
            try:
                result = step()
            except AWAY as error:
                sleep(self._pause_s(error))
            else:
                self._away_since = None
                return result

    async def wait_async(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do the same without holding up others."""
        while True:
            try:
                result = await step()
            except AWAY as error:
                await asyncio.sleep(self._pause_s(error))
            else:
                self._away_since = None
                return result

    def _pause_s(self, error: Exception) -> float:
        """Return how long to wait before the next try; raise the error if there is to be none."""
        now = monotonic()
        if self._away_since is None:
            self._away_since = now
        remaining_s = self._away_since + self._longest_s - now
        if remaining_s <= 0 or not _may_pass(error):
            raise error
        if now - self._warned_at > WARN_EVERY_S:
            self._warned_at = now
            reason = " ".join(str(error).split())
            logger.warning(
                "the database is away, waiting for up to %.0f s: %s", remaining_s, reason
            )
        return min(PAUSE_S, remaining_s)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, (SubjectKeysUnavailableError, PositionsUsedError)):
        return False  # An operator must do something first.
    if any(refusal in str(error) for refusal in _REFUSALS):
        return False
    return not isinstance(error, psycopg.Error) or is_unavailable(error)
