"""The table `failure_groups`: what fails, how often, and whether it is resolved.

First the row, its fold (`evolve`) and its JSON for clients (`present`); then lists, the groups
first that failed last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast
from uuid import UUID

from typing_extensions import ReadOnly

from domain.failures.group import Status, left_after, united
from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import (
    BigInt,
    Connection,
    Id,
    Integer,
    Integers,
    Text,
    Time,
    columns_of,
    presented,
    read_rows,
    shown_columns,
)
from projections.table import STATES, Changes, DecisiveRow2, TableOf, rows_by_id


class FailureGroupRow(DecisiveRow2):
    """A failure group, in the order in which clients see it.

    `count` is how many attempts failed so whose run has not succeeded since, `recovered` how many
    whose run has. `changed_by` is who resolved, ignored or reopened it last.
    """

    aggregate_id: ReadOnly[Id]
    fingerprint: ReadOnly[Text]
    title: ReadOnly[Text]
    job: ReadOnly[Text]
    reason: ReadOnly[Text]
    frame: ReadOnly[Text | None]
    status: ReadOnly[Annotated[Status, "text"]]
    count: ReadOnly[BigInt]
    recovered: ReadOnly[BigInt]
    first_at: ReadOnly[Time]
    last_at: ReadOnly[Time]
    affected_versions: ReadOnly[Integers]
    sample_run: ReadOnly[Id]
    changed_by: ReadOnly[Text | None]
    resolved_at: ReadOnly[Time | None]
    resolved_in_version: ReadOnly[Integer | None]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]


COLUMNS = columns_of(FailureGroupRow)

_HIDDEN = {"aggregate_id", "created_at", "updated_at", "aggregate_version", "position", *STATES}

SHOWN = shown_columns(FailureGroupRow, hidden=_HIDDEN)


def evolve(row: FailureGroupRow | None, event: Envelope) -> Changes:
    """Return the columns that the event changes."""
    changed = _opened(event) if row is None else _changed(row, event)
    changed["updated_at"] = event.at
    return changed


TABLE: TableOf[FailureGroupRow] = TableOf(
    "failure_groups", "failure_group", "aggregate_id", COLUMNS, evolve, version=2
)


def _opened(event: Envelope) -> Changes:
    if event.topic != "failure_group.opened":
        msg = f"failure_groups does not know {event.topic} of what is not there"
        raise ValueError(msg)
    data = event.data
    return {
        "fingerprint": data["fingerprint"],
        "title": data["title"],
        "job": data["job"],
        "reason": data["reason"],
        "frame": data["frame"],
        "status": "open",
        "count": data["failures"],
        "recovered": 0,
        "first_at": data["first_at"],
        "last_at": data["last_at"],
        "affected_versions": data["versions"],
        "sample_run": data["sample_run"],
        "created_at": event.at,
    }


def _changed(row: FailureGroupRow, event: Envelope) -> Changes:
    match event.topic:
        case "failure_group.recurred":
            return _recurred(row, event)
        case "failure_group.recovered":
            return _recovered(row, event)
        case "failure_group.resolved":
            return _resolved_by(event)
        case "failure_group.ignored":
            return _told_to_be("ignored", event)
        case "failure_group.reopened":
            return _told_to_be("open", event)
        case _:
            msg = f"failure_groups does not know {event.topic} here"
            raise ValueError(msg)


def _told_to_be(status: Status, event: Envelope) -> Changes:
    return {"status": status, "changed_by": event.data["by"]}


def _resolved_by(event: Envelope) -> Changes:
    changed = _resolved(event, event.data["in_version"])
    changed["changed_by"] = event.data["by"]
    return changed


def _recurred(row: FailureGroupRow, event: Envelope) -> Changes:
    data = event.data
    failures = cast("int", data["failures"])
    versions = cast("list[int]", data["versions"])
    last_at = cast("str", data["last_at"])
    affected = united(row["affected_versions"], versions)
    return {
        "count": row["count"] + failures,
        # Times as text are in order.
        "last_at": max(row["last_at"], last_at),
        "affected_versions": [*affected],
        "sample_run": data["sample_run"],
    }


def _recovered(row: FailureGroupRow, event: Envelope) -> Changes:
    recovered = cast("int", event.data["failures"])
    left = left_after(row["count"], recovered)
    changed: Changes = {"count": left, "recovered": row["recovered"] + recovered}
    if row["status"] == "open" and left == 0:
        changed |= _resolved(event, None)
    return changed


def _resolved(event: Envelope, in_version: object) -> Changes:
    return {
        "status": "resolved",
        "resolved_at": event.at,
        "resolved_in_version": cast("int | None", in_version),
    }


def present(row: Row) -> JsonObject:
    """Return the group as clients see it (contract, section 10)."""
    return presented(row, SHOWN)


# Failure groups to be shown, those first that failed last.

_FIRST = "infinity"

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
class Place:
    """Where a page ended: when its last group failed last, and which it was."""

    at: str
    fingerprint: str


BEGINNING = Place(_FIRST, "")


async def page_of_groups(
    connection: Connection, statuses: Sequence[str], job: str | None, after: Place, limit: int
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
    found = await rows_by_id(connection, TABLE, [group_id])
    return found.get(group_id)


async def oldest(connection: Connection, job: str | None, limit: int) -> list[FailureGroupRow]:
    """Return the groups that were opened first, of one job or of all."""
    values = {"job": job, "limit": limit}
    return await read_rows(connection, FailureGroupRow, OLDEST, values)


def place_of(row: FailureGroupRow) -> Place:
    """Return where a group stands in lists; times as text are in order."""
    return Place(row["last_at"], row["fingerprint"])
