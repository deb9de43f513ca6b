"""`/health`, `/ready` and `/metrics`, for monitoring of this process. First the shapes."""

from http import HTTPStatus
from typing import Literal, cast

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from api.http.dependencies import MayRead
from api.http.errors import JsonResponse
from api.shapes.base import Shape, failures
from api.views.metrics import SCRAPE_TIMEOUT_HEADER, Scrapes
from api.views.status import Readiness
from runtime.metrics import CONTENT_TYPE


class Health(Shape):
    """The service answers."""

    status: Literal["ok"]


class NotReady(Shape):
    """What keeps this process from serving, for an operator."""

    reasons: list[str]


router = APIRouter(tags=["health"])


@router.get("/health", response_model=Health)
async def health() -> JsonResponse:
    """Answer that the service runs."""
    return JsonResponse({"status": "ok"})


@router.get("/readyz", include_in_schema=False)
@router.get(
    "/ready",
    response_model=Health,
    responses={503: {"model": NotReady, "description": "Something that it needs is missing."}},
    description="Check whether this process can serve: its database, its schema, its reader"
    " (by a query of its own), its sealer and its background tasks. Send it no clients"
    " while this is a 503; restart it only if that does not pass.",
)
async def ready(request: Request) -> JsonResponse:
    """Check whether this process can serve."""
    readiness = cast("Readiness", request.app.state.readiness)
    reasons = await readiness.reasons_not_ready()
    if reasons:
        return JsonResponse({"reasons": reasons}, HTTPStatus.SERVICE_UNAVAILABLE)
    return JsonResponse({"status": "ok"})


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=failures(),
    dependencies=[MayRead],
    description="Show metrics of runs, log, appends, leases, background tasks and streams,"
    " in Prometheus' text format. Where tokens are required, any of them will do.",
)
async def metrics(request: Request) -> Response:
    """Show metrics in Prometheus' text format."""
    scrapes = cast("Scrapes", request.app.state.scrapes)
    scrape_timeout = request.headers.get(SCRAPE_TIMEOUT_HEADER)
    return Response(await scrapes.exposition(scrape_timeout), media_type=CONTENT_TYPE)
