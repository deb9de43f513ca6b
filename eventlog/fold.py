"""The fold of the whole log: events in, the rows that the tables must hold out. `verify` and `rebuild` share it.

Events come one aggregate after the other, not in log order: an aggregate's row depends on its own events alone, so one
row is all that must be kept, however many runs are under way and however large the log is.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from eventsourcing.utils import TopicError

from domain.ports import Row
from eventlog import schema
from eventlog.decryption import first_plain_states
from eventlog.encryption import CiphertextError
from projections.envelope import bare_envelope
from projections.table import Connection, Table

Stored = tuple[bytes, int, int, str, bytes]
"""Aggregate's id, version, position, topic, state: a row of `schema.FOLD_ALL`.

The id as its sixteen bytes: to make and compare objects for each event would be a sixth of the whole fold."""


class FoldError(Exception):
    """The log cannot be folded; the message names the event. No table is right or wrong then."""


class Folder:
    """Folds a table's events. Feed it one after the other, and then `end` it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._row: Row | None = None
        self._id = b""
        self._aggregate_id = UUID(int=0)

    def add(self, event: Stored) -> Row | None:
        """Return the row that is finished because another aggregate's events begin, if so.

        Raises:
            FoldError: an event is missing, or the fold does not understand this one.
        """
        stored_id, version, position, topic, state = event
        finished = None
        if stored_id != self._id:
            finished = self.end()
            self._id, self._aggregate_id = stored_id, UUID(bytes=stored_id)
        self._row = _after(self._table, self._row, self._aggregate_id, version, position, topic, state)
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
    try:
        plain = await first_plain_states(connection, [key for key in asked if key not in folded])
    except CiphertextError as error:
        raise FoldError(f"the log cannot be folded: {error}") from None
    versions = [folded[aggregate_id]["aggregate_version"] if aggregate_id in folded else 0 for aggregate_id in asked]
    async with connection.cursor() as cursor:
        # Event by event: a run may have reported its progress a hundred thousand times.
        values = {"ids": asked, "versions": versions, "prefix": topic_prefix(table)}
        async for row in cursor.stream(schema.FOLD_SOME, values):
            aggregate_id = UUID(row["originator_id"])
            version = row["originator_version"]
            state = plain.get(aggregate_id) if version == 1 else None
            event = (version, row["notification_id"], row["topic"], state or row["state"])
            folded[aggregate_id] = _after(table, folded.get(aggregate_id), aggregate_id, *event)
    return folded


def topic_prefix(table: Table) -> str:
    """Return what the topics of the table's events begin with."""
    return f"{table.subject}."


def _after(  # noqa: PLR0913 - an event's columns
    table: Table, row: Row | None, aggregate_id: UUID, version: int, position: int, topic: str, state: bytes
) -> Row:
    """Return the row after the event. The row is changed in place: it belongs to this fold alone."""
    try:
        if row is None and version == 1:
            return table.fold(None, bare_envelope(aggregate_id, version, position, topic, state))
        if row is not None and row["aggregate_version"] == version - 1:
            row.update(table.changes(row, bare_envelope(aggregate_id, version, position, topic, state)))
            return row
        why = f"what comes before it has version {row['aggregate_version'] if row else 0}"
    except (KeyError, TypeError, ValueError, AttributeError, TopicError) as error:
        why = repr(error)
    place = f"position {position}, {topic}, version {version} of {aggregate_id}"
    raise FoldError(f"the log cannot be folded at {place}: {why}")
