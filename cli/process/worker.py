"""The worker's process, from start to stop."""

import asyncio
import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    aclosing,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from fastapi import Request
from prometheus_client import Gauge
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from api.access import Hosts, is_loopback
from api.bootstrap.logs import log_keeper
from api.bootstrap.service import Service, running
from api.bootstrap.settings import Settings
from api.http.middleware import ForeignHosts
from api.http.protocols import server_config
from cli.process.server import Server
from cli.process.sockets import Address, bind
from cli.process.up import StopSignals, run_until_stopped
from domain.clock import Clock
from runtime.metrics import CONTENT_TYPE, Metrics
from runtime.process import give_back, look_seldom
from runtime.tasks import start_once
from worker.executors.local.descendants import Orphans
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.slot import sweep, workplaces
from worker.executors.port import BUILTIN, Executor, HandlerPackage
from worker.executors.ray.executor import RayCluster, RayExecutor
from worker.executors.shared import SharedExecutor
from worker.logs.run_logs import LogKeeper
from worker.worker import Sharing, Worker, WorkerSettings

# How `up` and `dev` tell their worker which handlers there are; `dev`, whenever they change.
#
# They stand in a file; a line over a pipe says that it is another one. The worker imports nothing
# for it: whoever writes has asked a probe already.

FILE_VARIABLE = "APPHUB_HANDLERS_FILE"
PIPE_VARIABLE = "APPHUB_HANDLERS_FD"

Packages = Mapping[str, HandlerPackage]
"""The package of each entry point."""


class HandlerFile:
    """The writer's end.

    Attributes:
        descriptor: what the worker is given.
    """

    def __init__(self) -> None:
        self._directory = TemporaryDirectory(prefix="handlers-", dir=workplaces())
        self._path = Path(self._directory.name) / "handlers.json"
        self.descriptor, self._pipe = os.pipe()

    @property
    def variables(self) -> Mapping[str, str]:
        """What the worker is told."""
        return {
            FILE_VARIABLE: str(self._path),
            PIPE_VARIABLE: str(self.descriptor),
        }

    def write(self, packages: Packages) -> None:
        """Write what there is now; whoever reads finds it whole."""
        unfinished = self._path.with_suffix(".unfinished")
        unfinished.write_text(_document(packages), encoding="utf-8")
        unfinished.rename(self._path)

    def poke(self) -> None:
        """Say that there is something else."""
        os.write(self._pipe, b"\n")

    def close(self) -> None:
        """Remove the file."""
        os.close(self._pipe)
        os.close(self.descriptor)
        self._directory.cleanup()


class Feed:
    """The worker's end."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def inherited(cls, environment: MutableMapping[str, str]) -> "Feed | None":
        """Return the feed that the parent gives, None where it gives none."""
        path = environment.pop(FILE_VARIABLE, None)
        descriptor = environment.pop(PIPE_VARIABLE, None)
        if path is None or descriptor is None:
            return None
        number = int(descriptor)
        os.set_inheritable(number, False)
        return cls(Path(path), number)

    def packages(self) -> dict[str, HandlerPackage]:
        """Return what there is now; what is built in is the same package each time."""
        text = self._path.read_text(encoding="utf-8")
        document = json.loads(text)
        known: list[HandlerPackage] = []
        for fields in document["packages"]:
            package = HandlerPackage(**fields)
            known.append(_same_if_built_in(package))
        handlers: dict[str, int] = document["handlers"]
        return {name: known[index] for name, index in handlers.items()}

    def follow(self, hear: Callable[[dict[str, HandlerPackage]], None]) -> None:
        """Call a function, in a thread of its own, with whatever there is later."""

        def read() -> None:
            with os.fdopen(self._descriptor, "rb") as pokes:
                for _ in pokes:
                    hear(self.packages())

        threading.Thread(target=read, name="handlers", daemon=True).start()


def _document(packages: Packages) -> str:
    each_once = list(dict.fromkeys(packages.values()))
    described = [asdict(package) for package in each_once]
    handlers: dict[str, int] = {}
    for name, package in packages.items():
        handlers[name] = each_once.index(package)
    document = {
        "packages": described,
        "handlers": handlers,
    }
    return json.dumps(document)


def _same_if_built_in(package: HandlerPackage) -> HandlerPackage:
    if tuple(package.modules) == tuple(BUILTIN.modules):
        return BUILTIN
    return package


# `/metrics` of a worker, which serves nothing else.

logger = logging.getLogger(__name__)


@asynccontextmanager
async def metrics_served(metrics: Metrics, at: Address) -> AsyncIterator[None]:
    """Serve them meanwhile.

    Raises:
        PortTakenError: somebody else listens there.
    """
    listening = bind(*at)
    config = server_config(_app(metrics, at.host))
    server = Server(config)
    serving = start_once("metrics server", server.serve(sockets=[listening]))
    host, port, *_ = listening.getsockname()
    logger.info("metrics at %s port %d: /metrics", host, port)
    try:
        yield
    finally:
        server.stop()
        await serving


def _app(metrics: Metrics, host: str) -> Starlette:
    async def scrape(_: Request) -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    app = Starlette(routes=[Route("/metrics", scrape)])
    if is_loopback(host):
        app.add_middleware(ForeignHosts, hosts=Hosts(host, ()))
    return app


MOVED_LOOK_S = 0.05
"""How soon a worker of a test service notices that its clock was moved past a deadline."""


class _Executors(NamedTuple):
    """Where attempts run: with a process of their own, or sharing one."""

    own: Executor
    shared: Executor


def work(  # noqa: PLR0913 - all that a worker is told
    settings: Settings,
    worker_settings: WorkerSettings,
    packages: Mapping[str, HandlerPackage],
    feed: Feed | None = None,
    metrics_at: Address | None = None,
    cluster: RayCluster | None = None,
) -> None:
    """Work with the handlers of these packages, by entry point, until it is asked to stop.

    `ready WORKER` is printed once it claims runs, and `ready handlers` once others that the feed
    tells of are in use. A second signal hands back at once what runs.

    Args:
        settings: where everything is.
        worker_settings: how to work.
        packages: what can be executed.
        feed: tells of other handlers later; None where nobody does.
        metrics_at: where to serve `/metrics`; None for nowhere.
        cluster: where attempts run that have a process of their own; None for here.

    Raises:
        PortTakenError: somebody else listens there.
        RayUnavailableError: the cluster cannot be used.
    """

    async def main(signals: StopSignals) -> None:
        give_back()
        offered = dict(packages)
        orphans = Orphans()
        executor = _executor(packages, worker_settings.slots, orphans, cluster)
        shared = SharedExecutor(packages, orphans)
        executors = _Executors(executor, shared)
        async with (
            running(settings) as service,
            _metrics_served(service, metrics_at),
            aclosing(executor),
            aclosing(shared),
            log_keeper(
                settings.logs_store, settings.data_dir, service.supervision
            ) as logs,
        ):
            worker = _worker(worker_settings, service, executors, offered, logs)
            signals.lead_to(worker.stop, worker.stop_now)
            if settings.clock_shift is not None:
                service.supervision.start(
                    "moved deadlines", lambda: _end_overdue(executors, service.clock)
                )
            if isinstance(executor, RayExecutor):
                await executor.start()
            executor.prepare()
            if feed is not None:
                _follow(feed, executors, offered)
            look_seldom()
            # No claim waits for a full disk's worth.
            threading.Thread(target=sweep, name="sweep", daemon=True).start()
            await worker.run()

    run_until_stopped(main)


def _executor(
    packages: Mapping[str, HandlerPackage],
    slots: int,
    orphans: Orphans,
    cluster: RayCluster | None,
) -> ProcessExecutor | RayExecutor:
    """Return where attempts run that have a process of their own."""
    if cluster is None:
        return ProcessExecutor(packages, slots, orphans)
    return RayExecutor(packages, cluster, slots, orphans)


def _metrics_served(
    service: Service, at: Address | None
) -> AbstractAsyncContextManager[None]:
    """Serve what the process counts meanwhile, if it is said where."""
    if at is None:
        return nullcontext()
    # Here, for it brings a web server, which takes as long to import as all the rest.

    return metrics_served(service.metrics, at)


async def _end_overdue(executors: Sequence[Executor], clock: Clock) -> None:
    """End attempts whose deadline has been passed by moving a test service's clock."""
    while True:
        for executor in executors:
            executor.end_overdue(clock())
        await asyncio.sleep(MOVED_LOOK_S)


def _worker(
    worker_settings: WorkerSettings,
    service: Service,
    executors: _Executors,
    offered: Mapping[str, HandlerPackage],
    logs: LogKeeper,
) -> Worker:
    service.heartbeats.on_registered = _tell_ready
    sharing: Sharing | None = None
    if worker_settings.shared_slots:
        sharing = Sharing(executors.shared, service.work("shared"))
    worker = Worker(
        worker_settings,
        service.executions,
        service.sweeps,
        service.heartbeats,
        service.work(),
        executors.own,
        offered,
        logs,
        service.supervision,
        sharing,
    )
    unoffered = Gauge(
        "apphub_unoffered_entry_points",
        "Entry points of waiting runs that no living worker offers.",
        registry=service.metrics.registry,
    )
    unoffered.set_function(lambda: worker.unoffered)
    return worker


def _follow(
    feed: Feed, executors: Sequence[Executor], offered: dict[str, HandlerPackage]
) -> None:
    """Use whatever handlers the feed tells of."""
    loop = asyncio.get_running_loop()

    def use(packages: dict[str, HandlerPackage]) -> None:
        for executor in executors:
            executor.offer(packages)
        offered.clear()
        offered.update(packages)
        print("ready handlers", flush=True)  # noqa: T201 - `dev` waits for this line

    def hear(packages: dict[str, HandlerPackage]) -> None:
        loop.call_soon_threadsafe(use, packages)

    feed.follow(hear)


def _tell_ready(worker_id: str) -> None:
    print(f"ready {worker_id}", flush=True)  # noqa: T201 - programs wait for this line
