"""What the checker is fed with, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from domain.json_values import JsonObject


@dataclass(frozen=True)
class Finding:
    """A promise that an event breaks.

    Attributes:
        position: of the event; None for what is not in the log at all.
        topic: of the event; empty for what is not in the log.
        aggregate_id: whose event it is: mostly a run's.
        rule: the promise's name, as in `docs/state-machine.md`.
        expected: what would have been right, and what there is.
    """

    position: int | None
    topic: str
    aggregate_id: UUID
    rule: str
    expected: str

    def present(self) -> JsonObject:
        """Return the finding for programs."""
        return {
            "position": self.position,
            "type": self.topic or None,
            "id": str(self.aggregate_id),
            "rule": self.rule,
            "expected": self.expected,
        }


@dataclass(slots=True)
class LoggedEvent:
    """One event of the log. Not frozen, for it is made of every event, and that takes its time.

    Attributes:
        position: its place in the log.
        aggregate_id: whose event it is, as the id's sixteen bytes.
        version: its number in the history of that aggregate (1, 2, …).
        topic: for example `job_run.started`.
        recorded_us: when the database wrote it, in microseconds since 2000.
        causation_id: what led to it, as sixteen bytes.
        data: its own fields in today's shape and `timestamp`; times are text of 24 characters, so
            their order is that of time. Empty for aggregates that have no rules of their own.
    """

    position: int
    aggregate_id: bytes
    version: int
    topic: str
    recorded_us: int
    causation_id: bytes | None
    data: JsonObject

    @property
    def at(self) -> str:
        """Return when it happened."""
        return cast("str", self.data["timestamp"])

    def breaks(self, rule: str, expected: str) -> Finding:
        """Return the finding that the event breaks this rule."""
        aggregate_id = UUID(bytes=self.aggregate_id)
        return Finding(self.position, self.topic, aggregate_id, rule, expected)


Report = Callable[[Finding], None]
"""Takes each finding as soon as there is one."""
