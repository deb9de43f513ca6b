"""All projected tables, and the fold of a whole log.

A table that is added here, in the list or by `add`, is written, rebuilt and verified like the
others.
"""

from collections.abc import Callable
from uuid import UUID

from projections import (
    bulk,
    erased_subjects,
    failure_groups,
    failure_watch,
    job_definitions,
    job_runs,
    saved_views,
    schedules,
)
from projections.envelope import UNFOLDABLE, bare_envelope
from projections.table import ProjectedRow, Table

# The fold of a whole log, from events to the rows that the tables must have.
#
# `verify` and `rebuild` share it. Events come aggregate by aggregate, not in the order of the log:
# as a row depends only on its aggregate's events, one row is in memory at a time, however large the
# log is.

Stored = tuple[UUID, int, int, str, bytes]
"""A stored event: the aggregate's id, the version, the position, the topic, the state."""


class FoldError(Exception):
    """An aggregate cannot be folded, so its row cannot be verified; the message names the event.

    Attributes:
        aggregate_id: None if it is one of several.
    """

    def __init__(self, aggregate_id: UUID | None, message: str) -> None:
        super().__init__(message)
        self.aggregate_id = aggregate_id


class Folder:
    """Folds a table's events: `add` them in order, and then call `end`.

    Aggregates that cannot be folded are reported once, and left out.
    """

    def __init__(self, table: Table, report: Callable[[FoldError], None]) -> None:
        self._table = table
        self._report = report
        self._is_readable = True
        self._row: dict[str, object] | None = None
        self._aggregate_id = UUID(int=0)

    def add(self, event: Stored) -> ProjectedRow | None:
        """Add an event; if it begins another aggregate, return the finished row of the one before.

        A missing event, or one that cannot be folded, is reported.
        """
        finished = None
        # Comparing the ids themselves takes four times as long.
        if event[0].int != self._aggregate_id.int:
            finished = self._begin(event[0])
        if self._is_readable:
            try:
                self._row = folded_on(self._table, self._row, event)
            except FoldError as error:
                self._give_up(error)
        return finished

    def give_up(self, event: Stored, error: FoldError) -> ProjectedRow | None:
        """Add an event that cannot be folded; else like `add`."""
        finished = None
        if event[0] != self._aggregate_id:
            finished = self._begin(event[0])
        if self._is_readable:
            self._give_up(error)
        return finished

    def _begin(self, aggregate_id: UUID) -> ProjectedRow | None:
        finished = self.end()
        self._aggregate_id = aggregate_id
        self._is_readable = True
        return finished

    def _give_up(self, error: FoldError) -> None:
        self._row = None
        self._is_readable = False
        self._report(error)

    def end(self) -> ProjectedRow | None:
        """Return the last finished row, if there is one."""
        row = self._row
        self._row = None
        return None if row is None else self._table.own(row)


def topic_prefix(table: Table) -> str:
    """Return the prefix of the topics of the table's events."""
    return f"{table.subject}."


def folded_on(table: Table, row: dict[str, object] | None, event: Stored) -> dict[str, object]:
    """Return the row after the event; the row before it is changed in place.

    Raises:
        FoldError: it does not follow the row, or cannot be folded.
    """
    aggregate_id, version, position, topic, _ = event
    before = 0 if row is None else row["aggregate_version"]
    if version - 1 == before:
        try:
            return table.fold_in_place(row, bare_envelope(*event))
        except UNFOLDABLE as error:
            why = repr(error)
    else:
        why = f"what comes before it has version {before}"
    event_text = f"position {position}, {topic}, version {version} of {aggregate_id}"
    raise FoldError(aggregate_id, f"the log cannot be folded at {event_text}: {why}")


TABLES: list[Table] = [
    job_definitions.TABLE,
    job_runs.TABLE,
    erased_subjects.TABLE,
    schedules.TABLE,
    bulk.TABLE,
    failure_groups.TABLE,
    failure_watch.TABLE,
    saved_views.TABLE,
]

BY_SUBJECT: dict[str, Table] = {table.subject: table for table in TABLES}


def add(*tables: Table) -> None:
    """Add further tables, which migrations have created, to the whole process.

    They come right after the table of runs, as their aggregates follow runs.
    """
    added = [table for table in tables if table.subject not in BY_SUBJECT]
    behind_runs = TABLES.index(job_runs.TABLE) + 1
    TABLES[behind_runs:behind_runs] = added
    BY_SUBJECT.update({table.subject: table for table in added})
