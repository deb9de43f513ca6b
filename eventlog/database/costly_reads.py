"""Queries that may take long: few at a time, each for a limited time.

They have connections of their own, so cheap reads never wait for them. A query is refused if many
wait already, or once it has waited long. If it takes longer than its limit, the error names the
fields that make it costly.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from psycopg import errors
from psycopg_pool import AsyncConnectionPool

from domain.errors import Issue, LogUnavailableError, OverloadedError, TooCostlyError
from eventlog.database.connection import borrowed
from projections.rows import Connection
from runtime.tasks import ConcurrencyLimiter, QueueFullError

MAX_CONCURRENT = 2
"""Costly queries of a process that run at a time. Each keeps a processor of the database busy."""

MAX_WAITING = 32

WAIT_S = 20.0
"""Longest wait for a turn."""

LIMIT_S = 10.0
"""How long a turn may take: all queries of a request, and the computing between them."""

COUNT_LIMIT_S = 50.0
"""The same for a count of all runs that a bulk operation selects; shorter than `QUERY_MS`."""

REMEDY = "narrow it by job, status or a shorter time, and go on by cursor instead of offset"


class CostlyReads:
    """Lends connections for costly queries, in turns."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool
        self._limiter = ConcurrencyLimiter(MAX_CONCURRENT, MAX_WAITING)

    @asynccontextmanager
    async def turn(
        self, costly_fields: Sequence[str], limit_s: float = LIMIT_S, *, is_new: bool = True
    ) -> AsyncIterator[Connection]:
        """Wait for a turn, and lend a connection for it. If the caller is canceled, its query is.

        Args:
            costly_fields: the fields that make the query costly, as JSON Pointers.
            limit_s: how long the turn may take.
            is_new: whether it may be refused; False for a further part of a response that has
                begun.

        Raises:
            OverloadedError: too many wait already, or the wait was too long.
            TooCostlyError: the turn took too long.
            LogUnavailableError: the database is away.
        """
        waiting = asyncio.timeout(WAIT_S if is_new else None)
        async with AsyncExitStack() as stack:
            try:
                async with waiting:
                    await stack.enter_async_context(self._limiter.permit(is_new=is_new))
            except (QueueFullError, TimeoutError):
                raise OverloadedError("too many costly queries are running") from None
            yield await stack.enter_async_context(self._lend(costly_fields, limit_s))

    @asynccontextmanager
    async def _lend(
        self, costly_fields: Sequence[str], limit_s: float
    ) -> AsyncIterator[Connection]:
        limit = asyncio.timeout(limit_s)
        try:
            async with limit, borrowed(self._pool) as connection:
                yield connection
        except TimeoutError:
            if not limit.expired():
                raise
            raise _too_costly(costly_fields, limit_s) from None
        except LogUnavailableError as error:
            if not isinstance(error.__cause__, errors.QueryCanceled):
                raise
            # The operator has set a lower limit for statements.
            raise _too_costly(costly_fields, limit_s) from None


def _too_costly(costly_fields: Sequence[str], limit_s: float) -> TooCostlyError:
    message = f"the answer was not there after {limit_s:.0f} s; {REMEDY}"
    return TooCostlyError([Issue(field, message, "cost") for field in costly_fields])
