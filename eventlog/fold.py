"""The fold of the whole log: events in, the rows that the tables must hold out. `verify` and `rebuild` share it.

Events come one aggregate after the other, not in log order: an aggregate's row depends on its own events alone, so one
row is all that must be kept, however many runs are under way and however large the log is.
"""

from collections.abc import Awaitable, Iterable, Mapping
from uuid import UUID

from eventsourcing.utils import TopicError

from domain.ports import Row
from eventlog import schema
from eventlog.archive_files import LogRow
from eventlog.archived import resolved
from eventlog.decryption import event_of, first_plain_states, plain_states
from eventlog.encryption import CiphertextError
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
        self._aggregate_id = UUID(int=0)

    def add(self, event: Stored) -> Row | None:
        """Return the row that is finished because another aggregate's events begin, if so.

        Raises:
            FoldError: an event is missing, or the fold does not understand this one.
        """
        finished = None
        if event[0].int != self._aggregate_id.int:  # To compare the ids themselves is four times as dear.
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
    plain = await _decrypted(first_plain_states(connection, [key for key in asked if key not in folded]))
    versions = [folded[aggregate_id]["aggregate_version"] if aggregate_id in folded else 0 for aggregate_id in asked]
    async with connection.cursor() as cursor:
        # Event by event: a run may have reported its progress a hundred thousand times.
        values = {"ids": asked, "versions": versions, "prefix": topic_prefix(table)}
        marks: list[LogRow] = []
        async for row in cursor.stream(schema.FOLD_SOME, values):
            if row["archive"] is None:
                _fold_row(table, folded, row, plain)
            else:
                marks.append(row)
    for mark in marks:
        rows_of_run = await resolved(connection, [mark], lambda mark: mark["positions"][mark["version"] :])
        plain = await _decrypted(plain_states(connection, map(event_of, rows_of_run)))
        for row in rows_of_run:
            _fold_row(table, folded, row, plain)
    return folded


async def _decrypted(states: Awaitable[dict[UUID, bytes]]) -> dict[UUID, bytes]:
    try:
        return await states
    except CiphertextError as error:
        raise FoldError(f"the log cannot be folded: {error}") from None


def _fold_row(table: Table, folded: dict[UUID, Row], row: LogRow, plain: Mapping[UUID, bytes]) -> None:
    aggregate_id, version = UUID(row["originator_id"]), row["originator_version"]
    state = plain.get(aggregate_id) if version == 1 else None
    event = (aggregate_id, version, row["notification_id"], row["topic"], state or row["state"])
    folded[aggregate_id] = _after(table, folded.get(aggregate_id), event)


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
