"""A worker: claims what is due for its free slots, and proves that it lives."""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from uuid import uuid4

from apphub_jobs.contract import Handler
from domain.commands.executions import Executions
from domain.errors import (
    LogUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    VersionConflictError,
    WorkerBuriedError,
)
from domain.json_values import JsonObject
from runtime.background_tasks import end
from worker.executors.port import Executor
from worker.lifecycle.attempts import Attempts, AttemptSettings
from worker.lifecycle.ports import Heartbeats, Work
from worker.lifecycle.watcher import Watcher
from worker.logs.run_logs import LogKeeper

logger = logging.getLogger(__name__)

AWAY = (
    LogUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    VersionConflictError,
    TimeoutError,
)
"""What a database that is away for a while raises through the ports."""

CROWDED_PAUSE_S = 0.2
"""How long to wait after a claim that found runs due but none that may start."""


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """How a worker behaves.

    Attributes:
        slots: how many attempts run at a time.
        lease_s: for how long the worker may be silent before others take its runs.
        poll_s: how often it looks for work and cancels without being told of any.
        cancel_grace_s: from asking a handler to stop to killing it.
        stop_grace_s: how long running work may go on once the worker is asked to stop.
        handler_settings: what the operator decided for handlers, by entry point.
    """

    slots: int = 4
    lease_s: float = 15.0
    poll_s: float = 1.0
    cancel_grace_s: float = 5.0
    stop_grace_s: float = 10.0
    handler_settings: Mapping[str, JsonObject] = field(default_factory=dict)


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
        logs: LogKeeper,
    ) -> None:
        self._settings = settings
        self._executions = executions
        self._heartbeats = heartbeats
        self._work = work
        attempt_settings = AttemptSettings(settings.slots, settings.handler_settings)
        self._attempts = Attempts(attempt_settings, executions, executor, handlers, logs, work.wake)
        self._stopping = False
        # Where the last claim filled every slot, the next need not ask first.
        self._more_due = False
        self.worker_id = ""

    def stop(self) -> None:
        """Ask the worker to stop: no more claims; what runs gets its grace time and is then handed back."""
        self._stopping = True
        self._work.wake()

    def stop_now(self) -> None:
        """Hand back at once what runs."""
        self.stop()
        self._attempts.hand_back()

    async def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping:
            self.worker_id = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
            try:
                await self._live()
            except _BuriedError as error:
                logger.warning("worker %s lost its lease: %s", self.worker_id, error)
                await self._attempts.bury(self.worker_id)
            # Nothing of this life runs any more; others need not wait for its lease to end.
            with suppress(*AWAY):
                await self._heartbeats.leave(self.worker_id)

    async def _live(self) -> None:
        """Live one life under one id."""
        good_until = await self._register()
        watcher = Watcher(
            f"worker {self.worker_id}", self._executions, self._heartbeats, self._work
        )
        tasks = [
            asyncio.create_task(self._claim_and_drain(), name="claims"),
            asyncio.create_task(self._keep_lease(good_until), name="lease"),
            asyncio.create_task(watcher.run(), name="watcher"),
            asyncio.create_task(self._find_cancels(), name="cancels"),
        ]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # What ended by itself is raised below; to tell of it here as well would only repeat it.
            await end(*(task for task in tasks if not task.done()))
        # Only the first ends without an error, once the worker is asked to stop.
        for task in ended:
            task.result()

    async def _claim_and_drain(self) -> None:
        await self._claim_until_stopped()
        await self._attempts.drain(self._settings.stop_grace_s)

    async def _register(self) -> float:
        """Announce this life; return until when it is good, counted from before it was announced."""
        lease_ms = int(self._settings.lease_s * 1000)
        while True:
            good_until = monotonic() + self._settings.lease_s
            if self._stopping:
                return good_until
            try:
                await self._heartbeats.register(
                    self.worker_id,
                    socket.gethostname(),
                    os.getpid(),
                    self._settings.slots,
                    lease_ms,
                )
            except AWAY as error:
                logger.warning("cannot register, trying again: %s", error)
                await asyncio.sleep(self._settings.poll_s)
            else:
                self._attempts.renew(good_until)
                logger.info(
                    "worker %s is ready with %d slots", self.worker_id, self._settings.slots
                )
                return good_until

    async def _claim_until_stopped(self) -> None:
        told = False
        while not self._stopping:
            try:
                pause_s = await self._claim_due(told=told)
            except (WorkerBuriedError, OutcomeUnknownError) as error:
                # Runs may have been claimed that nobody knows of here: only a new life makes them
                # free again.
                raise _BuriedError(f"a claim went wrong: {error!r}") from error
            except AWAY as error:
                logger.warning("cannot claim at the moment: %s", error)
                pause_s = self._settings.poll_s
            except Exception:
                # Nothing was claimed. Whichever run it is about, this worker's others go on.
                logger.exception("cannot claim")
                pause_s = self._settings.poll_s
            told = await self._work.wait(pause_s)

    async def _claim_due(self, *, told: bool) -> float:
        """Claim for every free slot; return how long to wait unless there is news.

        Args:
            told: whether news came of pending runs: then nobody need be asked whether any is due.
        """
        free = self._attempts.free
        if not free:
            return self._settings.poll_s
        if not (self._more_due or told) and (pause_s := await self._until_due_s()) > 0:
            return pause_s
        claims = await self._executions.claim(self.worker_id, free)
        self._more_due = len(claims) == free
        for claim in claims:
            self._attempts.start(claim)
        if claims:
            return self._settings.poll_s
        pause_s = await self._until_due_s()
        # What is due waits for others to end; asking at every event would only slow those down.
        if not pause_s:
            await asyncio.sleep(CROWDED_PAUSE_S)
        return pause_s or self._settings.poll_s

    async def _until_due_s(self) -> float:
        """Return for how long no run is due, as far as is worth waiting at a time."""
        due_in_s = await self._work.due_in_s()
        poll_s = self._settings.poll_s
        return poll_s if due_in_s is None else min(max(due_in_s, 0.0), poll_s)

    async def _keep_lease(self, good_until: float) -> None:
        """Beat several times a lease, and renew the attempts' own deadline; give up before others do.

        A worker that was frozen past its lease must not beat again: its attempts have been ended,
        and others, whom the beat would tell that all is well, would never recover their runs.
        """
        lease_s = self._settings.lease_s
        while True:
            sent = monotonic()
            if sent > good_until:
                raise _BuriedError("it was silent for longer than its lease")
            if self._attempts.unrecorded(self.worker_id):
                raise _BuriedError("how a run ended could not be recorded")
            try:
                async with asyncio.timeout(lease_s / 3):
                    alive = await self._heartbeats.beat(self.worker_id)
            except AWAY as error:
                logger.warning("no heartbeat got through: %s", error)
            else:
                if not alive:
                    raise _BuriedError("another one declared it dead")
                # Counted from before the beat was sent: others count from when they saw it, which
                # is later.
                good_until = sent + lease_s
                self._attempts.renew(good_until)
            if monotonic() > good_until - lease_s / 3:
                raise _BuriedError("no heartbeat got through for most of the lease")
            await asyncio.sleep(lease_s / 6)

    async def _find_cancels(self) -> None:
        """Find requested cancels by reading, told or not."""
        while True:
            try:
                wanted = (
                    await self._work.cancel_requested(self.worker_id)
                    if self._attempts.any_running
                    else []
                )
            except AWAY as error:
                logger.warning("cannot look for cancels: %s", error)
                wanted = []
            self._attempts.cancel(wanted, self._settings.cancel_grace_s)
            await asyncio.sleep(self._settings.poll_s)
