"""The API in this very process, so that a test can tighten its limits and look inside.


HTTP and PostgreSQL are real.
"""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from api.app import build_app
from api.bootstrap.settings import Settings
from api.http.protocols import ServerConfig
from api.stream.hub import Hub
from catalog.api_extension import EXTENSION
from cli.composition import FOLLOWERS

READY_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class InProcessApi:
    """A running API.

    Attributes:
        app: belongs to another thread: only look.
    """

    client: httpx.Client
    app: FastAPI

    @property
    def hub(self) -> Hub:
        """What tells the clients of the stream."""
        hub: Hub = self.app.state.streams.hub
        return hub


@contextmanager
def in_process(
    database_url: str, data_dir: Path, logs_store: str | None = None
) -> Iterator[InProcessApi]:
    """Run the API in a thread."""
    settings = Settings(database_url, data_dir, logs_store=logs_store)
    ready: Future[tuple[str, FastAPI]] = Future()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(settings, ready, stop)))
    thread.start()
    try:
        url, app = ready.result(READY_TIMEOUT_S)
        with httpx.Client(base_url=url, timeout=90) as client:
            yield InProcessApi(client, app)
    finally:
        stop.set()
        thread.join()


async def _serve(
    settings: Settings, ready: "Future[tuple[str, FastAPI]]", stop: threading.Event
) -> None:
    closing = asyncio.Event()
    app = build_app(settings, closing, FOLLOWERS, (EXTENSION,))
    config = ServerConfig(app, port=0)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()
        ready.set_result((f"http://{host}:{port}", app))
        await asyncio.to_thread(stop.wait)
    finally:
        closing.set()
        server.should_exit = True
        await serving
        if not ready.done():
            ready.cancel()
