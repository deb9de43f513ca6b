"""`/` and the files that it loads. They hold no data, so nobody needs a token for them."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.dashboard.files import web
from api.dashboard.page import document
from api.http.dependencies import service_of
from domain.errors import NotFoundError

router = APIRouter(include_in_schema=False)

_ASKED_EACH_TIME = "no-cache"
_KEPT_FOR_EVER = "public, max-age=31536000, immutable"


@router.get("/")
async def show_dashboard(request: Request) -> Response:
    """Show the dashboard."""
    page = document(web(), service_of(request).settings.environment)
    headers = {
        "Cache-Control": _ASKED_EACH_TIME,
        "Content-Security-Policy": page.policy,
        "ETag": page.etag,
    }
    if _has(request, page.etag):
        return Response(status_code=304, headers=headers)
    return Response(page.html, media_type="text/html", headers=headers)


@router.get("/dashboard/{build}/{path:path}")
async def get_file(build: str, path: str, request: Request) -> Response:
    """Return a file of the dashboard.

    Its address names the build that it is part of, so browsers may keep it.
    """
    files = web()
    file = files.files.get(path)
    if file is None or build != files.build:
        message = "there is no such file of the dashboard: load / again"
        raise NotFoundError("file_not_found", message)
    headers = {
        "Cache-Control": _KEPT_FOR_EVER,
        "ETag": f'"{build}"',
        "Vary": "Accept-Encoding",
    }
    if _has(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    body = file.body
    if _takes_gzip(request):
        body = file.compressed
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=file.media_type, headers=headers)


def _has(request: Request, etag: str) -> bool:
    """Return whether the browser has kept this very answer."""
    kept = request.headers.get("If-None-Match", "")
    tags = [tag.strip().removeprefix("W/") for tag in kept.split(",")]
    return etag in tags


def _takes_gzip(request: Request) -> bool:
    for accepted in request.headers.get("Accept-Encoding", "").split(","):
        name, _, weight = accepted.partition(";")
        refuses = weight.replace(" ", "") in {"q=0", "q=0.0"}
        if name.strip() == "gzip" and not refuses:
            return True
    return False
