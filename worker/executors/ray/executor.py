"""Runs attempts on a cluster of Ray, by a driver of its own; built-in handlers run on this host.

First an attempt as its worker sees it (`RayAttempt`), then the driver's process, then logs, then
the executor.
"""

import asyncio
import itertools
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from time import monotonic
from typing import Any
from uuid import uuid4

from runtime.tasks import end, start_once
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.orphans import Orphans
from worker.executors.local.supervisor import Log
from worker.executors.local.workplace import is_passed_on
from worker.executors.packages import HandlerPackage
from worker.executors.port import ISOLATED, Attempt, Kind, OnUpdate, Outcome, Task, require_lease
from worker.executors.ray.wire import LONGEST_BYTES, described, line_of, unpacked
from worker.executors.shared import AttemptLog, AttemptLogs


class RayAttempt:
    """An attempt somewhere on the cluster.

    Attributes:
        id: known to nobody else.
        node_id: where it runs, once it does.
    """

    def __init__(
        self,
        attempt_id: str,
        task: Task,
        on_update: OnUpdate,
        log: AttemptLog,
        tell: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.id = attempt_id
        self.node_id: str | None = None
        self._task = task
        self._on_update = on_update
        self._log = log
        self._tell = tell
        self._is_stopped = False
        self._has_ended = False
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[Outcome] = loop.create_future()

    async def outcome(self) -> Outcome:
        """Wait for the end."""
        return await self._over

    def cancel(self, grace_s: float) -> None:
        """Ask it to stop; its supervisor kills it after the grace time."""
        self._tell({"do": "cancel", "id": self.id, "graceS": grace_s})

    def stop(self) -> None:
        """Have it killed because the worker stops."""
        self._is_stopped = True
        self._tell({"do": "stop", "id": self.id})

    def end_if_overdue(self, now: datetime) -> None:
        """End it as at its deadline, if that is over by a clock that has been moved."""
        deadline = self._task.deadline
        if deadline is not None and datetime.fromisoformat(deadline) <= now:
            self._tell({"do": "deadline", "id": self.id})

    def heard(self, message: Mapping[str, Any]) -> bool:
        """Take what was said of it; return whether that was all."""
        if "log" in message:
            self._log.add(unpacked(message["log"]))
        elif "update" in message:
            self._on_update(message["update"])
        elif "began" in message:
            self.node_id = message["began"]
        elif "end" in message:
            ended = message["end"]
            self.end(ended["kind"], ended["message"], ended["metrics"])
        return self._has_ended

    def lose(self, why: str) -> None:
        """Let it be over, for nobody can say any more how it ended."""
        kind: Kind = "stopped" if self._is_stopped else "lost"
        self.end(kind, {"message": why}, {})

    def end(self, kind: Kind, message: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
        """Let it be over, once its log is whole."""
        if self._has_ended:
            return
        self._has_ended = True
        outcome = Outcome(kind, message, metrics)
        self._log.close(lambda: self._be_over(outcome))

    def _be_over(self, outcome: Outcome) -> None:
        if not self._over.done():
            self._over.set_result(outcome)


# The driver's process, as the worker starts it: it gets tasks, and no secret of the service.
#
# Ray shows the command line of its driver to all of the cluster, ends its process when the cluster
# is gone, and unpickles what the cluster's nodes answer. So the driver is not the worker itself.

logger = logging.getLogger(__name__)

PROGRAM = "from worker.executors.ray.driver import main; main()"

CONNECT_S = 120.0
"""How long it may take until the cluster answers, or one for trying is there."""

FAREWELL_S = 20.0
"""How long the driver may take to end what runs on the cluster before it is killed; then the lease
ends that."""

MISSING = "attempts on Ray need an extra: pip install 'apphub-jobs[ray]'"

_OWN_VARIABLES = ("HOME", "TMPDIR", "LD_LIBRARY_PATH")
_OWN_PREFIX = "RAY_"


class RayUnavailableError(Exception):
    """There is no Ray, or no cluster that answers; the message says what to do."""


@dataclass(frozen=True)
class RayCluster:
    """Where attempts run.

    Attributes:
        address: the cluster's, as Ray takes it; `local` for one of this host, for trying.
        runtime_env: what Ray brings to the nodes for them, such as `working_dir`.
    """

    address: str
    runtime_env: Mapping[str, Any] = field(default_factory=dict)


def need_ray() -> None:
    """Make sure that Ray is installed.

    Raises:
        RayUnavailableError: it is not.
    """
    if find_spec("ray") is None:
        raise RayUnavailableError(MISSING)


class DriverProcess:
    """A driver, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Take a process; `started` starts one."""
        self._process = process

    def tell(self, message: Mapping[str, Any]) -> None:
        """Say something to it, if it is there."""
        orders = self._process.stdin
        if orders is not None and not orders.is_closing():
            orders.write(line_of(message))

    async def listen(self, hear: Callable[[Mapping[str, Any]], None]) -> None:
        """Hear what it says, until its end."""
        said = self._process.stdout
        if said is not None:
            async for line in said:
                if line.endswith(b"\n"):  # Else it was killed in the middle of it.
                    hear(json.loads(line))
        await self._process.wait()

    async def failure(self) -> str | None:
        """Wait until the cluster is there; return why it is not, if it is not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_S):
                return await self._failure()
        return f"it does not answer within {CONNECT_S:g} s"

    async def _failure(self) -> str | None:
        said = self._process.stdout
        if said is None:
            return "its driver was started without pipes"
        async for line in said:
            heard = json.loads(line)
            if "ready" in heard:
                return None
            if "failed" in heard:
                return str(heard["failed"])
        return "its driver ended before it was connected"

    async def end(self) -> None:
        """Have it end what runs on the cluster, and itself."""
        orders = self._process.stdin
        if orders is not None:
            orders.close()
        try:
            await asyncio.wait_for(self._process.wait(), FAREWELL_S)
        except TimeoutError:
            logger.warning("the driver of Ray does not end, and is killed")
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()


async def started(cluster: RayCluster, slots: int) -> DriverProcess:
    """Return a driver that is connected to the cluster.

    Raises:
        RayUnavailableError: no cluster answers.
    """
    need_ray()
    told = {"address": cluster.address, "runtimeEnv": {**cluster.runtime_env}, "slots": slots}
    # In this session, in which nothing is taken for what a killed supervisor has left.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-c",
        PROGRAM,
        json.dumps(told),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=_environment(),
        limit=LONGEST_BYTES,
    )
    driver = DriverProcess(process)
    failure: str | None = "nobody waits for it any more"
    try:
        failure = await driver.failure()
    finally:
        if failure is not None:
            driver.kill()
            await process.wait()
    if failure is not None:
        msg = f"the Ray cluster {cluster.address} cannot be used: {failure}"
        raise RayUnavailableError(msg)
    return driver


def _environment() -> dict[str, str]:
    """Return the variables of the driver: none of the service's settings or secrets."""
    variables = {name: value for name, value in os.environ.items() if _is_needed(name)}
    # Whoever runs a cluster decides whether it tells others of its use.
    variables.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    return variables


def _is_needed(name: str) -> bool:
    is_own = name in _OWN_VARIABLES or name.startswith(_OWN_PREFIX)
    return is_own or is_passed_on(name)


# The log of an attempt elsewhere: its supervisor there has stamped and cut it already.


class VerbatimLog(Log):
    """Keeps what comes as it is."""

    def __init__(self, path: str, limit: int) -> None:
        """Have capacity for what was cut at the limit, and for what says so."""
        super().__init__(path, 2 * limit)

    def _stamped(self, output: bytes) -> bytes:
        return output


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
        self._session = 1
        self._room = 0

    capabilities = ISOLATED

    @property
    def capacity(self) -> float:
        """Return how many more attempts the cluster has capacity for, as far as is known."""
        return self._room

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
        self._tell_lease()

    def end_session(self) -> None:
        """Begin nothing that was submitted before: nodes refuse orders of earlier sessions."""
        self._session += 1
        self._own.end_session()

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
        require_lease(max(until, self._lease_until))
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
        order["session"] = self._session
        self._tell({"do": "submit", "order": {**order, "id": attempt.id}})
        return attempt

    def _tell_lease(self) -> None:
        self._tell({"do": "renew", "until": self._lease_until, "session": self._session})

    def _tell(self, message: Mapping[str, Any]) -> None:
        if self._driver is not None:
            self._driver.tell(message)

    def _hear(self, message: Mapping[str, Any]) -> None:
        if "capacity" in message:
            self._room = message["capacity"]
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
                self._tell_lease()

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
        entry_point: package for entry_point, package in packages.items() if _is_built_in(package)
    }


def _is_built_in(package: HandlerPackage) -> bool:
    # What a feed tells of is not the same object.
    return bool(package.shown)
