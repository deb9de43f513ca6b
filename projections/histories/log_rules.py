"""The promises about the log itself: places, times and versions."""

from collections.abc import Callable
from dataclasses import dataclass, field

from projections.histories.event import LoggedEvent

CLOCK_STEP_US = 1_000_000
"""A server's clock may be set right by so much, or its successor's may differ from it."""


@dataclass(slots=True)
class LogSoFar:
    """What rules need of the log before an event.

    Attributes:
        position: the last event's; below every other at first.
        recorded_us: the latest time of recording.
        versions: of each aggregate that may have more events.
    """

    position: int = 0
    recorded_us: int = -(2**63)
    versions: dict[bytes, int] = field(default_factory=dict)

    def take(self, event: LoggedEvent) -> None:
        """Move on to the event."""
        self.position = event.position
        self.recorded_us = max(self.recorded_us, event.recorded_us)
        self.versions[event.aggregate_id] = event.version

    def forget(self, event: LoggedEvent) -> None:
        """Keep nothing of the event's aggregate any more: it has ended."""
        del self.versions[event.aggregate_id]


LogRule = Callable[[LogSoFar, LoggedEvent], str | None]


def positions_rise(log: LogSoFar, event: LoggedEvent) -> str | None:
    """Positions begin above 0, and no two events share one. Rollbacks leave gaps."""
    if event.position > log.position:
        return None
    return f"a position above {log.position}"


def recorded_in_order(log: LogSoFar, event: LoggedEvent) -> str | None:
    """Events are recorded in the order of their positions, as exactly as the server's clock is."""
    behind_us = log.recorded_us - event.recorded_us
    if behind_us <= CLOCK_STEP_US:
        return None
    behind_s = behind_us / 1e6
    return f"to be recorded after the events before it, not {behind_s:.1f} s earlier"


def versions_without_gaps(log: LogSoFar, event: LoggedEvent) -> str | None:
    """An aggregate's events are numbered 1, 2, … without a gap."""
    version = event.version
    due = log.versions.get(event.aggregate_id, 0) + 1
    if version == due:
        return None
    if due > 1:
        return f"version {due} of this aggregate, not {version}"
    if event.topic.startswith("job_run."):
        return None  # What a run that is unknown, or has ended, may not do is said by its states.
    return f"version 1 of what is new here, not {version}"


LOG_RULES: tuple[LogRule, ...] = (
    positions_rise,
    recorded_in_order,
    versions_without_gaps,
)
"""What each event of the log must be, whatever it tells."""
