"""Connections of the service and of operators.

First the service's connections and pools (`Database`), and how their values are read; then
operators' sessions, which read whole tables for minutes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import orjson
import psycopg
from psycopg import AsyncConnection, errors
from psycopg.abc import PQGen
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg.types.string import TextLoader
from psycopg_pool import AsyncConnectionPool
from typing_extensions import override

from eventlog.database.continuity import Continuity
from eventlog.database.failures import raise_unavailable
from eventlog.keys import LogFiles
from projections.rows import Connection

CONNECT_TIMEOUT_S = 5

USABLE_S = 5.0
"""How long a server may take until a connection that it has accepted can be used, for the first
time or again. One that is frozen keeps connections open and answers nothing."""

RECONNECT_S = 1.0

LOCK_TIMEOUT_MS = 10_000
"""Longest wait for the append lock. Longer than `IDLE_IN_TRANSACTION_MS`, so that a session that
was cut off while it held the lock is ended before the sessions that wait for it give up."""

IDLE_IN_TRANSACTION_MS = 5_000
"""A writer that stalls this long inside its transaction loses it. Shorter than every lease, so that
no worker is declared lost because another process stalls."""


QUERY_MS = 60_000
"""Longest query of pooled sessions. Queries take milliseconds; one that unexpectedly takes longer
ends here, so that it does not keep a session for good."""

QUERY_ANSWER_S = QUERY_MS / 1_000 + 10
"""How long the server may take to answer a pooled session: then the session counts as lost. Before,
the server ends a query itself; one that is frozen, or waits for its disk, ends nothing. A
`RoundTrip` has a shorter limit of its own (`pipeline.ANSWER_S`)."""

_DEFAULTS = {
    "connect_timeout": str(CONNECT_TIMEOUT_S),
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""By these a peer that vanished silently is noticed within about ten seconds. Options in the URL
take precedence."""


@dataclass(frozen=True)
class Database:
    """Where a log is: in PostgreSQL, and in files.

    Attributes:
        url: `postgresql://…`, or any other form of a libpq connection string; its options take
            precedence over our defaults.
        files: the log's files, which readers need besides a connection.
        continuity: notices that the log was replaced, or has lost events.
    """

    url: str
    files: LogFiles = field(default_factory=LogFiles)
    continuity: Continuity = field(default_factory=Continuity, compare=False)

    @property
    def conninfo(self) -> str:
        """Return the URL with our defaults for options that it lacks; texts are always UTF-8."""
        options = conninfo_to_dict(self.url)
        missing = {name: value for name, value in _DEFAULTS.items() if name not in options}
        return make_conninfo(self.url, client_encoding="UTF8", **missing)

    async def connect(self) -> Connection:
        """Open a configured connection, and check that its log continues the one of before."""
        connection = await AsyncConnection.connect(
            self.conninfo, autocommit=True, row_factory=dict_row
        )
        try:
            await self._configure(connection)
        except BaseException:  # Also a canceled caller, who never gets it to close it.
            await connection.close()
            raise
        return connection

    async def _configure(self, connection: Connection) -> None:
        async with answered_within(USABLE_S):
            await configure(connection)
            await self.continuity.check(connection)

    async def _configure_reader(self, connection: Connection) -> None:
        await self._configure(connection)
        async with answered_within(USABLE_S):
            await connection.execute(_LIMIT_QUERIES, {"max_ms": QUERY_MS})

    async def _configure_costly(self, connection: Connection) -> None:
        await self._configure_reader(connection)
        async with answered_within(USABLE_S):
            await connection.execute(_LIMIT_RESOURCES)

    def pool(self, size: int) -> AsyncConnectionPool[Connection]:
        """Return a pool of connections for queries; open it in the running loop."""
        return self._pool("queries", size, 1, self._configure_reader)

    def costly_pool(self, size: int) -> AsyncConnectionPool[Connection]:
        """Return a pool of connections for costly queries; idle ones are closed."""
        return self._pool("costly queries", size, 0, self._configure_costly)

    def _pool(
        self,
        name: str,
        max_size: int,
        min_size: int,
        configure_connection: Callable[[Connection], Awaitable[None]],
    ) -> AsyncConnectionPool[Connection]:
        return AsyncConnectionPool(
            self.conninfo,
            connection_class=PooledConnection,
            min_size=min_size,
            max_size=max_size,
            open=False,
            kwargs={"autocommit": True, "row_factory": dict_row},
            configure=configure_connection,
            check=_check,
            reset=_record_use,
            timeout=CONNECT_TIMEOUT_S,
            # By default the pool's back-off grows: it would still sleep half a minute after the
            # database has come back.
            reconnect_timeout=RECONNECT_S,
            name=name,
        )


RV = TypeVar("RV")


class PooledConnection(AsyncConnection[dict[str, Any]]):
    """A connection that is closed if its server does not answer in time.

    Attributes:
        answer_s: how long the server may take; None without a limit.
    """

    answer_s: float | None = QUERY_ANSWER_S

    @override
    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Send or receive; whatever uses the connection does so by this method of psycopg."""
        limit_s = self.answer_s if timeout is None else timeout
        began_s = monotonic()
        try:
            return await super().wait(gen, interval, limit_s)
        except psycopg.OperationalError as error:
            is_late = limit_s is not None and monotonic() - began_s >= limit_s
            if not is_late or error.sqlstate is not None or self.closed:
                raise
            self.pgconn.finish()
            msg = f"the server does not answer: {error}"
            raise errors.ConnectionTimeout(msg) from error


@contextmanager
def answer_limit(connection: AsyncConnection[Any], limit_s: float | None) -> Iterator[None]:
    """Give the server of a pooled connection another time to answer; None for as long as it takes.

    How long it works on a statement is limited by `_LIMIT_QUERIES` besides.
    """
    if not isinstance(connection, PooledConnection):
        yield
        return
    connection.answer_s = limit_s
    try:
        yield
    finally:
        del connection.answer_s


_LIMIT_QUERIES = """
    SELECT set_config('statement_timeout', %(max_ms)s::text, false) FROM pg_settings
    WHERE name = 'statement_timeout' AND (setting::bigint = 0 OR setting::bigint > %(max_ms)s)
"""
"""If the operator has set a shorter timeout, it stays."""

_LIMIT_RESOURCES = """
    SELECT set_config('max_parallel_workers_per_gather', '0', false),
        set_config('client_connection_check_interval', '2s', false)
"""
"""A costly query uses one processor, not several; it ends with the process that sent it."""

CHECK_AFTER_S = 0.25
"""For how long after its last use a connection is lent again unchecked. A check is a round trip:
checks of each use would double the round trips of a busy process."""

_used_at: WeakKeyDictionary[AsyncConnection[Any], float] = WeakKeyDictionary()


async def _record_use(connection: AsyncConnection[Any]) -> None:
    _used_at[connection] = monotonic()


async def _check(connection: AsyncConnection[Any]) -> None:
    if monotonic() - _used_at.get(connection, 0.0) > CHECK_AFTER_S:
        with answer_limit(connection, USABLE_S):
            await AsyncConnectionPool.check_connection(connection)


@asynccontextmanager
async def answered_within(limit_s: float) -> AsyncIterator[None]:
    """End a block that a server does not answer in time; the connection counts as lost.

    Psycopg first asks the server to cancel the query, for ten more seconds at most.

    Raises:
        ConnectionTimeout: the block took longer.
    """
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError as error:
        msg = f"the server answered nothing for {limit_s:.0f} s"
        raise errors.ConnectionTimeout(msg) from error


@asynccontextmanager
async def borrowed(pool: AsyncConnectionPool[Connection]) -> AsyncIterator[Connection]:
    """Lend a connection of the pool for reading.

    Raises:
        LogUnavailableError: the database is away, or what the block reads is locked.
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
    """Set up a session: UTC, timeouts, no compiler, and values read as `adapt` says.

    To compile a statement can take a thousand times as long as to execute it, and PostgreSQL does
    so at each execution of a plan that it believes costly: before the first ANALYZE, or with a sort
    that `enable_sort` is to avoid (in version 17 and before).
    """
    adapt(connection)
    await connection.execute(
        "SELECT set_config('TimeZone', 'UTC', false), set_config('jit', 'off', false),"
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
"""Called with what is being done, such as `job_runs: folding`, the number done, and the total."""


LOCK_WAIT = "5s"
"""How long to wait for another session's advisory lock: the server needs a moment to notice that
its client was killed."""


@asynccontextmanager
async def operator_session(database: Database) -> AsyncIterator[Connection]:
    """Open a session for long statements, which end soon if this process is killed."""
    async with await database.connect() as connection:
        await connection.execute(
            "SET statement_timeout = 0; SET work_mem = '64MB'; SET cursor_tuple_fraction = 1"
        )
        with suppress(errors.InvalidParameterValue):
            # Supported on Linux, macOS and the BSDs.
            await connection.execute("SET client_connection_check_interval = '1s'")
        yield connection


async def try_lock(session: Connection, lock: int) -> bool:
    """Take an advisory lock until the session ends; return False if another session holds it."""
    try:
        await session.execute(f"BEGIN; SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        await session.execute(f"SELECT pg_advisory_lock({lock}); COMMIT")
    except errors.LockNotAvailable:
        await session.execute("ROLLBACK")
        return False
    return True
