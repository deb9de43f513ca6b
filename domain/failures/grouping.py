"""What the findings of a search of the log change in failure groups. Pure.

First the findings and what they change (`record_findings`), then which runs recover by a success
(`recovered_by`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.failures.group import FailureGroup, GroupedFailure, GroupIdentity
from domain.failures.signature import FailedAttempt, signature_of
from domain.identifiers import failure_group_id


@dataclass(frozen=True)
class FailureFinding:
    """A failed attempt that a search has found.

    Attributes:
        job: the job's slug.
        attempt: what decides about its group.
        failure: what the group records of it.
    """

    job: str
    attempt: FailedAttempt
    failure: GroupedFailure


@dataclass(frozen=True)
class Findings:
    """What a search of a part of the log has found.

    Attributes:
        after: the position after which the part begins.
        until: the position at which it ends.
        failures: the failed attempts, in order.
        recovered: failed attempts of runs that have succeeded since, or whose retry has.
        has_more: whether the log has more events.
    """

    after: int
    until: int
    failures: Sequence[FailureFinding] = ()
    recovered: Sequence[FailedAttempt] = ()
    has_more: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no group changes."""
        return not self.failures and not self.recovered


@dataclass
class GroupFindings:
    """The findings of one group.

    Attributes:
        identity: the group's; None if only recovered attempts were found.
        failures: its failures, in order.
        recovered: how many of its failures have recovered.
    """

    identity: GroupIdentity | None = None
    failures: list[GroupedFailure] = field(default_factory=list)
    recovered: int = 0


def by_group(findings: Findings) -> dict[UUID, GroupFindings]:
    """Return the findings by the id of their group."""
    groups: dict[UUID, GroupFindings] = {}
    for finding in findings.failures:
        attempt = finding.attempt
        signature = signature_of(attempt)
        group = groups.setdefault(failure_group_id(signature.fingerprint), GroupFindings())
        group.identity = GroupIdentity(attempt.job_id, finding.job, attempt.reason, signature)
        group.failures.append(finding.failure)
    for attempt in findings.recovered:
        group_id = failure_group_id(signature_of(attempt).fingerprint)
        groups.setdefault(group_id, GroupFindings()).recovered += 1
    return groups


def record_findings(
    findings: Mapping[UUID, GroupFindings], existing: Mapping[UUID, FailureGroup], now: datetime
) -> list[FailureGroup]:
    """Return the groups that findings change or open, with their new events."""
    groups: list[FailureGroup] = []
    for group_id, of_group in findings.items():
        group = existing.get(group_id)
        if of_group.failures and group is not None:
            group.recur(of_group.failures, now)
        elif of_group.failures and of_group.identity is not None:
            group = FailureGroup.open(of_group.identity, of_group.failures, now)
        if group is None:
            continue  # Its failures are older than the search.
        group.recover(of_group.recovered, now)
        groups.append(group)
    return groups


# Which runs recover by a success: the run itself, and those that it was launched to repeat.


@dataclass(frozen=True)
class RetryNode:
    """A run in a tree of runs and their retries.

    Attributes:
        retry_of: the run that it repeats, None for the first.
        succeeded_at: the position at which it succeeded, None if it has not.
    """

    id: UUID
    retry_of: UUID | None
    succeeded_at: int | None


def recovered_by(run_id: UUID, tree: Iterable[RetryNode]) -> list[UUID]:
    """Return the runs that recover by a run's success: itself, and those that it repeats.

    One that had recovered before, by another retry, does not count, nor do those that it repeats.
    """
    by_id: dict[UUID | None, RetryNode] = {}
    retries: defaultdict[UUID | None, list[RetryNode]] = defaultdict(list)
    for one in tree:
        by_id[one.id] = one
        retries[one.retry_of].append(one)
    recovered: list[UUID] = []
    success = run = by_id.get(run_id)
    while success is not None and run is not None and run.id not in recovered:
        if _has_recovered(run, retries, success.succeeded_at or 0):
            break
        recovered.append(run.id)
        run = by_id.get(run.retry_of)
    return recovered


def _has_recovered(
    run: RetryNode, retries: Mapping[UUID | None, Sequence[RetryNode]], before: int
) -> bool:
    """Return whether a run, or one that repeats it, succeeded before a position."""
    seen: set[UUID] = set()
    unseen = [run]
    while unseen:
        one = unseen.pop()
        if one.succeeded_at is not None and one.succeeded_at < before:
            return True
        if one.id not in seen:
            seen.add(one.id)
            unseen += retries.get(one.id, ())
    return False
