"""`/health` and `/ready`: for whoever watches over this process."""

from http import HTTPStatus
from typing import cast

from fastapi import APIRouter, Request

from api.http.json_answer import JsonAnswer
from api.shapes.base import Health, NotReady
from api.views.readiness import Readiness

router = APIRouter(tags=["health"])


@router.get("/health", response_model=Health)
async def health() -> JsonAnswer:
    """Tell that the service answers."""
    return JsonAnswer({"status": "ok"})


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
