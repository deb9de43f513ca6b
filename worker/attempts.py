"""The attempts of a worker: from a claim to its recorded end, in a bounded number of slots.

First the attempts of one slot pool (`Attempts`), then the reports of a running handler
(`Progress`), then which entry points the worker executes (`Offering`).
"""

import asyncio
import errno
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

from domain.clock import later, ms_between, to_iso
from domain.commands.executions import Claim, Executions
from domain.jobs.definition import JobSpec
from domain.jobs.run import JobRun
from domain.jobs.run_events import AttemptFailure, Report, fitting
from domain.json_values import InvalidJsonError, JsonObject
from domain.ports import Offer
from domain.workers import Isolation, Labels, Python
from runtime.logs import ATTEMPTS, own_log_fields
from runtime.tasks import end, repeat, start_once
from runtime.traceparent import trace_id_of
from worker.executors.port import Attempt, Executor, LeaseOverError, Outcome, Task
from worker.logs.run_logs import LogKeeper, log_name
from worker.outcomes import ClaimedRun, ended_as_of
from worker.ports import AWAY, Heartbeats, Work

if TYPE_CHECKING:
    from runtime.tracing import OpenSpan, Tracing

logger = logging.getLogger(__name__)

ABANDON_S = 5.0
"""How long killed attempts may take to be cleaned up and recorded when a lease is lost; then the
next session begins without that."""

EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
"""Errors of a host that is out of disk, files, processes or memory."""

EXHAUSTED_PAUSE_S = 2.0
"""How long a slot stays taken on such a host before its run is handed back for others to try."""


@dataclass(frozen=True)
class AttemptSettings:
    """What attempts are run with.

    Attributes:
        slots: how many run at a time.
        handler_settings: the operator's settings, by entry point; other handlers do not see them.
        tracing: makes their spans; None if no traces are sent.
    """

    slots: int
    handler_settings: Mapping[str, JsonObject]
    tracing: "Tracing | None" = None


def count_of_runs(number: int) -> str:
    """Return a number of runs in words."""
    return "1 run" if number == 1 else f"{number} runs"


class Attempts:
    """Executes claimed runs and records how they end."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        settings: AttemptSettings,
        executions: Executions,
        executor: Executor,
        offering: "Offering",
        logs: LogKeeper,
        slot_freed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._executions = executions
        self._executor = executor
        self._offering = offering
        self._logs = logs
        self._slot_freed = slot_freed
        self._running: dict[UUID, Attempt] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._cancelled: set[UUID] = set()
        self._abandoned_sessions: set[str] = set()
        self._unrecorded: set[str] = set()
        self._submitting: dict[UUID, asyncio.Task[None]] = {}
        self._is_ending = False
        self._handing_back = False
        self._lease_until = 0.0

    @property
    def free(self) -> int:
        """How many more runs may be claimed: none once the lease is over, or the worker stops."""
        return 0 if self._is_ending else self._free_slots

    @property
    def slots(self) -> int:
        """How many slots there are now, taken or free."""
        return len(self._tasks) + self._free_slots

    @property
    def _free_slots(self) -> int:
        if monotonic() > self._lease_until:
            return 0
        return int(max(min(self._settings.slots - len(self._tasks), self._executor.capacity), 0))

    @property
    def left(self) -> int:
        """How many claimed runs have no recorded end yet."""
        return len(self._tasks)

    @property
    def any_running(self) -> bool:
        """Whether an attempt is running, which could be canceled."""
        return bool(self._running)

    def unrecorded(self, worker_id: str) -> bool:
        """Return whether a session holds a run whose end the log has refused.

        Then only the end of the session can free the run.
        """
        return worker_id in self._unrecorded

    def start(self, claim: Claim) -> None:
        """Execute a claimed run in the background."""
        run = ClaimedRun(self._executions, claim)
        self._tasks[run.id] = start_once(f"run {run.public_id}", self._execute(run))

    def renew(self, until: float) -> None:
        """Extend the lease of all attempts to this time of the monotonic clock."""
        self._lease_until = until
        self._executor.renew(until)

    def cancel(self, run_ids: Sequence[UUID], grace_s: float) -> None:
        """Ask the handlers of these runs to stop; only the first request counts."""
        for run_id in set(run_ids) - self._cancelled:
            attempt = self._running.get(run_id)
            if attempt is not None:
                self._cancelled.add(run_id)
                attempt.cancel(grace_s)

    def begin_no_more(self) -> None:
        """Let no further attempt begin; the runs of those that were to begin are handed back."""
        if self._is_ending:
            return
        self._is_ending = True
        for submitting in self._submitting.values():
            submitting.cancel()
        for attempt in self._running.values():
            if not attempt.has_begun:
                attempt.stop()

    async def drain(self, grace_s: float) -> None:
        """Wait `grace_s` for attempts to end by themselves, then hand the others back."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=grace_s)
        self.hand_back()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def hand_back(self) -> None:
        """Kill all attempts, also those about to start; their runs become pending again."""
        if self._tasks and not self._handing_back:
            logger.info("handing back %s", count_of_runs(self.left))
        self._handing_back = True
        for attempt in self._running.values():
            attempt.stop()

    async def abandon(self, worker_id: str) -> None:
        """Kill all attempts of a session whose lease is over, and hand back their runs.

        The fence refuses it for runs that others have recovered already. Runs whose end cannot be
        recorded in time are recovered by watchers as well, for the session sends no heartbeats.
        """
        self._abandoned_sessions.add(worker_id)
        for attempt in self._running.values():
            attempt.stop()
        self._executor.end_session()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=ABANDON_S)
        await end(*self._tasks.values())

    async def _execute(self, run: ClaimedRun) -> None:
        claimed = run.claim.run
        own_log_fields(
            run=run.public_id,
            job=claimed.slug,
            attempt=claimed.attempt,
            worker=run.claim.holder.worker_id,
        )
        try:
            if self._offering.has(claimed.entry_point):
                await self._run_attempt(run)
            elif not self._offering.is_abandoned(claimed.entry_point):
                # The entry point was offered when the run was claimed, or is offered by now.
                await run.hand_back()
            else:
                message = f"No handler registered for job {claimed.slug}"
                await run.fail(AttemptFailure(message, "no_handler", permanent=True))
        except Exception as error:
            logger.exception("run %s could not be executed", run.id)
            await self._give_up(run, error)
        finally:
            self._forget(run.id)
            self._slot_freed()

    def _forget(self, run_id: UUID) -> None:
        if self._tasks.get(run_id) is not asyncio.current_task():
            return  # A later execution of the run has begun.
        del self._tasks[run_id]
        self._running.pop(run_id, None)
        self._cancelled.discard(run_id)

    async def _give_up(self, run: ClaimedRun, error: Exception) -> None:
        """Record that this worker could not execute a run; if that fails, its session must end."""
        try:
            await self._record_failed_attempt(run, error)
        except Exception:
            logger.exception("the end of run %s cannot be recorded", run.id)
            self._unrecorded.add(run.claim.holder.worker_id)

    async def _record_failed_attempt(self, run: ClaimedRun, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno in EXHAUSTED:
            # Without a pause, the run would be claimed and handed back again and again.
            logger.error("run %s could not begin, and is handed back: %s", run.id, error)
            await asyncio.sleep(EXHAUSTED_PAUSE_S)
            await run.hand_back()
        elif self._is_abandoned(run):
            # The end of the lease made it fail, not the run.
            await run.hand_back()
        else:
            # The error's own text may quote the run; it stands in the worker's log alone.
            reason = error.strerror if isinstance(error, OSError) else None
            message = (
                f"the worker could not execute the run: {reason or type(error).__name__};"
                " its log says more"
            )
            await run.fail(AttemptFailure(message))

    def _is_abandoned(self, run: ClaimedRun) -> bool:
        return run.claim.holder.worker_id in self._abandoned_sessions

    async def _run_attempt(self, run: ClaimedRun) -> None:
        tracing, claimed = self._settings.tracing, run.claim.run
        if tracing is None:
            outcome = await self._run_handler(run, claimed.traceparent)
        else:
            launch = claimed.traceparent
            with tracing.attempt(claimed.slug, claimed.attempt, launch) as span:
                outcome = await self._run_handler(run, span.traceparent)
                _describe(span, run, outcome)
        _log_failed(outcome)
        await run.end(outcome)

    async def _run_handler(self, run: ClaimedRun, traceparent: str | None) -> Outcome:
        """Run the attempt; return how it ended, with what it reported."""
        if traceparent is not None:
            own_log_fields(trace=trace_id_of(traceparent))
        claim = run.claim
        progress = Progress(run)
        began = monotonic()
        name = log_name(run.public_id, claim.run.attempt, claim.holder.execution)
        async with self._logs.keeping(name) as log_path:
            outcome = await self._outcome(run, self._task(claim, log_path, traceparent), progress)
            ran_s = monotonic() - began
        unsent = await progress.finish()
        message = with_reported(outcome.message, _measured(claim, outcome, ran_s), unsent)
        return Outcome(outcome.kind, message)

    async def _outcome(self, run: ClaimedRun, task: Task, progress: "Progress") -> Outcome:
        """Run the attempt, if it may still begin; return how it ended."""
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
        # Once handed back, the run may be executed here again before this attempt is done with.
        self._running.pop(run.id, None)
        return outcome

    async def _submit(self, run: ClaimedRun, task: Task, progress: "Progress") -> Attempt | None:
        """Start the attempt, once its executor has a process for it; None if the worker stops."""
        submitting = asyncio.current_task()
        assert submitting is not None
        self._submitting[run.id] = submitting
        try:
            return await self._executor.submit(task, progress.add, self._lease_until)
        except asyncio.CancelledError:
            if not self._is_ending or submitting.uncancel():
                raise
            return None
        finally:
            del self._submitting[run.id]

    def _must_stop(self, run: ClaimedRun) -> bool:
        return self._handing_back or self._is_abandoned(run)

    def _task(self, claim: Claim, log_path: Path, traceparent: str | None) -> Task:
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
                **_fields_of(claim.spec),
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


def _describe(span: "OpenSpan", run: ClaimedRun, outcome: Outcome) -> None:
    """Say in an attempt's span which run it is of, and how it ended."""
    ended_as = ended_as_of(outcome)
    span.add(
        {
            "apphub.run.id": run.public_id,
            "apphub.worker": run.claim.holder.worker_id,
            "apphub.outcome": ended_as,
        }
    )
    if ended_as not in NO_FAILURES:
        span.fail(ended_as)


NO_FAILURES = frozenset({"succeeded", "canceled", "stopped", "lease"})
"""Ends that are nobody's failure: those that were ordered, and runs that were handed back."""


def _log_failed(outcome: Outcome) -> None:
    """Log an attempt that did not succeed, without its message: it may quote parameters."""
    ended_as = ended_as_of(outcome)
    if ended_as != "succeeded":
        ATTEMPTS.info("the attempt ended: %s", ended_as, extra={"fields": {"outcome": ended_as}})


def _memory_mb(spec: JobSpec) -> int | None:
    resources = spec.resources or {}
    memory_mb = resources.get("memoryMb")
    return memory_mb if isinstance(memory_mb, int) else None


def _deadline(run: JobRun) -> str | None:
    if run.timeout_ms is None:
        return None
    return to_iso(later(run.modified_on, run.timeout_ms))


def _measured(claim: Claim, outcome: Outcome, ran_s: float) -> dict[str, Any]:
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


def _fields_of(spec: JobSpec) -> dict[str, Any]:
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
"""The pause after an attempt's first progress event: as live as eyes can follow."""

MAX_PROGRESS_PAUSE_S = 5.0
"""The pause between progress events in the end. A handler that reports all day makes some hundred
events an hour, not thousands."""


class Progress:
    """The reports of one attempt on their way to the log.

    They are merged into few events, so that a handler with many reports cannot flood the log.
    """

    def __init__(self, run: ClaimedRun) -> None:
        self._run = run
        self._pending: Report | None = None
        self._sending: Report | None = None
        self._sender: asyncio.Task[None] | None = None

    def add(self, message: Mapping[str, Any]) -> None:
        """Merge a report into the one to be sent next; one that is no JSON is left out."""
        run = self._run
        try:
            report = run.report_of(message)
        except InvalidJsonError as error:
            logger.warning("a report of run %s is left out: %s", run.id, error)
            return
        self._pending = _merged(self._pending, report)
        if self._sender is None or self._sender.done():
            self._sender = start_once(f"progress of run {run.id}", self._send())

    async def finish(self) -> Report:
        """Stop sending; return the reports that may not be in the log yet.

        The attempt's last event carries them. One that is being sent may arrive as well: merging it
        twice changes nothing.
        """
        await end(self._sender)
        return _merged(self._sending, self._pending)

    async def _send(self) -> None:
        pause_s = FIRST_PROGRESS_PAUSE_S
        while self._pending is not None:
            self._sending = _merged(self._sending, self._pending)
            self._pending = None
            await self._run.progress(self._sending)
            self._sending = None
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, MAX_PROGRESS_PAUSE_S)


def _merged(old: Report | None, new: Report | None) -> Report:
    before = old or Report()
    if new is None:
        return before
    fit = fitting(before.metrics, before.context, new)
    return Report(
        {**before.metrics, **fit.metrics},
        {**before.context, **fit.context},
        fit.logs_url or before.logs_url,
    )


def with_reported(
    message: Mapping[str, Any], measured: Mapping[str, Any], unsent: Report
) -> Mapping[str, Any]:
    """Return an attempt's last message with unsent reports and measurements; its own keys win."""
    metrics = {**measured, **unsent.metrics, **(message.get("metrics") or {})}
    context = {**unsent.context, **(message.get("context") or {})}
    return {**message, "metrics": metrics, "context": context}


LOOK_EVERY_S = 1.0

NO_LABELS: Labels = {}


class Offering:
    """The entry points that a worker executes, which may change, and those that no worker does.

    A run whose entry point this worker does not offer is left to others. A run whose entry point no
    living worker offers waits until one does; only where the operator limits that wait, any worker
    then claims the run to let it fail.

    Attributes:
        pythons: returns which interpreters run the handlers.
    """

    def __init__(  # noqa: PLR0913 - all that an offer consists of
        self,
        entry_points: Collection[str],
        work: Work,
        heartbeats: Heartbeats,
        grace_s: float | None = None,
        labels: Labels = NO_LABELS,
        pythons: Callable[[], Sequence[Python]] = tuple,
    ) -> None:
        """Offer entry points.

        Args:
            entry_points: those of the worker's handlers; the collection may change later.
            work: the runs that wait.
            heartbeats: the workers' table, where the offer is announced.
            grace_s: after how long a run fails whose entry point no worker offers; None for never.
            labels: the worker's.
            pythons: returns which run the handlers.
        """
        self.pythons = pythons
        self._entry_points = entry_points
        self._work = work
        self._heartbeats = heartbeats
        self._announced = frozenset[str]()
        self._grace_s = grace_s
        self._labels = frozenset(labels.items())
        self._abandoned = frozenset[str]()
        self._unoffered_since: dict[str, float] = {}

    def present(self, isolation: Isolation) -> Offer:
        """Return what the worker executes now at an isolation level."""
        return Offer(
            frozenset(self._entry_points),
            self._abandoned,
            self._grace_s or 0.0,
            self._labels,
            isolation,
        )

    def has(self, entry_point: str) -> bool:
        """Return whether the worker has a handler for an entry point."""
        return entry_point in self._entry_points

    def is_abandoned(self, entry_point: str) -> bool:
        """Return whether no worker has offered an entry point for longer than the grace."""
        return entry_point in self._abandoned

    def announced(self) -> Sequence[str]:
        """Return the entry points to announce, sorted, and count them as announced."""
        self._announced = frozenset(self._entry_points)
        return sorted(self._announced)

    async def keep_up(self, worker_id: str) -> None:
        """Announce changes of the offer, and read what no worker offers, again and again."""

        async def step() -> float:
            await self._announce(worker_id)
            return await self.look()

        await repeat(step, "cannot look for what no worker offers", AWAY, LOOK_EVERY_S)

    async def _announce(self, worker_id: str) -> None:
        """Announce the offer if it has changed since it was last announced successfully."""
        offered = frozenset(self._entry_points)
        if offered == self._announced:
            return
        await self._heartbeats.offer(worker_id, sorted(offered), self.pythons())
        self._announced = offered

    @property
    def unoffered(self) -> int:
        """How many entry points of waiting runs no living worker offers, as last read."""
        return len(self._unoffered_since)

    async def look(self) -> float:
        """Read which entry points no worker offers; return the seconds until the next reading."""
        unoffered = await self._work.unoffered()
        now = monotonic()
        for entry_point in sorted(unoffered - self._unoffered_since.keys()):
            self._warn_of(entry_point)
        self._unoffered_since = {
            entry_point: self._unoffered_since.get(entry_point, now) for entry_point in unoffered
        }
        abandoned: set[str] = set()
        pause_s = LOOK_EVERY_S
        if self._grace_s is not None:
            for entry_point, since in self._unoffered_since.items():
                remaining_s = since + self._grace_s - now
                if remaining_s <= 0:
                    abandoned.add(entry_point)
                else:
                    pause_s = min(pause_s, remaining_s)
        if abandoned != self._abandoned:
            self._abandoned = frozenset(abandoned)
            self._work.wake()
        return pause_s

    def _warn_of(self, entry_point: str) -> None:
        end = "" if self._grace_s is None else f", or they fail after {self._grace_s:g} s"
        logger.warning(
            "runs wait for the entry point %s, which no living worker offers: start a worker"
            " that does%s",
            entry_point,
            end,
        )
