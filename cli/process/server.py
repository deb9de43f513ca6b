"""The API's process, from start to stop.

First uvicorn with our handling of signals (`Server`), then `serve`.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from api.app import build_app
from api.bootstrap.service import Service
from api.bootstrap.settings import Settings
from api.http.connections import raise_descriptor_limit
from api.http.limits import CLOSE_CLIENTS_S, FINAL_FLUSH_S
from api.http.middleware import SafeHeaders
from api.http.open_requests import OpenRequests
from api.http.protocols import ServerConfig
from api.stream.sessions import Streams
from catalog.api_extension import EXTENSION
from cli.composition import FOLLOWERS
from cli.process.announcement import announced
from cli.process.console import print_runs
from cli.process.signals import StopSignals, run_until_stopped
from cli.process.sockets import callable_url, url_of
from runtime.process import collect_garbage_rarely, return_freed_memory
from runtime.tasks import end_tasks, run_until_one_ends, start_once


class Server(uvicorn.Server):
    """uvicorn without its signal handlers, which end the process before others can clean up."""

    is_stopping = False

    def __init__(self, config: uvicorn.Config, requests: OpenRequests | None = None) -> None:
        """Take the settings, and the application's open requests, if they may take long."""
        super().__init__(config)
        self._requests = requests or OpenRequests(asyncio.Event())
        self._interruption: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield

    def stop(self) -> None:
        """Stop once all requests are answered."""
        self.is_stopping = True
        self._requests.closing.set()  # uvicorn would wait for streams, which never end.
        self.should_exit = True

    def stop_now(self) -> None:
        """Stop at once."""
        self._interrupt(after_s=0.0)
        self.force_exit = True

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Give requests `CLOSE_CLIENTS_S`; those that take longer are answered and canceled."""
        self._interrupt(after_s=0.0 if self.force_exit else CLOSE_CLIENTS_S)
        await super().shutdown(sockets)
        if self.force_exit and self._interruption is not None:
            await asyncio.wait([self._interruption], timeout=FINAL_FLUSH_S)
        await end_tasks(self._interruption)

    def _interrupt(self, after_s: float) -> None:
        if self._interruption is not None:
            self._interruption.cancel()
        self._interruption = start_once("interrupting requests", self._interrupt_after(after_s))

    async def _interrupt_after(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        await self._requests.interrupt()


def serve(settings: Settings, listening: socket.socket, *, shows_runs: bool = False) -> None:
    """Serve the API until a stop signal; print `ready http://HOST:PORT` once it answers.

    Args:
        settings: the operator's settings.
        listening: the listening socket.
        shows_runs: whether to print each start and end of a run on standard error.
    """
    raise_descriptor_limit()
    return_freed_memory()
    closing = asyncio.Event()
    app = build_app(settings, closing, FOLLOWERS, (EXTENSION,))
    open_requests = cast("OpenRequests", app.state.open_requests)
    config = ServerConfig(SafeHeaders(app), proxies=settings.trusted_proxies)
    # The parts are started here: an error becomes a message, and a stop need not wait.
    config.lifespan = "off"
    server = Server(config, open_requests)
    url = url_of(listening)

    with ExitStack() as stack:

        def begin() -> None:
            collect_garbage_rarely()
            stack.enter_context(announced(settings.data_dir, callable_url(url)))
            if shows_runs:
                _print_runs(app, closing)
            print(f"ready {url}", flush=True)  # noqa: T201 - programs wait for this line

        async def main(signals: StopSignals) -> None:
            async with app.router.lifespan_context(app):
                signals.call_on_stop(server.stop, server.stop_now)
                await _serve(server, listening, begin)

        run_until_stopped(main)


async def _serve(server: Server, listening: socket.socket, begin: Callable[[], None]) -> None:
    serving = start_once("HTTP server", server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.wait([serving], timeout=0.01)
    # A server that was stopped during its start may have closed its socket.
    if server.started and not server.is_stopping:
        begin()
    await serving


def _print_runs(app: FastAPI, closing: asyncio.Event) -> None:
    service = cast("Service", app.state.service)
    streams = cast("Streams", app.state.streams)

    async def show() -> None:
        await run_until_one_ends(print_runs(streams), closing.wait())

    service.supervision.start("run lines", show)
