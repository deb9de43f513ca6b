"""What follows for groups from what a search has found. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.failures.fingerprint import Failed, Likeness, likeness
from domain.failures.group import About, Failure, FailureGroup
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
    failure: Failure


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
    failures: list[Failure] = field(default_factory=list)
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
    alike: Mapping[UUID, Alike],
    known: Mapping[UUID, FailureGroup],
    now: datetime,
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
    alike.about = About(
        failed.job_id,
        found.job,
        failed.reason,
        like,
    )
    return alike


def _of_group(groups: dict[UUID, Alike], like: Likeness) -> Alike:
    """Return the findings of a group, which are none before the first of them."""
    group_id = failure_group_id(like.fingerprint)
    return groups.setdefault(group_id, Alike())
