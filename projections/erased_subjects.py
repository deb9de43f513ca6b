"""The table `erased_subjects`: which keys of subjects were destroyed, when and why.

It cannot say whose keys they were.
"""

from typing_extensions import ReadOnly

from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import BigInt, Id, Text, Time, columns_of, presented, shown_columns
from projections.table import Changes, ProjectedRow, TableOf


class ErasedSubjectRow(ProjectedRow):
    """A key that was destroyed."""

    key_id: ReadOnly[Id]
    reason: ReadOnly[Text | None]
    runs: ReadOnly[BigInt]
    erased_at: ReadOnly[Time]


COLUMNS = columns_of(ErasedSubjectRow)

SHOWN = shown_columns(ErasedSubjectRow, hidden={"aggregate_version", "position"})


def evolve(row: ErasedSubjectRow | None, event: Envelope) -> Changes:
    """Return the columns that the event changes."""
    if row is not None or event.topic != "subject.erased":
        msg = f"erased_subjects does not know {event.topic} here"
        raise ValueError(msg)
    return {"reason": event.data["reason"], "runs": event.data["runs"], "erased_at": event.at}


TABLE: TableOf[ErasedSubjectRow] = TableOf("erased_subjects", "subject", "key_id", COLUMNS, evolve)


def present(row: Row) -> JsonObject:
    """Return the erasure as clients see it."""
    return presented(row, SHOWN)
