"""A worker: claims what is due for its free slots, runs it, records how it ended, and proves that it lives."""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

from domain.clock import later, to_iso
from domain.errors import (
    LogUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    VersionConflictError,
    WorkerBuriedError,
)
from domain.execution import Claim, Executions
from domain.job_definition import Spec
from domain.run_states import Failure, Report
from worker.contract import Handler
from worker.executor import Attempt, Executor, Outcome, Task
from worker.ports import Heartbeats, Work
from worker.progress import Progress
from worker.recording import persist, record
from worker.run_logs import log_path
from worker.watcher import Watcher

logger = logging.getLogger(__name__)

AWAY = (LogUnavailableError, OutcomeUnknownError, OverloadedError, VersionConflictError, TimeoutError)
"""What a database that is away for a while raises through the ports."""


CROWDED_PAUSE_S = 0.2
"""How long to wait after a claim that found runs due but none that may start."""

BURIAL_S = 2.0
"""How long killed attempts may take to be cleaned up before the worker begins anew without that."""


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """How a worker behaves.

    Attributes:
        slots: how many attempts run at a time.
        lease_s: for how long the worker may be silent before others take its runs.
        poll_s: how often it looks for work and cancels without being told of any.
        cancel_grace_s: from asking a handler to stop to killing it.
        stop_grace_s: how long running work may go on once the worker is asked to stop.
        handler_modules: modules with handlers, named by the operator.
    """

    slots: int = 4
    lease_s: float = 15.0
    poll_s: float = 1.0
    cancel_grace_s: float = 5.0
    stop_grace_s: float = 10.0
    run_logs_dir: Path
    handler_modules: Sequence[str] = ()


class _BuriedError(Exception):
    """Others count this worker as dead, or will before it could tell: it must stop what it runs and begin anew."""


class Worker:
    """Runs until it is asked to stop; after a lost lease under a new id."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        settings: WorkerSettings,
        executions: Executions,
        heartbeats: Heartbeats,
        work: Work,
        executor: Executor,
        handlers: Mapping[str, Handler],
    ) -> None:
        self._settings = settings
        self._executions = executions
        self._heartbeats = heartbeats
        self._work = work
        self._executor = executor
        self._handlers = handlers
        self._stopping = False
        self._hurry = False
        self._attempts: dict[UUID, Attempt] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._cancelled: set[UUID] = set()
        self._buried: set[str] = set()
        self.worker_id = ""

    def stop(self) -> None:
        """Ask the worker to stop: no more claims; what runs gets its grace time and is then handed back."""
        self._stopping = True
        self._work.wake()

    def stop_now(self) -> None:
        """Hand back at once what runs."""
        self.stop()
        self._hand_back()

    async def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping:
            self.worker_id = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
            try:
                await self._live()
            except* _BuriedError as lost:
                logger.warning("worker %s lost its lease: %s", self.worker_id, lost.exceptions[0])
                await self._drop_everything()

    async def _live(self) -> None:
        """Live one life under one id."""
        await self._register()
        watcher = Watcher(f"worker {self.worker_id}", self._executions, self._heartbeats, self._work)
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._keep_lease(), name="lease"),
                group.create_task(watcher.run(), name="watcher"),
                group.create_task(self._find_cancels(), name="cancels"),
            ]
            await self._claim_until_stopped()
            await self._drain()
            for task in background:
                task.cancel()
        with suppress(*AWAY):
            await self._heartbeats.leave(self.worker_id)

    async def _register(self) -> None:
        while not self._stopping:
            try:
                lease_ms = int(self._settings.lease_s * 1000)
                await self._heartbeats.register(
                    self.worker_id, socket.gethostname(), os.getpid(), self._settings.slots, lease_ms
                )
            except AWAY as error:
                logger.warning("cannot register, trying again: %s", error)
                await asyncio.sleep(self._settings.poll_s)
            else:
                logger.info("worker %s is ready with %d slots", self.worker_id, self._settings.slots)
                return

    # Claiming -------------------------------------------------------------------------------------------------

    async def _claim_until_stopped(self) -> None:
        while not self._stopping:
            try:
                pause_s = await self._claim_due()
            except (WorkerBuriedError, OutcomeUnknownError) as error:
                # Runs may have been claimed that nobody knows of here: only a new life makes them free again.
                raise _BuriedError(f"a claim went wrong: {error!r}") from error
            except AWAY as error:
                logger.warning("cannot claim at the moment: %s", error)
                pause_s = self._settings.poll_s
            await self._work.wait(pause_s)

    async def _claim_due(self) -> float:
        """Claim for every free slot; return how long to wait unless there is news."""
        free = self._settings.slots - len(self._tasks)
        due_in_s = await self._work.due_in_s() if free else None
        if due_in_s is None:
            return self._settings.poll_s
        if due_in_s > 0:
            return min(due_in_s, self._settings.poll_s)
        claims = await self._executions.claim(self.worker_id, free)
        for claim in claims:
            task = asyncio.create_task(self._execute(claim), name=f"run {claim.run.id}")
            self._tasks[claim.run.id] = task
        if not claims:  # What is due waits for others to end; asking at every event would only slow those down.
            await asyncio.sleep(CROWDED_PAUSE_S)
        return self._settings.poll_s

    async def _execute(self, claim: Claim) -> None:
        run_id = claim.run.id
        try:
            if claim.run.entry_point in self._handlers:
                await self._run_attempt(claim)
            else:
                message = f"No handler registered for job {claim.run.slug}"
                await self._fail(claim, Failure(message, "no_handler", permanent=True))
        except Exception as error:
            logger.exception("run %s could not be executed", run_id)
            await self._fail(claim, Failure(f"the worker could not execute the run: {error}"))
        finally:
            if self._tasks.get(run_id) is asyncio.current_task():  # Else a later execution has taken its place.
                del self._tasks[run_id]
                self._attempts.pop(run_id, None)
                self._cancelled.discard(run_id)
            self._work.wake()

    async def _fail(self, claim: Claim, failure: Failure) -> None:
        run_id = claim.run.id
        await persist(
            f"failure of run {run_id}", lambda: self._executions.fail(run_id, claim.holder, failure, Report())
        )

    async def _run_attempt(self, claim: Claim) -> None:
        progress = Progress(self._executions, claim)
        attempt = await self._executor.submit(self._task(claim), progress.add)
        self._attempts[claim.run.id] = attempt
        if self._hurry or claim.holder.worker_id in self._buried:
            attempt.stop()
        outcome = await attempt.outcome()
        unsent = await progress.finish()
        if claim.holder.worker_id in self._buried:
            return  # Others have recovered the run; what it came to here is not ours to say.
        message = {
            **outcome.message,
            "metrics": {**unsent.metrics, **(outcome.message.get("metrics") or {})},
            "context": {**unsent.context, **(outcome.message.get("context") or {})},
        }
        await record(self._executions, claim, Outcome(outcome.kind, message))

    def _task(self, claim: Claim) -> Task:
        run = claim.run
        deadline = None if run.timeout_ms is None else to_iso(later(run.modified_on, run.timeout_ms))
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
            timeout_ms=run.timeout_ms,
            deadline=deadline,
            log_path=log_path(self._settings.run_logs_dir, str(run.id), run.attempt, claim.holder.execution),
            handler_modules=self._settings.handler_modules,
        )

    # Living ---------------------------------------------------------------------------------------------------

    async def _keep_lease(self) -> None:
        """Beat three times a lease; give up before others do."""
        lease_s = self._settings.lease_s
        good_until = monotonic() + lease_s
        while True:
            sent = monotonic()
            try:
                async with asyncio.timeout(lease_s / 3):
                    alive = await self._heartbeats.beat(self.worker_id)
            except AWAY as error:
                logger.warning("no heartbeat got through: %s", error)
            else:
                if not alive:
                    raise _BuriedError("another one declared it dead")
                good_until = sent + lease_s
            if monotonic() > good_until - lease_s / 3:
                raise _BuriedError("no heartbeat got through for most of the lease")
            await asyncio.sleep(lease_s / 6)

    async def _find_cancels(self) -> None:
        """Find requested cancels by reading, told or not."""
        while True:
            try:
                wanted = await self._work.cancel_requested(self.worker_id) if self._attempts else []
            except AWAY as error:
                logger.warning("cannot look for cancels: %s", error)
                wanted = []
            for run_id in set(wanted) - self._cancelled:
                if run_id in self._attempts:
                    self._cancelled.add(run_id)
                    self._attempts[run_id].cancel(self._settings.cancel_grace_s)
            await asyncio.sleep(self._settings.poll_s)

    async def _drain(self) -> None:
        """Let what runs end by itself, then hand back what is left."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self._settings.stop_grace_s)
        self._hand_back()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def _hand_back(self) -> None:
        """Kill what runs, and what is about to."""
        self._hurry = True
        for attempt in self._attempts.values():
            attempt.stop()

    async def _drop_everything(self) -> None:
        """Kill all attempts, whose outcome is others' to record now."""
        self._buried.add(self.worker_id)
        for attempt in self._attempts.values():
            attempt.stop()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=BURIAL_S)
        remaining = list(self._tasks.values())
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)
        with suppress(*AWAY):
            await self._heartbeats.leave(self.worker_id)  # Nothing of this life runs any more; others need not wait.


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
    }
