"""Reading rows of the database."""

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection

from domain.ports import Row

Connection = AsyncConnection[dict[str, Any]]
"""A connection set up by `eventlog.connection`: rows are dictionaries in plain JSON."""


async def fetch_rows(
    connection: Connection, query: Any, parameters: Mapping[str, Any]
) -> list[Row]:
    """Return the rows of a query."""
    cursor = await connection.execute(query, parameters)
    return await cursor.fetchall()
