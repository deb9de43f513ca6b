"""Queries for decisions about saved views."""

from collections.abc import Collection

from psycopg_pool import AsyncConnectionPool
from typing_extensions import override

from domain.commands.saved_views import ViewReads
from eventlog.database.connection import borrowed
from projections import job_definitions
from projections.rows import Connection


class StoredViews(ViewReads):
    """Answers them by the table of jobs."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    @override
    async def personal_among(self, names: Collection[str]) -> Collection[str]:
        async with borrowed(self._pool) as connection:
            return await job_definitions.personal_among(connection, names)
