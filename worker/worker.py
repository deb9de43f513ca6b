"""A worker: claims due runs for its free slots, and proves by heartbeats that it is alive.

A `Worker` runs sessions one after the other. A session has an id and a lease of its own; it ends
when the worker is stopped or drained, or when its lease is lost. Below it are its slot pools
(`SlotPool`), one for each isolation level.
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
from runtime.tasks import BackOff, Supervised, Supervision, repeat, run_within
from runtime.text import pluralize
from worker.attempts import Attempts, AttemptSettings
from worker.claiming import Claimer
from worker.executors.port import Executor
from worker.logs.run_logs import LogKeeper
from worker.offer import CHECK_EVERY_S, WorkerOffer
from worker.ports import UNAVAILABLE_ERRORS, Heartbeats, Work
from worker.watcher import Watcher

if TYPE_CHECKING:
    from runtime.tracing import Tracing

logger = logging.getLogger(__name__)


T = TypeVar("T")

BEATS_PER_LEASE = 6

REPORT_EVERY_S = 0.5
"""How often a stopping worker checks whether the number of its running attempts has changed."""

REPEAT_REPORT_S = 60.0
"""After this long without a change, a stopping worker logs again what it waits for."""


class LeaseLostError(Exception):
    """Other processes have declared this session lost, or soon will, so its attempts must end."""


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """The settings of a worker.

    Attributes:
        slots: how many attempts run at a time in processes of their own.
        shared_slots: how many more attempts run at a time in shared processes.
        lease_s: how long the worker may be silent before other workers take over its runs.
        poll_s: how often to look for runs and cancels without a notification.
        cancel_grace_s: how long after a cancel a handler is killed.
        stop_grace_s: how long running attempts may continue once the worker is asked to stop.
        no_handler_after_s: after how long a run fails whose entry point no living worker offers;
            None for never.
        labels: properties of this worker that jobs may require.
        handler_settings: the operator's settings for handlers, by entry point.
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
class SharedExecution:
    """The executor of attempts that share processes, and a `Work` of its own to wait on."""

    executor: Executor
    work: Work


class Worker:
    """Runs sessions until it is stopped or drained; after a lost lease it begins a new one."""

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
        shared: SharedExecution | None = None,
        pythons: Callable[[], Sequence[Python]] = tuple,
        tracing: "Tracing | None" = None,
    ) -> None:
        """Create a worker; `run` starts it.

        Args:
            settings: its settings.
            executions: the commands on claimed runs.
            sweeps: the commands on runs of lost workers, and on overdue ones.
            heartbeats: the workers' table.
            work: the pending runs.
            executor: runs attempts in processes of their own.
            entry_points: those of the handlers; the collection may change later.
            logs: stores the attempts' output.
            supervision: runs the worker's background tasks.
            shared: runs attempts in shared processes; None if this worker does not.
            pythons: returns the interpreters of the handlers.
            tracing: records the attempts' spans; None if no traces are sent.
        """
        self._settings = settings
        self._tracing = tracing
        self._supervision = supervision
        self._executions = executions
        self._sweeps = sweeps
        self._heartbeats = heartbeats
        self._work = work
        self._offer = WorkerOffer(
            entry_points, work, heartbeats, settings.no_handler_after_s, settings.labels, pythons
        )
        pools = [self._create_pool(executor, work, logs)]
        if shared is not None:
            pools.append(self._create_pool(shared.executor, shared.work, logs))
        self._pools = SlotPools(pools)
        self._claim_loops: list[Supervised] = []
        self._watcher: Watcher | None = None
        self._lease_until = 0.0
        self._stop_by = 0.0
        self._stopping = asyncio.Event()
        self.is_draining = False
        self.worker_id = ""

    def _create_pool(self, executor: Executor, work: Work, logs: LogKeeper) -> "SlotPool":
        settings = self._settings
        isolation = executor.capabilities.isolation
        slots = settings.shared_slots if isolation == "shared" else settings.slots
        attempts = Attempts(
            AttemptSettings(slots, settings.handler_settings, self._tracing),
            self._executions,
            executor,
            self._offer,
            logs,
            work.wake,
        )
        return SlotPool(isolation, attempts, work, self._offer, self._executions, settings.poll_s)

    @property
    def others(self) -> list[str]:
        """The ids of the other living workers, as last read."""
        if self._watcher is None:
            return []
        return [worker_id for worker_id in self._watcher.living if worker_id != self.worker_id]

    @property
    def unoffered_count(self) -> int:
        """How many entry points of pending runs no living worker offers, as last read."""
        return self._offer.unoffered_count

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Ask the worker to stop: no attempt starts, and what outlasts the grace is handed back."""
        if not self.is_stopping:
            self._stop_by = monotonic() + self._settings.stop_grace_s
            self._stopping.set()
        self._pools.stop_starting()
        self._finish_claiming()

    def stop_now(self) -> None:
        """Stop, and hand back all runs at once."""
        self.stop()
        self._pools.hand_back()

    async def run(self) -> None:
        """Run until the worker is stopped or drained."""
        while not self.is_ending:
            self.worker_id = new_session_id()
            expired = False
            try:
                await self._run_session()
            except LeaseLostError as error:
                expired = True
                logger.warning("worker %s lost its lease: %s", self.worker_id, error)
                await self._pools.abandon(self.worker_id)
            # No attempt of this session is left, so others need not wait until its lease is over.
            with suppress(*UNAVAILABLE_ERRORS):
                leave = self._heartbeats.leave(self.worker_id, expired=expired)
                await self._send_in_time("leaving", leave)

    async def _run_session(self) -> None:
        """Register, and run the loops of a session until claiming ends or its lease is lost."""
        await self._register()
        add_log_fields(worker=self.worker_id)
        observer = f"worker {self.worker_id}"
        self._watcher = watcher = Watcher(observer, self._sweeps, self._heartbeats, self._work)
        watcher.start(self._supervision)
        self._claim_loops = [self._supervise_claims(pool) for pool in self._pools]
        settings = self._settings
        poll_cancels = partial(self._pools.poll_cancels, self.worker_id, settings.cancel_grace_s)
        keep_offer = partial(self._offer.keep_current, self.worker_id)
        loops = [
            *self._claim_loops,
            # Its restarts are no later than its heartbeats: it must notice the end of the lease
            # before other processes do.
            self._supervise("lease", self._keep_lease, settings.lease_s / BEATS_PER_LEASE),
            self._supervise("cancels", poll_cancels, settings.poll_s),
            self._supervise("offers", keep_offer, CHECK_EVERY_S),
            self._supervise("stop", self._report_stop, settings.poll_s),
        ]
        try:
            await self._wait_for_claim_loops(loops)
        finally:
            for loop in loops:
                await loop.end()
            await watcher.stop()

    async def _wait_for_claim_loops(self, loops: Iterable[Supervised]) -> None:
        """Wait until all claim loops have ended, and raise the error of any loop that fails."""
        running = {loop.task for loop in loops}
        claim_tasks = {loop.task for loop in self._claim_loops}
        while claim_tasks & running:
            ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()

    def _supervise_claims(self, pool: "SlotPool") -> Supervised:
        name = "claims" if pool.isolation == "process" else f"{pool.isolation} claims"
        return self._supervise(name, partial(self._claim_and_drain, pool), self._settings.poll_s)

    def _supervise(
        self, name: str, run: Callable[[], Awaitable[None]], max_pause_s: float
    ) -> Supervised:
        back_off = BackOff(max_s=max_pause_s)
        return self._supervision.start(name, run, back_off, final_errors=(LeaseLostError,))

    @property
    def is_ending(self) -> bool:
        """Whether it claims no more, as it is stopping or draining."""
        return self.is_stopping or self.is_draining

    def _drain(self) -> None:
        """Claim no more, and end once all attempts have, however long that takes."""
        logger.info("worker %s is drained: it ends after what it runs", self.worker_id)
        self.is_draining = True
        self._finish_claiming()

    def _finish_claiming(self) -> None:
        for loop in self._claim_loops:
            loop.finish()
        self._pools.wake()

    async def _claim_and_drain(self, pool: "SlotPool") -> None:
        await pool.claim(self, self._pools.has_several_claimers)
        await pool.attempts.drain(max(self._stop_by - monotonic(), 0.0))

    async def _report_stop(self) -> None:
        """Once the worker is stopping, record that, and log what it waits for within its grace."""
        await self._stopping.wait()
        if self._pools.unfinished:
            with suppress(*UNAVAILABLE_ERRORS):
                await self._send_in_time("draining", self._heartbeats.drain(self.worker_id))
        last_reported, repeat_at = 0, 0.0
        while unfinished := self._pools.unfinished:
            remaining_s = self._stop_by - monotonic()
            if remaining_s <= 0:
                return
            if unfinished != last_reported or monotonic() > repeat_at:
                message = "worker %s is stopping, and waits up to %.0f s for %s"
                logger.info(message, self.worker_id, remaining_s, pluralize(unfinished, "run"))
                last_reported, repeat_at = unfinished, monotonic() + REPEAT_REPORT_S
            await asyncio.sleep(REPORT_EVERY_S)

    async def _register(self) -> None:
        """Register this session; its lease begins before the registration is sent."""
        settings, offer = self._settings, self._offer
        while not self.is_stopping:
            self._lease_until = monotonic() + settings.lease_s
            registration = build_registration(settings, offer.mark_announced(), offer.pythons())
            register = self._heartbeats.register(self.worker_id, registration)
            try:
                await self._send_in_time("registering", register)
            except UNAVAILABLE_ERRORS as error:
                logger.warning("cannot register, trying again: %s", error)
                # The database may have registered this id; no id is registered twice.
                self.worker_id = new_session_id()
                await asyncio.sleep(settings.poll_s)
            else:
                self._pools.renew(self._lease_until)
                logger.info("worker %s is ready with %d slots", self.worker_id, settings.slots)
                return

    async def _keep_lease(self) -> None:
        """Send heartbeats, each of which renews the lease of the attempts.

        Raises:
            LeaseLostError: the lease is over, or will be before another heartbeat can get through.
        """
        # This loop may have died and been restarted since the last heartbeat.
        self._check_time_left()
        while True:
            # A worker that was frozen past its lease must send no more heartbeats: its attempts
            # have been ended, and others would count it as living and never recover its runs.
            if monotonic() > self._lease_until:
                raise LeaseLostError("it was silent for longer than its lease")
            if self._pools.has_unrecorded_end(self.worker_id):
                raise LeaseLostError("how a run ended could not be recorded")
            await self._beat()
            self._check_time_left()
            await asyncio.sleep(self._settings.lease_s / BEATS_PER_LEASE)

    def _check_time_left(self) -> None:
        if monotonic() > self._lease_until - self._settings.lease_s / 3:
            raise LeaseLostError("no heartbeat got through for most of the lease")

    async def _beat(self) -> None:
        # The lease counts from here; other processes count from when they read the heartbeat.
        sent_s = monotonic()
        beat = self._heartbeats.beat(self.worker_id, self._pools.slots)
        try:
            state = await self._send_in_time("heartbeat", beat)
        except UNAVAILABLE_ERRORS as error:
            logger.warning("no heartbeat got through: %s", error)
            return
        if state == "lost":
            raise LeaseLostError("another worker declared it dead")
        if state == "draining" and not self.is_ending:
            self._drain()
        self._lease_until = sent_s + self._settings.lease_s
        self._pools.renew(self._lease_until)

    async def _send_in_time(self, name: str, request: Coroutine[Any, Any, T]) -> T:
        """Await a request for at most a third of a lease, so that it can be repeated in time."""
        return await run_within(self._settings.lease_s / 3, name, request)


def new_session_id() -> str:
    """Return an id that no session had before: host, process id and eight random digits."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"


def build_registration(
    settings: WorkerSettings, entry_points: Sequence[str], pythons: Sequence[Python]
) -> Registration:
    """Return the registration of this process as a worker that offers these entry points."""
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
    """The slots for attempts of one isolation level; each pool claims runs for itself.

    Attributes:
        work: the pending runs; each pool has a `Work` of its own, so that each is notified.
        poll_s: how often to look for runs without a notification.
        is_claiming: whether it has begun to claim.
    """

    isolation: Isolation
    attempts: Attempts
    work: Work
    offer: WorkerOffer
    executions: Executions
    poll_s: float
    is_claiming: bool = field(default=False, init=False)

    async def claim(self, worker: Worker, must_look_first: Callable[[], bool]) -> None:
        """Claim until the worker is ending, then wait until the attempts have ended.

        Args:
            worker: the worker for whose session to claim.
            must_look_first: whether a notification may be about runs for another pool.

        Raises:
            LeaseLostError: it is unknown which runs were claimed.
        """
        if self.isolation == "shared":
            await self._wait_for_shared_jobs(worker)
        await self._claim(worker, must_look_first)
        while self.attempts.unfinished and not worker.is_stopping:
            # The end of an attempt, and a stop of the worker, end this wait.
            await self.work.wait(self.poll_s, only_pending=True)

    async def _wait_for_shared_jobs(self, worker: Worker) -> None:
        """Wait until there is a job whose attempts share processes; most services have none."""
        while not worker.is_ending:
            try:
                if await self.work.has_shared_jobs():
                    return
            except UNAVAILABLE_ERRORS as error:
                logger.warning("cannot look for jobs at the moment: %s", error)
            await self._pause(worker)

    async def _pause(self, worker: Worker) -> None:
        """Wait for `poll_s`, or until the worker is ending; notifications do not end the wait."""
        until = monotonic() + self.poll_s
        while monotonic() < until and not worker.is_ending:
            await self.work.wait(max(until - monotonic(), 0.0), only_pending=True)

    async def _claim(self, worker: Worker, must_look_first: Callable[[], bool]) -> None:
        self.is_claiming = True
        claimer = Claimer(
            worker.worker_id,
            self.executions,
            self.attempts,
            partial(self.offer.current, self.isolation),
            self.work,
            self.poll_s,
            must_look_first,
        )
        notification = await claimer.wait(0.0)
        while not worker.is_ending:
            try:
                pause_s = await claimer.claim(worker.others, notification)
            except (WorkerLostError, OutcomeUnknownError) as error:
                # The log may have claimed runs that this process does not know of. Only the end of
                # the session frees them.
                raise LeaseLostError(f"a claim went wrong: {error!r}") from error
            except UNAVAILABLE_ERRORS as error:
                logger.warning("cannot claim at the moment: %s", error)
                pause_s = self.poll_s
            notification = await claimer.wait(pause_s)


class SlotPools:
    """All slot pools of a worker."""

    def __init__(self, pools: Sequence[SlotPool]) -> None:
        self._pools = pools

    def __iter__(self) -> Iterator[SlotPool]:
        """Yield each pool."""
        return iter(self._pools)

    def has_several_claimers(self) -> bool:
        """Return whether more than one pool has begun to claim."""
        return sum(pool.is_claiming for pool in self._pools) > 1

    @property
    def has_running(self) -> bool:
        """Whether an attempt is running, so that it can be canceled."""
        return any(pool.attempts.has_running for pool in self._pools)

    @property
    def slots(self) -> int:
        """How many slots for attempts with processes of their own there are now, in use or not."""
        first, *_ = self._pools
        return first.attempts.slots

    def has_unrecorded_end(self, worker_id: str) -> bool:
        """Return whether a session holds a run whose end could not be recorded."""
        return any(pool.attempts.has_unrecorded_end(worker_id) for pool in self._pools)

    @property
    def unfinished(self) -> int:
        """How many claimed runs have no recorded end yet."""
        return sum(pool.attempts.unfinished for pool in self._pools)

    def wake(self) -> None:
        """End the wait of each pool."""
        for pool in self._pools:
            pool.work.wake()

    def renew(self, until: float) -> None:
        """Extend the lease of all attempts to this time of the monotonic clock."""
        for pool in self._pools:
            pool.attempts.renew(until)

    def cancel(self, run_ids: Sequence[UUID], grace_s: float) -> None:
        """Ask the handlers of these runs to stop; repeated requests have no effect."""
        for pool in self._pools:
            pool.attempts.cancel(run_ids, grace_s)

    async def poll_cancels(self, worker_id: str, grace_s: float) -> None:
        """Read requested cancels again and again; they come without a notification."""
        first, *_ = self._pools

        async def step() -> float:
            if self.has_running:
                self.cancel(await first.work.runs_to_cancel(worker_id), grace_s)
            return first.poll_s

        await repeat(step, "cannot look for cancels", UNAVAILABLE_ERRORS, first.poll_s)

    def stop_starting(self) -> None:
        """Start no further attempt; the runs of those that have not started are handed back."""
        for pool in self._pools:
            pool.attempts.stop_starting()

    def hand_back(self) -> None:
        """Kill all attempts, also those about to start; their runs become pending again."""
        for pool in self._pools:
            pool.attempts.hand_back()

    async def abandon(self, worker_id: str) -> None:
        """Kill all attempts of a session whose lease is over."""
        await asyncio.gather(*(pool.attempts.abandon(worker_id) for pool in self._pools))
