"""The table `erased_subjects`: which keys of subjects were destroyed, when and why.

It does not have the subjects' names.
"""

from domain.json_values import JsonObject
from domain.personal import Subject, SubjectState
from domain.ports import Row
from projections.rows import columns_of, presented
from projections.table import ProjectedRow, TableOf, shown_columns


class ErasedSubjectRow(ProjectedRow, SubjectState):
    """A destroyed key, and the last event that its row includes."""


COLUMNS = columns_of(ErasedSubjectRow)

SHOWN = shown_columns(ErasedSubjectRow)


TABLE: TableOf[ErasedSubjectRow] = TableOf(
    "erased_subjects", "subject", "key_id", COLUMNS, Subject.fold()
)


def present(row: Row) -> JsonObject:
    """Return the erasure as clients see it."""
    return presented(row, SHOWN)
