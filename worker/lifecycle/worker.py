"""A worker: claims what is due for its free slots, and proves that it lives."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from domain.commands.executions import Executions
from domain.commands.sweeps import Sweeps
from domain.errors import OutcomeUnknownError, WorkerBuriedError
from domain.json_values import JsonObject
from runtime.back_off import BackOff
from runtime.background_tasks import within
from runtime.supervision import Supervised, Supervision
from worker.executors.port import Executor
from worker.lifecycle.attempts import Attempts, AttemptSettings
from worker.lifecycle.claiming import Claiming
from worker.lifecycle.offering import LOOK_EVERY_S, Offering
from worker.lifecycle.ports import AWAY, Heartbeats, Work
from worker.lifecycle.presence import new_id, presence
from worker.lifecycle.watcher import Watcher
from worker.logs.run_logs import LogKeeper

logger = logging.getLogger(__name__)

T = TypeVar("T")

BEATS = 6
"""Heartbeats a lease."""


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """How a worker behaves.

    Attributes:
        slots: how many attempts run at a time.
        lease_s: for how long the worker may be silent before others take its runs.
        poll_s: how often it looks for work and cancels without being told of any.
        cancel_grace_s: from asking a handler to stop to killing it.
        stop_grace_s: how long running work may go on once the worker is asked to stop.
        no_handler_after_s: how long a run waits whose entry point no living worker offers.
        handler_settings: what the operator decided for handlers, by entry point.
    """

    slots: int = 4
    lease_s: float = 15.0
    poll_s: float = 1.0
    cancel_grace_s: float = 5.0
    stop_grace_s: float = 10.0
    no_handler_after_s: float = 5.0
    handler_settings: Mapping[str, JsonObject] = field(default_factory=dict)


class _BuriedError(Exception):
    """Others count this worker as dead, or soon will: it must stop what it runs and begin anew."""


class Worker:
    """Runs until it is asked to stop; after a lost lease under a new id."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        settings: WorkerSettings,
        executions: Executions,
        sweeps: Sweeps,
        heartbeats: Heartbeats,
        work: Work,
        executor: Executor,
        entry_points: Collection[str],
        logs: LogKeeper,
        supervision: Supervision,
    ) -> None:
        self._settings = settings
        self._supervision = supervision
        self._executions = executions
        self._sweeps = sweeps
        self._heartbeats = heartbeats
        self._work = work
        grace_s = settings.no_handler_after_s
        self._offering = Offering(entry_points, work, heartbeats, grace_s)
        attempt_settings = AttemptSettings(settings.slots, settings.handler_settings)
        self._attempts = Attempts(
            attempt_settings, executions, executor, self._offering, logs, work.wake
        )
        self._claims: Supervised | None = None
        self._watcher: Watcher | None = None
        self._lease_until = 0.0
        self._stopping = False
        self.is_draining = False
        self.worker_id = ""

    @property
    def others(self) -> list[str]:
        """The ids of the other living workers, as last seen."""
        if self._watcher is None:
            return []
        return [one for one in self._watcher.living if one != self.worker_id]

    @property
    def unoffered(self) -> int:
        """How many entry points of waiting runs no living worker offers, as last seen."""
        return self._offering.unoffered

    def stop(self) -> None:
        """Ask the worker to stop: it claims no more, and hands back what outlasts its grace."""
        self._stopping = True
        if self._claims is not None:
            self._claims.finish()
        self._work.wake()

    def stop_now(self) -> None:
        """Hand back at once what runs."""
        self.stop()
        self._attempts.hand_back()

    async def run(self) -> None:
        """Work until `stop`."""
        while not self._is_ending:
            self.worker_id = new_id()
            expired = False
            try:
                await self._live()
            except _BuriedError as error:
                expired = True
                logger.warning("worker %s lost its lease: %s", self.worker_id, error)
                await self._attempts.bury(self.worker_id)
            # Nothing of this life runs any more; others need not wait for its lease to end.
            with suppress(*AWAY):
                leaving = self._heartbeats.leave(self.worker_id, expired=expired)
                await self._in_time("leaving", leaving)

    async def _live(self) -> None:
        """Live one life under one id."""
        await self._register()
        observer = f"worker {self.worker_id}"
        watcher = Watcher(observer, self._sweeps, self._heartbeats, self._work)
        watcher.start(self._supervision)
        self._watcher = watcher
        self._claims = self._supervise(
            "claims", self._claim_and_drain, self._settings.poll_s
        )
        # In time for the next beat: it must see that the lease is over before others do.
        lease = self._supervise(
            "lease", self._keep_lease, self._settings.lease_s / BEATS
        )
        cancels = self._supervise("cancels", self._find_cancels, self._settings.poll_s)
        keep_offer = partial(self._offering.keep_up, self.worker_id)
        offers = self._supervise("offers", keep_offer, LOOK_EVERY_S)
        loops = [self._claims, lease, cancels, offers]
        tasks = [loop.task for loop in loops]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for loop in loops:
                await loop.end()
            await watcher.stop()
        # Only the claims end without an error, once the worker is asked to stop.
        for task in ended:
            task.result()

    def _supervise(
        self, name: str, run: Callable[[], Awaitable[None]], at_most_s: float
    ) -> Supervised:
        back_off = BackOff(at_most_s=at_most_s)
        return self._supervision.start(name, run, back_off, outcomes=(_BuriedError,))

    @property
    def _is_ending(self) -> bool:
        return self._stopping or self.is_draining

    def _drain(self) -> None:
        """Claim no more; once what runs has ended, this is the end, however long that takes."""
        logger.info("worker %s is drained: it ends after what it runs", self.worker_id)
        self.is_draining = True
        if self._claims is not None:
            self._claims.finish()
        self._work.wake()

    async def _claim_and_drain(self) -> None:
        await self._claim_until_stopped()
        while self._attempts.any_left and not self._stopping:
            # The end of each, and `stop`, wake it.
            await self._work.wait(self._settings.poll_s, only_pending=True)
        await self._attempts.drain(self._settings.stop_grace_s)

    async def _register(self) -> None:
        """Announce this life. Its lease counts from before it was announced."""
        slots, lease_s = self._settings.slots, self._settings.lease_s
        while True:
            self._lease_until = monotonic() + lease_s
            if self._stopping:
                return
            try:
                told = presence(slots, lease_s, self._offering.announced())
                registering = self._heartbeats.register(self.worker_id, told)
                await self._in_time("registering", registering)
            except AWAY as error:
                logger.warning("cannot register, trying again: %s", error)
                # It may have been registered all the same, and no id is registered twice.
                self.worker_id = new_id()
                await asyncio.sleep(self._settings.poll_s)
            else:
                self._attempts.renew(self._lease_until)
                logger.info("worker %s is ready with %d slots", self.worker_id, slots)
                return

    async def _claim_until_stopped(self) -> None:
        claiming = Claiming(
            self.worker_id,
            self._executions,
            self._attempts,
            self._offering,
            self._work,
            self._settings.poll_s,
        )
        news = await claiming.wait(0.0)
        while not self._is_ending:
            try:
                pause_s = await claiming.claim(self.others, news)
            except (WorkerBuriedError, OutcomeUnknownError) as error:
                # Runs may have been claimed that nobody knows of here: only a new life makes them
                # free again.
                raise _BuriedError(f"a claim went wrong: {error!r}") from error
            except AWAY as error:
                logger.warning("cannot claim at the moment: %s", error)
                pause_s = self._settings.poll_s
            news = await claiming.wait(pause_s)

    async def _keep_lease(self) -> None:
        """Beat several times a lease, and renew the attempts' own deadline.

        Raises:
            _BuriedError: the lease is over, or will be before others could be told otherwise.
        """
        # It may have died, and been started again, since the last beat.
        self._need_time_left()
        while True:
            # A worker that was frozen past its lease must not beat again: its attempts have been
            # ended, and others, whom the beat would tell that all is well, would never recover
            # their runs.
            if monotonic() > self._lease_until:
                raise _BuriedError("it was silent for longer than its lease")
            if self._attempts.unrecorded(self.worker_id):
                raise _BuriedError("how a run ended could not be recorded")
            await self._beat()
            self._need_time_left()
            await asyncio.sleep(self._settings.lease_s / BEATS)

    def _need_time_left(self) -> None:
        too_late = self._lease_until - self._settings.lease_s / 3
        if monotonic() > too_late:
            raise _BuriedError("no heartbeat got through for most of the lease")

    async def _beat(self) -> None:
        # Others count from when they saw the beat, which is later.
        sent = monotonic()
        lease_s = self._settings.lease_s
        try:
            beating = self._heartbeats.beat(self.worker_id)
            standing = await self._in_time("heartbeat", beating)
        except AWAY as error:
            logger.warning("no heartbeat got through: %s", error)
            return
        if standing == "lost":
            raise _BuriedError("another one declared it dead")
        if standing == "draining" and not self.is_draining:
            self._drain()
        self._lease_until = sent + lease_s
        self._attempts.renew(self._lease_until)

    async def _in_time(self, name: str, talk: Coroutine[Any, Any, T]) -> T:
        """Talk to the workers' table, for so long that a lease has time for another try."""
        return await within(self._settings.lease_s / 3, name, talk)

    async def _find_cancels(self) -> None:
        """Find requested cancels by reading, told or not."""
        while True:
            if self._attempts.any_running:
                await self._pass_on_cancels()
            await asyncio.sleep(self._settings.poll_s)

    async def _pass_on_cancels(self) -> None:
        try:
            wanted = await self._work.cancel_requested(self.worker_id)
        except AWAY as error:
            logger.warning("cannot look for cancels: %s", error)
            return
        self._attempts.cancel(wanted, self._settings.cancel_grace_s)
