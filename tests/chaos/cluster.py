"""Two APIs and three workers, each behind a proxy of its own, on a private PostgreSQL.

There may be a fourth worker, whose attempts run on a cluster of Ray with two nodes.
"""

import asyncio
import logging
import random
import signal
import subprocess
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Self

from api.embedded import EmbeddedPostgres
from migrations import runner
from tests.support.clusters.two_nodes import TwoNodes, started_nodes
from tests.support.databases import lose_notifications
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.wires.proxy import Proxy

logger = logging.getLogger(__name__)

APIS, WORKERS = 2, 3
SLOTS = 4

NOTIFICATIONS_LOST = 0.2
"""This share of all notifications never arrives."""

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
"""With it one of the workers has a clock that is wrong, and differently wrong after each start."""

ON_RAY = "runs=on-ray"
"""A label of the worker whose attempts run on Ray."""

DISK_OPTIONS = "size=64m"


@dataclass
class Member:
    """A process of the service that is started again whenever it ends.

    Attributes:
        proxy: its way to PostgreSQL.
        kills: when it was killed, and which worker it was then.
        frozen: somebody holds it still, and will let it go.
    """

    name: str
    command: list[str]
    proxy: Proxy
    skewed: bool = False
    process: Process | None = None
    frozen: bool = False
    kills: list[tuple[float, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def start(self, random_: random.Random) -> None:
        """Start it."""
        environment = {"APPHUB_DATABASE_URL": self.proxy.url}
        if self.skewed and FAKETIME.exists():
            skew_s = random_.uniform(-40, 40)
            environment |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME": f"{skew_s:+.1f}s",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        self.process = Process(self.command, environment)
        self.frozen = False

    @property
    def is_up(self) -> bool:
        """Whether the process lives, and nobody holds it still."""
        return self.process is not None and self.process.popen.poll() is None and not self.frozen

    @property
    def worker_id(self) -> str:
        """The id under which it claims at present; empty if it is no worker, or not ready yet."""
        if self.process is None:
            return ""
        error_line = [line for line in self.process.errors if " is ready with " in line]
        if not error_line:
            return ""
        return error_line[-1].split(" is ready with ")[0].split()[-1]

    def kill(self) -> None:
        """Kill the process alone, as the system's out-of-memory killer would."""
        if self.process is None:
            return
        self.kills.append((time(), self.worker_id))
        self.process.popen.send_signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Hold the process still."""
        if self.process is not None and self.is_up:
            self.frozen = True
            self.process.popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self.process is not None and self.frozen:
            self.process.popen.send_signal(signal.SIGCONT)
            self.frozen = False

    def last_words(self) -> str:
        """Return the last lines that the process has written, none if it was never started."""
        return "" if self.process is None else "\n".join(self.process.errors[-30:])

    def look_after(self, random_: random.Random) -> None:
        """Start it again if it has ended; keep what it said where it was not killed."""
        if self.process is None or self.process.popen.poll() is None:
            return
        code = self.process.popen.returncode
        if code != -signal.SIGKILL:
            self.troubles.append(f"{self.name} ended with {code}:\n{self.last_words()}")
        self.start(random_)


class Cluster:
    """Everything that runs.

    Attributes:
        apis: processes that may be hurt, like `workers`.
        url: of PostgreSQL, past all proxies.
        disk: where run logs are written; a small disk of its own where that is allowed.
        nodes: of Ray; None without it.
    """

    def __init__(
        self, directory: Path, random_: random.Random, lease_s: float, *, with_ray: bool
    ) -> None:
        self._with_ray = with_ray
        self.directory = directory
        self.lease_s = lease_s
        self.apis: list[Member] = []
        self.workers: list[Member] = []
        self.url = ""
        self.disk = directory / "data" / "run-logs"
        self.nodes: TwoNodes | None = None
        self._random = random_
        self._postgres = EmbeddedPostgres(directory / "postgres")
        self._stack = AsyncExitStack()

    @property
    def members(self) -> list[Member]:
        """All processes of the service."""
        return [*self.apis, *self.workers]

    @property
    def api_urls(self) -> list[str]:
        """Where the APIs are, whether they live or not."""
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    async def __aenter__(self) -> Self:
        self.directory.chmod(0o711)
        self.url = await asyncio.to_thread(self._postgres.start)
        await asyncio.to_thread(runner.upgrade, self.url)
        lose_notifications(self.url, NOTIFICATIONS_LOST)
        self._mount_disk()
        self._ports = [free_port() for _ in range(APIS)]
        data = ["--data-dir", str(self.directory / "data")]
        for number, port in enumerate(self._ports):
            command = ["serve", "--port", str(port), *data, "--seal-every-s", "1"]
            self.apis.append(Member(f"api {number}", command, await self._proxy()))
        own = ["--lease-s", str(self.lease_s), "--slots", str(SLOTS)]
        working = ["worker", *data, *own, "--handlers", "tests.chaos.handlers"]
        for number in range(WORKERS):
            skewed = number == WORKERS - 1
            self.workers.append(Member(f"worker {number}", working, await self._proxy(), skewed))
        if self._with_ray:
            self.nodes = self._stack.enter_context(started_nodes())
            on_ray = [*working, "--ray-address", self.nodes.address, "--label", ON_RAY]
            self.workers.append(Member("worker on Ray", on_ray, await self._proxy()))
        for member in self.members:
            member.start(self._random)
        return self

    async def __aexit__(self, *_: object) -> None:
        for member in self.members:
            logger.debug("%s said last:\n%s", member.name, member.last_words())
            member.thaw()
            if member.process is not None:
                await asyncio.to_thread(member.process.kill_all)
        await self._stack.aclose()
        await asyncio.to_thread(self._postgres.stop)
        subprocess.run(["umount", "--lazy", str(self.disk)], check=False, capture_output=True)

    async def look_after(self) -> None:
        """Start what has ended again, for ever."""
        while True:
            for member in self.members:
                member.look_after(self._random)
            await asyncio.sleep(0.1)

    def postmaster(self) -> int:
        """Return the process id of PostgreSQL's first process."""
        home = (self.directory / "postgres" / "postgres").resolve()
        return int((home / "data" / "postmaster.pid").read_text().splitlines()[0])

    async def _proxy(self) -> Proxy:
        return await self._stack.enter_async_context(Proxy(self.url))

    def _mount_disk(self) -> None:
        self.disk.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", DISK_OPTIONS, "none", str(self.disk)]
        subprocess.run(command, check=False, capture_output=True)
