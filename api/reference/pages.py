"""`/docs`: OpenAPI for people. All of it is served from here, so it needs no other server.

Swagger UI's files come with the package `fastapi-offline`, which is never imported.
"""

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AppHub Jobs: the API</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""

_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)

_FILES = ("favicon.png", "swagger-ui.css", "swagger-ui-bundle.js")

_KEPT = {"Cache-Control": "public, max-age=3600"}


@router.get("/docs")
async def show_page() -> HTMLResponse:
    """Show the API."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/start.js")
async def start() -> Response:
    """Return the page's own script: none may stand in the page itself."""
    return Response(_START, media_type="text/javascript")


def _add(name: str) -> None:
    async def file() -> FileResponse:
        return FileResponse(_directory() / name, headers=_KEPT)

    router.add_api_route(f"/docs/{name}", file, methods=["GET"])


def _directory() -> Path:
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package fastapi-offline is not installed")
    return Path(spec.origin).parent / "static"


for _name in _FILES:
    _add(_name)
