"""The attempts of a worker: from a claim to its recorded end, in a limited number of slots.

    claimed -> submitting: the executor may lack a process -> running -> ended -> recorded
    claimed or submitting, as the worker stops or its lease is over ----------> handed back
    running, as that happens: the attempt is killed --------------------------> handed back

An attempt has a slot until its end is recorded. First the attempts of one slot pool (`Attempts`),
then the reports of a running handler (`Progress`).
"""

import asyncio
import errno
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

from domain.clock import later, ms_between, to_iso
from domain.commands.executions import Claim, Executions
from domain.jobs.definition import JobSpec
from domain.jobs.reports import fit_report
from domain.jobs.run import JobRun
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import InvalidJsonError, JsonObject
from runtime.logs import ATTEMPTS, add_own_log_fields
from runtime.tasks import end_tasks, start_once
from runtime.text import pluralize
from runtime.traceparent import trace_id_of
from worker.executors.port import Attempt, Executor, LeaseOverError, Outcome, Task
from worker.logs.run_logs import LogKeeper, log_name
from worker.offer import WorkerOffer
from worker.outcomes import ClaimedRun, outcome_name

if TYPE_CHECKING:
    from runtime.tracing import OpenSpan, Tracing

logger = logging.getLogger(__name__)

ABANDON_TIMEOUT_S = 5.0
"""How long the next session waits, after a lost lease, until the killed attempts are cleaned up and
recorded."""

EXHAUSTION_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM}
)
"""Error numbers of a host that has no more disk space, open files, processes or memory."""

EXHAUSTED_PAUSE_S = 2.0
"""How long a slot stays in use on such a host before its run is handed back to other workers."""


@dataclass(frozen=True)
class AttemptSettings:
    """How attempts are run.

    Attributes:
        slots: how many attempts run at a time.
        handler_settings: the operator's settings by entry point; each handler sees its own only.
        tracing: records the attempts' spans; None if no traces are sent.
    """

    slots: int
    handler_settings: Mapping[str, JsonObject]
    tracing: "Tracing | None" = None


class Attempts:
    """Executes claimed runs, and records how they end."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        settings: AttemptSettings,
        executions: Executions,
        executor: Executor,
        offer: WorkerOffer,
        logs: LogKeeper,
        on_slot_freed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._executions = executions
        self._executor = executor
        self._offer = offer
        self._logs = logs
        self._on_slot_freed = on_slot_freed
        self._running: dict[UUID, Attempt] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._cancelled: set[UUID] = set()
        self._abandoned_sessions: set[str] = set()
        self._sessions_with_unrecorded_ends: set[str] = set()
        self._submitting: dict[UUID, asyncio.Task[None]] = {}
        self._is_ending = False
        self._is_handing_back = False
        self._lease_until = 0.0

    @property
    def free_slots(self) -> int:
        """How many more runs may be claimed: none once the lease is over, or the worker stops."""
        return 0 if self._is_ending else self._unused_slots

    @property
    def slots(self) -> int:
        """How many slots there are now, in use or not."""
        return len(self._tasks) + self._unused_slots

    @property
    def _unused_slots(self) -> int:
        if monotonic() > self._lease_until:
            return 0
        return int(max(min(self._settings.slots - len(self._tasks), self._executor.capacity), 0))

    @property
    def unfinished(self) -> int:
        """How many claimed runs have no recorded end yet."""
        return len(self._tasks)

    @property
    def has_running(self) -> bool:
        """Whether an attempt is running, so that it can be canceled."""
        return bool(self._running)

    def has_unrecorded_end(self, worker_id: str) -> bool:
        """Return whether a session holds a run whose end could not be recorded.

        Only the end of the session frees such a run.
        """
        return worker_id in self._sessions_with_unrecorded_ends

    def start(self, claim: Claim) -> None:
        """Execute a claimed run in the background."""
        run = ClaimedRun(self._executions, claim)
        self._tasks[run.id] = start_once(f"run {run.public_id}", self._execute(run))

    def renew(self, until: float) -> None:
        """Extend the lease of all attempts to this time of the monotonic clock."""
        self._lease_until = until
        self._executor.renew(until)

    def cancel(self, run_ids: Sequence[UUID], grace_s: float) -> None:
        """Ask the handlers of these runs to stop; repeated requests have no effect."""
        for run_id in set(run_ids) - self._cancelled:
            attempt = self._running.get(run_id)
            if attempt is not None:
                self._cancelled.add(run_id)
                attempt.cancel(grace_s)

    def stop_starting(self) -> None:
        """Start no further attempt; the runs of those that have not started are handed back."""
        if self._is_ending:
            return
        self._is_ending = True
        for submission in self._submitting.values():
            submission.cancel()
        for attempt in self._running.values():
            if not attempt.has_begun:
                attempt.stop()

    async def drain(self, grace_s: float) -> None:
        """Wait `grace_s` for the attempts to end by themselves, then hand back the others."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=grace_s)
        self.hand_back()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def hand_back(self) -> None:
        """Kill all attempts, also those about to start; their runs become pending again."""
        if self._tasks and not self._is_handing_back:
            logger.info("handing back %s", pluralize(self.unfinished, "run"))
        self._is_handing_back = True
        for attempt in self._running.values():
            attempt.stop()

    async def abandon(self, worker_id: str) -> None:
        """Kill all attempts of a session whose lease is over, and hand back their runs.

        Runs that others have recovered already stay theirs: the fence refuses the hand-back. Runs
        whose end cannot be recorded in time are recovered by watchers, since the session sends no
        more heartbeats.
        """
        self._abandoned_sessions.add(worker_id)
        for attempt in self._running.values():
            attempt.stop()
        self._executor.end_session()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=ABANDON_TIMEOUT_S)
        await end_tasks(*self._tasks.values())

    async def _execute(self, run: ClaimedRun) -> None:
        job_run = run.claim.run
        add_own_log_fields(
            run=run.public_id,
            job=job_run.slug,
            attempt=job_run.attempt,
            worker=run.claim.holder.worker_id,
        )
        try:
            if self._offer.has_handler(job_run.entry_point):
                await self._run_attempt(run)
            elif self._offer.is_abandoned(job_run.entry_point):
                message = f"No handler registered for job {job_run.slug}"
                await run.fail(AttemptFailure(message, "no_handler", permanent=True))
            else:
                # A worker offers the entry point again, or this one did when it claimed the run.
                await run.hand_back()
        except Exception as error:
            logger.exception("run %s could not be executed", run.id)
            await self._record_error(run, error)
        finally:
            self._forget(run.id)
            self._on_slot_freed()

    def _forget(self, run_id: UUID) -> None:
        if self._tasks.get(run_id) is not asyncio.current_task():
            return  # A later execution of the run has begun.
        del self._tasks[run_id]
        self._running.pop(run_id, None)
        self._cancelled.discard(run_id)

    async def _record_error(self, run: ClaimedRun, error: Exception) -> None:
        """Record that this worker could not execute a run; if that fails, its session must end."""
        try:
            await self._fail_or_hand_back(run, error)
        except Exception:
            logger.exception("the end of run %s cannot be recorded", run.id)
            self._sessions_with_unrecorded_ends.add(run.claim.holder.worker_id)

    async def _fail_or_hand_back(self, run: ClaimedRun, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno in EXHAUSTION_ERRORS:
            # Without a pause, the run would be claimed and handed back again and again.
            logger.error("run %s could not begin, and is handed back: %s", run.id, error)
            await asyncio.sleep(EXHAUSTED_PAUSE_S)
            await run.hand_back()
        elif self._is_abandoned(run):
            # The end of the lease caused the error, not the run.
            await run.hand_back()
        else:
            # The error's own text may quote the run's data, so only the worker's log has it.
            reason = error.strerror if isinstance(error, OSError) else None
            message = (
                f"the worker could not execute the run: {reason or type(error).__name__};"
                " its log says more"
            )
            await run.fail(AttemptFailure(message))

    def _is_abandoned(self, run: ClaimedRun) -> bool:
        return run.claim.holder.worker_id in self._abandoned_sessions

    async def _run_attempt(self, run: ClaimedRun) -> None:
        tracing, job_run = self._settings.tracing, run.claim.run
        if tracing is None:
            outcome = await self._run_handler(run, job_run.traceparent)
        else:
            launch = job_run.traceparent
            with tracing.attempt(job_run.slug, job_run.attempt, launch) as span:
                outcome = await self._run_handler(run, span.traceparent)
                _add_outcome(span, run, outcome)
        _log_unsuccessful(outcome)
        await run.end(outcome)

    async def _run_handler(self, run: ClaimedRun, traceparent: str | None) -> Outcome:
        """Run the attempt; return its outcome with its last reports and its measurements."""
        if traceparent is not None:
            add_own_log_fields(trace=trace_id_of(traceparent))
        claim = run.claim
        progress = Progress(run)
        started_s = monotonic()
        name = log_name(run.public_id, claim.run.attempt, claim.holder.execution)
        async with self._logs.keep(name) as log_path:
            task = self._build_task(claim, log_path, traceparent)
            outcome = await self._run_task(run, task, progress)
            ran_s = monotonic() - started_s
        unsent = await progress.finish()
        message = add_reports(outcome.message, _measure(claim, outcome, ran_s), unsent)
        return Outcome(outcome.kind, message)

    async def _run_task(self, run: ClaimedRun, task: Task, progress: "Progress") -> Outcome:
        """Run the attempt, unless it may no longer begin; return its outcome."""
        if self._is_ending or self._must_stop(run):
            return Outcome("stopped")
        try:
            attempt = await self._submit(run, task, progress)
        except LeaseOverError as error:
            logger.warning("run %s does not begin here: %s", run.id, error)
            return Outcome("lease")
        if attempt is None:
            return Outcome("stopped")
        self._running[run.id] = attempt
        if self._must_stop(run):
            attempt.stop()
        outcome = await attempt.outcome()
        # Not later: after a hand-back, this worker may start the run again before `_forget`.
        self._running.pop(run.id, None)
        return outcome

    async def _submit(self, run: ClaimedRun, task: Task, progress: "Progress") -> Attempt | None:
        """Start the attempt once its executor has a process for it; None if the worker stops."""
        submission = asyncio.current_task()
        assert submission is not None
        self._submitting[run.id] = submission
        try:
            return await self._executor.submit(task, progress.add, self._lease_until)
        except asyncio.CancelledError:
            if not self._is_ending or submission.uncancel():
                raise
            return None
        finally:
            del self._submitting[run.id]

    def _must_stop(self, run: ClaimedRun) -> bool:
        return self._is_handing_back or self._is_abandoned(run)

    def _build_task(self, claim: Claim, log_path: Path, traceparent: str | None) -> Task:
        run = claim.run
        return Task(
            run={
                "id": run.public_id,
                "slug": run.slug,
                "attempt": run.attempt,
                "maxAttempts": run.max_attempts,
                "context": run.context,
            },
            definition={
                "slug": run.slug,
                "version": run.definition_version,
                **_definition_fields(claim.spec),
            },
            entry_point=run.entry_point,
            parameters=run.parameters,
            inputs=claim.inputs,
            settings=self._settings.handler_settings.get(run.entry_point, {}),
            timeout_ms=run.timeout_ms,
            memory_mb=_memory_mb(claim.spec),
            deadline=_deadline(run),
            log_path=log_path,
            worker_labels=claim.spec.worker_labels,
            personal=run.personal_parameters,
            traceparent=traceparent,
        )


def _add_outcome(span: "OpenSpan", run: ClaimedRun, outcome: Outcome) -> None:
    """Add the run and the outcome to an attempt's span."""
    name = outcome_name(outcome)
    span.add(
        {
            "apphub.run.id": run.public_id,
            "apphub.worker": run.claim.holder.worker_id,
            "apphub.outcome": name,
        }
    )
    if name not in NO_FAILURES:
        span.fail(name)


NO_FAILURES = frozenset({"succeeded", "canceled", "stopped", "lease"})
"""Outcomes that are no failures of a handler: success, requested ends, and hand-backs."""


def _log_unsuccessful(outcome: Outcome) -> None:
    """Log an attempt that did not succeed, without its message, which may quote parameters."""
    name = outcome_name(outcome)
    if name != "succeeded":
        ATTEMPTS.info("the attempt ended: %s", name, extra={"fields": {"outcome": name}})


def _memory_mb(spec: JobSpec) -> int | None:
    resources = spec.resources or {}
    memory_mb = resources.get("memoryMb")
    return memory_mb if isinstance(memory_mb, int) else None


def _deadline(run: JobRun) -> str | None:
    if run.timeout_ms is None:
        return None
    return to_iso(later(run.modified_on, run.timeout_ms))


def _measure(claim: Claim, outcome: Outcome, ran_s: float) -> dict[str, Any]:
    """Return the metrics that the worker measures of every attempt."""
    run = claim.run
    queued_ms = None
    if run.started_at is not None:
        queued_ms = ms_between(run.scheduled_at, run.started_at)
    return {
        "queuedMs": queued_ms,
        "runMs": int(ran_s * 1000),
        "exitCause": outcome.kind,
        **outcome.metrics,
    }


def _definition_fields(spec: JobSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "type": spec.type,
        "runtime": spec.runtime,
        "entryPoint": spec.entry_point,
        "timeoutMs": spec.timeout_ms,
        "retryPolicy": spec.retry_policy,
        "metadata": spec.metadata,
        "resources": spec.resources,
        "isolation": spec.isolation,
    }


FIRST_PROGRESS_PAUSE_S = 0.25
"""The pause after an attempt's first progress event: short enough for a person to see it live."""

MAX_PROGRESS_PAUSE_S = 5.0
"""The longest pause; so a handler that reports all day makes at most 720 events an hour."""


class Progress:
    """Sends the reports of one attempt to the log.

    Reports are merged into few events, so that a handler with many reports cannot flood the log.
    """

    def __init__(self, run: ClaimedRun) -> None:
        self._run = run
        self._pending: Report | None = None
        self._sending: Report | None = None
        self._sender: asyncio.Task[None] | None = None

    def add(self, message: Mapping[str, Any]) -> None:
        """Merge a report into the next one to send; a report that is not JSON is dropped."""
        run = self._run
        try:
            report = run.parse_report(message)
        except InvalidJsonError as error:
            logger.warning("a report of run %s is left out: %s", run.id, error)
            return
        self._pending = _merge(self._pending, report)
        if self._sender is None or self._sender.done():
            self._sender = start_once(f"progress of run {run.id}", self._send())

    async def finish(self) -> Report:
        """Stop sending; return the reports that may not be in the log yet.

        The attempt's last event carries them. The one that was being sent may have arrived as well;
        merging it twice changes nothing.
        """
        await end_tasks(self._sender)
        return _merge(self._sending, self._pending)

    async def _send(self) -> None:
        pause_s = FIRST_PROGRESS_PAUSE_S
        while self._pending is not None:
            self._sending = _merge(self._sending, self._pending)
            self._pending = None
            await self._run.progress(self._sending)
            self._sending = None
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, MAX_PROGRESS_PAUSE_S)


def _merge(old: Report | None, new: Report | None) -> Report:
    """Return both reports as one; the new values win, as far as they fit in the size limit."""
    merged = old or Report()
    if new is None:
        return merged
    fit = fit_report(merged.metrics, merged.context, new)
    return Report(
        {**merged.metrics, **fit.metrics},
        {**merged.context, **fit.context},
        fit.logs_url or merged.logs_url,
    )


def add_reports(
    message: Mapping[str, Any], measurements: Mapping[str, Any], unsent: Report
) -> Mapping[str, Any]:
    """Return an attempt's last message with unsent reports and measurements; its own keys win."""
    metrics = {**measurements, **unsent.metrics, **(message.get("metrics") or {})}
    context = {**unsent.context, **(message.get("context") or {})}
    return {**message, "metrics": metrics, "context": context}
