"""The API's process and the worker's process, from start to stop."""

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress

import uvloop

from api.access.safe_headers import SafeHeaders
from api.app import build_app
from api.bootstrap.log_stores import log_keeper
from api.bootstrap.service import running
from api.bootstrap.settings import Settings
from api.http.connections import raise_descriptor_limit
from api.http.protocols import server_config
from api.process.http_server import Server, bind
from api.process.worker_metrics import Address, metrics_served
from domain.clock import Clock
from eventlog.queue.pending_work import Work
from runtime.background_tasks import start_once
from runtime.garbage import look_seldom
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.orphans import Orphans
from worker.executors.local.workplace import sweep
from worker.executors.packages import HandlerPackage
from worker.lifecycle.worker import Worker, WorkerSettings

LIFELINE_VARIABLE = "APPHUB_LIFELINE_FD"
"""Names the descriptor whose end tells a child of `up` that its parent is gone."""


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve the API until SIGINT or SIGTERM; print `ready http://HOST:PORT` once it answers.

    Raises:
        PortTakenError: somebody else listens there.
    """
    raise_descriptor_limit()
    listening = bind(host, port)
    closing = asyncio.Event()
    app = SafeHeaders(build_app(settings, closing))
    config = server_config(app)
    server = Server(config, closing)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(server, listening))
    if server.started or server.asked_to_stop:
        return
    raise SystemExit(1)


MOVED_LOOK_S = 0.05
"""How soon a worker of a test service notices that its clock was moved past a deadline."""


def work(
    settings: Settings,
    worker_settings: WorkerSettings,
    packages: Mapping[str, HandlerPackage],
    metrics_at: Address | None = None,
) -> None:
    """Work with the handlers of these packages, by entry point, until SIGINT or SIGTERM.

    A second signal hands back at once what runs.

    Args:
        settings: where everything is.
        worker_settings: how to work.
        packages: what can be executed.
        metrics_at: where to serve `/metrics`; None for nowhere.

    Raises:
        PortTakenError: somebody else listens there.
    """

    async def main() -> None:
        signals = _StopSignals()
        executor = ProcessExecutor(packages, worker_settings.slots, Orphans())
        async with (
            running(settings) as service,
            metrics_served(service.metrics, metrics_at),
            aclosing(executor),
            log_keeper(
                settings.logs_store, settings.data_dir, service.supervision
            ) as logs,
        ):
            worker = Worker(
                worker_settings,
                service.executions,
                service.sweeps,
                service.heartbeats,
                Work(
                    service.pool,
                    service.files,
                    service.listener,
                    service.jobs.quarantine,
                    service.queue,
                ),
                executor,
                packages,
                logs,
                service.supervision,
            )
            signals.lead_to(worker.stop, worker.stop_now)
            if settings.clock_shift is not None:
                service.supervision.start(
                    "moved deadlines", lambda: _end_overdue(executor, service.clock)
                )
            executor.prepare()
            look_seldom()
            # No claim waits for a full disk's worth.
            threading.Thread(target=sweep, name="sweep", daemon=True).start()
            await worker.run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def _end_overdue(executor: ProcessExecutor, clock: Clock) -> None:
    """End attempts whose deadline has been passed by moving a test service's clock."""
    while True:
        executor.end_overdue(clock())
        await asyncio.sleep(MOVED_LOOK_S)


def watch_lifeline() -> None:
    """Stop this process in good order when its parent dies, if it was started by `up`."""
    descriptor = os.environ.pop(LIFELINE_VARIABLE, None)
    if descriptor is None:
        return

    def watch() -> None:
        with suppress(OSError):
            os.read(int(descriptor), 1)
        logging.getLogger(__name__).warning("the parent process is gone; stopping")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


async def _serve(server: Server, listening: socket.socket) -> None:
    _StopSignals().lead_to(server.stop, server.stop_now)
    host, port, *_ = listening.getsockname()
    serving = start_once("HTTP server", server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.wait([serving], timeout=0.01)
    if server.started:
        look_seldom()
        if ":" in host:
            host = f"[{host}]"
        print(f"ready http://{host}:{port}", flush=True)  # noqa: T201 - programs wait for this line
    await serving


class _StopSignals:
    """SIGINT and SIGTERM, counted from the start: none that comes before there is work is lost."""

    def __init__(self) -> None:
        self._received = 0
        self._callbacks: list[Callable[[], None]] = []
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._note)

    def lead_to(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        """Call one function at the first signal, another one at each that follows."""
        self._callbacks = [first, second]
        for number in range(self._received):
            self._call_for(number)

    def _note(self) -> None:
        number = self._received
        self._received += 1
        if self._callbacks:
            self._call_for(number)

    def _call_for(self, number: int) -> None:
        which = min(number, 1)
        self._callbacks[which]()
