"""Failure groups that tests start from."""

from uuid import UUID

from domain.failures.group import About, Failed, FailureGroup, GroupedFailure, likeness
from tests.unit.given import DEFINITION_ID, RUN_ID, at

MESSAGE = "order 1 not found"


def a_failure(
    ms: float = 0, version: int = 1, run_id: UUID = RUN_ID, position: int = 7
) -> GroupedFailure:
    """Return an attempt that failed so long after noon."""
    return GroupedFailure(run_id, at(ms), version, position)


def about(message: str = MESSAGE) -> About:
    """Return what a group is about."""
    like = likeness(Failed(DEFINITION_ID, "error", message))
    return About(DEFINITION_ID, "report", "error", like)


def a_group(*failures: GroupedFailure) -> FailureGroup:
    """Return a group that was opened a second after noon; its first event counts as appended."""
    group = FailureGroup.open(about(), failures or [a_failure()], at(1_000))
    group.collect_events()
    return group
