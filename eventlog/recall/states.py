"""Where aggregates stand: their rows, and the ends of their histories to prove them by.

A row is relied on only if it goes back to the last event of the log, and if a version of the
program has written it that knows all that decisions need. What it then says is as good as the
history, and costs two look-ups however long that is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from uuid import UUID

from domain.jobs.run_events import RUN_TOPIC
from domain.personal.marks import ERASED, erased_from
from domain.ports import Row, State
from eventlog.database.sql import _IDS, EVENTS_TABLE
from projections.job_runs import RunRow
from projections.rows import Connection
from projections.table import Table
from projections.tables import BY_SUBJECT

MAX_BYTES = 1_048_576
"""Rows that are read together may take so much room in the table, where they lie compressed; the
first is read in any case."""

_COMPRESSIBLE = ("jsonb", "text")

_LOST_KEYS = """
    CASE WHEN jsonb_typeof(personal) = 'object' THEN ARRAY(
        SELECT name FROM jsonb_object_keys(personal) AS name
        WHERE NOT EXISTS (
            SELECT 1 FROM subject_keys WHERE key_id = CASE
                WHEN name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN name::uuid END
        )
    ) END AS lost_keys
"""
"""Nothing that somebody has written into a row breaks the statement that reads it with others."""

_ARCHIVED = """
    UNION ALL SELECT head_version, last_position, head_correlation_id
    FROM archived_runs WHERE id = wanted_id
"""


@dataclass(frozen=True)
class Found:
    """An aggregate under the lock or outside of it.

    Attributes:
        state: for decisions.
        row: as it stands in its table, whatever that is worth; None if it has none.
        position: of its last event.
        correlation_id: of its last event.
    """

    state: State
    row: Row | None
    position: int
    correlation_id: UUID | None


@cache
def states_sql(kind: str) -> str:
    """Return the statement that finds these aggregates (`ids`).

    Its columns are the row's, and `wanted_id`, `head_version`, `head_position` and
    `head_correlation_id`; of runs, also `lost_keys`.
    """
    table = BY_SUBJECT[kind]
    columns = table.decided_on
    sizes = ["0", *(f"coalesce(pg_column_size({name}), 0)" for name in _large(table))]
    archived = lost_keys = ""
    if kind == RUN_TOPIC:
        archived = _ARCHIVED
        lost_keys = f", {_LOST_KEYS}"
    return f"""
        SELECT {", ".join(["wanted_id", *columns])}, head.* {lost_keys} FROM (
            SELECT *, sum(coalesce(bytes, 0)) OVER (ORDER BY place) - coalesce(bytes, 0) AS before
            FROM unnest({_IDS}) WITH ORDINALITY AS wanted (wanted_id, place)
            LEFT JOIN LATERAL (
                SELECT {", ".join(columns)}, {" + ".join(sizes)} AS bytes FROM {table.name}
                WHERE {table.key} = wanted_id LIMIT 1
            ) AS row ON true
        ) AS measured CROSS JOIN LATERAL (
            (SELECT originator_version AS head_version, notification_id AS head_position,
                correlation_id AS head_correlation_id
             FROM {EVENTS_TABLE} WHERE originator_id = wanted_id
             ORDER BY originator_version DESC LIMIT 1)
            {archived}
        ) AS head
        WHERE before < {MAX_BYTES} ORDER BY place
    """


def _large(table: Table) -> list[str]:
    return [
        name
        for name in table.decided_on
        if table.columns[name] in _COMPRESSIBLE and name != table.key
    ]


def found_states(kind: str, rows: Iterable[Mapping[str, Any]]) -> dict[UUID, Found]:
    """Return what the rows of `states_sql` say, by aggregate, in their order."""
    table = BY_SUBJECT[kind]
    found: dict[UUID, Found] = {}
    for columns in rows:
        row = dict(columns)
        aggregate_id = UUID(row.pop("wanted_id"))
        version = row.pop("head_version")
        position = row.pop("head_position")
        correlation_id = row.pop("head_correlation_id")
        lost_keys = row.pop("lost_keys", None)
        if correlation_id is not None:
            correlation_id = UUID(correlation_id)
        known: Row | None = row
        if row[table.key] is None:
            known = None
        told: Row | None = None
        if known is not None and _tells(table, known, version, position):
            told = _without_erased(known, lost_keys)
        found[aggregate_id] = Found(
            State(version, told), known, position, correlation_id
        )
    return found


def _tells(table: Table, row: Row, version: int, position: int) -> bool:
    ends = (row["aggregate_version"], row["position"])
    return ends == (version, position) and table.is_decisive(row)


def _without_erased(row: Row, lost_keys: Sequence[str] | None) -> Row | None:
    """Return a run's row as its events make it once these keys are gone.

    None where that is not to be seen from the row, which somebody has edited.
    """
    if not lost_keys:
        return row
    run = cast("RunRow", row)
    personal = run["personal"] or {}
    erased: list[str] = []
    for key_id in lost_keys:
        names: object = personal[key_id]
        if not isinstance(names, list):
            return None
        left = set(names) - run["parameters"].keys()
        if left:
            return None
        erased += names
    erased.sort()
    changed = {"parameters": erased_from(run["parameters"], erased), "erased": erased}
    if run["request_digest"] is not None:
        changed["request_digest"] = ERASED
    return {**row, **changed}


async def read_states(
    connection: Connection, kind: str, ids: Iterable[UUID]
) -> dict[UUID, State]:
    """Return where these aggregates stand, as `domain.ports.Log.states_of` says."""
    values = {"ids": list(ids)}
    cursor = await connection.execute(states_sql(kind), values)
    rows = await cursor.fetchall()
    found = found_states(kind, rows)
    return {aggregate_id: one.state for aggregate_id, one in found.items()}
