"""The events of a run. Their topics and fields are the on-disk format; `apply` only moves state."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.jobs.run_state import RunState
from domain.json_values import JsonObject

RUN_TOPIC = "job_run"


class RunEvent(Aggregate.Event):
    """Base of the run's events."""

    TOPIC = "job_run.event"


class Requested(RunEvent, Aggregate.Created):
    """A client launched the run; it is pending."""

    TOPIC = "job_run.requested"
    definition_id: str
    definition_version: int
    slug: str
    entry_point: str
    parameters: JsonObject
    context: JsonObject | None
    timeout_ms: int | None
    max_attempts: int
    retry_policy: JsonObject | None
    priority: int
    scheduled_at: datetime
    start_deadline_at: datetime | None
    concurrency_value: str | None
    idempotency_key: str | None
    request_digest: str | None
    requested_by: str


def requested(run_id: UUID, at: datetime, fields: dict[str, Any]) -> Requested:
    """Return a run's first event alone; to make the run by it costs a launch three times as much.

    Args:
        run_id: whose event it is.
        at: when it happens.
        fields: all that `Requested` names, in that order.
    """
    event = object.__new__(Requested)
    common = {
        "originator_id": run_id,
        "originator_version": 1,
        "timestamp": at,
        "originator_topic": RUN_TOPIC,
    }
    # The library's way to fill a frozen event.
    object.__setattr__(event, "__dict__", {**common, **fields})
    return event


class Grouped(RunEvent):
    """The run counts together with others, by values of its parameters.

    It is appended with `Requested`, where its job has limits of this kind.
    """

    TOPIC = "job_run.grouped"
    groups: dict[str, str]
    """By the kind of limit what the run counts by, as canonical JSON: `rate` has a parameter's
    value, or an empty text for all runs; so has `fair`, or an empty text for none;
    `unique_until_start` or `unique_until_end` has parameters."""

    def apply(self, aggregate: RunState) -> None:
        """Change nothing: no decision of the run's own depends on it."""


def grouped(run_id: UUID, at: datetime, groups: dict[str, str]) -> Grouped:
    """Return a run's second event alone.

    Args:
        run_id: whose event it is.
        at: when it happens.
        groups: of `Grouped`.
    """
    event = object.__new__(Grouped)
    common = {"originator_id": run_id, "originator_version": 2, "timestamp": at}
    object.__setattr__(event, "__dict__", {**common, "groups": groups})
    return event


class ExecutionEvent(RunEvent):
    """Base of what happens to one execution: who held it, and its number (1, 2, …)."""

    worker_id: str
    execution: int


class ReportedEvent(ExecutionEvent):
    """Base of what carries the handler's report; each part is merged into what the run has."""

    metrics: JsonObject
    context: JsonObject
    logs_url: str | None


class Started(ExecutionEvent):
    """A worker claimed the run; it is running until that worker says otherwise or is lost."""

    TOPIC = "job_run.started"
    attempt: int

    def apply(self, aggregate: RunState) -> None:
        aggregate.begin(self.worker_id, self.execution, self.timestamp)


class Progressed(ReportedEvent):
    """The handler reported something while running."""

    TOPIC = "job_run.progressed"

    def apply(self, aggregate: RunState) -> None:
        aggregate.report(self.metrics, self.context)


class Succeeded(ReportedEvent):
    """The handler returned."""

    TOPIC = "job_run.succeeded"
    result: Any

    def apply(self, aggregate: RunState) -> None:
        aggregate.end("succeeded")
        aggregate.report(self.metrics, self.context)


class AttemptFailed(ReportedEvent):
    """The attempt failed: pending again at `retry_at`, or failed for good where that is null."""

    TOPIC = "job_run.attempt_failed"
    attempt: int
    error_message: str
    failure_reason: str
    retry_at: datetime | None

    def apply(self, aggregate: RunState) -> None:
        aggregate.retry_or_end(self.retry_at, "failed")
        aggregate.report(self.metrics, self.context)


class AttemptTimedOut(ReportedEvent):
    """The attempt ran out of time: pending again at `retry_at`, or expired where that is null.

    `failure_reason` is `execution_timeout`, or `handler` where the handler itself ended as expired.
    """

    TOPIC = "job_run.attempt_timed_out"
    attempt: int
    error_message: str
    failure_reason: str
    retry_at: datetime | None

    def apply(self, aggregate: RunState) -> None:
        aggregate.retry_or_end(self.retry_at, "expired")
        aggregate.report(self.metrics, self.context)


class AttemptLost(ExecutionEvent):
    """The worker died or fell silent: pending again at `retry_at`, or failed where that is null."""

    TOPIC = "job_run.attempt_lost"
    attempt: int
    error_message: str
    retry_at: datetime | None

    def apply(self, aggregate: RunState) -> None:
        aggregate.retry_or_end(self.retry_at, "failed")


class HandedBack(ExecutionEvent):
    """A stopping worker gave the run back: pending again, the attempt is not spent."""

    TOPIC = "job_run.handed_back"

    def apply(self, aggregate: RunState) -> None:
        aggregate.release()


class StartDeadlinePassed(RunEvent):
    """The run had not started in time; it is expired."""

    TOPIC = "job_run.start_deadline_passed"

    def apply(self, aggregate: RunState) -> None:
        aggregate.end("expired")


class CancelRequested(RunEvent):
    """A client asked to cancel a running run, which goes on until it has really stopped."""

    TOPIC = "job_run.cancel_requested"
    reason: str | None

    def apply(self, aggregate: RunState) -> None:
        aggregate.cancel_requested = True
        aggregate.cancel_reason = self.reason


class Canceled(RunEvent):
    """The run is canceled: it was pending, or what ran has stopped.

    `worker_id` and `execution` are null where nothing ran; `failure_reason` is `handler` where the
    handler itself ended as canceled.
    """

    TOPIC = "job_run.canceled"
    reason: str | None
    failure_reason: str | None
    worker_id: str | None
    execution: int | None
    metrics: JsonObject
    context: JsonObject
    logs_url: str | None

    def apply(self, aggregate: RunState) -> None:
        aggregate.end("canceled")
        aggregate.report(self.metrics, self.context)
