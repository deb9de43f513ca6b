"""A worker: claims what is due for its free slots, and proves that it lives.

First a slot pool for the attempts of one isolation (`Lane`), and all pools of a worker (`Lanes`);
then what a worker says of itself (`presence`); then the worker.
"""

import asyncio
import logging
import os
import socket
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Protocol, TypeVar
from uuid import UUID, uuid4

from apphub_jobs.version import VERSION
from domain.commands.executions import Executions, Sweeps
from domain.errors import OutcomeUnknownError, WorkerBuriedError
from domain.json_values import JsonObject
from domain.workers import Isolation, Labels, Presence
from runtime.tasks import BackOff, Supervised, Supervision, within
from worker.attempts import LOOK_EVERY_S, Attempts, AttemptSettings, Offering
from worker.claiming import Claiming
from worker.executors.port import Executor
from worker.logs.run_logs import LogKeeper
from worker.ports import AWAY, Heartbeats, Work
from worker.watcher import Watcher

# Attempts of one isolation are claimed for their own slots, beside those of others.

logger = logging.getLogger(__name__)


class BuriedError(Exception):
    """Others count this worker as dead, or soon will: it must stop what it runs and begin anew."""


class Life(Protocol):
    """The worker's life for which a lane claims."""

    @property
    def worker_id(self) -> str:
        """Its id."""

    @property
    def others(self) -> Sequence[str]:
        """The ids of the other living workers, as last seen."""

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""

    @property
    def is_ending(self) -> bool:
        """Whether it claims no more."""


@dataclass(frozen=True)
class Sharing:
    """Where attempts share processes, and what waits for that."""

    executor: Executor
    work: Work


@dataclass
class Lane:
    """Attempts that are kept apart in the same way.

    Attributes:
        work: what waits for these slots; nobody else asks it.
        poll_s: how often it looks without being told.
        claims: whether it has begun to claim.
    """

    isolation: Isolation
    attempts: Attempts
    work: Work
    offering: Offering
    executions: Executions
    poll_s: float
    claims: bool = field(default=False, init=False)

    async def claim(self, life: Life, looks_first: Callable[[], bool]) -> None:
        """Claim until the worker claims no more, then wait until what runs has ended.

        Args:
            life: for which it claims.
            looks_first: whether news may well be for another lane.

        Raises:
            BuriedError: nobody knows what was claimed.
        """
        if self.isolation == "shared":
            await self._until_wanted(life)
        await self._claim(life, looks_first)
        while self.attempts.any_left and not life.is_stopping:
            # The end of each, and `stop`, wake it.
            await self.work.wait(self.poll_s, only_pending=True)

    async def _until_wanted(self, life: Life) -> None:
        """Wait until there is a job whose attempts share processes: most services have none."""
        while not life.is_ending:
            try:
                if await self.work.any_shared():
                    return
            except AWAY as error:
                logger.warning("cannot look for jobs at the moment: %s", error)
            await self._rest(life)

    async def _rest(self, life: Life) -> None:
        """Let a moment pass, whatever runs there is news of."""
        until = monotonic() + self.poll_s
        while monotonic() < until:
            if life.is_ending:
                return
            left_s = max(until - monotonic(), 0.0)
            await self.work.wait(left_s, only_pending=True)

    async def _claim(self, life: Life, looks_first: Callable[[], bool]) -> None:
        self.claims = True
        claiming = Claiming(
            life.worker_id,
            self.executions,
            self.attempts,
            self.offering.of(self.isolation),
            self.work,
            self.poll_s,
            looks_first,
        )
        news = await claiming.wait(0.0)
        while not life.is_ending:
            try:
                pause_s = await claiming.claim(life.others, news)
            except (WorkerBuriedError, OutcomeUnknownError) as error:
                # Runs may have been claimed that nobody knows of here: only a new life makes them
                # free again.
                raise BuriedError(f"a claim went wrong: {error!r}") from error
            except AWAY as error:
                logger.warning("cannot claim at the moment: %s", error)
                pause_s = self.poll_s
            news = await claiming.wait(pause_s)


class Lanes:
    """The lanes of one worker."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes

    def __iter__(self) -> Iterator[Lane]:
        """Yield each lane."""
        return iter(self._lanes)

    def are_several(self) -> bool:
        """Return whether more than one claims."""
        claiming = [lane for lane in self._lanes if lane.claims]
        return len(claiming) > 1

    @property
    def any_running(self) -> bool:
        """Return whether there is anything that could be canceled."""
        return any(lane.attempts.any_running for lane in self._lanes)

    @property
    def slots(self) -> int:
        """Return for how many attempts with a process of their own there is room now, in all."""
        first, *_ = self._lanes
        return first.attempts.slots

    def unrecorded(self, worker_id: str) -> bool:
        """Return whether this life holds a run whose end the log would not take."""
        return any(lane.attempts.unrecorded(worker_id) for lane in self._lanes)

    def wake(self) -> None:
        """Let no lane wait for news any longer."""
        for lane in self._lanes:
            lane.work.wake()

    def renew(self, until: float) -> None:
        """Let all attempts go on until this moment of the monotonic clock."""
        for lane in self._lanes:
            lane.attempts.renew(until)

    def cancel(self, run_ids: Sequence[UUID], grace_s: float) -> None:
        """Ask the handlers of these runs to stop, once."""
        for lane in self._lanes:
            lane.attempts.cancel(run_ids, grace_s)

    async def find_cancels(self, worker_id: str, grace_s: float) -> None:
        """Find requested cancels by reading, told or not, for ever."""
        first, *_ = self._lanes
        while True:
            if self.any_running:
                await self._pass_on_cancels(first.work, worker_id, grace_s)
            await asyncio.sleep(first.poll_s)

    async def _pass_on_cancels(self, work: Work, worker_id: str, grace_s: float) -> None:
        try:
            wanted = await work.cancel_requested(worker_id)
        except AWAY as error:
            logger.warning("cannot look for cancels: %s", error)
            return
        self.cancel(wanted, grace_s)

    def hand_back(self) -> None:
        """Kill what runs, and what is about to; its runs become pending again."""
        for lane in self._lanes:
            lane.attempts.hand_back()

    async def bury(self, worker_id: str) -> None:
        """Kill all attempts of a life that is over, and record how."""
        burying = [lane.attempts.bury(worker_id) for lane in self._lanes]
        await asyncio.gather(*burying)


def new_id() -> str:
    """Return an id for one life, which nobody had before."""
    unique = uuid4().hex[:8]
    return f"{socket.gethostname()}-{os.getpid()}-{unique}"


def presence(
    slots: int, shared_slots: int, lease_s: float, entry_points: Sequence[str], labels: Labels
) -> Presence:
    """Return what is told of this process as a worker."""
    return Presence(
        host=socket.gethostname(),
        pid=os.getpid(),
        slots=slots,
        shared_slots=shared_slots,
        lease_ms=int(lease_s * 1000),
        version=VERSION,
        entry_points=entry_points,
        labels=labels,
    )


T = TypeVar("T")

BEATS = 6
"""Heartbeats a lease."""


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """How a worker behaves.

    Attributes:
        slots: how many attempts run at a time, each in a process to itself.
        shared_slots: how many share processes beside these.
        lease_s: for how long the worker may be silent before others take its runs.
        poll_s: how often it looks for work and cancels without being told of any.
        cancel_grace_s: from asking a handler to stop to killing it.
        stop_grace_s: how long running work may go on once the worker is asked to stop.
        no_handler_after_s: after how long a run fails whose entry point no living worker offers;
            None for never.
        labels: what tells the worker from others, and what jobs may ask for.
        handler_settings: what the operator decided for handlers, by entry point.
    """

    slots: int = 4
    shared_slots: int = 0
    lease_s: float = 15.0
    poll_s: float = 1.0
    cancel_grace_s: float = 5.0
    stop_grace_s: float = 10.0
    no_handler_after_s: float | None = None
    labels: Labels = field(default_factory=dict)
    handler_settings: Mapping[str, JsonObject] = field(default_factory=dict)


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
        sharing: Sharing | None = None,
    ) -> None:
        self._settings = settings
        self._supervision = supervision
        self._executions = executions
        self._sweeps = sweeps
        self._heartbeats = heartbeats
        self._work = work
        grace_s = settings.no_handler_after_s
        self._offering = Offering(entry_points, work, heartbeats, grace_s, settings.labels)
        lanes = [self._lane(executor, work, logs)]
        if sharing is not None:
            lanes.append(self._lane(sharing.executor, sharing.work, logs))
        self._lanes = Lanes(lanes)
        self._claims: list[Supervised] = []
        self._watcher: Watcher | None = None
        self._lease_until = 0.0
        self.is_stopping = False
        self.is_draining = False
        self.worker_id = ""

    def _lane(self, executor: Executor, work: Work, logs: LogKeeper) -> Lane:
        settings, offering = self._settings, self._offering
        isolation = executor.capabilities.isolation
        slots = settings.shared_slots if isolation == "shared" else settings.slots
        attempts = Attempts(
            AttemptSettings(slots, settings.handler_settings),
            self._executions,
            executor,
            offering,
            logs,
            work.wake,
        )
        poll_s = settings.poll_s
        return Lane(isolation, attempts, work, offering, self._executions, poll_s)

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
        self.is_stopping = True
        self._finish_claims()

    def stop_now(self) -> None:
        """Hand back at once what runs."""
        self.stop()
        self._lanes.hand_back()

    async def run(self) -> None:
        """Work until `stop`."""
        while not self.is_ending:
            self.worker_id = new_id()
            expired = False
            try:
                await self._live()
            except BuriedError as error:
                expired = True
                logger.warning("worker %s lost its lease: %s", self.worker_id, error)
                await self._lanes.bury(self.worker_id)
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
        self._claims = [self._supervise_claims(lane) for lane in self._lanes]
        # In time for the next beat: it must see that the lease is over before others do.
        lease = self._supervise("lease", self._keep_lease, self._settings.lease_s / BEATS)
        grace_s = self._settings.cancel_grace_s
        find_cancels = partial(self._lanes.find_cancels, self.worker_id, grace_s)
        cancels = self._supervise("cancels", find_cancels, self._settings.poll_s)
        keep_offer = partial(self._offering.keep_up, self.worker_id)
        offers = self._supervise("offers", keep_offer, LOOK_EVERY_S)
        loops = [*self._claims, lease, cancels, offers]
        try:
            await self._wait_for_claims(loops)
        finally:
            for loop in loops:
                await loop.end()
            await watcher.stop()

    async def _wait_for_claims(self, loops: Iterable[Supervised]) -> None:
        """Wait until all claims have ended; they alone end without an error, when asked to."""
        waiting = {loop.task for loop in loops}
        claims = {loop.task for loop in self._claims}
        while claims & waiting:
            ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()

    def _supervise_claims(self, lane: Lane) -> Supervised:
        name = "claims"
        if lane.isolation != "process":
            name = f"{lane.isolation} claims"
        claim = partial(self._claim_and_drain, lane)
        return self._supervise(name, claim, self._settings.poll_s)

    def _supervise(
        self, name: str, run: Callable[[], Awaitable[None]], at_most_s: float
    ) -> Supervised:
        back_off = BackOff(at_most_s=at_most_s)
        return self._supervision.start(name, run, back_off, outcomes=(BuriedError,))

    @property
    def is_ending(self) -> bool:
        """Whether it claims no more."""
        return self.is_stopping or self.is_draining

    def _drain(self) -> None:
        """Claim no more; once what runs has ended, this is the end, however long that takes."""
        logger.info("worker %s is drained: it ends after what it runs", self.worker_id)
        self.is_draining = True
        self._finish_claims()

    def _finish_claims(self) -> None:
        for claims in self._claims:
            claims.finish()
        self._lanes.wake()

    async def _claim_and_drain(self, lane: Lane) -> None:
        await lane.claim(self, self._lanes.are_several)
        await lane.attempts.drain(self._settings.stop_grace_s)

    async def _register(self) -> None:
        """Announce this life. Its lease counts from before it was announced."""
        settings = self._settings
        slots, lease_s = settings.slots, settings.lease_s
        shared_slots = settings.shared_slots
        while True:
            self._lease_until = monotonic() + lease_s
            if self.is_stopping:
                return
            try:
                offered = self._offering.announced()
                told = presence(slots, shared_slots, lease_s, offered, settings.labels)
                registering = self._heartbeats.register(self.worker_id, told)
                await self._in_time("registering", registering)
            except AWAY as error:
                logger.warning("cannot register, trying again: %s", error)
                # It may have been registered all the same, and no id is registered twice.
                self.worker_id = new_id()
                await asyncio.sleep(self._settings.poll_s)
            else:
                self._lanes.renew(self._lease_until)
                logger.info("worker %s is ready with %d slots", self.worker_id, slots)
                return

    async def _keep_lease(self) -> None:
        """Beat several times a lease, and renew the attempts' own deadline.

        Raises:
            BuriedError: the lease is over, or will be before others could be told otherwise.
        """
        # It may have died, and been started again, since the last beat.
        self._need_time_left()
        while True:
            # A worker that was frozen past its lease must not beat again: its attempts have been
            # ended, and others, whom the beat would tell that all is well, would never recover
            # their runs.
            if monotonic() > self._lease_until:
                raise BuriedError("it was silent for longer than its lease")
            if self._lanes.unrecorded(self.worker_id):
                raise BuriedError("how a run ended could not be recorded")
            await self._beat()
            self._need_time_left()
            await asyncio.sleep(self._settings.lease_s / BEATS)

    def _need_time_left(self) -> None:
        too_late = self._lease_until - self._settings.lease_s / 3
        if monotonic() > too_late:
            raise BuriedError("no heartbeat got through for most of the lease")

    async def _beat(self) -> None:
        # Others count from when they saw the beat, which is later.
        sent = monotonic()
        lease_s = self._settings.lease_s
        try:
            beating = self._heartbeats.beat(self.worker_id, self._lanes.slots)
            standing = await self._in_time("heartbeat", beating)
        except AWAY as error:
            logger.warning("no heartbeat got through: %s", error)
            return
        if standing == "lost":
            raise BuriedError("another one declared it dead")
        if standing == "draining" and not self.is_draining:
            self._drain()
        self._lease_until = sent + lease_s
        self._lanes.renew(self._lease_until)

    async def _in_time(self, name: str, talk: Coroutine[Any, Any, T]) -> T:
        """Talk to the workers' table, for so long that a lease has time for another try."""
        return await within(self._settings.lease_s / 3, name, talk)
