"""What follows for failure groups from the findings of a search. Pure.

First the findings and the events that they lead to (`noted`), then which failures a success makes
up for (`made_up_for`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.failures.group import About, Failed, FailureGroup, GroupedFailure, likeness
from domain.identifiers import failure_group_id


@dataclass(frozen=True)
class FoundFailure:
    """An attempt that ended badly, as it was found.

    Attributes:
        job: the job's slug.
        failed: what makes it like others.
        failure: whose attempt it was, and when.
    """

    job: str
    failed: Failed
    failure: GroupedFailure


@dataclass(frozen=True)
class Findings:
    """What a search of a part of the log has found.

    Attributes:
        after: the position from which on it searched.
        until: the position up to which it did.
        failures: attempts that ended badly, in order.
        recovered: failures of runs that have succeeded since, or whose retry has.
        has_more: whether the log has more events.
    """

    after: int
    until: int
    failures: Sequence[FoundFailure] = ()
    recovered: Sequence[Failed] = ()
    has_more: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be noted of groups."""
        return not self.failures and not self.recovered


@dataclass
class Alike:
    """Findings of one group."""

    about: About | None = None
    failures: list[GroupedFailure] = field(default_factory=list)
    recovered: int = 0


def by_group(findings: Findings) -> dict[UUID, Alike]:
    """Sort findings by the groups that they belong to."""
    groups: dict[UUID, Alike] = {}
    for found in findings.failures:
        failed = found.failed
        like = likeness(failed)
        alike = groups.setdefault(failure_group_id(like.fingerprint), Alike())
        alike.about = About(failed.job_id, found.job, failed.reason, like)
        alike.failures.append(found.failure)
    for failed in findings.recovered:
        group_id = failure_group_id(likeness(failed).fingerprint)
        groups.setdefault(group_id, Alike()).recovered += 1
    return groups


def noted(
    alike: Mapping[UUID, Alike], existing: Mapping[UUID, FailureGroup], now: datetime
) -> list[FailureGroup]:
    """Return the existing and the new groups, with what was found."""
    groups: list[FailureGroup] = []
    for group_id, found in alike.items():
        group = existing.get(group_id)
        if found.failures and group is not None:
            group.recur(found.failures, now)
        elif found.failures and found.about is not None:
            group = FailureGroup.open(found.about, found.failures, now)
        if group is None:
            continue  # Its failures are older than the search.
        group.recover(found.recovered, now)
        groups.append(group)
    return groups


# Which runs a success makes up for: itself, and those that it was launched to repeat.


@dataclass(frozen=True)
class Relative:
    """One of the runs that are retries of each other.

    Attributes:
        retry_of: the run that it repeats, None for the first.
        succeeded_at: the position at which it succeeded, None where it has not.
    """

    id: UUID
    retry_of: UUID | None
    succeeded_at: int | None


def made_up_for(run_id: UUID, family: Sequence[Relative]) -> list[UUID]:
    """Return the run and those before it whose failures its success makes up for.

    Where another retry of one of them has succeeded before, that has been done.
    """
    by_id = {one.id: one for one in family}
    success = by_id.get(run_id)
    if success is None:
        return []
    recovered: list[UUID] = []
    one: Relative | None = success
    while one is not None and one.id not in recovered:
        if _was_made_up_for(one.id, success, family):
            break
        recovered.append(one.id)
        one = None if one.retry_of is None else by_id.get(one.retry_of)
    return recovered


def _was_made_up_for(run_id: UUID, success: Relative, family: Sequence[Relative]) -> bool:
    """Return whether the run or one of its retries has succeeded before this success."""
    descendants = {run_id}
    for one in _in_order(family):
        if one.retry_of in descendants:
            descendants.add(one.id)
    if success.succeeded_at is None:
        return False
    return any(
        one.id in descendants
        and one.id != success.id
        and one.succeeded_at is not None
        and one.succeeded_at < success.succeeded_at
        for one in family
    )


def _in_order(family: Sequence[Relative]) -> list[Relative]:
    """Return the runs, each after the one that it repeats."""
    ordered: list[Relative] = []
    placed: set[UUID | None] = {None}
    remaining = list(family)
    while remaining:
        ready = [one for one in remaining if one.retry_of in placed]
        if not ready:
            return ordered + remaining  # The first of them is gone.
        ordered += ready
        placed.update(one.id for one in ready)
        remaining = [one for one in remaining if one.id not in placed]
    return ordered
