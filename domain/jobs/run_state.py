"""What a run's decisions need to know of it, and how its events move that.

Apart from `JobRun`, so that events and aggregate need not import each other.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from domain.jobs.retry_policy import RetryPolicy
from domain.jobs.run_values import Holder, Status
from domain.json_values import JsonObject


class RunState:
    """The state of a run, for its commands to decide by.

    Attributes:
        context: that of the launch.
        metrics: what handlers have reported.
        merged_context: the launch's context, and what handlers have reported.
        personal: by the id of a subject's key, the parameters that were encrypted by it.
        erased: those parameters whose values are gone with their subject.
    """

    def __init__(  # noqa: PLR0913 - what decisions need of the first event
        self,
        slug: str,
        definition_id: str,
        definition_version: int,
        entry_point: str,
        parameters: JsonObject,
        context: JsonObject | None,
        timeout_ms: int | None,
        max_attempts: int,
        retry_policy: JsonObject | None,
        priority: int,
        scheduled_at: datetime,
        start_deadline_at: datetime | None,
        request_digest: str | None,
        requested_by: str,
        personal: dict[str, list[str]] | None = None,
        erased: list[str] | None = None,
    ) -> None:
        self.status: Status = "pending"
        self.slug = slug
        self.definition_id = UUID(definition_id)
        self.definition_version = definition_version
        self.entry_point = entry_point
        self.parameters = parameters
        self.context = context
        self.priority = priority
        self.timeout_ms = timeout_ms
        self.max_attempts = max_attempts
        self.retry_policy = RetryPolicy.from_json(retry_policy)
        self.scheduled_at = scheduled_at
        self.start_deadline_at = start_deadline_at
        self.request_digest = request_digest
        self.requested_by = requested_by
        self.personal = personal or {}
        self.erased = erased or []
        self.attempt = 1
        self.execution = 0
        self.started_at: datetime | None = None
        self.holder: Holder | None = None
        self.cancel_requested = False
        self.cancel_reason: str | None = None
        self.metrics: JsonObject = {}
        self.merged_context: JsonObject = context or {}

    @property
    def personal_parameters(self) -> list[str]:
        """The parameters whose values are personal data."""
        return [name for of_key in self.personal.values() for name in of_key]

    def report(self, metrics: JsonObject, context: JsonObject) -> None:
        """Apply what a handler reported."""
        if metrics:
            self.metrics = {**self.metrics, **metrics}
        if context:
            self.merged_context = {**self.merged_context, **context}

    def begin(self, worker_id: str, execution: int, started_at: datetime) -> None:
        """Apply a claim."""
        self.started_at = started_at
        self.status = "running"
        self.execution = execution
        self.holder = Holder(worker_id, execution)

    def release(self) -> None:
        """Apply that nobody runs it any more, though it has not ended."""
        self.status = "pending"
        self.holder = None

    def end(self, status: Status) -> None:
        """Apply a final status."""
        self.status = status
        self.holder = None

    def retry_or_end(self, retry_at: datetime | None, final_status: Status) -> None:
        """Apply the end of an attempt."""
        if retry_at is None:
            self.end(final_status)
            return
        self.release()
        self.attempt += 1
        self.scheduled_at = retry_at
