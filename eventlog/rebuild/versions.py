"""Which version of its fold each table was written by (the table `projection_versions`)."""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import ReadOnly, TypedDict

from projections.rows import Connection, read_first, read_rows
from projections.table import Table
from projections.tables import TABLES


@dataclass(frozen=True)
class Stale:
    """A table that another version of its fold has written.

    It is an older one or, after a step back, a newer one.

    Attributes:
        written_by: that version; None if the table is new to the database, or a rebuild of it did
            not come to its end.
    """

    table: Table
    written_by: int | None

    def __str__(self) -> str:
        """Say it."""
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
) -> list[Stale]:
    """Return the tables that must be rebuilt."""
    query = "SELECT name, version FROM projection_versions"
    rows = await read_rows(connection, _Version, query)
    versions = {row["name"]: row["version"] for row in rows}
    found: list[Stale] = []
    for table in tables:
        written_by = versions.get(table.name)
        if written_by != table.version:
            stale = Stale(table, written_by)
            found.append(stale)
    return found


async def has_version(connection: Connection, table: Table) -> bool:
    """Return whether the table was complete once, and no rebuild has begun to change it since."""
    query = "SELECT name, version FROM projection_versions WHERE name = %(name)s"
    return (
        await read_first(connection, _Version, query, {"name": table.name}) is not None
    )


async def forget_version(connection: Connection, table: Table) -> None:
    """Note that a rebuild has begun, so that one that does not come to its end is noticed."""
    await connection.execute(
        "DELETE FROM projection_versions WHERE name = %s", (table.name,)
    )


async def record_version(connection: Connection, table: Table) -> None:
    """Note that the table is what this version of its fold makes of the log."""
    await connection.execute(
        "INSERT INTO projection_versions (name, version) VALUES (%(name)s, %(version)s)"
        " ON CONFLICT (name) DO UPDATE"
        " SET version = excluded.version, written_at = clock_timestamp()",
        {"name": table.name, "version": table.version},
    )


_MENDING = "mended batches"

NOTE_MENDING = f"""
    INSERT INTO projection_versions (name, version) VALUES ('{_MENDING}', 1)
    ON CONFLICT (name) DO UPDATE SET version = projection_versions.version % 2147483647 + 1
"""
"""To be executed, under the append lock, with whatever mends rows: whoever keeps rows of its own
notices by `MENDED` that they may have been wrong."""

MENDED = f"SELECT version FROM projection_versions WHERE name = '{_MENDING}'"
"""How often rows have been mended; no row where they never were."""


class Mended(TypedDict):
    """The row of `MENDED`."""

    version: ReadOnly[int]
