"""What follows for failure groups from the findings of a search. Pure.

First the findings and the events that they lead to (`noted`), then which failures a success makes
up for (`made_up_for`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.failures.group import About, Failed, FailureGroup, GroupedFailure, Likeness, likeness
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
        has_more: whether the log goes on.
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
        alike = _take_failure(groups, found)
        alike.failures.append(found.failure)
    for failed in findings.recovered:
        like = likeness(failed)
        alike = _of_group(groups, like)
        alike.recovered += 1
    return groups


def noted(
    alike: Mapping[UUID, Alike], known: Mapping[UUID, FailureGroup], now: datetime
) -> list[FailureGroup]:
    """Return the groups with what was found; the known ones are those that there were."""
    groups: list[FailureGroup] = []
    for group_id, found in alike.items():
        group = known.get(group_id)
        if found.failures and group is not None:
            group.recur(found.failures, now)
        elif found.failures and found.about is not None:
            group = FailureGroup.open(found.about, found.failures, now)
        if group is None:
            continue  # Its failures are older than the search.
        group.recover(found.recovered, now)
        groups.append(group)
    return groups


def _take_failure(groups: dict[UUID, Alike], found: FoundFailure) -> Alike:
    """Return the findings of the group that a failure belongs to, with what that is about."""
    failed = found.failed
    like = likeness(failed)
    alike = _of_group(groups, like)
    alike.about = About(failed.job_id, found.job, failed.reason, like)
    return alike


def _of_group(groups: dict[UUID, Alike], like: Likeness) -> Alike:
    """Return the findings of a group, which are none before the first of them."""
    group_id = failure_group_id(like.fingerprint)
    return groups.setdefault(group_id, Alike())


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
        one = _repeated_by(one, by_id)
    return recovered


def _repeated_by(one: Relative, by_id: Mapping[UUID, Relative]) -> Relative | None:
    """Return the run that a run is a retry of, None where it is of none that is known."""
    if one.retry_of is None:
        return None
    return by_id.get(one.retry_of)


def _was_made_up_for(run_id: UUID, success: Relative, family: Sequence[Relative]) -> bool:
    """Return whether the run or one of its retries has succeeded before this success."""
    descendants = {run_id}
    for one in _in_order(family):
        if one.retry_of in descendants:
            descendants.add(one.id)
    for one in family:
        is_another = one.id in descendants and one.id != success.id
        if is_another and _is_before(one, success):
            return True
    return False


def _is_before(one: Relative, success: Relative) -> bool:
    """Return whether a run has succeeded, and before another one did."""
    if one.succeeded_at is None or success.succeeded_at is None:
        return False
    return one.succeeded_at < success.succeeded_at


def _in_order(family: Sequence[Relative]) -> list[Relative]:
    """Return the runs, each after the one that it repeats."""
    ordered: list[Relative] = []
    known: set[UUID | None] = {None}
    left = list(family)
    while left:
        ready = [one for one in left if one.retry_of in known]
        if not ready:
            return ordered + left  # The first of them is not known any more.
        ordered += ready
        known.update(one.id for one in ready)
        left = [one for one in left if one.id not in known]
    return ordered
