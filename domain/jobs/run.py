"""One run of a job: its states, and who may move it from one to the next.

`docs/state-machine.md` draws the machine; `tests/unit/domain/jobs/test_state_machine.py` walks
every pair of state and command. Commands decide and trigger an event; an event's `apply` only moves
state. No command reads a clock or makes a random number: both come in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from eventsourcing.domain import Aggregate

from apphub_jobs.personal import without_personal
from domain.clock import cut_to_ms, later
from domain.errors import ConflictError, StaleExecutionError
from domain.jobs import run_events
from domain.jobs.run_events import (
    FINAL,
    MAX_DELAY_MS,
    Failure,
    FailureReason,
    Holder,
    Report,
    RunState,
    fitting,
    fitting_message,
    named,
)


class JobRun(RunState, Aggregate):
    """Aggregate of a run. Its state is what decisions need; everything shown is a projection."""

    TOPIC = run_events.RUN_TOPIC

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

    # Commands of the launcher

    def request_cancel(self, now: datetime, reason: str | None, told: Report | None = None) -> None:
        """Cancel at once while pending; while running, ask for it. Asking again changes nothing.

        Raises:
            ConflictError: `run_already_ended`, the run ended otherwise.
        """
        if self.status == "canceled":
            return
        if self.status in FINAL:
            raise ConflictError("run_already_ended", f"job run already {self.status}")
        if self.status == "pending":
            self._cancel(now, reason, None, told or Report())
        elif not self.cancel_requested:
            self.trigger_event(JobRun.CancelRequested, timestamp=self._at(now), reason=reason)

    # Commands of the clock

    def expire_start(self, now: datetime) -> None:
        """Expire the run if it never started and its start deadline is over; else do nothing."""
        if self.status != "pending" or not self._is_too_late(now):
            return
        at = self._at(now)
        self.trigger_event(JobRun.StartDeadlinePassed, timestamp=at)

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
        """Return whether the run never started, and no longer may."""
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
        failure: Failure,
        report: Report,
        random: Callable[[], float],
    ) -> None:
        """End the attempt as failed: retried by the policy, or final.

        A requested cancel wins over a retry.
        """
        self._check_holder(holder)
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
        """End the attempt as timed out: retried by the policy, or expired."""
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
        """End the attempt because its worker is dead: retried by the policy, or failed."""
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
        """Return the run to pending, its attempt unspent: its worker stops or its lease is over."""
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
        """Record that what ran has stopped.

        That was a requested cancel, or the handler ended as canceled.
        """
        self._check_holder(holder)
        if self.cancel_requested:
            self._cancel(now, reason, holder, report)
        elif by_handler:
            self._cancel(now, reason, holder, report, "handler")
        else:
            raise ConflictError("cancel_not_requested", "nobody asked to cancel this job run")

    def _reported(self, report: Report) -> dict[str, Any]:
        """Return the fields of an event that tells of a report."""
        stack = report.context.get("stack")
        if isinstance(stack, str):
            context = {**report.context, "stack": self._without_personal(stack)}
            report = replace(report, context=context)
        reported = fitting(self.metrics, self.merged_context, report)
        return vars(reported)

    def _recorded(self, message: str) -> str:
        """Return what the log keeps of a handler's words."""
        return fitting_message(self._without_personal(message))

    def _without_personal(self, text: str) -> str:
        names = self.personal_parameters
        return without_personal(text, self.parameters, names) if names else text

    def _check_holder(self, holder: Holder) -> None:
        if self.status != "running" or self.holder != holder:
            raise StaleExecutionError(
                f"execution {named(holder)} is over:"
                f" the run is {self.status}, held by {named(self.holder)}"
            )

    def _at(self, now: datetime) -> datetime:
        # Never before the previous event, however the hosts' clocks are set.
        return max(cut_to_ms(now), self.modified_on)

    def _retry_at(
        self, now: datetime, random: Callable[[], float], retry_after_ms: int | None
    ) -> datetime | None:
        if self.attempt >= self.max_attempts:
            return None
        if retry_after_ms is None:
            delay_ms = self.retry_policy.delay_ms(self.attempt, random)
        else:
            wanted_ms = max(retry_after_ms, 0)
            delay_ms = min(wanted_ms, MAX_DELAY_MS)
        # From the present: were the clock set back, the last event might lie a year ahead.
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
        # What the client said tells more than how it then stopped.
        told = self.cancel_reason or reason
        self.trigger_event(
            JobRun.Canceled,
            timestamp=self._at(now),
            reason=self._recorded(told) if told else None,
            failure_reason=failure_reason,
            worker_id=holder.worker_id if holder else None,
            execution=holder.execution if holder else None,
            **self._reported(report),
        )
