"""`/metrics`: for Prometheus."""

from typing import cast

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from api.http.dependencies import MayRead
from api.shapes.base import failures
from api.views.metrics import Scrapes
from runtime.metrics import CONTENT_TYPE

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=failures(),
    dependencies=[MayRead],
    description="Tell Prometheus of runs, log, appends, leases, background tasks and streams,"
    " in its text format. Where tokens are required, any of them will do.",
)
async def metrics(request: Request) -> Response:
    """Tell Prometheus how the service is."""
    scrapes = cast("Scrapes", request.app.state.scrapes)
    return Response(await scrapes.exposition(), media_type=CONTENT_TYPE)
