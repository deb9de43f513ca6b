"""The worker's process, from start to stop."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import NamedTuple

from prometheus_client import Gauge

from api.bootstrap.log_stores import log_keeper
from api.bootstrap.service import Service, running
from api.bootstrap.settings import Settings
from cli.composition import FOLLOWERS
from cli.process.handler_feed import Feed
from cli.process.signals import StopSignals, run_until_stopped
from cli.process.sockets import Address
from domain.clock import Clock
from runtime.process import give_back, look_seldom
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.orphans import Orphans
from worker.executors.local.workplace import sweep
from worker.executors.packages import HandlerPackage
from worker.executors.port import Executor
from worker.executors.ray.executor import RayCluster, RayExecutor
from worker.executors.shared import SharedExecutor
from worker.logs.run_logs import LogKeeper
from worker.worker import Sharing, Worker, WorkerSettings

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
            running(settings, FOLLOWERS) as service,
            _metrics_served(service, metrics_at),
            aclosing(executor),
            aclosing(shared),
            log_keeper(settings.logs_store, settings.data_dir, service.supervision) as logs,
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
    packages: Mapping[str, HandlerPackage], slots: int, orphans: Orphans, cluster: RayCluster | None
) -> ProcessExecutor | RayExecutor:
    """Return where attempts run that have a process of their own."""
    if cluster is None:
        return ProcessExecutor(packages, slots, orphans)
    return RayExecutor(packages, cluster, slots, orphans)


def _metrics_served(service: Service, at: Address | None) -> AbstractAsyncContextManager[None]:
    """Serve what the process counts meanwhile, if it is said where."""
    if at is None:
        return nullcontext()
    # Here, for it brings a web server, which takes as long to import as all the rest.
    from cli.process.worker_metrics import metrics_served  # noqa: PLC0415

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


def _follow(feed: Feed, executors: Sequence[Executor], offered: dict[str, HandlerPackage]) -> None:
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
