"""Failure groups, and their search, as their rows say: what decisions need of them.

A test holds these against the same aggregates as folded from their events.
"""

from datetime import datetime
from typing import cast

from typing_extensions import ReadOnly

from domain.clock import from_iso
from domain.failures.group import FailureGroup, FailureWatch, Status
from domain.ports import Row
from domain.rehydration import Standing, restored


class GroupFacts(Standing):
    """What decisions need of a group's row."""

    aggregate_id: ReadOnly[str]
    fingerprint: ReadOnly[str]
    status: ReadOnly[Status]
    count: ReadOnly[int]
    last_at: ReadOnly[str]
    affected_versions: ReadOnly[list[int]]
    resolved_at: ReadOnly[str | None]
    resolved_in_version: ReadOnly[int | None]


class WatchFacts(Standing):
    """What decisions need of the search's row."""

    aggregate_id: ReadOnly[str]
    searched_until: ReadOnly[int]


def group_of_row(row: Row) -> FailureGroup:
    """Return a group that decides as the one does that its events make."""
    facts = cast("GroupFacts", row)
    group = restored(FailureGroup, facts["aggregate_id"], facts)
    group.fingerprint = facts["fingerprint"]
    group.status = facts["status"]
    group.count = facts["count"]
    group.last_at = from_iso(facts["last_at"])
    group.versions = facts["affected_versions"]
    group.resolved_at = _moment(facts["resolved_at"])
    group.resolved_in = facts["resolved_in_version"]
    return group


def watch_of_row(row: Row) -> FailureWatch:
    """Return a search that decides as the one does that its events make."""
    facts = cast("WatchFacts", row)
    watch = restored(FailureWatch, facts["aggregate_id"], facts)
    watch.searched_until = facts["searched_until"]
    return watch


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    return from_iso(text)
