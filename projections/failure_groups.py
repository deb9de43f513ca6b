"""The table `failure_groups`: what fails, how often, and whether it is resolved.

What an event does to a group, `domain/failures/group.py` says. Here are its columns and its JSON
for clients (`present`); then lists, the groups first that failed last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domain import identifiers
from domain.failures.group import FailureGroup, GroupState
from domain.json_values import JsonObject
from domain.ports import Row
from projections.rows import Connection, columns_of, presented, read_rows, shown_columns
from projections.table import STATES, DecisiveRow2, TableOf, rows_by_id


class FailureGroupRow(DecisiveRow2, GroupState):
    """A failure group's state, and up to which event it goes."""


COLUMNS = columns_of(FailureGroupRow)

_HIDDEN = {"aggregate_id", "created_at", "updated_at", "aggregate_version", "position", *STATES}

SHOWN = shown_columns(FailureGroupRow, hidden=_HIDDEN)


TABLE: TableOf[FailureGroupRow] = TableOf(
    "failure_groups",
    "failure_group",
    "aggregate_id",
    COLUMNS,
    FailureGroup.fold(),
    version=2,
    label="title",
    id_by_name=identifiers.failure_group_id,
)


def present(row: Row) -> JsonObject:
    """Return the group as clients see it (contract, section 10)."""
    return presented(row, SHOWN)


# Failure groups to be shown, those first that failed last.

PAGE = """
    SELECT * FROM failure_groups
    WHERE status = ANY(%(statuses)s)
        AND (%(job)s::text IS NULL OR lower(job) = lower(%(job)s))
        AND (last_at, fingerprint COLLATE "C") < (%(at)s::timestamptz, %(fingerprint)s)
    ORDER BY last_at DESC, fingerprint COLLATE "C" DESC LIMIT %(limit)s
"""


OLDEST = """
    SELECT * FROM failure_groups WHERE %(job)s::text IS NULL OR lower(job) = lower(%(job)s)
    ORDER BY created_at, aggregate_id LIMIT %(limit)s
"""


@dataclass(frozen=True, order=True)
class PagePosition:
    """Where a page ended: when its last group failed last, and which it was."""

    at: str
    fingerprint: str


BEGINNING = PagePosition("infinity", "")


async def page_of_groups(
    connection: Connection,
    statuses: Sequence[str],
    job: str | None,
    after: PagePosition,
    limit: int,
) -> list[FailureGroupRow]:
    """Return the groups that come next, of one job or of all."""
    values = {
        "statuses": list(statuses),
        "job": job,
        "at": after.at,
        "fingerprint": after.fingerprint,
        "limit": limit,
    }
    return await read_rows(connection, FailureGroupRow, PAGE, values)


async def by_id(connection: Connection, group_id: UUID) -> FailureGroupRow | None:
    """Return a group, None where there is none."""
    rows = await rows_by_id(connection, TABLE, [group_id])
    return rows.get(group_id)


async def oldest(connection: Connection, job: str | None, limit: int) -> list[FailureGroupRow]:
    """Return the groups that were opened first, of one job or of all."""
    values = {"job": job, "limit": limit}
    return await read_rows(connection, FailureGroupRow, OLDEST, values)


def position_of(row: FailureGroupRow) -> PagePosition:
    """Return the position of a group in lists; times as text are in order."""
    return PagePosition(row["last_at"], row["fingerprint"])
