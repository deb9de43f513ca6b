"""The fold of the whole log: events in, the rows that the tables must hold out. `verify` and `rebuild` share it.

Events come one aggregate after the other, not in log order: an aggregate's row depends on its own events alone, so one
row is all that must be kept, however many runs are under way and however large the log is.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from eventsourcing.utils import TopicError

from domain.ports import Row
from eventlog import schema
from projections.envelope import bare_envelope
from projections.table import Connection, Table

Stored = tuple[UUID, int, int, str, bytes]
"""Aggregate's id, version, position, topic, state: a row of `schema.FOLD_ALL`."""


class FoldError(Exception):
    """The log cannot be folded; the message names the event. No table is right or wrong then."""


class Folder:
    """Folds a table's events. Feed it one after the other, and then `end` it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._row: Row | None = None
        self._aggregate_id: UUID | None = None

    def add(self, event: Stored) -> Row | None:
        """Return the row that is finished because another aggregate's events begin, if so.

        Raises:
            FoldError: an event is missing, or the fold does not understand this one.
        """
        finished = None
        if event[0] != self._aggregate_id:
            finished = self.end()
            self._aggregate_id = event[0]
        self._row = _after(self._table, self._row, event)
        return finished

    def end(self) -> Row | None:
        """Return the last row, if there is one."""
        row, self._row = self._row, None
        return row


async def fold_on(
    connection: Connection, table: Table, ids: Iterable[UUID], rows: Mapping[UUID, Row]
) -> dict[UUID, Row]:
    """Return these aggregates' rows as they must be now: `rows`, carried on by the events that came after them.

    An aggregate without events has no row.

    Raises:
        FoldError: see `Folder.add`.
    """
    folded = {aggregate_id: dict(row) for aggregate_id, row in rows.items()}
    asked = list(ids)
    versions = [folded[aggregate_id]["aggregate_version"] if aggregate_id in folded else 0 for aggregate_id in asked]
    async with connection.cursor() as cursor:
        # Event by event: a run may have reported its progress a hundred thousand times.
        values = {"ids": asked, "versions": versions, "prefix": topic_prefix(table)}
        async for row in cursor.stream(schema.FOLD_SOME, values):
            aggregate_id = UUID(row["originator_id"])
            event = (aggregate_id, row["originator_version"], row["notification_id"], row["topic"], row["state"])
            folded[aggregate_id] = _after(table, folded.get(aggregate_id), event)
    return folded


def topic_prefix(table: Table) -> str:
    """Return what the topics of the table's events begin with."""
    return f"{table.subject}."


def _after(table: Table, row: Row | None, event: Stored) -> Row:
    """Return the row after the event. The row is changed in place: it belongs to this fold alone."""
    before = 0 if row is None else row["aggregate_version"]
    if event[1] - 1 != before:
        raise _error(event, f"it does not follow version {before}, which is the one before it")
    try:
        if row is None:
            return table.fold(None, bare_envelope(*event))
        row.update(table.changes(row, bare_envelope(*event)))
    except (KeyError, TypeError, ValueError, AttributeError, TopicError) as error:
        raise _error(event, repr(error)) from error
    return row


def _error(event: Stored, why: str) -> FoldError:
    aggregate_id, version, position, topic, _ = event
    return FoldError(
        f"the log cannot be folded at position {position}, {topic}, version {version} of {aggregate_id}: {why}"
    )
