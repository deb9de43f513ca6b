"""Runs attempts on a Ray cluster, through a driver process; built-in handlers run on this host.

First an attempt as the worker sees it (`RayAttempt`), then the driver's process (`DriverProcess`),
then logs, then the executor.
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
from functools import partial
from importlib.util import find_spec
from time import monotonic
from typing import Any
from uuid import uuid4

from runtime.tasks import end_tasks, retry, start_once
from worker.executors.attempt_logs import AttemptLog, AttemptLogs
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.handler_process import is_inherited
from worker.executors.local.log import Log
from worker.executors.local.orphans import Orphans
from worker.executors.packages import HandlerPackage
from worker.executors.port import (
    ISOLATED,
    Attempt,
    OnUpdate,
    Outcome,
    OutcomeKind,
    Task,
    require_lease,
)
from worker.executors.ray.wire import MAX_LINE_BYTES, decode_bytes, describe_task, encode_line


class RayAttempt:
    """An attempt on the cluster.

    Attributes:
        id: a random id.
        node_id: the id of the node on which it runs; None until it does.
    """

    def __init__(
        self,
        attempt_id: str,
        task: Task,
        on_update: OnUpdate,
        log: AttemptLog,
        send: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.id = attempt_id
        self.node_id: str | None = None
        self._task = task
        self._on_update = on_update
        self._log = log
        self._send = send
        self._is_stopped = False
        self._has_ended = False
        loop = asyncio.get_running_loop()
        self._outcome_future: asyncio.Future[Outcome] = loop.create_future()

    @property
    def has_begun(self) -> bool:
        """Whether it has begun on a node, as far as the driver has reported."""
        return self.node_id is not None

    async def outcome(self) -> Outcome:
        """Wait for the end."""
        return await self._outcome_future

    def cancel(self, grace_s: float) -> None:
        """Ask its handler to stop; its supervisor kills it after the grace time."""
        self._send({"do": "cancel", "id": self.id, "graceS": grace_s})

    def stop(self) -> None:
        """Let its supervisor kill it, because the worker stops."""
        self._is_stopped = True
        self._send({"do": "stop", "id": self.id})

    def end_if_overdue(self, now: datetime) -> None:
        """End it as timed out if its deadline has passed by a clock that was moved."""
        if self._task.is_overdue(now):
            self._send({"do": "deadline", "id": self.id})

    def on_message(self, message: Mapping[str, Any]) -> bool:
        """Handle a message about it; return whether it was the last one."""
        if "log" in message:
            self._log.add(decode_bytes(message["log"]))
        elif "update" in message:
            self._on_update(message["update"])
        elif "began" in message:
            self.node_id = message["began"]
        elif "end" in message:
            ended = message["end"]
            self.end(ended["kind"], ended["message"], ended["metrics"])
        return self._has_ended

    def lose(self, reason: str) -> None:
        """End it as lost, or as stopped: its own outcome cannot arrive any more."""
        kind: OutcomeKind = "stopped" if self._is_stopped else "lost"
        self.end(kind, {"message": reason}, {})

    def end(
        self, kind: OutcomeKind, message: Mapping[str, Any], metrics: Mapping[str, Any]
    ) -> None:
        """Close its log, then set its outcome."""
        if self._has_ended:
            return
        self._has_ended = True
        outcome = Outcome(kind, message, metrics)
        self._log.close(lambda: self._set_outcome(outcome))

    def _set_outcome(self, outcome: Outcome) -> None:
        if not self._outcome_future.done():
            self._outcome_future.set_result(outcome)


# The driver's process, as the worker starts it. The worker itself is not the driver, because Ray
# shows the command line of its driver to the whole cluster, ends the driver when the cluster is
# gone, and unpickles answers of the nodes. The driver has no secret of the service.

logger = logging.getLogger(__name__)

PROGRAM = "from worker.executors.ray.driver import main; main()"

CONNECT_TIMEOUT_S = 120.0
"""How long a cluster may take to answer, or a local one to start."""

END_TIMEOUT_S = 20.0
"""How long the driver may take to end its attempts before it is killed, and the lease ends them."""

MISSING = "attempts on Ray need an extra: pip install 'apphub-jobs-server[ray]'"

_DRIVER_VARIABLES = ("HOME", "TMPDIR", "LD_LIBRARY_PATH")
_DRIVER_PREFIX = "RAY_"


class RayUnavailableError(Exception):
    """Ray is not installed, or the cluster does not answer; the message says what to do."""


@dataclass(frozen=True)
class RayCluster:
    """The cluster on which attempts run.

    Attributes:
        address: its address in Ray's form; `local` starts a cluster on this host, to try it out.
        runtime_env: the runtime environment of attempts, as Ray defines it, such as `working_dir`.
    """

    address: str
    runtime_env: Mapping[str, Any] = field(default_factory=dict)


def require_ray() -> None:
    """Check that Ray is installed.

    Raises:
        RayUnavailableError: it is not.
    """
    if find_spec("ray") is None:
        raise RayUnavailableError(MISSING)


class DriverProcess:
    """A driver's process, which `start_driver` starts."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def send(self, message: Mapping[str, Any]) -> None:
        """Send the driver a message, unless it has ended."""
        commands = self._process.stdin
        if commands is not None and not commands.is_closing():
            commands.write(encode_line(message))

    async def receive(self, on_message: Callable[[Mapping[str, Any]], None]) -> None:
        """Receive the driver's messages until it has ended."""
        messages = self._process.stdout
        if messages is not None:
            async for line in messages:
                if line.endswith(b"\n"):  # A driver that is killed may leave an incomplete line.
                    on_message(json.loads(line))
        await self._process.wait()

    async def wait_for_connection(self) -> str | None:
        """Wait for the connection; return why the cluster cannot be used, None if it can be."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await self._read_failure()
        return f"it does not answer within {CONNECT_TIMEOUT_S:g} s"

    async def _read_failure(self) -> str | None:
        messages = self._process.stdout
        if messages is None:
            return "its driver was started without pipes"
        async for line in messages:
            message = json.loads(line)
            if "ready" in message:
                return None
            if "failed" in message:
                return str(message["failed"])
        return "its driver ended before it was connected"

    async def end(self) -> None:
        """Let the driver end its attempts and exit; kill it if that takes too long."""
        commands = self._process.stdin
        if commands is not None:
            commands.close()
        try:
            await asyncio.wait_for(self._process.wait(), END_TIMEOUT_S)
        except TimeoutError:
            logger.warning("the driver of Ray does not end, and is killed")
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """Kill the driver."""
        with suppress(ProcessLookupError):
            self._process.kill()


async def start_driver(cluster: RayCluster, slots: int) -> DriverProcess:
    """Start a driver, and return it once it is connected to the cluster.

    Raises:
        RayUnavailableError: Ray is not installed, or the cluster does not answer.
    """
    require_ray()
    arguments = {"address": cluster.address, "runtimeEnv": {**cluster.runtime_env}, "slots": slots}
    # It stays in this process's session: `Orphans` would end it in another one.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-c",
        PROGRAM,
        json.dumps(arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=_environment(),
        limit=MAX_LINE_BYTES,
    )
    driver = DriverProcess(process)
    failure: str | None = "the start was cancelled"
    try:
        failure = await driver.wait_for_connection()
    finally:
        if failure is not None:
            driver.kill()
            await process.wait()
    if failure is not None:
        msg = f"the Ray cluster {cluster.address} cannot be used: {failure}"
        raise RayUnavailableError(msg)
    return driver


def _environment() -> dict[str, str]:
    """Return the driver's environment variables: none of the service's settings or secrets."""
    variables = {name: value for name, value in os.environ.items() if _is_for_driver(name)}
    # Ray's usage statistics are off unless the operator enables them.
    variables.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    return variables


def _is_for_driver(name: str) -> bool:
    is_own = name in _DRIVER_VARIABLES or name.startswith(_DRIVER_PREFIX)
    return is_own or is_inherited(name)


class VerbatimLog(Log):
    """The log of an attempt on a node, which its supervisor has stamped and limited already."""

    def __init__(self, path: str, limit: int) -> None:
        """Open the log. Notices come on top of the limit there, so twice the limit applies here."""
        super().__init__(path, 2 * limit)

    def _stamp(self, output: bytes, stream: int, stamps: Mapping[int, bytes]) -> bytes:
        del stream, stamps
        return output


RETRY_PAUSE_S = 5.0
"""The pause before another driver is started."""


class RayExecutor:
    """The `Executor` that runs attempts on a Ray cluster."""

    def __init__(
        self,
        packages: Mapping[str, HandlerPackage],
        cluster: RayCluster,
        slots: int,
        orphans: Orphans | None = None,
    ) -> None:
        """Create an executor; nothing is started yet.

        Args:
            packages: the handlers' packages, by entry point.
            cluster: the cluster on which attempts run.
            slots: how many attempts run at a time.
            orphans: ends the processes that a killed supervisor leaves on this host; None for
                nothing.
        """
        self._packages = packages
        self._cluster = cluster
        self._slots = slots
        self._local = ProcessExecutor(_select_built_in(packages), 1, orphans)
        self._logs = AttemptLogs(VerbatimLog)
        self._attempts: dict[str, RayAttempt] = {}
        self._driver: DriverProcess | None = None
        self._driver_keeper: asyncio.Task[None] | None = None
        self._losing: set[asyncio.Task[None]] = set()
        self._generations = itertools.count(1)
        self._generation = next(self._generations)
        self._lease_until = 0.0
        self._session = 1
        self._capacity = 0

    capabilities = ISOLATED

    @property
    def capacity(self) -> float:
        """How many more attempts the cluster can run, as last reported."""
        return self._capacity

    async def start(self) -> None:
        """Connect to the cluster.

        Raises:
            RayUnavailableError: Ray is not installed, or the cluster does not answer.
        """
        self._driver = await start_driver(self._cluster, self._slots)
        self._driver_keeper = start_once("driver of Ray", self._keep_driver())

    async def aclose(self) -> None:
        """End the attempts on the cluster, and the processes on this host."""
        await end_tasks(self._driver_keeper)
        if self._driver is not None:
            await self._driver.end()
        for attempt in self._attempts.values():
            attempt.lose("the worker has ended")
        await end_tasks(*self._losing)
        self._logs.end()
        await self._local.aclose()

    def prepare(self) -> None:
        """Start a process on this host in the background for built-in handlers."""
        self._local.prepare()

    def renew(self, until: float) -> None:
        """Extend the lease of all attempts to this time of this host's monotonic clock."""
        self._lease_until = until
        self._local.renew(until)
        self._send_lease()

    def end_session(self) -> None:
        """Begin no attempt that was submitted before: nodes refuse orders of earlier sessions."""
        self._session += 1
        self._local.end_session()

    def use_packages(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; running attempts are not affected."""
        self._packages = packages
        self._generation = next(self._generations)
        self._local.use_packages(_select_built_in(packages))

    def end_overdue(self, now: datetime) -> None:
        """End attempts whose deadline is over by a test service's clock, which can be moved."""
        self._local.end_overdue(now)
        for attempt in self._attempts.values():
            attempt.end_if_overdue(now)

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> Attempt:
        """Start an attempt on the cluster, or here if its handler is built in.

        Raises:
            LeaseOverError: the lease is over.
        """
        package = self._packages[task.entry_point]
        if _is_built_in(package):
            return await self._local.submit(task, on_update, until)
        require_lease(max(until, self._lease_until))
        log = AttemptLog(self._logs, task.log_path)
        attempt = RayAttempt(uuid4().hex, task, on_update, log, self._send)
        if self._driver is None:
            attempt.end("stopped", {"message": "there is no cluster"}, {})
            return attempt
        if until > self._lease_until:
            self.renew(until)
        self._attempts[attempt.id] = attempt
        self._capacity -= 1  # The next report of the cluster's capacity replaces this.
        order = describe_task(task, package)
        order["package"]["generation"] = self._generation
        order["session"] = self._session
        self._send({"do": "submit", "order": {**order, "id": attempt.id}})
        return attempt

    def _send_lease(self) -> None:
        self._send({"do": "renew", "until": self._lease_until, "session": self._session})

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._driver is not None:
            self._driver.send(message)

    def _on_message(self, message: Mapping[str, Any]) -> None:
        if "capacity" in message:
            self._capacity = message["capacity"]
            return
        attempt = self._attempts.get(message["id"])
        if attempt is not None and attempt.on_message(message):
            del self._attempts[attempt.id]

    async def _keep_driver(self) -> None:
        """Receive the driver's messages; when it has ended, start another driver."""
        start = partial(start_driver, self._cluster, self._slots)
        unavailable = (RayUnavailableError, OSError)
        while True:
            if self._driver is not None:
                await self._driver.receive(self._on_message)
                self._lose_attempts()
            failure = "cannot start a driver of Ray"
            self._driver = await retry(start, failure, unavailable, RETRY_PAUSE_S)
            self._send_lease()

    def _lose_attempts(self) -> None:
        """End the attempts of a driver that has ended, once their lease on the cluster is over."""
        logger.warning("the driver of Ray has ended, and all of its attempts with it")
        self._driver = None
        self._capacity = 0
        lost = list(self._attempts.values())
        self._attempts.clear()
        task = start_once("lost attempts", self._lose_at(self._lease_until, lost))
        self._losing.add(task)
        task.add_done_callback(self._losing.discard)

    async def _lose_at(self, until: float, attempts: list[RayAttempt]) -> None:
        try:
            await asyncio.sleep(max(until - monotonic(), 0.0))
        finally:
            for attempt in attempts:
                attempt.lose("the driver of its Ray cluster has ended")


def _select_built_in(packages: Mapping[str, HandlerPackage]) -> dict[str, HandlerPackage]:
    return {
        entry_point: package for entry_point, package in packages.items() if _is_built_in(package)
    }


def _is_built_in(package: HandlerPackage) -> bool:
    # Not by identity: packages that another process has passed on are other objects.
    return bool(package.visible_packages)
