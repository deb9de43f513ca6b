"""What of an aggregate decisions can see, to compare two of one kind."""

from typing import Any

from eventsourcing.domain import Aggregate

from domain.jobs.run import JobRun
from domain.jobs.run_events import FINAL

_UNSEEN = {"_pending_events", "seen_at"}

_OF_AN_EXECUTION = {"started_at"}

_UNTIL_THE_END = {"cancel_requested", "cancel_reason"}


def decisive(aggregate: Aggregate | None) -> dict[str, Any]:
    """Return what decisions can see of it."""
    assert aggregate is not None
    unseen = set(_UNSEEN)
    if isinstance(aggregate, JobRun):
        if aggregate.status != "running":
            unseen |= _OF_AN_EXECUTION
        if aggregate.status in FINAL:
            unseen |= _UNTIL_THE_END
    return {name: value for name, value in vars(aggregate).items() if name not in unseen}
