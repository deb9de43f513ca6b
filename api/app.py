"""The HTTP application."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from api.bootstrap.service import Service, running
from api.bootstrap.settings import Settings
from api.dashboard import pages as dashboard
from api.http import errors
from api.http.around.cross_origin import CrossOrigin
from api.http.around.heads import Heads
from api.http.misdirected import ForeignHosts, OddPaths
from api.http.open_requests import Interruptible, OpenRequests
from api.http.strict_json import BodyLimit
from api.reference import pages
from api.reference.openapi import describe
from api.reference.operations import operation_id
from api.routes import (
    events,
    failures,
    health,
    jobs,
    launches,
    run_histories,
    runs,
    subjects,
)
from api.routes.catalog import app_lists, apps, builds
from api.routes.fleet import bulk, steering, workers
from api.routes.schedules import changing, reading
from api.stream import asyncapi, server_sent_events, websocket
from api.stream.hub import Hub
from api.stream.sessions import Streams
from api.stream.websocket_metrics import WebSocketMetrics
from api.testing import routes as testing
from api.views.metrics import Scrapes
from api.views.readiness import Readiness
from apphub_jobs.version import VERSION
from eventlog.database.patience import Patience
from eventlog.history.run_counts import RunCounts
from eventlog.seal.sealer import Sealer
from worker.lifecycle.watcher import Watcher

_RESOURCES = (
    health,
    jobs,
    steering,
    runs,
    run_histories,
    app_lists,
    apps,
    builds,
    events,
    subjects,
    workers,
    bulk,
    changing,
    reading,
    failures,
)

_ABOUT = """Registers jobs, launches runs, tracks them and streams what happens.

Every answer follows from an append-only log of events. The stream of the same events is \
a WebSocket at `/ws`, and
server-sent events at `/events/stream`; both resume from any position, and `/asyncapi.json` \
describes their messages.
"""


def build_app(settings: Settings, closing: asyncio.Event) -> FastAPI:
    """Return the application; it starts its parts when the server starts it.

    Args:
        settings: what the operator decided.
        closing: set by the server once it stops, so that endless answers end.
    """
    app = FastAPI(
        title="AppHub Jobs",
        version=VERSION,
        description=_ABOUT,
        lifespan=_lifespan(settings),
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        # Their scripts would come from elsewhere.
        docs_url=None,
        redoc_url=None,
        # To look for exporters costs every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.closing = closing
    app.state.open_requests = open_requests = OpenRequests(closing)
    errors.install(app)
    launches.install(app)
    app.add_middleware(Interruptible, requests=open_requests)
    app.add_middleware(BodyLimit)  # Around the launches, too.
    app.add_middleware(OddPaths)
    app.add_middleware(Heads)
    app.add_middleware(CrossOrigin, origins=settings.origins)
    if settings.hosts is not None:
        app.add_middleware(ForeignHosts, hosts=settings.hosts)
    for resource in _RESOURCES:
        app.include_router(resource.router)
    if settings.clock_shift is not None:
        app.include_router(testing.router)
    for stream in (websocket, server_sent_events, asyncapi):
        app.include_router(stream.router)
    app.include_router(pages.router)
    app.include_router(dashboard.router)
    describe(app, open_to_all=settings.tokens is None)
    return app


def _lifespan(
    settings: Settings,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            running(settings) as service,
            _hub(service) as hub,
            _watcher(service),
            _sealer(service),
        ):
            app.state.service = service
            app.state.readiness = _readiness(service, hub)
            app.state.scrapes = _scrapes(service, hub)
            app.state.websockets = WebSocketMetrics(service.metrics.registry)
            app.state.streams = Streams(hub, service.reader, service.views)
            yield

    return lifespan


def _readiness(service: Service, hub: Hub) -> Readiness:
    sealing = service.settings.sealing
    seal_every_s = None if sealing is None else sealing.every_s
    tasks = service.supervision.states
    return Readiness(service.pool, lambda: hub.head, tasks, seal_every_s)


def _scrapes(service: Service, hub: Hub) -> Scrapes:
    counts = RunCounts(service.files)
    service.continuity.on_doubt(counts.forget)
    quarantine = service.jobs.quarantine
    return Scrapes(service.pool, service.metrics, counts, quarantine, lambda: hub.head)


@asynccontextmanager
async def _hub(service: Service) -> AsyncIterator[Hub]:
    hub = Hub(service.reader, service.listener, service.views)
    patience = Patience(service.settings.wait_for_database_s)
    await patience.wait_async(lambda: hub.start(service.supervision))
    service.continuity.on_break(hub.end_all)
    try:
        yield hub
    finally:
        await hub.stop()


@asynccontextmanager
async def _watcher(service: Service) -> AsyncIterator[None]:
    """Watch over lost and late runs here as well, for there may be no worker left that would."""
    observer = f"api {socket.gethostname()}-{os.getpid()}"
    watcher = Watcher(observer, service.sweeps, service.heartbeats, service.work())
    watcher.start(service.supervision)
    try:
        yield
    finally:
        await watcher.stop()


@asynccontextmanager
async def _sealer(service: Service) -> AsyncIterator[None]:
    """Seal the log here, for the API alone has the key: workers run other people's code."""
    if service.settings.sealing is None:
        yield
        return
    signal = service.listener.signal()
    sealer = Sealer(
        service.pool, service.files.archive, signal, service.settings.sealing
    )
    await sealer.start(service.supervision)
    try:
        yield
    finally:
        await sealer.stop()
