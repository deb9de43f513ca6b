"""The table `failure_watches`, of one row: the position up to which failures were searched."""

from domain.failures.watch import FailureWatch, WatchState
from domain.json_values import JsonObject
from domain.ports import Row
from projections.rows import columns_of, presented
from projections.table import DecisiveRow, TableOf, shown_columns


class FailureWatchRow(DecisiveRow, WatchState):
    """The search's state, and the last event that it includes."""


COLUMNS = columns_of(FailureWatchRow)

SHOWN = shown_columns(FailureWatchRow, {"aggregate_id", "created_at", "updated_at"})


TABLE: TableOf[FailureWatchRow] = TableOf(
    "failure_watches", "failure_watch", "aggregate_id", COLUMNS, FailureWatch.fold()
)


def present(row: Row) -> JsonObject:
    """Return the search as clients of the stream see it."""
    return presented(row, SHOWN)
