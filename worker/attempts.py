"""The attempts of a worker: from a claim to its recorded end, in a bounded number of slots.

First what the worker offers to execute (`Offering`), then the reports of a running handler
(`Progress`), then the attempts themselves (`Attempts`).
"""

import asyncio
import errno
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from domain.clock import later, ms_between, to_iso
from domain.commands.executions import Claim, Executions
from domain.jobs.definition import Spec
from domain.jobs.run import JobRun
from domain.jobs.run_events import Failure, Report, fitting
from domain.json_values import InvalidJsonError, JsonObject
from domain.ports import Offer
from domain.workers import Isolation, Labels
from runtime.tasks import end, start_once
from worker.executors.port import Attempt, Executor, LeaseOverError, Outcome, Task
from worker.logs.run_logs import LogKeeper, log_name
from worker.outcomes import ClaimedRun
from worker.ports import AWAY, Heartbeats, Work

# What a worker executes, and which abandoned runs it claims to let them fail.
#
# A run whose entry point this worker does not offer is left to others. A run that no living worker
# offers waits until one does. Only where the operator sets a limit to that wait, any worker then
# claims the run to let it fail.

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0

NO_LABELS: Labels = {}


class Offering:
    """The offer of one worker, which may change while it works."""

    def __init__(
        self,
        entry_points: Collection[str],
        work: Work,
        heartbeats: Heartbeats,
        grace_s: float | None = None,
        labels: Labels = NO_LABELS,
    ) -> None:
        """Offer these.

        Args:
            entry_points: of the worker's handlers; others may change them meanwhile.
            work: knows what waits.
            heartbeats: knows what others offer, and tells them.
            grace_s: after how long a run fails that nobody offers; None for never.
            labels: the worker's.
        """
        self._entry_points = entry_points
        self._work = work
        self._heartbeats = heartbeats
        self._announced = frozenset[str]()
        self._grace_s = grace_s
        self._labels = frozenset(labels.items())
        self._given_up = frozenset[str]()
        self._unoffered_since: dict[str, float] = {}

    def present(self, isolation: Isolation) -> Offer:
        """Return what the worker executes now, of what is kept apart like this."""
        return Offer(
            frozenset(self._entry_points),
            self._given_up,
            self._grace_s or 0.0,
            self._labels,
            isolation,
        )

    def of(self, isolation: Isolation) -> Callable[[], Offer]:
        """Return what tells what the worker executes of that."""
        return partial(self.present, isolation)

    def has(self, entry_point: str) -> bool:
        """Return whether the worker has a handler of this name."""
        return entry_point in self._entry_points

    def gives_up(self, entry_point: str) -> bool:
        """Return whether nobody has had such a handler for too long."""
        return entry_point in self._given_up

    def announced(self) -> Sequence[str]:
        """Return what others are about to be told that the worker offers."""
        self._announced = frozenset(self._entry_points)
        return sorted(self._announced)

    async def keep_up(self, worker_id: str) -> None:
        """For ever, tell others where the offer has changed, and find what nobody offers."""
        while True:
            pause_s = LOOK_EVERY_S
            try:
                await self._announce(worker_id)
                pause_s = await self.look()
            except AWAY as error:
                logger.warning("cannot look for what no worker offers: %s", error)
            await asyncio.sleep(pause_s)

    async def _announce(self, worker_id: str) -> None:
        """Tell others what has changed; it is told again until it has been taken in."""
        offered = frozenset(self._entry_points)
        if offered == self._announced:
            return
        await self._heartbeats.offer(worker_id, sorted(offered))
        self._announced = offered

    @property
    def unoffered(self) -> int:
        """How many entry points of waiting runs no living worker offers, as last seen."""
        return len(self._unoffered_since)

    async def look(self) -> float:
        """Look for what nobody offers; return after how many seconds to look again."""
        found = await self._work.unoffered()
        now = monotonic()
        for entry_point in sorted(found - self._unoffered_since.keys()):
            self._tell(entry_point)
        since: dict[str, float] = {}
        given_up: set[str] = set()
        again_in_s = LOOK_EVERY_S
        for name in found:
            since[name] = self._unoffered_since.get(name, now)
            if self._grace_s is None:
                continue
            left_s = since[name] + self._grace_s - now
            if left_s <= 0:
                given_up.add(name)
            else:
                again_in_s = min(again_in_s, left_s)
        self._unoffered_since = since
        if given_up != self._given_up:
            self._given_up = frozenset(given_up)
            self._work.wake()
        return again_in_s

    def _tell(self, entry_point: str) -> None:
        end = "" if self._grace_s is None else f", or they fail after {self._grace_s:g} s"
        logger.warning(
            "runs wait for the entry point %s, which no living worker offers: start a worker"
            " that does%s",
            entry_point,
            end,
        )


# Gathers what a handler reports while it runs, so that a handler with many reports cannot flood the
# log.

GATHER_S = 0.25
"""How often an attempt's progress becomes an event at first: as live as eyes can follow."""

GATHER_AT_MOST_S = 5.0
"""How often at last. A handler that reports all day makes some hundred events an hour, not
thousands."""


class Progress:
    """One attempt's reports on their way to the log."""

    def __init__(self, run: ClaimedRun) -> None:
        self._run = run
        self._gathered: Report | None = None
        self._sending: Report | None = None
        self._sender: asyncio.Task[None] | None = None

    def add(self, message: Mapping[str, Any]) -> None:
        """Merge a report into what is not yet sent."""
        run = self._run
        try:
            report = run.report_of(message)
        except InvalidJsonError as error:
            logger.warning("a report of run %s is left out: %s", run.id, error)
            return
        self._gathered = _merged(self._gathered, report)
        if self._sender is None or self._sender.done():
            name = f"progress of run {run.id}"
            self._sender = start_once(name, self._send())

    async def finish(self) -> Report:
        """Stop sending; return what the attempt's last event has to carry, as the log may lack it.

        A report that is on its way may arrive as well: merging it twice changes nothing.
        """
        await end(self._sender)
        return _merged(self._sending, self._gathered)

    async def _send(self) -> None:
        pause_s = GATHER_S
        while self._gathered is not None:
            self._sending = _merged(self._sending, self._gathered)
            self._gathered = None
            await self._run.progress(self._sending)
            self._sending = None
            await asyncio.sleep(pause_s)
            longer_s = pause_s * 1.5
            pause_s = min(longer_s, GATHER_AT_MOST_S)


def _merged(old: Report | None, new: Report | None) -> Report:
    before = old or Report()
    if new is None:
        return before
    fit = fitting(before.metrics, before.context, new)
    metrics = {**before.metrics, **fit.metrics}
    context = {**before.context, **fit.context}
    logs_url = fit.logs_url or before.logs_url
    return Report(metrics, context, logs_url)


def with_reported(
    said: Mapping[str, Any], measured: Mapping[str, Any], unsent: Report
) -> Mapping[str, Any]:
    """Return an attempt's last message with all that is known of it; what it said itself counts."""
    said_metrics = said.get("metrics") or {}
    said_context = said.get("context") or {}
    metrics = {**measured, **unsent.metrics, **said_metrics}
    context = {**unsent.context, **said_context}
    return {**said, "metrics": metrics, "context": context}


BURIAL_S = 5.0
"""How long killed attempts may take to be cleaned up and recorded before the worker begins anew
without that."""

NO_ROOM = (*(errno.ENOSPC, errno.EDQUOT), *(errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM))
"""What a host answers that has no room: on its disk, for files, processes or memory."""

NO_ROOM_PAUSE_S = 2.0
"""How long a slot rests that found no room, before its run is handed back and others may try."""


@dataclass(frozen=True)
class AttemptSettings:
    """What attempts are run with.

    Attributes:
        slots: how many run at a time.
        handler_settings: what the operator decided for handlers, by entry point; no other handler
            sees it.
    """

    slots: int
    handler_settings: Mapping[str, JsonObject]


class Attempts:
    """Runs claimed runs and records how they end."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        settings: AttemptSettings,
        executions: Executions,
        executor: Executor,
        offering: Offering,
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
        self._buried: set[str] = set()
        self._unrecorded: set[str] = set()
        self._handing_back = False
        self._lease_until = 0.0

    @property
    def free(self) -> int:
        """Return how many more runs may be claimed: none once the lease is over."""
        if monotonic() > self._lease_until:
            return 0
        slots = self._settings.slots - len(self._tasks)
        return int(max(min(slots, self._executor.room), 0))

    @property
    def slots(self) -> int:
        """Return how many runs there is room for now, with those that were claimed."""
        return len(self._tasks) + self.free

    @property
    def any_left(self) -> bool:
        """Return whether anything that was claimed has not been recorded as ended."""
        return bool(self._tasks)

    @property
    def any_running(self) -> bool:
        """Return whether there is anything that could be canceled."""
        return bool(self._running)

    def unrecorded(self, worker_id: str) -> bool:
        """Return whether this life holds a run whose end the log would not take.

        Then only others can free it.
        """
        return worker_id in self._unrecorded

    def start(self, claim: Claim) -> None:
        """Execute a claimed run in the background."""
        run = ClaimedRun(self._executions, claim)
        name = f"run {run.id}"
        executing = self._execute(run)
        self._tasks[run.id] = start_once(name, executing)

    def renew(self, until: float) -> None:
        """Let all attempts go on until this moment of the monotonic clock."""
        self._lease_until = until
        self._executor.renew(until)

    def cancel(self, run_ids: Sequence[UUID], grace_s: float) -> None:
        """Ask the handlers of these runs to stop, once."""
        for run_id in set(run_ids) - self._cancelled:
            attempt = self._running.get(run_id)
            if attempt is not None:
                self._cancelled.add(run_id)
                attempt.cancel(grace_s)

    async def drain(self, grace_s: float) -> None:
        """Let what runs end by itself, then hand back what is left."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=grace_s)
        self.hand_back()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def hand_back(self) -> None:
        """Kill what runs, and what is about to; its runs become pending again."""
        self._handing_back = True
        for attempt in self._running.values():
            attempt.stop()

    async def bury(self, worker_id: str) -> None:
        """Kill all attempts of a life that is over, and record how: most runs are handed back.

        The fence refuses what others have recovered already. What cannot be recorded in time is
        theirs as well: this life beats no more, so watchers find its runs with a worker that is not
        among the living.
        """
        self._buried.add(worker_id)
        for attempt in self._running.values():
            attempt.stop()
        self._executor.end_session()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=BURIAL_S)
        await end(*self._tasks.values())

    async def _execute(self, run: ClaimedRun) -> None:
        claimed = run.claim.run
        try:
            if self._offering.has(claimed.entry_point):
                await self._run_attempt(run)
            elif not self._offering.gives_up(claimed.entry_point):
                # It was offered when it was claimed, or somebody offers it since.
                await run.hand_back()
            else:
                message = f"No handler registered for job {claimed.slug}"
                await run.fail(Failure(message, "no_handler", permanent=True))
        except Exception as error:
            logger.exception("run %s could not be executed", run.id)
            await self._give_up(run, error)
        finally:
            self._forget(run.id)
            self._slot_freed()

    def _forget(self, run_id: UUID) -> None:
        if self._tasks.get(run_id) is not asyncio.current_task():
            return  # A later execution has taken its place.
        del self._tasks[run_id]
        self._running.pop(run_id, None)
        self._cancelled.discard(run_id)

    async def _give_up(self, run: ClaimedRun, error: Exception) -> None:
        """End an attempt that this worker could not go through with.

        Where even that fails, this life has to end.
        """
        try:
            await self._record_failed_attempt(run, error)
        except Exception:
            logger.exception("the end of run %s cannot be recorded", run.id)
            self._unrecorded.add(run.claim.holder.worker_id)

    async def _record_failed_attempt(self, run: ClaimedRun, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            # At once, it would be claimed and returned without end.
            logger.error("run %s could not begin, and is handed back: %s", run.id, error)
            await asyncio.sleep(NO_ROOM_PAUSE_S)
            await run.hand_back()
        elif self._is_buried(run):
            # The end of the lease made it fail, not the run.
            await run.hand_back()
        else:
            # What it says may quote the run; the worker's own log has it.
            said = error.strerror if isinstance(error, OSError) else None
            what = said or type(error).__name__
            message = f"the worker could not execute the run: {what}; its log says more"
            await run.fail(Failure(message))

    def _is_buried(self, run: ClaimedRun) -> bool:
        return run.claim.holder.worker_id in self._buried

    async def _run_attempt(self, run: ClaimedRun) -> None:
        claim = run.claim
        progress = Progress(run)
        began = monotonic()
        name = log_name(str(run.id), claim.run.attempt, claim.holder.execution)
        async with self._logs.keeping(name) as log_path:
            task = self._task(claim, log_path)
            outcome = await self._outcome(run, task, progress)
            ran_s = monotonic() - began
        unsent = await progress.finish()
        measured = _measured(claim, outcome, ran_s)
        message = with_reported(outcome.message, measured, unsent)
        ended = Outcome(outcome.kind, message)
        await run.end(ended)

    async def _outcome(self, run: ClaimedRun, task: Task, progress: Progress) -> Outcome:
        """Run the attempt, if it may still begin; return how it ended."""
        if self._is_to_stop(run):
            return Outcome("stopped")
        try:
            attempt = await self._executor.submit(task, progress.add, self._lease_until)
        except LeaseOverError as error:
            logger.warning("run %s does not begin here: %s", run.id, error)
            return Outcome("lease")
        self._running[run.id] = attempt
        if self._is_to_stop(run):
            attempt.stop()
        outcome = await attempt.outcome()
        # Handed back, it may run here again before this one is through.
        self._running.pop(run.id, None)
        return outcome

    def _is_to_stop(self, run: ClaimedRun) -> bool:
        return self._handing_back or self._is_buried(run)

    def _task(self, claim: Claim, log_path: Path) -> Task:
        run = claim.run
        return Task(
            run={
                "id": str(run.id),
                "slug": run.slug,
                "attempt": run.attempt,
                "maxAttempts": run.max_attempts,
                "context": run.context,
            },
            definition={"slug": run.slug, "version": run.definition_version, **_shown(claim.spec)},
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
        )


def _memory_mb(spec: Spec) -> int | None:
    resources = spec.resources or {}
    memory_mb = resources.get("memoryMb")
    if isinstance(memory_mb, int):
        return memory_mb
    return None


def _deadline(run: JobRun) -> str | None:
    if run.timeout_ms is None:
        return None
    deadline = later(run.modified_on, run.timeout_ms)
    return to_iso(deadline)


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


def _shown(spec: Spec) -> dict[str, Any]:
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
