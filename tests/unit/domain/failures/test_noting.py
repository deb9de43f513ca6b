"""What follows for groups from what a search has found."""

from uuid import UUID

from domain.failures.group import FailureGroup
from domain.failures.grouping import FailureFinding, Findings, by_group, record_findings
from domain.failures.signature import FailedAttempt
from tests.unit.domain.failures.given import a_failure
from tests.unit.given import DEFINITION_ID, at


def failed(message: str) -> FailedAttempt:
    return FailedAttempt(DEFINITION_ID, "error", message)


def failure_with(message: str, ms: float = 0) -> FailureFinding:
    return FailureFinding("report", failed(message), a_failure(ms))


def after(
    known: dict[UUID, FailureGroup], *failures: FailureFinding, recovered: list[FailedAttempt]
) -> dict[UUID, FailureGroup]:
    """Note this, and return all groups that there are then."""
    findings = by_group(Findings(0, 9, failures, recovered))
    groups = record_findings(findings, known, at(1_000))
    return known | {group.id: group for group in groups}


def counts(groups: dict[UUID, FailureGroup]) -> list[tuple[str, int]]:
    return [(group.status, group.count) for group in groups.values()]


def test_failures_are_sorted_by_their_groups() -> None:
    groups = after(
        {}, failure_with("order 1"), failure_with("car 1"), failure_with("order 2"), recovered=[]
    )
    assert counts(groups) == [("open", 2), ("open", 1)]
    again = after(groups, failure_with("order 3"), recovered=[failed("car 9")])
    assert counts(again) == [("open", 3), ("resolved", 0)]


def test_what_recovers_at_once_leaves_nothing_open() -> None:
    groups = after({}, failure_with("order 1"), recovered=[failed("order 1")])
    assert counts(groups) == [("resolved", 0)]


def test_what_recovers_from_failures_before_the_search_opens_nothing() -> None:
    assert after({}, recovered=[failed("order 1")]) == {}
