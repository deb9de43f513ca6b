"""Logs made by hand, an event a line, and what the checker says of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.clock import to_iso
from domain.identifiers import event_id
from projections.histories.checker import Checker
from projections.histories.rules import EPOCH, Finding, LoggedEvent

JOB = UUID(int=1)
RUN, OTHER_RUN, THIRD_RUN = UUID(int=2), UUID(int=3), UUID(int=4)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: float) -> str:
    """Return a time as events hold it."""
    return to_iso(BEGIN + timedelta(seconds=second))


def recorded_at(second: float) -> int:
    """Return a time as the log has it of when something was recorded."""
    return (BEGIN + timedelta(seconds=second) - EPOCH) // timedelta(microseconds=1)


class Story:
    """A log in the making: each call appends an event, a second after the one before."""

    def __init__(self, **spec: Any) -> None:
        self.events: list[LoggedEvent] = []
        self.versions: dict[UUID, int] = {}
        self.append("job_definition.registered", JOB, version=1, spec=spec)

    @property
    def position(self) -> int:
        """Return the last position."""
        return self.events[-1].position

    def append(self, topic: str, aggregate_id: UUID = RUN, **data: Any) -> LoggedEvent:
        """Append an event; return it, to be spoilt."""
        position = len(self.events) + 1
        before = self.versions.get(aggregate_id, 0)
        event = LoggedEvent(
            position=position,
            aggregate_id=aggregate_id.bytes,
            version=before + 1,
            topic=topic,
            recorded_us=recorded_at(position),
            causation_id=event_id(aggregate_id, before).bytes if before else None,
            data={"timestamp": at(position), **data},
        )
        self.versions[aggregate_id] = before + 1
        self.events.append(event)
        return event

    def revise(self, version: int, **changes: Any) -> None:
        """Append a revision of the job."""
        self.append("job_definition.revised", JOB, version=version, changes=changes)

    def request(self, run: UUID = RUN, **fields: Any) -> LoggedEvent:
        """Append a run's first event."""
        now = at(len(self.events) + 1)
        data = {
            "definition_id": str(JOB),
            "definition_version": 1,
            "max_attempts": 3,
            "scheduled_at": now,
            "start_deadline_at": None,
            "concurrency_value": None,
            "entry_point": "noop",
            "priority": 0,
            **fields,
        }
        return self.append("job_run.requested", run, **data)

    def start(
        self, run: UUID = RUN, execution: int = 1, attempt: int = 1, worker: str = "w", **more: Any
    ) -> LoggedEvent:
        """Append a claim."""
        held = {"worker_id": worker, "execution": execution}
        return self.append("job_run.started", run, attempt=attempt, **held, **more)

    def by_holder(
        self, topic: str, run: UUID = RUN, execution: int = 1, worker: str = "w", **more: Any
    ) -> LoggedEvent:
        """Append what a worker says of the run that it holds."""
        return self.append(f"job_run.{topic}", run, worker_id=worker, execution=execution, **more)

    def end(self, topic: str, retry_after_s: float | None = None, **more: Any) -> LoggedEvent:
        """Append the end of an attempt; None is also the run's end."""
        now = len(self.events) + 1
        retry_at = None if retry_after_s is None else at(now + retry_after_s)
        fields = {"attempt": 1, "failure_reason": "error", "retry_at": retry_at, **more}
        return self.by_holder(topic, **fields)

    def cancel(self, run: UUID = RUN, **more: Any) -> LoggedEvent:
        """Append the end of a run that was canceled while it was pending."""
        fields = {"worker_id": None, "execution": None, "failure_reason": None, **more}
        return self.append("job_run.canceled", run, **fields)


def findings_in(story: Story, acknowledged: Sequence[UUID] = ()) -> list[Finding]:
    """Return all that the checker says, the whole log being searched for causes."""
    findings: list[Finding] = []
    checker = Checker(findings.append, acknowledged)
    for event in story.events:
        checker.feed(event)
    for event in story.events:
        checker.causes.find(event.position, event.aggregate_id, event.version)
    checker.end()
    return findings


def broken(story: Story) -> list[tuple[int | None, str]]:
    """Return of each finding where it is, and which rule is broken."""
    return [(finding.position, finding.rule) for finding in findings_in(story)]
