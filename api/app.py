"""The HTTP application."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import reduce
from operator import or_

from fastapi import FastAPI

from api import reference, testing
from api.bootstrap.service import Service, running
from api.bootstrap.settings import Settings
from api.dashboard import pages as dashboard
from api.extension import Extension, ExtensionParts
from api.http import errors
from api.http.middleware import AllowedHosts, CrossOrigin, HeadRequests, LineFeedPaths, RequestIds
from api.http.open_requests import Interruptible, OpenRequests
from api.http.strict_json import BodyLimit
from api.reference import OPENAPI_TEXTS
from api.routes import (
    bulk,
    events,
    failures,
    health,
    jobs,
    launches,
    me,
    related,
    runs,
    saved_views,
    schedules,
    statistics,
    subjects,
    workers,
)
from api.stream import asyncapi, endpoints
from api.stream.endpoints import WebSocketMetrics
from api.stream.hub import Hub
from api.stream.sessions import Streams
from api.views.metrics import Positions, Scrapes
from api.views.status import Readiness
from apphub_jobs.version import VERSION
from domain.run_followers import RunFollower
from eventlog.database.startup import StartupWait
from eventlog.history.run_changes import RunCounts
from eventlog.seal.sealer import Sealer
from worker.watcher import Watcher

_ROUTERS = (
    health.router,
    jobs.router,
    statistics.router,  # Before `/job-runs/{run_id}`.
    runs.router,
    related.router,
    workers.router,
    events.router,
    subjects.router,
    bulk.router,
    schedules.router,
    failures.router,
    saved_views.router,
    me.router,
)

_ABOUT = """Registers jobs, launches runs, tracks them and streams what happens.

Every answer follows from an append-only log of events. The stream of the same events is \
a WebSocket at `/ws`, and
server-sent events at `/events/stream`; both resume from any position, and `/asyncapi.json` \
describes their messages.

Every answer has an `X-Request-Id`: the client's own (at most 128 letters, digits and `._:+/=-`), \
or a new one. The service's log names it.
"""


def build_app(
    settings: Settings,
    closing: asyncio.Event,
    followers: Sequence[RunFollower] = (),
    extensions: Sequence[Extension] = (),
) -> FastAPI:
    """Return the application. Its parts start with its lifespan.

    Args:
        settings: the operator's settings.
        closing: set by the server once it stops, so that endless responses end.
        followers: the followers of runs.
        extensions: further routes, and parts of the service.
    """
    texts = reduce(or_, [extension.openapi_texts for extension in extensions], OPENAPI_TEXTS)
    app = FastAPI(
        title="AppHub Jobs",
        version=VERSION,
        description=_ABOUT,
        lifespan=_lifespan(settings, followers, extensions),
        redirect_slashes=False,
        generate_unique_id_function=texts.operation_id,
        # Their pages would load scripts from another host.
        docs_url=None,
        redoc_url=None,
        # FastAPI would look for exporters at every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.closing = closing
    app.state.shapes = {
        kind: shape for extension in extensions for kind, shape in extension.shapes.items()
    }
    app.state.open_requests = open_requests = OpenRequests(closing)
    errors.install(app)
    launches.install(app)
    app.add_middleware(Interruptible, requests=open_requests)
    app.add_middleware(BodyLimit)  # It covers the fast path of launches, too.
    app.add_middleware(LineFeedPaths)
    app.add_middleware(HeadRequests)
    app.add_middleware(CrossOrigin, origins=settings.origins)
    if settings.hosts is not None:
        app.add_middleware(AllowedHosts, hosts=settings.hosts)
    app.add_middleware(RequestIds)
    routers = [router for extension in extensions for router in extension.routers]
    for router in (*_ROUTERS, *routers):
        app.include_router(router)
    if settings.clock_shift is not None:
        app.include_router(testing.router)
    app.include_router(endpoints.router)
    app.include_router(endpoints.server_sent_events_router)
    app.include_router(asyncapi.router)
    app.include_router(reference.router)
    app.include_router(dashboard.router)
    reference.describe(app, texts, open_to_all=settings.tokens is None)
    return app


def _lifespan(
    settings: Settings, followers: Sequence[RunFollower], extensions: Sequence[Extension]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(running(settings, followers))
            parts = ExtensionParts(extensions, service)
            hub = await _start_parts(stack, service, parts)
            app.state.service = service
            app.state.parts = parts
            app.state.readiness = _readiness(service, hub)
            app.state.scrapes = _scrapes(service, hub)
            app.state.websockets = WebSocketMetrics(service.metrics.registry)
            app.state.streams = Streams(hub, service.reader, parts)
            yield

    return lifespan


def _readiness(service: Service, hub: Hub) -> Readiness:
    sealing = service.settings.sealing
    seal_every_s = None if sealing is None else sealing.every_s
    tasks = service.supervision.states
    return Readiness(service.pool, lambda: hub.head, tasks, seal_every_s)


def _scrapes(service: Service, hub: Hub) -> Scrapes:
    counts = RunCounts(service.files)
    service.continuity.on_invalidation(counts.forget)
    positions = Positions(
        stream=lambda: hub.head,
        grouper=lambda: service.grouper.searched_until,
        archiver=lambda: service.retention_archiver.backlog,
        seals=service.settings.sealing is not None,
    )
    return Scrapes(service.pool, service.metrics, counts, service.jobs.quarantine, positions)


async def _start_parts(stack: AsyncExitStack, service: Service, parts: ExtensionParts) -> Hub:
    """Start what an API has besides the parts of every process; the stack stops it."""
    settings = service.settings
    supervision = service.supervision
    hub = Hub(service.reader, service.listener, parts)
    startup_wait = StartupWait(settings.wait_for_database_s)
    await startup_wait.wait_async(lambda: hub.start(supervision))
    stack.push_async_callback(hub.stop)
    service.continuity.on_log_replaced(hub.end_all)
    # There may be no worker left that watches for lost and late runs.
    observer = f"api {socket.gethostname()}-{os.getpid()}"
    watcher = Watcher(observer, service.sweeps, service.heartbeats, service.work())
    watcher.start(supervision)
    stack.push_async_callback(watcher.stop)
    if settings.sealing is not None:
        # Only the API has the key: workers run other people's code.
        signal = service.listener.signal()
        sealer = Sealer(service.pool, service.files.archive, signal, settings.sealing)
        await sealer.start(supervision)
        stack.push_async_callback(sealer.stop)
    if settings.tokens is not None:
        # A revoked token is noticed within a second, even if no request arrives.
        watch = supervision.start("tokens", settings.tokens.watch)
        stack.push_async_callback(watch.end)
    return hub
