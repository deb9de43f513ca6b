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
from cli.process.handler_feed import HandlerFeed
from cli.process.signals import StopSignals, run_until_stopped
from cli.process.sockets import Address
from domain.clock import Clock
from runtime.process import collect_garbage_rarely, return_freed_memory
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.orphans import Orphans
from worker.executors.local.workplace import remove_abandoned_workplaces
from worker.executors.packages import HandlerPackage, list_interpreters
from worker.executors.port import Executor
from worker.executors.ray.executor import RayCluster, RayExecutor
from worker.executors.shared import SharedExecutor
from worker.logs.run_logs import LogKeeper
from worker.worker import SharedExecution, Worker, WorkerSettings

DEADLINE_POLL_S = 0.05
"""How often a test service's worker checks whether its clock has passed a deadline."""


class _Executors(NamedTuple):
    """Where attempts run: with a process of their own, or sharing one."""

    own: Executor
    shared: Executor


def work(  # noqa: PLR0913 - the settings of a worker
    settings: Settings,
    worker_settings: WorkerSettings,
    packages: Mapping[str, HandlerPackage],
    feed: HandlerFeed | None = None,
    metrics_at: Address | None = None,
    cluster: RayCluster | None = None,
) -> None:
    """Claim and execute runs until a stop signal.

    `ready WORKER` is printed once the worker claims runs, and `ready handlers` once new handlers
    from the feed are in use. A second signal hands running attempts back at once.

    Args:
        settings: the operator's settings.
        worker_settings: the worker's own settings.
        packages: the package of each entry point.
        feed: announces other handlers later; None if the handlers stay.
        metrics_at: where to serve `/metrics`; None for nowhere.
        cluster: the Ray cluster for attempts with a process of their own; None for this machine.

    Raises:
        PortTakenError: the metrics' port is in use.
        RayUnavailableError: the cluster cannot be used.
    """

    async def main(signals: StopSignals) -> None:
        return_freed_memory()
        offered = dict(packages)
        orphans = Orphans()
        executor = _executor(packages, worker_settings.slots, orphans, cluster)
        shared = SharedExecutor(packages, orphans)
        executors = _Executors(executor, shared)
        async with (
            running(settings, FOLLOWERS) as service,
            _serve_metrics(service, metrics_at),
            aclosing(executor),
            aclosing(shared),
            log_keeper(settings.logs_store, settings.data_dir, service.supervision) as logs,
        ):
            worker = _worker(worker_settings, service, executors, offered, logs)
            signals.call_on_stop(worker.stop, worker.stop_now)
            if settings.clock_shift is not None:
                service.supervision.start(
                    "moved deadlines", lambda: _end_overdue(executors, service.clock)
                )
            if isinstance(executor, RayExecutor):
                await executor.start()
            executor.prepare()
            if feed is not None:
                _follow(feed, executors, offered)
            collect_garbage_rarely()
            # In a thread: claims must not wait until a full disk is swept.
            threading.Thread(target=remove_abandoned_workplaces, name="sweep", daemon=True).start()
            await worker.run()

    run_until_stopped(main)


def _executor(
    packages: Mapping[str, HandlerPackage], slots: int, orphans: Orphans, cluster: RayCluster | None
) -> ProcessExecutor | RayExecutor:
    """Return the executor of attempts that have a process of their own."""
    if cluster is None:
        return ProcessExecutor(packages, slots, orphans)
    return RayExecutor(packages, cluster, slots, orphans)


def _serve_metrics(service: Service, at: Address | None) -> AbstractAsyncContextManager[None]:
    """Serve the process's metrics within the block, if there is an address."""
    if at is None:
        return nullcontext()
    # Imported here: the web server takes as long to import as all the rest.
    from cli.process.worker_metrics import serve_metrics  # noqa: PLC0415

    return serve_metrics(service.metrics, at)


async def _end_overdue(executors: Sequence[Executor], clock: Clock) -> None:
    """End attempts whose deadline a test service's moved clock has passed."""
    while True:
        for executor in executors:
            executor.end_overdue(clock())
        await asyncio.sleep(DEADLINE_POLL_S)


def _worker(
    worker_settings: WorkerSettings,
    service: Service,
    executors: _Executors,
    offered: Mapping[str, HandlerPackage],
    logs: LogKeeper,
) -> Worker:
    service.heartbeats.on_registered = _print_ready
    shared: SharedExecution | None = None
    if worker_settings.shared_slots:
        shared = SharedExecution(executors.shared, service.work("shared"))
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
        shared,
        lambda: list_interpreters(offered),
        service.tracing,
    )
    unoffered = Gauge(
        "apphub_unoffered_entry_points",
        "Entry points of waiting runs that no living worker offers.",
        registry=service.metrics.registry,
    )
    unoffered.set_function(lambda: worker.unoffered_count)
    return worker


def _follow(
    feed: HandlerFeed, executors: Sequence[Executor], offered: dict[str, HandlerPackage]
) -> None:
    """Use the handlers that the feed announces."""
    loop = asyncio.get_running_loop()

    def use(packages: dict[str, HandlerPackage]) -> None:
        for executor in executors:
            executor.use_packages(packages)
        offered.clear()
        offered.update(packages)
        print("ready handlers", flush=True)  # noqa: T201 - `dev` waits for this line

    feed.follow(lambda packages: loop.call_soon_threadsafe(use, packages))


def _print_ready(worker_id: str) -> None:
    print(f"ready {worker_id}", flush=True)  # noqa: T201 - programs wait for this line
