"""What of an aggregate decisions can see, to compare two of one kind."""

from typing import Any

from eventsourcing.domain import Aggregate

from domain.state import Stateful, columns_in
from projections.tables import BY_SUBJECT

_UNSEEN = {"_pending_events", "seen_at", "state", "state_before"}

_UNSEEN_COLUMNS = {"created_position", "completed_position", "last_turn", "started_by"}
"""Positions, which events have in the log alone."""


def decisive(aggregate: Aggregate | None) -> dict[str, Any]:
    """Return what decisions can see of it."""
    assert aggregate is not None
    seen = {name: value for name, value in vars(aggregate).items() if name not in _UNSEEN}
    if isinstance(aggregate, Stateful):
        for name in aggregate.CACHED:
            seen.pop(name, None)
        unseen = _UNSEEN_COLUMNS | BY_SUBJECT[vars(type(aggregate))["TOPIC"]].only_shown
        for column in columns_in(aggregate.STATE):
            if column.name not in unseen:
                seen[column.name] = aggregate.state.get(column.name)
    return seen
