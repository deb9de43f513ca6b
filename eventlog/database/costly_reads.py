"""Queries that may take long: few at a time, each for a limited time.

They have connections of their own, so cheap reads never wait for them. A query is refused if many
wait already, or after a long wait. If its time is over before it has answered, the error names what
makes the query costly.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from psycopg import errors
from psycopg_pool import AsyncConnectionPool

from domain.errors import Issue, LogUnavailableError, OverloadedError, TooCostlyError
from eventlog.database.connection import borrowed
from projections.rows import Connection
from runtime.tasks import QueueFullError, Turns

MAX_CONCURRENT = 2
"""Costly queries of a process that run at a time. Each keeps a processor of the database busy."""

MAX_WAITING = 32

WAIT_S = 20.0
"""Longest wait for a turn."""

LIMIT_S = 10.0
"""How long a turn may take: all queries of a request, and the computing between them."""

COUNT_LIMIT_S = 50.0
"""The same for a count of all runs that a bulk operation is about; below `QUERY_MS`."""

REMEDY = "narrow it by job, status or a shorter time, and go on by cursor instead of offset"


class CostlyReads:
    """Lends connections for costly queries, in turns."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool
        self._turns = Turns(MAX_CONCURRENT, MAX_WAITING)

    @asynccontextmanager
    async def turn(
        self, causes: Sequence[str], limit_s: float = LIMIT_S, *, is_new: bool = True
    ) -> AsyncIterator[Connection]:
        """Wait for a turn, and lend a connection for it. Its query is canceled with the caller.

        Args:
            causes: fields that make the query costly, as JSON Pointers.
            limit_s: how long the turn may take.
            is_new: whether it may be refused; an answer that has begun must be finished.

        Raises:
            OverloadedError: too many wait already, or the wait was too long.
            TooCostlyError: the time was over.
            LogUnavailableError: the database is away.
        """
        waiting = asyncio.timeout(WAIT_S if is_new else None)
        async with AsyncExitStack() as stack:
            try:
                async with waiting:
                    await stack.enter_async_context(self._turns.taken(is_new=is_new))
            except (QueueFullError, TimeoutError):
                raise OverloadedError("too many costly queries are running") from None
            yield await stack.enter_async_context(self._limited(causes, limit_s))

    @asynccontextmanager
    async def _limited(self, causes: Sequence[str], limit_s: float) -> AsyncIterator[Connection]:
        limit = asyncio.timeout(limit_s)
        try:
            async with limit, borrowed(self._pool) as connection:
                yield connection
        except TimeoutError:
            if not limit.expired():
                raise
            raise _too_costly(causes, limit_s) from None
        except LogUnavailableError as error:
            if not isinstance(error.__cause__, errors.QueryCanceled):
                raise
            # The operator's own limit is lower.
            raise _too_costly(causes, limit_s) from None


def _too_costly(causes: Sequence[str], limit_s: float) -> TooCostlyError:
    message = f"the answer was not there after {limit_s:.0f} s; {REMEDY}"
    return TooCostlyError([Issue(cause, message, "cost") for cause in causes])
