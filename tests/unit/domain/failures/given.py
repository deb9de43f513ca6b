"""Failure groups that tests start from."""

from uuid import UUID

from domain.failures.group import FailureGroup, GroupedFailure, GroupIdentity
from domain.failures.signature import FailedAttempt, signature_of
from tests.unit.given import DEFINITION_ID, RUN_ID, at

MESSAGE = "order 1 not found"


def a_failure(
    ms: float = 0, version: int = 1, run_id: UUID = RUN_ID, position: int = 7
) -> GroupedFailure:
    """Return an attempt that failed so long after noon."""
    return GroupedFailure(run_id, at(ms), version, position)


def identity(message: str = MESSAGE) -> GroupIdentity:
    """Return what the failures of a group share."""
    signature = signature_of(FailedAttempt(DEFINITION_ID, "error", message))
    return GroupIdentity(DEFINITION_ID, "report", "error", signature)


def a_group(*failures: GroupedFailure) -> FailureGroup:
    """Return a group that was opened a second after noon; its first event counts as appended."""
    group = FailureGroup.open(identity(), failures or [a_failure()], at(1_000))
    group.collect_events()
    return group
