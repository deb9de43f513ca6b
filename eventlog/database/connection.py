"""Connections of the service: what every session sets, and values read as plain JSON."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import orjson
import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg.types.string import TextLoader
from psycopg_pool import AsyncConnectionPool

from eventlog.database.continuity import Continuity
from eventlog.database.failures import unavailable_told
from eventlog.keys.log_files import LogFiles
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
"""Longest query of the sessions that are lent for reading. A cheap one takes milliseconds: this
ends what nobody has foreseen, before it keeps a session for good."""

_DEFAULTS = {
    "connect_timeout": str(CONNECT_TIMEOUT_S),
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""So that a peer that vanished without a word is noticed within about ten seconds. The URL may say
otherwise."""


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
        given = conninfo_to_dict(self.url)
        missing = {
            name: value for name, value in _DEFAULTS.items() if name not in given
        }
        return make_conninfo(self.url, client_encoding="UTF8", **missing)

    async def connect(self) -> Connection:
        """Open a connection for the log's writer or reader."""
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
        await connection.execute(_TAKE_TURNS)

    def pool(self, size: int) -> AsyncConnectionPool[Connection]:
        """Return a pool of connections for queries; open it in the running loop."""
        return self._pool("queries", size, 1, self._configure_reader)

    def costly_pool(self, size: int) -> AsyncConnectionPool[Connection]:
        """Return a pool for costly queries; none of its connections is kept without need."""
        return self._pool("costly queries", size, 0, self._configure_costly)

    def _pool(
        self,
        name: str,
        size: int,
        kept: int,
        configured: Callable[[Connection], Awaitable[None]],
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

_TAKE_TURNS = """
    SELECT set_config('max_parallel_workers_per_gather', '0', false),
        set_config('client_connection_check_interval', '2s', false)
"""
"""A costly query has one processor, not several; it ends with the process that sent it."""

TRUSTED_S = 0.25
"""For how long after its last use a connection is lent again without asking the server whether it
is still there: the question would double the round trips of a busy process."""

_used_at: WeakKeyDictionary[AsyncConnection[Any], float] = WeakKeyDictionary()


async def _note_use(connection: AsyncConnection[Any]) -> None:
    _used_at[connection] = monotonic()


async def _check(connection: AsyncConnection[Any]) -> None:
    if monotonic() - _used_at.get(connection, 0.0) > TRUSTED_S:
        await AsyncConnectionPool.check_connection(connection)


@asynccontextmanager
async def borrowed(pool: AsyncConnectionPool[Connection]) -> AsyncIterator[Connection]:
    """Lend a connection for reading.

    Raises:
        LogUnavailableError: the database is away, or what is to be read is locked, whether from the
            start or while reading.
    """
    with unavailable_told():
        async with pool.connection() as connection:
            yield connection


@asynccontextmanager
async def snapshot(connection: Connection) -> AsyncIterator[None]:
    """Let all queries meanwhile see the same; the connection must be outside of a transaction."""
    async with connection.transaction():
        await connection.execute(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        )
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
