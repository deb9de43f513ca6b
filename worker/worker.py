"""A worker: claims due runs for its free slots, and proves by heartbeats that it lives.

`Worker` lives in sessions: each has an id and a lease of its own, and ends when the worker is
stopped or drained, or when its lease is lost. Below it stand its slot pools (`SlotPool`), one for
each isolation level.
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
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

from apphub_jobs.version import VERSION
from domain.commands.executions import Executions
from domain.commands.sweeps import Sweeps
from domain.errors import OutcomeUnknownError, WorkerLostError
from domain.json_values import JsonObject
from domain.workers import Isolation, Labels, Python, Registration
from runtime.logs import add_log_fields
from runtime.tasks import BackOff, Supervised, Supervision, repeat, within
from worker.attempts import LOOK_EVERY_S, Attempts, AttemptSettings, Offering, count_of_runs
from worker.claiming import Claiming
from worker.executors.port import Executor
from worker.logs.run_logs import LogKeeper
from worker.ports import AWAY, Heartbeats, Work
from worker.watcher import Watcher

if TYPE_CHECKING:
    from runtime.tracing import Tracing

logger = logging.getLogger(__name__)


T = TypeVar("T")

BEATS = 6
"""Heartbeats a lease."""

REPORT_EVERY_S = 0.5
"""How often a stopping worker looks whether the number of its running attempts has changed."""

REPEAT_REPORT_S = 60.0
"""After this long without a change, a stopping worker says again what it waits for."""


class LeaseLostError(Exception):
    """Others have declared this session lost, or soon will: its attempts must end."""


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """How a worker behaves.

    Attributes:
        slots: how many attempts run at a time, each in a process to itself.
        shared_slots: how many share processes beside these.
        lease_s: how long the worker may be silent before others take its runs.
        poll_s: how often it looks for runs and cancels without a notification.
        cancel_grace_s: from asking a handler to stop to killing it.
        stop_grace_s: how long running work may go on once the worker is asked to stop.
        no_handler_after_s: after how long a run fails whose entry point no living worker offers;
            None for never.
        labels: properties of this worker that jobs may require.
        handler_settings: what the operator decided for handlers, by entry point.
    """

    slots: int = 4
    shared_slots: int = 0
    lease_s: float = 15.0
    poll_s: float = 1.0
    cancel_grace_s: float = 5.0
    stop_grace_s: float = 30.0
    no_handler_after_s: float | None = None
    labels: Labels = field(default_factory=dict)
    handler_settings: Mapping[str, JsonObject] = field(default_factory=dict)


@dataclass(frozen=True)
class Sharing:
    """The executor of attempts that share processes, and the runs that wait for it."""

    executor: Executor
    work: Work


class Worker:
    """Runs until it is asked to stop or drained; after a lost lease in a new session."""

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
        pythons: Callable[[], Sequence[Python]] = tuple,
        tracing: "Tracing | None" = None,
    ) -> None:
        self._settings = settings
        self._tracing = tracing
        self._supervision = supervision
        self._executions = executions
        self._sweeps = sweeps
        self._heartbeats = heartbeats
        self._work = work
        grace_s = settings.no_handler_after_s
        self._offering = Offering(entry_points, work, heartbeats, grace_s, settings.labels, pythons)
        pools = [self._slot_pool(executor, work, logs)]
        if sharing is not None:
            pools.append(self._slot_pool(sharing.executor, sharing.work, logs))
        self._pools = SlotPools(pools)
        self._claims: list[Supervised] = []
        self._watcher: Watcher | None = None
        self._lease_until = 0.0
        self._stop_by = 0.0
        self._stopping = asyncio.Event()
        self.is_draining = False
        self.worker_id = ""

    def _slot_pool(self, executor: Executor, work: Work, logs: LogKeeper) -> "SlotPool":
        settings, offering = self._settings, self._offering
        isolation = executor.capabilities.isolation
        slots = settings.shared_slots if isolation == "shared" else settings.slots
        attempts = Attempts(
            AttemptSettings(slots, settings.handler_settings, self._tracing),
            self._executions,
            executor,
            offering,
            logs,
            work.wake,
        )
        poll_s = settings.poll_s
        return SlotPool(isolation, attempts, work, offering, self._executions, poll_s)

    @property
    def others(self) -> list[str]:
        """The ids of the other living workers, as last read."""
        if self._watcher is None:
            return []
        return [worker_id for worker_id in self._watcher.living if worker_id != self.worker_id]

    @property
    def unoffered(self) -> int:
        """How many entry points of waiting runs no living worker offers, as last read."""
        return self._offering.unoffered

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Ask the worker to stop: no attempt begins, and what outlasts the grace is handed back."""
        if not self.is_stopping:
            self._stop_by = monotonic() + self._settings.stop_grace_s
            self._stopping.set()
        self._pools.begin_no_more()
        self._finish_claims()

    def stop_now(self) -> None:
        """Stop, and hand all runs back at once."""
        self.stop()
        self._pools.hand_back()

    async def run(self) -> None:
        """Work until `stop`."""
        while not self.is_ending:
            self.worker_id = new_session_id()
            expired = False
            try:
                await self._run_session()
            except LeaseLostError as error:
                expired = True
                logger.warning("worker %s lost its lease: %s", self.worker_id, error)
                await self._pools.abandon(self.worker_id)
            # No attempt of this session is left, so others need not wait for its lease to end.
            with suppress(*AWAY):
                leaving = self._heartbeats.leave(self.worker_id, expired=expired)
                await self._in_time("leaving", leaving)

    async def _run_session(self) -> None:
        """Register, and run the loops of a session until its claims end or its lease is lost."""
        await self._register()
        add_log_fields(worker=self.worker_id)
        observer = f"worker {self.worker_id}"
        self._watcher = watcher = Watcher(observer, self._sweeps, self._heartbeats, self._work)
        watcher.start(self._supervision)
        self._claims = [self._supervise_claims(pool) for pool in self._pools]
        grace_s = self._settings.cancel_grace_s
        poll_cancels = partial(self._pools.poll_cancels, self.worker_id, grace_s)
        keep_offer = partial(self._offering.keep_up, self.worker_id)
        loops = [
            *self._claims,
            # Started again in time for the next beat: it must see that the lease is over before
            # others do.
            self._supervise("lease", self._keep_lease, self._settings.lease_s / BEATS),
            self._supervise("cancels", poll_cancels, self._settings.poll_s),
            self._supervise("offers", keep_offer, LOOK_EVERY_S),
            self._supervise("stop", self._report_stop, self._settings.poll_s),
        ]
        try:
            await self._wait_for_claims(loops)
        finally:
            for loop in loops:
                await loop.end()
            await watcher.stop()

    async def _wait_for_claims(self, loops: Iterable[Supervised]) -> None:
        """Wait until all claims have ended; the other loops end by an error alone."""
        waiting = {loop.task for loop in loops}
        claims = {loop.task for loop in self._claims}
        while claims & waiting:
            ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()

    def _supervise_claims(self, pool: "SlotPool") -> Supervised:
        name = "claims" if pool.isolation == "process" else f"{pool.isolation} claims"
        return self._supervise(name, partial(self._claim_and_drain, pool), self._settings.poll_s)

    def _supervise(
        self, name: str, run: Callable[[], Awaitable[None]], at_most_s: float
    ) -> Supervised:
        back_off = BackOff(at_most_s=at_most_s)
        return self._supervision.start(name, run, back_off, outcomes=(LeaseLostError,))

    @property
    def is_ending(self) -> bool:
        """Whether it has ceased to claim: it is stopping or draining."""
        return self.is_stopping or self.is_draining

    def _drain(self) -> None:
        """Claim no more, and end once all attempts have, however long that takes."""
        logger.info("worker %s is drained: it ends after what it runs", self.worker_id)
        self.is_draining = True
        self._finish_claims()

    def _finish_claims(self) -> None:
        for claims in self._claims:
            claims.finish()
        self._pools.wake()

    async def _claim_and_drain(self, pool: "SlotPool") -> None:
        await pool.claim(self, self._pools.are_several)
        await pool.attempts.drain(max(self._stop_by - monotonic(), 0.0))

    async def _report_stop(self) -> None:
        """Show others that the worker is stopping, and log what it waits for within its grace."""
        await self._stopping.wait()
        if self._pools.left:
            with suppress(*AWAY):
                await self._in_time("draining", self._heartbeats.drain(self.worker_id))
        reported, repeat_at = 0, 0.0
        while (left := self._pools.left) and (remaining_s := self._stop_by - monotonic()) > 0:
            if left != reported or monotonic() > repeat_at:
                message = "worker %s is stopping, and waits up to %.0f s for %s"
                logger.info(message, self.worker_id, remaining_s, count_of_runs(left))
                reported, repeat_at = left, monotonic() + REPEAT_REPORT_S
            await asyncio.sleep(REPORT_EVERY_S)

    async def _register(self) -> None:
        """Register this session. Its lease counts from before the registration was sent."""
        settings = self._settings
        while not self.is_stopping:
            self._lease_until = monotonic() + settings.lease_s
            offering = self._offering
            registration = registration_of(settings, offering.announced(), offering.pythons())
            registering = self._heartbeats.register(self.worker_id, registration)
            try:
                await self._in_time("registering", registering)
            except AWAY as error:
                logger.warning("cannot register, trying again: %s", error)
                # It may have been registered all the same, and no id is registered twice.
                self.worker_id = new_session_id()
                await asyncio.sleep(settings.poll_s)
            else:
                self._pools.renew(self._lease_until)
                logger.info("worker %s is ready with %d slots", self.worker_id, settings.slots)
                return

    async def _keep_lease(self) -> None:
        """Beat several times a lease, and renew the lease of the attempts.

        Raises:
            LeaseLostError: the lease is over, or will be before another beat can get through.
        """
        # This loop may have died and been started again since the last beat.
        self._check_time_left()
        while True:
            # A worker that was frozen past its lease must not beat again: its attempts have been
            # ended, and others, who would count it as living, would never recover their runs.
            if monotonic() > self._lease_until:
                raise LeaseLostError("it was silent for longer than its lease")
            if self._pools.unrecorded(self.worker_id):
                raise LeaseLostError("how a run ended could not be recorded")
            await self._beat()
            self._check_time_left()
            await asyncio.sleep(self._settings.lease_s / BEATS)

    def _check_time_left(self) -> None:
        if monotonic() > self._lease_until - self._settings.lease_s / 3:
            raise LeaseLostError("no heartbeat got through for most of the lease")

    async def _beat(self) -> None:
        # Others count from when they read the beat, which is later.
        sent_s = monotonic()
        beating = self._heartbeats.beat(self.worker_id, self._pools.slots)
        try:
            standing = await self._in_time("heartbeat", beating)
        except AWAY as error:
            logger.warning("no heartbeat got through: %s", error)
            return
        if standing == "lost":
            raise LeaseLostError("another worker declared it dead")
        if standing == "draining" and not self.is_ending:
            self._drain()
        self._lease_until = sent_s + self._settings.lease_s
        self._pools.renew(self._lease_until)

    async def _in_time(self, name: str, request: Coroutine[Any, Any, T]) -> T:
        """Await a request for at most a third of a lease, so that it can be repeated in time."""
        return await within(self._settings.lease_s / 3, name, request)


def new_session_id() -> str:
    """Return an id that no session had before: host, process id and eight random digits."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"


def registration_of(
    settings: WorkerSettings, entry_points: Sequence[str], pythons: Sequence[Python] = ()
) -> Registration:
    """Return how this process registers as a worker that offers these entry points."""
    return Registration(
        host=socket.gethostname(),
        pid=os.getpid(),
        slots=settings.slots,
        shared_slots=settings.shared_slots,
        lease_ms=int(settings.lease_s * 1000),
        version=VERSION,
        entry_points=entry_points,
        labels=settings.labels,
        pythons=pythons,
    )


@dataclass
class SlotPool:
    """The slots for attempts of one isolation level, which are claimed on their own.

    Attributes:
        work: the runs that wait for these slots; no other pool uses it.
        poll_s: how often it looks for runs without a notification.
        claims: whether it has begun to claim.
    """

    isolation: Isolation
    attempts: Attempts
    work: Work
    offering: Offering
    executions: Executions
    poll_s: float
    claims: bool = field(default=False, init=False)

    async def claim(self, worker: Worker, looks_first: Callable[[], bool]) -> None:
        """Claim until the worker is ending, then wait until the attempts have ended.

        Args:
            worker: whose session to claim for.
            looks_first: whether a notification may well be for another pool.

        Raises:
            LeaseLostError: it is not known what was claimed.
        """
        if self.isolation == "shared":
            await self._wait_for_shared_jobs(worker)
        await self._claim(worker, looks_first)
        while self.attempts.left and not worker.is_stopping:
            # The end of each attempt, and `stop`, wake it.
            await self.work.wait(self.poll_s, only_pending=True)

    async def _wait_for_shared_jobs(self, worker: Worker) -> None:
        """Wait until there is a job whose attempts share processes: most services have none."""
        while not worker.is_ending:
            try:
                if await self.work.any_shared():
                    return
            except AWAY as error:
                logger.warning("cannot look for jobs at the moment: %s", error)
            await self._pause(worker)

    async def _pause(self, worker: Worker) -> None:
        """Wait for `poll_s`, or until the worker is ending; notifications do not end it."""
        until = monotonic() + self.poll_s
        while monotonic() < until and not worker.is_ending:
            await self.work.wait(max(until - monotonic(), 0.0), only_pending=True)

    async def _claim(self, worker: Worker, looks_first: Callable[[], bool]) -> None:
        self.claims = True
        claiming = Claiming(
            worker.worker_id,
            self.executions,
            self.attempts,
            partial(self.offering.present, self.isolation),
            self.work,
            self.poll_s,
            looks_first,
        )
        notification = await claiming.wait(0.0)
        while not worker.is_ending:
            try:
                pause_s = await claiming.claim(worker.others, notification)
            except (WorkerLostError, OutcomeUnknownError) as error:
                # Runs may have been claimed that this process does not know of: only the end of the
                # session frees them.
                raise LeaseLostError(f"a claim went wrong: {error!r}") from error
            except AWAY as error:
                logger.warning("cannot claim at the moment: %s", error)
                pause_s = self.poll_s
            notification = await claiming.wait(pause_s)


class SlotPools:
    """All slot pools of a worker."""

    def __init__(self, pools: Sequence[SlotPool]) -> None:
        self._pools = pools

    def __iter__(self) -> Iterator[SlotPool]:
        """Yield each pool."""
        return iter(self._pools)

    def are_several(self) -> bool:
        """Return whether more than one claims."""
        return sum(pool.claims for pool in self._pools) > 1

    @property
    def any_running(self) -> bool:
        """Whether an attempt is running, which could be canceled."""
        return any(pool.attempts.any_running for pool in self._pools)

    @property
    def slots(self) -> int:
        """How many slots there are now for attempts with a process of their own, free or not."""
        first, *_ = self._pools
        return first.attempts.slots

    def unrecorded(self, worker_id: str) -> bool:
        """Return whether this session holds a run whose end the log has refused."""
        return any(pool.attempts.unrecorded(worker_id) for pool in self._pools)

    @property
    def left(self) -> int:
        """How many claimed runs have no recorded end yet."""
        return sum(pool.attempts.left for pool in self._pools)

    def wake(self) -> None:
        """End the wait of each pool."""
        for pool in self._pools:
            pool.work.wake()

    def renew(self, until: float) -> None:
        """Extend the lease of all attempts to this time of the monotonic clock."""
        for pool in self._pools:
            pool.attempts.renew(until)

    def cancel(self, run_ids: Sequence[UUID], grace_s: float) -> None:
        """Ask the handlers of these runs to stop; only the first request counts."""
        for pool in self._pools:
            pool.attempts.cancel(run_ids, grace_s)

    async def poll_cancels(self, worker_id: str, grace_s: float) -> None:
        """Read requested cancels again and again, whether or not there was a notification."""
        first, *_ = self._pools

        async def step() -> float:
            if self.any_running:
                self.cancel(await first.work.cancel_requested(worker_id), grace_s)
            return first.poll_s

        await repeat(step, "cannot look for cancels", AWAY, first.poll_s)

    def begin_no_more(self) -> None:
        """Let no further attempt begin; the runs of those that were to begin are handed back."""
        for pool in self._pools:
            pool.attempts.begin_no_more()

    def hand_back(self) -> None:
        """Kill all attempts, also those about to start; their runs become pending again."""
        for pool in self._pools:
            pool.attempts.hand_back()

    async def abandon(self, worker_id: str) -> None:
        """Kill all attempts of a session whose lease is over."""
        await asyncio.gather(*(pool.attempts.abandon(worker_id) for pool in self._pools))
