"""All projected tables, and the fold of the whole log.

A table that is added here, by `add` as well, is written, rebuilt and checked like the others.
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

# The fold of the whole log: events in, the rows that the tables must hold out.
#
# `verify` and `rebuild` share it. Events come one aggregate after the other, not in log order: an
# aggregate's row depends on its own events alone, so only one row is kept, however many runs are
# running and however large the log is.

Stored = tuple[UUID, int, int, str, bytes]
"""Aggregate's id, version, position, topic, state: a row of `FOLD_ALL`."""


class FoldError(Exception):
    """An aggregate cannot be folded; the message names the event.

    Its row is neither right nor wrong then.

    Attributes:
        aggregate_id: None where it is one of several.
    """

    def __init__(self, aggregate_id: UUID | None, message: str) -> None:
        super().__init__(message)
        self.aggregate_id = aggregate_id


class Folder:
    """Folds a table's events. Feed it one after the other, and then `end` it.

    Aggregates that cannot be folded are reported, each once, and left out.
    """

    def __init__(self, table: Table, report: Callable[[FoldError], None]) -> None:
        self._table = table
        self._report = report
        self._is_readable = True
        self._row: dict[str, object] | None = None
        self._aggregate_id = UUID(int=0)

    def add(self, event: Stored) -> ProjectedRow | None:
        """Return the row that is finished because another aggregate's events begin, if so.

        An event may be missing, or the fold does not understand this one: that is reported.
        """
        finished = None
        # To compare the ids themselves takes four times as long.
        if event[0].int != self._aggregate_id.int:
            finished = self._begin(event[0])
        if self._is_readable:
            try:
                self._row = folded_on(self._table, self._row, event)
            except FoldError as error:
                self._give_up(error)
        return finished

    def give_up(self, event: Stored, error: FoldError) -> ProjectedRow | None:
        """Take in an event that cannot be folded, otherwise like `add`."""
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
        """Return the last row, if there is one and it can be read."""
        row = self._row
        self._row = None
        return None if row is None else self._table.own(row)


def topic_prefix(table: Table) -> str:
    """Return what the topics of the table's events begin with."""
    return f"{table.subject}."


def folded_on(table: Table, row: dict[str, object] | None, event: Stored) -> dict[str, object]:
    """Return the row after the event; the row before it is changed in place.

    Raises:
        FoldError: it does not follow the row, or the fold does not understand it.
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
    """Let this process write, rebuild and check further tables; a migration has created them.

    They come right behind the table of runs, which they follow.
    """
    added = [table for table in tables if table.subject not in BY_SUBJECT]
    behind_runs = TABLES.index(job_runs.TABLE) + 1
    TABLES[behind_runs:behind_runs] = added
    BY_SUBJECT.update({table.subject: table for table in added})
