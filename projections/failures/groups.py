"""The table `failure_groups`: what fails, how often, and whether somebody has mended it."""

from typing import Annotated, cast

from typing_extensions import ReadOnly

from domain.failures.group_state import Status, left_after, united
from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import (
    BigInt,
    Id,
    Integer,
    Integers,
    Text,
    Time,
    columns_of,
    presented,
    shown_columns,
)
from projections.table import STATES, Changes, DecisiveRow2, TableOf


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

_HIDDEN = {
    "aggregate_id",
    "created_at",
    "updated_at",
    "aggregate_version",
    "position",
    *STATES,
}

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
    return {
        "status": status,
        "changed_by": event.data["by"],
    }


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
    changed: Changes = {
        "count": left,
        "recovered": row["recovered"] + recovered,
    }
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
