"""The table `failure_watches`, of one row: up to where the log was searched for failures."""

from typing_extensions import ReadOnly

from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import BigInt, Id, Time, columns_of, presented, shown_columns
from projections.table import STATES, Changes, DecisiveRow, TableOf


class FailureWatchRow(DecisiveRow):
    """The search."""

    aggregate_id: ReadOnly[Id]
    searched_until: ReadOnly[BigInt]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]


COLUMNS = columns_of(FailureWatchRow)

_HIDDEN = {"aggregate_id", "created_at", "updated_at", "aggregate_version", "position", *STATES}

SHOWN = shown_columns(FailureWatchRow, hidden=_HIDDEN)


def evolve(row: FailureWatchRow | None, event: Envelope) -> Changes:
    """Return the columns that the event changes."""
    expected = "failure_watch.begun" if row is None else "failure_watch.moved"
    if event.topic != expected:
        msg = f"failure_watches does not know {event.topic} here"
        raise ValueError(msg)
    changed: Changes = {"searched_until": event.data["searched_until"], "updated_at": event.at}
    if row is None:
        changed["created_at"] = event.at
    return changed


TABLE: TableOf[FailureWatchRow] = TableOf(
    "failure_watches", "failure_watch", "aggregate_id", COLUMNS, evolve
)


def present(row: Row) -> JsonObject:
    """Return the search as clients of the stream see it."""
    return presented(row, SHOWN)
