"""What all projected tables share: a description from which rows are written, rebuilt, checked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Generic, TypeVar, cast
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.ports import Row
from domain.state import BigInt, Changes, Evolve, PlainEvent
from projections.rows import Connection


class ProjectedRow(TypedDict):
    """What every projected row says: up to which event of its aggregate, and where that stands."""

    aggregate_version: ReadOnly[BigInt]
    position: ReadOnly[BigInt]


class DecisiveRow(ProjectedRow):
    """What the row of an aggregate says that commands decide by.

    `state1_version` is the last event up to which the row says all that decisions need. Versions of
    the program that know fewer columns, or fewer kinds of events, do not move it on, and leave a
    row behind that must not be decided by.
    """

    state1_version: ReadOnly[BigInt | None]


class DecisiveRow2(ProjectedRow):
    """The same for a table whose rows decisions have come to need more of."""

    state2_version: ReadOnly[BigInt | None]


STATES = ("state1_version", "state2_version")
"""The columns that this version of the program trusts, and moves on: each table that commands
decide by has one of them. What decisions need of a row is for ever what it is: for another column
of theirs, or another kind or shape of event, the table gets the next one instead, or, where few
aggregates have such events, beside it (docs/evolving-events.md)."""

P = TypeVar("P", bound=ProjectedRow)
P_co = TypeVar("P_co", bound=ProjectedRow, covariant=True)


@dataclass(frozen=True, eq=False)
class TableOf(Generic[P_co]):
    """A projection with rows of one type.

    Attributes:
        name: the table.
        subject: the kind of aggregate whose events it folds: the topics' first word.
        key: the column that holds the aggregate's id.
        columns: every column, with its PostgreSQL type.
        evolve: the fold, mostly an aggregate's (`domain.state.Stateful.fold`).
        version: to be raised by one whenever `evolve` or `columns` change what a row says for the
            same events. Tables written by another version are rebuilt, or the operator is told to
            (`eventlog.rebuild.rebuild`).
        decisive: columns that may be large, and that decisions need, but no fold.
        only_shown: columns that may be large, and that neither needs.
        newer: topics that came after the first of the table's `STATES`: from such an event on,
            only the last one moves.
        label: the column by which people recognise a row; None where that is the key.
        id_by_name: derives an aggregate's id from what clients call it; None where that is its id.
    """

    name: str
    subject: str
    key: str
    columns: Mapping[str, str]
    evolve: Evolve[P_co]
    version: int = 1
    decisive: frozenset[str] = frozenset()
    only_shown: frozenset[str] = frozenset()
    newer: frozenset[str] = frozenset()
    label: str | None = None
    id_by_name: Callable[[str], UUID] | None = None

    def own(self, row: Row) -> P_co:
        """Return a row as being one of this table."""
        return cast("P_co", row)

    def id_of(self, row: Row) -> UUID:
        """Return whose row it is."""
        return UUID(cast("str", row[self.key]))

    def fold(self, row: Row | None, event: PlainEvent) -> P_co:
        """Return the whole row after the event."""
        changed = self.changes(row, event)
        return self.moved(row, changed)

    def moved(self, row: Row | None, changed: Changes) -> P_co:
        """Return the whole row after such changes."""
        if row is None:
            row = self._empty
        return self.own({**row, **changed})

    @cached_property
    def _empty(self) -> dict[str, object]:
        return dict.fromkeys(self.columns)

    def fold_in_place(self, row: dict[str, object] | None, event: PlainEvent) -> dict[str, object]:
        """Do the same to a row that nobody else uses: a copy of it takes as long as the fold."""
        changed = self.changes(row, event)
        if row is None:
            row = self._empty.copy()
        row.update(changed)
        return row

    def changes(self, row: Row | None, event: PlainEvent) -> Changes:
        """Return what the event changes; it always moves the row's version and position."""
        changed = self._evolve(row, event)
        changed["aggregate_version"] = event.version
        changed["position"] = event.position
        state = self._vouching(row, event.topic)
        if state is not None:
            changed[state] = event.version
        return changed

    @cached_property
    def _evolve(self) -> Evolve[Row]:
        """The fold, of rows whose type is not known: to cast each takes a twentieth of it."""
        return cast("Evolve[Row]", self.evolve)

    @cached_property
    def states(self) -> list[str]:
        """Return those of `STATES` that the table has; none if nothing decides by its rows."""
        return [name for name in STATES if name in self.columns]

    def is_decisive(self, row: Row) -> bool:
        """Return whether the row says all that decisions need."""
        version = row["aggregate_version"]
        for state in self.states:  # noqa: SIM110 - asked of every event of a fold
            if row[state] == version:
                return True
        return False

    def _vouching(self, row: Row | None, topic: str) -> str | None:
        """Return the column that says of the row after such an event that it is decisive."""
        states = self.states
        if not states:
            return None
        first = states[0]
        if row is None:
            return first
        version = row["aggregate_version"]
        if row[first] == version:
            return states[-1] if topic in self.newer else first
        return states[-1] if row[states[-1]] == version else None

    @cached_property
    def folded_on(self) -> list[str]:
        """Return the columns that a fold needs of the row before."""
        unread = self.decisive | self.only_shown
        return [name for name in self.columns if name not in unread]

    @cached_property
    def decided_on(self) -> list[str]:
        """Return the columns that a decision and the fold of its events need."""
        return [name for name in self.columns if name not in self.only_shown]


Table = TableOf[ProjectedRow]
"""A projection, whatever its rows are."""


async def rows_by_id(connection: Connection, table: TableOf[P], ids: list[UUID]) -> dict[UUID, P]:
    """Return the table's rows of these aggregates; those it lacks are left out."""
    cursor = await connection.execute(select_sql(table), (ids,))
    found: dict[UUID, P] = {}
    for row in await cursor.fetchall():
        aggregate_id = table.id_of(row)
        found[aggregate_id] = table.own(row)
    return found


@cache
def folded_on_sql(table: Table) -> str:
    """Return the statement that reads what folds need of rows, by a list of ids."""
    return _select_sql(table, ", ".join(table.folded_on))


def select_sql(table: Table) -> str:
    """Return the statement that reads whole rows by a list of ids."""
    return _select_sql(table, ", ".join(table.columns))


def _select_sql(table: Table, columns: str) -> str:
    """Return the statement that reads these columns by a list of ids.

    The list is hidden in a subquery, so that each is expected to be of the same length: else every
    execution is planned anew, for longer than it takes. LATERAL with a LIMIT is a look-up in the
    index for each, however small the table.
    """
    return f"""
        SELECT one.* FROM unnest((SELECT %s::uuid[])) AS ids (id) CROSS JOIN LATERAL (
            SELECT {columns} FROM {table.name} WHERE {table.key} = ids.id LIMIT 1
        ) AS one
    """


@cache
def insert_sql(table: Table, columns: tuple[str, ...]) -> str:
    """Return the statement that inserts rows, given as one JSON array; other columns are null."""
    names = ", ".join(columns)
    given = _recordset(table, columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {given}"


@cache
def update_sql(table: Table, columns: tuple[str, ...]) -> str:
    """Return the statement that sets these columns of rows, given as one JSON array.

    PostgreSQL takes any JSON array for a hundred rows, and would hash them and read a whole table
    of ten thousand for one. What is compared with an array cannot be hashed, so each is looked up
    in the index.
    """
    settings = [f"{name} = new.{name}" for name in columns if name != table.key]
    changed = _recordset(table, columns)
    return f"""
        UPDATE {table.name} AS t SET {", ".join(settings)} FROM {changed}
        WHERE t.{table.key} = ANY(ARRAY[new.{table.key}])
    """


def _recordset(table: Table, columns: Iterable[str]) -> str:
    """`json`, not `jsonb`: it is read once, so a tree of it is not worth building."""
    typed = [f"{name} {table.columns[name]}" for name in columns]
    return f"json_to_recordset(%s::json) AS new ({', '.join(typed)})"
