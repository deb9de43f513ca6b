"""Rows of the database: how they are read, and which columns clients see.

A row is psycopg's dictionary, typed as a `TypedDict`: `row["attempt"]` is an int, and nothing is
copied. SQL, JSON and the API's models of a table follow from its row's type (`domain.state`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

from psycopg import AsyncConnection

from domain.json_values import JsonObject
from domain.ports import Row
from domain.state import columns_in

Connection = AsyncConnection[dict[str, Any]]
"""A connection of `eventlog.database.connection`, whose rows are dictionaries in plain JSON."""

R = TypeVar("R", bound=Row)
V = TypeVar("V", int, str, bool)

_NO_VALUES: Mapping[str, object] = {}


async def read_rows(
    connection: Connection, of: type[R], query: str, values: Mapping[str, object] = _NO_VALUES
) -> list[R]:
    """Return the rows of a query with the columns of the type."""
    cursor = await connection.execute(query, values)
    rows = await cursor.fetchall()
    return as_rows(of, rows)


async def read_first(
    connection: Connection, of: type[R], query: str, values: Mapping[str, object] = _NO_VALUES
) -> R | None:
    """Return the first row of a query, None if it has none."""
    rows = await read_rows(connection, of, query, values)
    return rows[0] if rows else None


async def read_one(
    connection: Connection, of: type[R], query: str, values: Mapping[str, object] = _NO_VALUES
) -> R:
    """Return the row of a query that always has one."""
    [row] = await read_rows(connection, of, query, values)
    return row


async def read_value(
    connection: Connection, of: type[V], query: str, values: Mapping[str, object] = _NO_VALUES
) -> V:
    """Return the value of a query that always has one row of one column.

    Raises:
        TypeError: it has another type, or is NULL.
    """
    cursor = await connection.execute(query, values)
    [row] = await cursor.fetchall()
    [value] = row.values()
    if not isinstance(value, of):
        msg = f"{value!r} is no {of.__name__}"
        raise TypeError(msg)
    return value


async def read_ids(
    connection: Connection, query: str, values: Mapping[str, object] = _NO_VALUES
) -> list[UUID]:
    """Return the ids that are the only column of a query's rows."""
    return [UUID(text) for text in await read_texts(connection, query, values)]


async def read_texts(
    connection: Connection, query: str, values: Mapping[str, object] = _NO_VALUES
) -> list[str]:
    """Return the texts that are the only column of a query's rows."""
    cursor = await connection.execute(query, values)
    return [text for row in await cursor.fetchall() for text in row.values()]


def as_row(of: type[R], row: Row) -> R:
    """Return a row as one of this type, unchecked."""
    del of
    return cast("R", row)


def as_rows(of: type[R], rows: Sequence[Row]) -> list[R]:
    """Return rows as rows of this type, unchecked: the query must have its columns."""
    del of
    return cast("list[R]", rows)


def columns_of(row_type: type[Row]) -> dict[str, str]:
    """Return the names of the columns, each with its PostgreSQL type."""
    return {column.name: column.kind for column in columns_in(row_type)}


def presented(row: Row, shown: Mapping[str, str]) -> JsonObject:
    """Return a row as clients see it.

    Args:
        row: with at least the columns that are shown.
        shown: columns by their names in clients' JSON.
    """
    return cast("JsonObject", {field: row[column] for field, column in shown.items()})


# Pages that are bounded by bytes, as rows may have some megabytes each.

PAGE_BYTES = 4_194_304
"""A page ends once its rows have this many bytes."""


def within_page(page: str, large: Iterable[str], order: str, columns: str = "page.*") -> str:
    """Return the query for the first rows of a page, up to `PAGE_BYTES`, one at least.

    The column `in_page` is the number of rows of the whole page.

    Args:
        page: the query for the page.
        large: its columns without a fixed size.
        order: of the page.
        columns: to select.
    """
    size = " + ".join(map(_size_of, large))
    return f"""
        SELECT {columns} FROM (
            SELECT page.*, count(*) OVER () AS in_page,
                sum(size) OVER (ORDER BY {order}) - size AS bytes_before
            FROM (SELECT *, {size} AS size FROM ({page}) AS page OFFSET 0) AS page
        ) AS page
        WHERE bytes_before < {PAGE_BYTES} ORDER BY {order}
    """


def _size_of(column: str) -> str:
    """Return SQL for the size of a column without a fixed size; only compressed values are read."""
    return f"""coalesce(CASE WHEN pg_column_compression({column}) IS NULL
        THEN pg_column_size({column}) ELSE octet_length({column}::text) END, 0)"""
