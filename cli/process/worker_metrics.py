"""A worker's HTTP server, which serves `/metrics` alone."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from api.http.middleware import AllowedHosts
from api.http.protocols import ServerConfig
from api.origins import Hosts, is_loopback
from cli.process.server import Server
from cli.process.sockets import Address, bind
from runtime.metrics import CONTENT_TYPE, Metrics
from runtime.tasks import start_once

logger = logging.getLogger(__name__)


@asynccontextmanager
async def serve_metrics(metrics: Metrics, at: Address) -> AsyncIterator[None]:
    """Serve the metrics at an address within the block.

    Raises:
        PortTakenError: the port is in use.
    """
    listening = bind(*at)
    server = Server(ServerConfig(_app(metrics, at.host)))
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
        app.add_middleware(AllowedHosts, hosts=Hosts(host, ()))
    return app
