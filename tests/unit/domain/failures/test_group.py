"""The life of a failure group."""

from collections.abc import Callable

import pytest

from domain.failures.group import MAX_VERSIONS, FailureGroup
from tests.unit.domain.failures.given import a_failure, a_group
from tests.unit.given import at, new_topics


def topics_of(group: FailureGroup) -> list[str]:
    return [topic.removeprefix("failure_group.") for topic in new_topics(group)]


def resolved(group: FailureGroup, in_version: int | None = None) -> None:
    group.resolve("ada", in_version, at(2_000))


def ignored(group: FailureGroup) -> None:
    group.ignore("ada", at(2_000))


@pytest.mark.parametrize(
    ("before", "failure", "events", "status"),
    [
        (lambda _: None, a_failure(3_000), ["recurred"], "open"),
        (ignored, a_failure(3_000), ["recurred"], "ignored"),
        (resolved, a_failure(3_000), ["recurred", "reopened"], "open"),
        # It failed before it was resolved, and was noted later.
        (resolved, a_failure(1_500), ["recurred"], "resolved"),
        (lambda g: resolved(g, 3), a_failure(3_000, 2), ["recurred"], "resolved"),
        (lambda g: resolved(g, 3), a_failure(3_000, 3), ["recurred", "reopened"], "open"),
    ],
)
def test_a_failure_reopens_what_was_resolved_if_it_is_news(
    before: Callable[[FailureGroup], None], failure: object, events: list[str], status: str
) -> None:
    group = a_group()
    before(group)
    group.collect_events()
    group.recur([failure], at(4_000))  # type: ignore[list-item]
    assert topics_of(group) == events
    assert group.status == status
    assert group.count == 2


def test_a_group_without_failures_left_is_resolved_and_opens_again() -> None:
    group = a_group(a_failure(0), a_failure(500))
    group.recover(1, at(2_000))
    assert (group.status, group.count) == ("open", 1)
    group.recover(5, at(3_000))
    assert (group.status, group.count) == ("resolved", 0)
    group.recover(1, at(3_000))
    group.recur([a_failure(4_000)], at(5_000))
    assert topics_of(group) == ["recovered", "recovered", "recurred", "reopened"]
    assert (group.status, group.count) == ("open", 1)


def test_an_ignored_group_stays_so_without_failures() -> None:
    group = a_group()
    ignored(group)
    group.recover(1, at(3_000))
    assert (group.status, group.count) == ("ignored", 0)


def test_what_is_said_again_changes_nothing() -> None:
    group = a_group()
    group.reopen("ada", at(2_000))
    assert topics_of(group) == []
    for _ in range(2):
        resolved(group, 7)
    assert topics_of(group) == ["resolved"]
    resolved(group, 8)
    for _ in range(2):
        ignored(group)
    for _ in range(2):
        group.reopen("ada", at(2_000))
    assert topics_of(group) == ["resolved", "ignored", "reopened"]


def test_the_newest_versions_are_named() -> None:
    group = a_group()
    for version in range(1, MAX_VERSIONS + 10):
        group.recur([a_failure(1_000, version)], at(2_000))
    assert group.state["affected_versions"] == list(range(10, MAX_VERSIONS + 10))
