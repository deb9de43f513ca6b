"""The fold of the whole log: events in, the rows that the tables must hold out. `verify` and `rebuild` share it.

Events come one aggregate after the other, not in log order: an aggregate's row depends on its own
events alone, so one row is all that must be kept, however many runs are under way and however large
the log is.
"""

from uuid import UUID

from eventsourcing.utils import TopicError

from domain.ports import Row
from projections.envelope import bare_envelope
from projections.table import Table

Stored = tuple[UUID, int, int, str, bytes]
"""Aggregate's id, version, position, topic, state: a row of `schema.FOLD_ALL`."""


class FoldError(Exception):
    """The log cannot be folded; the message names the event. No table is right or wrong then."""


class Folder:
    """Folds a table's events. Feed it one after the other, and then `end` it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._row: Row | None = None
        self._aggregate_id = UUID(int=0)

    def add(self, event: Stored) -> Row | None:
        """Return the row that is finished because another aggregate's events begin, if so.

        Raises:
            FoldError: an event is missing, or the fold does not understand this one.
        """
        finished = None
        # To compare the ids themselves is four times as dear.
        if event[0].int != self._aggregate_id.int:
            finished = self.end()
            self._aggregate_id = event[0]
        self._row = _after(self._table, self._row, event)
        return finished

    def end(self) -> Row | None:
        """Return the last row, if there is one."""
        row, self._row = self._row, None
        return row


def topic_prefix(table: Table) -> str:
    """Return what the topics of the table's events begin with."""
    return f"{table.subject}."


def _after(table: Table, row: Row | None, event: Stored) -> Row:
    """Return the row after the event. The row is changed in place: it belongs to this fold alone."""
    aggregate_id, version, position, topic, _ = event
    try:
        if row is None and version == 1:
            return table.fold(None, bare_envelope(*event))
        if row is not None and row["aggregate_version"] == version - 1:
            row.update(table.changes(row, bare_envelope(*event)))
            return row
        why = f"what comes before it has version {row['aggregate_version'] if row else 0}"
    except (KeyError, TypeError, ValueError, AttributeError, TopicError) as error:
        why = repr(error)
    place = f"position {position}, {topic}, version {version} of {aggregate_id}"
    raise FoldError(f"the log cannot be folded at {place}: {why}")
