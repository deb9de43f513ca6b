"""The table `projection_versions`: the version of the fold that wrote each table.

A table without a row is incomplete: a rebuild of it has not finished. One more row counts batches
of repaired rows, in all tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import ReadOnly, TypedDict

from projections.rows import Connection, read_first, read_rows
from projections.table import Table
from projections.tables import TABLES


@dataclass(frozen=True)
class StaleTable:
    """A table that was written by another version of its fold: older or, after a downgrade, newer.

    Attributes:
        table: the table.
        written_by: the version that wrote it; None if the table is new in this database, or if its
            last rebuild did not finish.
    """

    table: Table
    written_by: int | None

    def __str__(self) -> str:
        if self.written_by is None:
            return f"{self.table.name} has not been built completely"
        return (
            f"{self.table.name} was written by version {self.written_by} of its fold,"
            f" not by {self.table.version}"
        )


class _Version(TypedDict):
    name: ReadOnly[str]
    version: ReadOnly[int]


async def stale_tables(
    connection: Connection, tables: Sequence[Table] = TABLES
) -> list[StaleTable]:
    """Return the tables that must be rebuilt."""
    rows = await read_rows(connection, _Version, "SELECT name, version FROM projection_versions")
    versions = {row["name"]: row["version"] for row in rows}
    stale: list[StaleTable] = []
    for table in tables:
        written_by = versions.get(table.name)
        if written_by != table.version:
            stale.append(StaleTable(table, written_by))
    return stale


async def is_complete(connection: Connection, table: Table) -> bool:
    """Return whether no unfinished rebuild has changed the table."""
    query = "SELECT name, version FROM projection_versions WHERE name = %(name)s"
    return await read_first(connection, _Version, query, {"name": table.name}) is not None


async def mark_incomplete(connection: Connection, table: Table) -> None:
    """Record that a rebuild changes the table; if it does not finish, this stays recorded."""
    await connection.execute("DELETE FROM projection_versions WHERE name = %s", (table.name,))


async def mark_complete(connection: Connection, table: Table) -> None:
    """Record that the table is the fold of the log by this version."""
    await connection.execute(
        "INSERT INTO projection_versions (name, version) VALUES (%(name)s, %(version)s)"
        " ON CONFLICT (name) DO UPDATE"
        " SET version = excluded.version, written_at = clock_timestamp()",
        {"name": table.name, "version": table.version},
    )


_REPAIRS = "mended batches"

RECORD_REPAIR = f"""
    INSERT INTO projection_versions (name, version) VALUES ('{_REPAIRS}', 1)
    ON CONFLICT (name) DO UPDATE SET version = projection_versions.version % 2147483647 + 1
"""
"""Executed with each batch of repaired rows, under the append lock. Processes that keep rows in
memory read `COUNT_REPAIRS`; if it has changed, they read their rows again."""

COUNT_REPAIRS = f"SELECT version FROM projection_versions WHERE name = '{_REPAIRS}'"
"""Returns the number of repaired batches so far; no row if there were none."""


class RepairsRow(TypedDict):
    """The row of `COUNT_REPAIRS`."""

    version: ReadOnly[int]
