"""The description of a projected table: its rows are written, rebuilt and verified by it."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Generic, TypeVar, cast
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.ports import Row
from domain.state import BigInt, Changes, Evolve, PlainEvent, columns_in
from projections.rows import Connection


class ProjectedRow(TypedDict):
    """The columns of every projected row: the last event that it includes, and its position."""

    aggregate_version: ReadOnly[BigInt]
    position: ReadOnly[BigInt]


class DecisiveRow(ProjectedRow):
    """The columns of a row from which commands load the aggregate.

    `state1_version` is the last event up to which the row has all that decisions need. Versions of
    the program that know fewer columns, or fewer kinds of events, do not advance it, so that no
    decision relies on a row that they have changed.
    """

    state1_version: ReadOnly[BigInt | None]


class DecisiveRow2(ProjectedRow):
    """As `DecisiveRow`, for tables that mark a complete row in `state2_version` (`STATES`)."""

    state2_version: ReadOnly[BigInt | None]


STATES = ("state1_version", "state2_version")
"""The columns that this version of the program trusts and advances; each table from which commands
load aggregates has one of them. Its meaning never changes: if decisions need another column, or
there is another kind or shape of event, the table gets the next one instead, or, if few aggregates
have such events, in addition (docs/evolving-events.md)."""

_INTERNAL = frozenset({"aggregate_version", "position", *STATES})


def shown_columns(row_type: type[Row], hidden: Collection[str] = ()) -> dict[str, str]:
    """Return the columns that clients see, by their names in JSON."""
    names = [column.name for column in columns_in(row_type)]
    return {_camel(name): name for name in names if name not in _INTERNAL and name not in hidden}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


P = TypeVar("P", bound=ProjectedRow)
P_co = TypeVar("P_co", bound=ProjectedRow, covariant=True)


@dataclass(frozen=True, eq=False)
class TableOf(Generic[P_co]):
    """A projection with rows of one type.

    Attributes:
        name: of the table.
        subject: the kind of aggregate whose events it folds: the first word of their topics.
        key: the column of the aggregate's id.
        columns: all columns, each with its PostgreSQL type.
        evolve: the fold, mostly that of an aggregate (`domain.state.Stateful.fold`).
        version: raise it by one whenever the same events make another row. Tables of another
            version are rebuilt, or the operator is told to (`eventlog.rebuild.rebuild`).
        decisive: columns that may be large, and that decisions need, but folds do not.
        only_shown: columns that may be large, and that neither of them needs.
        newer: topics that are newer than the first of the table's `STATES`: after such an event
            only the last one advances.
        label: the column by which people recognise a row; None if that is the key.
        id_by_name: derives the aggregate's id from the name that clients give it; None if they use
            the id.
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
        """Return a row as a row of this table, unchecked."""
        return cast("P_co", row)

    def id_of(self, row: Row) -> UUID:
        """Return the id of the row's aggregate."""
        return UUID(cast("str", row[self.key]))

    def fold(self, row: Row | None, event: PlainEvent) -> P_co:
        """Return the whole row after the event."""
        changed = self.changes(row, event)
        return self.moved(row, changed)

    def moved(self, row: Row | None, changed: Changes) -> P_co:
        """Return the whole row after these changes."""
        if row is None:
            row = self._empty
        return self.own({**row, **changed})

    @cached_property
    def _empty(self) -> dict[str, object]:
        return dict.fromkeys(self.columns)

    def fold_in_place(self, row: dict[str, object] | None, event: PlainEvent) -> dict[str, object]:
        """Fold into a row that nothing else uses: copying it would take as long as the fold."""
        changed = self.changes(row, event)
        if row is None:
            row = self._empty.copy()
        row.update(changed)
        return row

    def changes(self, row: Row | None, event: PlainEvent) -> Changes:
        """Return what the event changes; that includes the row's version and position."""
        changed = self._evolve(row, event)
        changed["aggregate_version"] = event.version
        changed["position"] = event.position
        state = self._advancing_state(row, event.topic)
        if state is not None:
            changed[state] = event.version
        return changed

    @cached_property
    def _evolve(self) -> Evolve[Row]:
        """The fold of untyped rows: casting each row would take a twentieth of its time."""
        return cast("Evolve[Row]", self.evolve)

    @cached_property
    def states(self) -> list[str]:
        """Return those of `STATES` that the table has, none if no aggregate is loaded from it."""
        return [name for name in STATES if name in self.columns]

    def is_decisive(self, row: Row) -> bool:
        """Return whether the row has all that decisions need."""
        version = row["aggregate_version"]
        for state in self.states:  # noqa: SIM110 - called for every event of a fold
            if row[state] == version:
                return True
        return False

    def _advancing_state(self, row: Row | None, topic: str) -> str | None:
        """Return the one of `STATES` that an event of this topic advances, None for none."""
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
        """Return the columns of the row before that a fold needs."""
        unread = self.decisive | self.only_shown
        return [name for name in self.columns if name not in unread]

    @cached_property
    def decided_on(self) -> list[str]:
        """Return the columns that a decision, and the fold of its events, need."""
        return [name for name in self.columns if name not in self.only_shown]


Table = TableOf[ProjectedRow]
"""A projection with rows of any type."""


async def rows_by_id(connection: Connection, table: TableOf[P], ids: list[UUID]) -> dict[UUID, P]:
    """Return the table's rows of these aggregates; those without a row are left out."""
    cursor = await connection.execute(select_sql(table), (ids,))
    rows: dict[UUID, P] = {}
    for row in await cursor.fetchall():
        aggregate_id = table.id_of(row)
        rows[aggregate_id] = table.own(row)
    return rows


@cache
def folded_on_sql(table: Table) -> str:
    """Return the statement that reads the columns that folds need, by a list of ids."""
    return _select_sql(table, ", ".join(table.folded_on))


def select_sql(table: Table) -> str:
    """Return the statement that reads whole rows by a list of ids."""
    return _select_sql(table, ", ".join(table.columns))


def _select_sql(table: Table, columns: str) -> str:
    """Return the statement that reads these columns by a list of ids.

    The list is hidden in a subquery, so that PostgreSQL expects the same length of each: else it
    plans every execution anew, which takes longer than executing. LATERAL with a LIMIT is an index
    look-up for each id, however small the table.
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
    new_rows = _recordset(table, columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {new_rows}"


@cache
def update_sql(table: Table, columns: tuple[str, ...]) -> str:
    """Return the statement that sets these columns of rows, given as one JSON array.

    PostgreSQL expects a hundred rows of any JSON array, and would hash them and scan a table of ten
    thousand for one row. A comparison with an array cannot be hashed, so each is an index look-up.
    """
    settings = [f"{name} = new.{name}" for name in columns if name != table.key]
    changed = _recordset(table, columns)
    return f"""
        UPDATE {table.name} AS t SET {", ".join(settings)} FROM {changed}
        WHERE t.{table.key} = ANY(ARRAY[new.{table.key}])
    """


def _recordset(table: Table, columns: Iterable[str]) -> str:
    # `json`, not `jsonb`, which would build a tree to read it once.
    typed = [f"{name} {table.columns[name]}" for name in columns]
    return f"json_to_recordset(%s::json) AS new ({', '.join(typed)})"
