"""The API's process, from start to stop."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import cast

from fastapi import FastAPI

from api.access.safe_headers import SafeHeaders
from api.app import build_app
from api.bootstrap.service import Service
from api.bootstrap.settings import Settings
from api.http.connections import raise_descriptor_limit
from api.http.open_requests import OpenRequests
from api.http.protocols import server_config
from api.process.announced import announced
from api.process.http_server import Server
from api.process.listening import callable_url, url_of
from api.process.signals import StopSignals, run_until_stopped
from api.process.telling.terminal import tell_of_runs
from api.stream.sessions import Streams
from runtime.background_tasks import start_once, until_one_ends
from runtime.garbage import give_back, look_seldom


def serve(
    settings: Settings, listening: socket.socket, *, shows_runs: bool = False
) -> None:
    """Serve the API until it is asked to stop; print `ready http://HOST:PORT` once it answers.

    Args:
        settings: what the operator decided.
        listening: where clients connect.
        shows_runs: whether each start and end of a run is a line on standard error.
    """
    raise_descriptor_limit()
    give_back()
    closing = asyncio.Event()
    app = build_app(settings, closing)
    open_requests = cast("OpenRequests", app.state.open_requests)
    config = server_config(SafeHeaders(app), proxies=settings.trusted_proxies)
    # The parts are started here: what goes wrong is told in a line, and a stop need not wait.
    config.lifespan = "off"
    server = Server(config, open_requests)
    url = url_of(listening)

    with ExitStack() as stack:

        def begin() -> None:
            look_seldom()
            stack.enter_context(announced(settings.data_dir, callable_url(url)))
            if shows_runs:
                _show_runs(app, closing)
            print(f"ready {url}", flush=True)  # noqa: T201 - programs wait for this line

        async def main(signals: StopSignals) -> None:
            async with app.router.lifespan_context(app):
                signals.lead_to(server.stop, server.stop_now)
                await _serve(server, listening, begin)

        run_until_stopped(main)


async def _serve(
    server: Server, listening: socket.socket, begin: Callable[[], None]
) -> None:
    serving = start_once("HTTP server", server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.wait([serving], timeout=0.01)
    # Stopped as it started, it may have closed where it listened.
    if server.started and not server.asked_to_stop:
        begin()
    await serving


def _show_runs(app: FastAPI, closing: asyncio.Event) -> None:
    service = cast("Service", app.state.service)
    streams = cast("Streams", app.state.streams)

    async def show() -> None:
        await until_one_ends(tell_of_runs(streams), closing.wait())

    service.supervision.start("run lines", show)
