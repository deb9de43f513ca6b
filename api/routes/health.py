"""`/health`, `/ready` and `/metrics`: for whoever watches over this process."""

from http import HTTPStatus
from typing import cast

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from api.http.dependencies import MayRead
from api.http.json_answer import JsonAnswer
from api.shapes.base import Health, NotReady, failures
from api.views.metrics import Scrapes
from api.views.readiness import Readiness
from runtime.metrics import CONTENT_TYPE

router = APIRouter(tags=["health"])


@router.get("/health", response_model=Health)
async def health() -> JsonAnswer:
    """Tell that the service answers."""
    return JsonAnswer({"status": "ok"})


@router.get("/readyz", include_in_schema=False)
@router.get(
    "/ready",
    response_model=Health,
    responses={
        503: {"model": NotReady, "description": "Something that it needs is missing."}
    },
    description="Tell whether this process can serve: its database, its schema, its reader"
    " (by a query of its own), its sealer and its background tasks. Send it no clients"
    " while this is a 503; restart it only if that does not pass.",
)
async def ready(request: Request) -> JsonAnswer:
    """Tell whether this process can serve."""
    readiness = cast("Readiness", request.app.state.readiness)
    reasons = await readiness.reasons_against()
    if reasons:
        return JsonAnswer({"reasons": reasons}, HTTPStatus.SERVICE_UNAVAILABLE)
    return JsonAnswer({"status": "ok"})


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
