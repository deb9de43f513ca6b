"""Runs attempts on a cluster of Ray, by a driver of its own; what is built in runs on this host."""

import asyncio
import itertools
import logging
from collections.abc import Mapping
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import uuid4

from runtime.background_tasks import end, start_once
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.orphans import Orphans
from worker.executors.packages import HandlerPackage
from worker.executors.port import APART, Attempt, OnUpdate, Task, need_lease
from worker.executors.ray.attempt import RayAttempt
from worker.executors.ray.driver_process import (
    DriverProcess,
    RayCluster,
    RayUnavailableError,
    started,
)
from worker.executors.ray.logs import VerbatimLog
from worker.executors.ray.wire import described
from worker.executors.shared.attempt_logs import AttemptLogs

logger = logging.getLogger(__name__)

AGAIN_S = 5.0
"""How long to wait before another driver is started."""


class RayExecutor:
    """The `Executor` of the port for attempts on a cluster."""

    def __init__(
        self,
        packages: Mapping[str, HandlerPackage],
        cluster: RayCluster,
        slots: int,
        orphans: Orphans | None = None,
    ) -> None:
        """Make an executor; nothing is started yet.

        Args:
            packages: by the entry points of their handlers.
            cluster: where attempts run.
            slots: how many run at a time.
            orphans: who ends what a killed supervisor leaves on this host.
        """
        self._packages = packages
        self._cluster = cluster
        self._slots = slots
        self._own = ProcessExecutor(_built_in(packages), 1, orphans)
        self._logs = AttemptLogs(VerbatimLog)
        self._attempts: dict[str, RayAttempt] = {}
        self._driver: DriverProcess | None = None
        self._driving: asyncio.Task[None] | None = None
        self._losing: set[asyncio.Task[None]] = set()
        self._generations = itertools.count(1)
        self._generation = next(self._generations)
        self._lease_until = 0.0
        self._room = 0

    capabilities = APART

    @property
    def room(self) -> float:
        """Return how many more attempts the cluster has room for, as far as is known."""
        return self._room

    @property
    def driver_pid(self) -> int | None:
        """Return the driver's process, where there is one."""
        if self._driver is None:
            return None
        return self._driver.pid

    async def start(self) -> None:
        """Connect to the cluster.

        Raises:
            RayUnavailableError: none answers.
        """
        self._driver = await started(self._cluster, self._slots)
        self._driving = start_once("driver of Ray", self._drive())

    async def aclose(self) -> None:
        """End what is on the cluster, and what was started ahead here."""
        await end(self._driving)
        if self._driver is not None:
            await self._driver.end()
        for attempt in self._attempts.values():
            attempt.lose("the worker has ended")
        await end(*self._losing)
        self._logs.end()
        await self._own.aclose()

    def prepare(self) -> None:
        """Start a process here in the background for what is built in."""
        self._own.prepare()

    def renew(self, until: float) -> None:
        """Let what runs go on until this moment of this host's monotonic clock."""
        self._lease_until = until
        self._own.renew(until)
        self._tell({"do": "renew", "until": until})

    def offer(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; what runs already goes on as it began."""
        self._packages = packages
        self._generation = next(self._generations)
        self._own.offer(_built_in(packages))

    def end_overdue(self, now: datetime) -> None:
        """End what is past its deadline by a clock that has been moved: that of a test service."""
        self._own.end_overdue(now)
        for attempt in self._attempts.values():
            attempt.end_if_overdue(now)

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> Attempt:
        """Start an attempt on the cluster, or here if its handler is built in.

        Raises:
            LeaseOverError: the lease is over.
        """
        package = self._packages[task.entry_point]
        if _is_built_in(package):
            return await self._own.submit(task, on_update, until)
        need_lease(max(until, self._lease_until))
        log = self._logs.of(task.log_path)
        attempt = RayAttempt(uuid4().hex, task, on_update, log, self._tell)
        if self._driver is None:
            attempt.end("stopped", {"message": "there is no cluster"}, {})
            return attempt
        if until > self._lease_until:
            self.renew(until)
        self._attempts[attempt.id] = attempt
        self._room -= 1  # Until the cluster is asked the next time.
        order = described(task, package)
        order["package"]["generation"] = self._generation
        self._tell({"do": "submit", "order": {**order, "id": attempt.id}})
        return attempt

    def _tell(self, message: Mapping[str, Any]) -> None:
        if self._driver is not None:
            self._driver.tell(message)

    def _hear(self, message: Mapping[str, Any]) -> None:
        if "room" in message:
            self._room = message["room"]
            return
        attempt = self._attempts.get(message["id"])
        if attempt is not None and attempt.heard(message):
            del self._attempts[attempt.id]

    async def _drive(self) -> None:
        """Keep a driver, for ever."""
        while True:
            if self._driver is not None:
                await self._driver.listen(self._hear)
                self._lose_all()
            try:
                self._driver = await started(self._cluster, self._slots)
            except (RayUnavailableError, OSError) as error:
                logger.warning("%s; trying again", error)
                await asyncio.sleep(AGAIN_S)
            else:
                self._tell({"do": "renew", "until": self._lease_until})

    def _lose_all(self) -> None:
        """Let what ran be over, once its lease on the cluster is, for nobody hears of it."""
        logger.warning("the driver of Ray has ended, and all of its attempts with it")
        self._driver = None
        self._room = 0
        lost = list(self._attempts.values())
        self._attempts.clear()
        losing = start_once("lost attempts", self._lose(lost, self._lease_until))
        self._losing.add(losing)
        losing.add_done_callback(self._losing.discard)

    async def _lose(self, attempts: list[RayAttempt], until: float) -> None:
        left_s = until - monotonic()
        try:
            await asyncio.sleep(max(left_s, 0.0))
        finally:
            for attempt in attempts:
                attempt.lose("the driver of its Ray cluster has ended")


def _built_in(packages: Mapping[str, HandlerPackage]) -> dict[str, HandlerPackage]:
    return {
        entry_point: package
        for entry_point, package in packages.items()
        if _is_built_in(package)
    }


def _is_built_in(package: HandlerPackage) -> bool:
    # What a feed tells of is not the same object.
    return bool(package.shown)
