"""The fold of the whole log: events in, the rows that the tables must hold out.

`verify` and `rebuild` share it. Events come one aggregate after the other, not in log order: an
aggregate's row depends on its own events alone, so one row is all that must be kept, however many
runs are under way and however large the log is.
"""

from uuid import UUID

from eventsourcing.utils import TopicError

from projections.envelope import bare_envelope
from projections.table import ProjectedRow, Table

Stored = tuple[UUID, int, int, str, bytes]
"""Aggregate's id, version, position, topic, state: a row of `FOLD_ALL`."""


class FoldError(Exception):
    """The log cannot be folded; the message names the event. No table is right or wrong then."""


class Folder:
    """Folds a table's events. Feed it one after the other, and then `end` it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._row: ProjectedRow | None = None
        self._aggregate_id = UUID(int=0)

    def add(self, event: Stored) -> ProjectedRow | None:
        """Return the row that is finished because another aggregate's events begin, if so.

        Raises:
            FoldError: an event is missing, or the fold does not understand this one.
        """
        finished = None
        # To compare the ids themselves takes four times as long.
        if event[0].int != self._aggregate_id.int:
            finished = self.end()
            self._aggregate_id = event[0]
        self._row = folded_on(self._table, self._row, event)
        return finished

    def end(self) -> ProjectedRow | None:
        """Return the last row, if there is one."""
        finished = self._row
        self._row = None
        return finished


def topic_prefix(table: Table) -> str:
    """Return what the topics of the table's events begin with."""
    return f"{table.subject}."


def folded_on(table: Table, row: ProjectedRow | None, event: Stored) -> ProjectedRow:
    """Return the row after the event.

    Raises:
        FoldError: it does not follow the row, or the fold does not understand it.
    """
    aggregate_id, version, position, topic, _ = event
    before = 0
    if row is not None:
        before = row["aggregate_version"]
    why = f"what comes before it has version {before}"
    if version == before + 1:
        try:
            return table.fold(row, bare_envelope(*event))
        except (KeyError, TypeError, ValueError, AttributeError, TopicError) as error:
            why = repr(error)
    place = f"position {position}, {topic}, version {version} of {aggregate_id}"
    raise FoldError(f"the log cannot be folded at {place}: {why}")
