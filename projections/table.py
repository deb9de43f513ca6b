"""What all projected tables share: a description from which rows are written, rebuilt and checked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import Connection

Evolve = Callable[[Row | None, Envelope], Row]
"""From the row before an event (None where there is none) to the columns that the event changes."""


@dataclass(frozen=True)
class Table:
    """A projection.

    Attributes:
        name: the table.
        subject: the kind of aggregate whose events it folds: the topics' first word.
        key: the column that holds the aggregate's id.
        columns: every column, with its PostgreSQL type.
        evolve: the fold.
        version: to be raised by one whenever `evolve` or `columns` change what a row says for the
            same events. Tables written by another version are rebuilt, or the operator is told to
            (`eventlog.rebuild.rebuild`).
    """

    name: str
    subject: str
    key: str
    columns: Mapping[str, str]
    evolve: Evolve
    version: int = 1

    def fold(self, row: Row | None, event: Envelope) -> Row:
        """Return the whole row after the event."""
        whole = (row or self._empty).copy()
        whole.update(self.changes(row, event))
        return whole

    @cached_property
    def _empty(self) -> Row:
        """The row before there is one: to copy it costs a fifth of making it anew."""
        return dict.fromkeys(self.columns)

    def changes(self, row: Row | None, event: Envelope) -> Row:
        """Return the columns that the event changes; every event moves the row's version and position."""
        changed = self.evolve(row, event)
        changed["aggregate_version"] = event.version
        changed["position"] = event.position
        if row is None:
            changed[self.key] = str(event.aggregate_id)
        return changed


COMMON_COLUMNS: dict[str, str] = {"aggregate_version": "bigint", "position": "bigint"}
"""In every projected table: the version of the aggregate and the place of its last event that the
row shows."""


async def rows_by_id(connection: Connection, table: Table, ids: list[UUID]) -> dict[UUID, Row]:
    """Return the table's rows of these aggregates; those it lacks are left out."""
    cursor = await connection.execute(select_sql(table), (ids,))
    return {UUID(str(row[table.key])): row for row in await cursor.fetchall()}


def select_sql(table: Table) -> str:
    """Return the statement that reads whole rows by a list of ids.

    The list is hidden in a subquery, so that each is expected to be of the same length: else every
    execution is planned anew, for longer than it takes. LATERAL with a LIMIT is a look-up in the
    index for each, however small the table.
    """
    return f"""
        SELECT one.* FROM unnest((SELECT %s::uuid[])) AS wanted (id)
        CROSS JOIN LATERAL (SELECT * FROM {table.name} WHERE {table.key} = wanted.id LIMIT 1) AS one
    """


def insert_sql(table: Table) -> str:
    """Return the statement that inserts whole rows, given as one JSON array."""
    names = ", ".join(table.columns)
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {_recordset(table, table.columns)}"
    )


def update_sql(table: Table, columns: Iterable[str]) -> str:
    """Return the statement that sets these columns of rows, given as one JSON array.

    PostgreSQL takes any JSON array for a hundred rows, and would hash them and read a whole table
    of ten thousand for one. What is compared with an array cannot be hashed, so each is looked up
    in the index.
    """
    settings = ", ".join(f"{name} = new.{name}" for name in columns if name != table.key)
    changed = _recordset(table, columns)
    return f"UPDATE {table.name} AS t SET {settings} FROM {changed} WHERE t.{table.key} = ANY(ARRAY[new.{table.key}])"


def _recordset(table: Table, columns: Iterable[str]) -> str:
    """`json`, not `jsonb`: it is read once, so a tree of it is not worth building."""
    typed = ", ".join(f"{name} {table.columns[name]}" for name in columns)
    return f"json_to_recordset(%s::json) AS new ({typed})"
