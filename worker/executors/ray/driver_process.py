"""The driver's process, as the worker starts it: it is told tasks, and no secret of the service.

Ray shows the command line of its driver to all of the cluster, ends its process when the cluster is
gone, and unpickles what the cluster's nodes answer. So the driver is not the worker itself.
"""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from worker.executors.local.handlers_process import is_passed_on
from worker.executors.ray.wire import LONGEST_BYTES, line_of

logger = logging.getLogger(__name__)

PROGRAM = "from worker.executors.ray.driver.program import main; main()"

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

    @property
    def pid(self) -> int:
        """Return the process's number."""
        return self._process.pid

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
    told = {
        "address": cluster.address,
        "runtimeEnv": {**cluster.runtime_env},
        "slots": slots,
    }
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
