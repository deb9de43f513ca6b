"""A run of a job: its commands, which move it from state to state.

`docs/state-machine.md` draws the state machine; `tests/unit/domain/jobs/test_state_machine.py`
tries every command in every state. Commands decide and trigger events; the events' `evolve` changes
the run (`run_events.py`). Clock and randomness are arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from eventsourcing.domain import Aggregate

from apphub_jobs.personal import redact_personal
from domain.clock import cut_to_ms, from_iso, later
from domain.errors import ConflictError, StaleExecutionError
from domain.jobs import run_events
from domain.jobs.policies import MAX_DELAY_MS, RetryPolicy
from domain.jobs.reports import fit_report, shorten_message
from domain.jobs.run_events import (
    FINAL,
    LAUNCH_STACK,
    RAISED,
    AttemptFailure,
    FailureReason,
    Holder,
    Report,
    RunState,
    Status,
    named,
)
from domain.json_values import JsonObject
from domain.state import Stateful


class JobRun(Stateful[RunState], Aggregate):
    """Aggregate of a run."""

    TOPIC = run_events.RUN_TOPIC
    STATE = RunState

    Event = run_events.RunEvent
    Requested = run_events.Requested
    Grouped = run_events.Grouped
    Started = run_events.Started
    Progressed = run_events.Progressed
    Succeeded = run_events.Succeeded
    AttemptFailed = run_events.AttemptFailed
    AttemptTimedOut = run_events.AttemptTimedOut
    AttemptLost = run_events.AttemptLost
    HandedBack = run_events.HandedBack
    StartDeadlinePassed = run_events.StartDeadlinePassed
    CancelRequested = run_events.CancelRequested
    Canceled = run_events.Canceled

    @classmethod
    def request(cls, **fields: Any) -> JobRun:
        """Create a pending run; the fields are those of `Requested`, `id` and `timestamp`."""
        return cls._create(cls.Requested, **fields)

    # The state, as decisions read it

    @property
    def status(self) -> Status:
        return self.state["status"]

    @property
    def slug(self) -> str:
        return self.state["slug"]

    @property
    def definition_id(self) -> UUID:
        return UUID(self.state["job_definition_id"])

    @property
    def definition_version(self) -> int:
        return self.state["definition_version"]

    @property
    def entry_point(self) -> str:
        return self.state["entry_point"]

    @property
    def parameters(self) -> JsonObject:
        return self.state["parameters"]

    @property
    def context(self) -> JsonObject | None:
        """The launch's context, without what handlers have reported."""
        return self.state["launch_context"]

    @property
    def merged_context(self) -> JsonObject:
        """The launch's context, and what handlers have reported."""
        return self.state["context"] or {}

    @property
    def metrics(self) -> JsonObject:
        """What handlers have reported."""
        return self.state["metrics"] or {}

    @property
    def timeout_ms(self) -> int | None:
        return self.state["timeout_ms"]

    @property
    def attempt(self) -> int:
        return self.state["attempt"]

    @property
    def traceparent(self) -> str | None:
        """The span in which the run was launched, if that was traced."""
        return self.state["traceparent"]

    @property
    def max_attempts(self) -> int:
        return self.state["max_attempts"]

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy.from_json(self.state["retry_policy"])

    @property
    def priority(self) -> int:
        return self.state["priority"]

    @property
    def scheduled_at(self) -> datetime:
        return from_iso(self.state["scheduled_at"])

    @property
    def start_deadline_at(self) -> datetime | None:
        deadline = self.state["start_deadline_at"]
        return None if deadline is None else from_iso(deadline)

    @property
    def started_at(self) -> datetime | None:
        """When the execution started that is running, or that the last event ended."""
        started = self.state["started_at"] or self.state_before["started_at"]
        return None if started is None else from_iso(started)

    @property
    def execution(self) -> int:
        return self.state["execution"]

    @property
    def holder(self) -> Holder | None:
        """The worker and execution that may report for the run; None if it is not running."""
        worker_id = self.state["worker_id"]
        return None if worker_id is None else Holder(worker_id, self.state["execution"])

    @property
    def cancel_requested(self) -> bool:
        return self.state["cancel_requested_at"] is not None

    @property
    def request_digest(self) -> str | None:
        return self.state["request_digest"]

    @property
    def requested_by(self) -> str:
        return self.state["requested_by"]

    @property
    def personal(self) -> dict[str, list[str]]:
        """The parameters that are encrypted, by the id of their subject's key."""
        return self.state["personal"] or {}

    @property
    def personal_parameters(self) -> list[str]:
        """The parameters whose values are personal data."""
        return [name for of_key in self.personal.values() for name in of_key]

    @property
    def erased(self) -> list[str]:
        """The personal parameters whose values were erased with their subject."""
        return cast("list[str]", self.state.get("erased") or [])

    @property
    def kept_personal(self) -> dict[str, list[str]]:
        """What `personal` returns, without the keys of erased subjects."""
        erased = {*self.erased}
        return {key: names for key, names in self.personal.items() if not erased & {*names}}

    # Commands of the launcher

    def request_cancel(
        self, now: datetime, reason: str | None, report: Report | None = None
    ) -> None:
        """Cancel a pending run at once; of a running one, request it. Repeating changes nothing.

        Raises:
            ConflictError: `run_already_ended`, the run ended in another way.
        """
        if self.status == "canceled":
            return
        if self.status in FINAL:
            raise ConflictError("run_already_ended", f"job run already {self.status}")
        if self.status == "pending":
            self._cancel(now, reason, None, report or Report())
        elif not self.cancel_requested:
            self.trigger_event(JobRun.CancelRequested, timestamp=self._at(now), reason=reason)

    # Commands of the clock

    def expire_start(self, now: datetime) -> None:
        """Expire the run if it has not started by its start deadline; else do nothing."""
        if self.status != "pending" or not self._is_too_late(now):
            return
        self.trigger_event(JobRun.StartDeadlinePassed, timestamp=self._at(now))

    # Commands of a worker

    def start(self, worker_id: str, now: datetime) -> Holder:
        """Claim the run for a worker.

        Raises:
            ConflictError: `run_not_pending`, or `run_not_due` before its time or after its start
                deadline.
        """
        if self.status != "pending":
            raise ConflictError("run_not_pending", f"job run is {self.status}")
        if self.scheduled_at > now or self._is_too_late(now):
            raise ConflictError("run_not_due", "job run is not due")
        holder = Holder(worker_id, self.execution + 1)
        self.trigger_event(
            JobRun.Started,
            timestamp=self._at(now),
            worker_id=worker_id,
            execution=holder.execution,
            attempt=self.attempt,
        )
        return holder

    def _is_too_late(self, now: datetime) -> bool:
        """Return whether the run never started, and its start deadline has passed."""
        deadline = self.start_deadline_at
        if deadline is None or self.execution > 0:
            return False
        return deadline <= now

    def progress(self, holder: Holder, now: datetime, report: Report) -> None:
        """Record what the handler reports while it runs."""
        self._check_holder(holder)
        self.trigger_event(
            JobRun.Progressed, timestamp=self._at(now), **vars(holder), **self._reported(report)
        )

    def succeed(self, holder: Holder, now: datetime, result: Any, report: Report) -> None:
        """Record the handler's result."""
        self._check_holder(holder)
        self.trigger_event(
            JobRun.Succeeded,
            timestamp=self._at(now),
            result=result,
            **vars(holder),
            **self._reported(report),
        )

    def fail(
        self,
        holder: Holder,
        now: datetime,
        failure: AttemptFailure,
        report: Report,
        random: Callable[[], float],
    ) -> None:
        """End the attempt as failed: it is retried by the policy, or the run fails.

        If a cancel was requested, the run is canceled instead.
        """
        self._check_holder(holder)
        launched = self.context or {}
        if failure.reason in RAISED and "stack" in launched:
            context = {**report.context, LAUNCH_STACK: launched["stack"]}
            report = replace(report, context=context)
        if self.cancel_requested:
            self._cancel(now, failure.message, holder, report)
            return
        retry_at: datetime | None = None
        if not failure.permanent:
            retry_at = self._retry_at(now, random, failure.retry_after_ms)
        self.trigger_event(
            JobRun.AttemptFailed,
            timestamp=self._at(now),
            attempt=self.attempt,
            error_message=self._recorded(failure.message),
            failure_reason=failure.reason,
            retry_at=retry_at,
            **vars(holder),
            **self._reported(report),
        )

    def time_out(
        self, holder: Holder, now: datetime, report: Report, random: Callable[[], float]
    ) -> None:
        """End the attempt as timed out: it is retried by the policy, or the run expires."""
        self._check_holder(holder)
        message = f"the attempt ran past its timeoutMs of {self.timeout_ms}"
        if self.cancel_requested:
            self._cancel(now, message, holder, report)
            return
        retry_at = self._retry_at(now, random, None)
        self._time_out(holder, now, message, "execution_timeout", retry_at, report)

    def expire(self, holder: Holder, now: datetime, message: str, report: Report) -> None:
        """End the run as expired because its handler says so."""
        self._check_holder(holder)
        self._time_out(holder, now, message, "handler", None, report)

    def lose(
        self, holder: Holder, now: datetime, message: str, random: Callable[[], float]
    ) -> None:
        """End the attempt of a lost worker: it is retried by the policy, or the run fails."""
        self._check_holder(holder)
        if self.cancel_requested:
            self._cancel(now, message, holder, Report())
            return
        self.trigger_event(
            JobRun.AttemptLost,
            timestamp=self._at(now),
            attempt=self.attempt,
            error_message=message,
            retry_at=self._retry_at(now, random, None),
            **vars(holder),
        )

    def hand_back(self, holder: Holder, now: datetime) -> None:
        """Make the run pending again, its attempt unspent: its worker stops, or lost its lease."""
        self._check_holder(holder)
        if self.cancel_requested:
            self._cancel(now, None, holder, Report())
            return
        self.trigger_event(JobRun.HandedBack, timestamp=self._at(now), **vars(holder))

    def confirm_cancel(
        self,
        holder: Holder,
        now: datetime,
        reason: str | None,
        report: Report,
        *,
        by_handler: bool = False,
    ) -> None:
        """Cancel a run that has stopped, as was requested or because its handler says so."""
        self._check_holder(holder)
        if self.cancel_requested:
            self._cancel(now, reason, holder, report)
        elif by_handler:
            self._cancel(now, reason, holder, report, "handler")
        else:
            raise ConflictError("cancel_not_requested", "nobody asked to cancel this job run")

    def _reported(self, report: Report) -> dict[str, Any]:
        """Return a report as fields of an event: without personal data, and as far as it fits."""
        stack = report.context.get("stack")
        if isinstance(stack, str):
            context = {**report.context, "stack": self._without_personal(stack)}
            report = replace(report, context=context)
        return vars(fit_report(self.metrics, self.merged_context, report))

    def _recorded(self, message: str) -> str:
        """Return a handler's message without personal data, and shortened if it is too long."""
        return shorten_message(self._without_personal(message))

    def _without_personal(self, text: str) -> str:
        names = self.personal_parameters
        return redact_personal(text, self.parameters, names) if names else text

    def _check_holder(self, holder: Holder) -> None:
        if self.status != "running" or self.holder != holder:
            raise StaleExecutionError(
                f"execution {named(holder)} is over:"
                f" the run is {self.status}, held by {named(self.holder)}"
            )

    def _retry_at(
        self, now: datetime, random: Callable[[], float], retry_after_ms: int | None
    ) -> datetime | None:
        if self.attempt >= self.max_attempts:
            return None
        if retry_after_ms is None:
            delay_ms = self.retry_policy.delay_ms(self.attempt, random)
        else:
            delay_ms = min(max(retry_after_ms, 0), MAX_DELAY_MS)
        # From the present: if the clock was set back, the last event may lie a year ahead.
        return later(cut_to_ms(now), delay_ms)

    def _time_out(  # noqa: PLR0913 - the event's fields
        self,
        holder: Holder,
        now: datetime,
        message: str,
        reason: str,
        retry_at: datetime | None,
        report: Report,
    ) -> None:
        self.trigger_event(
            JobRun.AttemptTimedOut,
            timestamp=self._at(now),
            attempt=self.attempt,
            error_message=self._recorded(message),
            failure_reason=reason,
            retry_at=retry_at,
            **vars(holder),
            **self._reported(report),
        )

    def _cancel(
        self,
        now: datetime,
        reason: str | None,
        holder: Holder | None,
        report: Report,
        failure_reason: FailureReason | None = None,
    ) -> None:
        # The client's reason says more than the way in which the run then stopped.
        reason = self.state["cancel_reason"] or reason
        self.trigger_event(
            JobRun.Canceled,
            timestamp=self._at(now),
            reason=self._recorded(reason) if reason else None,
            failure_reason=failure_reason,
            worker_id=holder.worker_id if holder else None,
            execution=holder.execution if holder else None,
            **self._reported(report),
        )
