"""The dashboard's page and its files. They hold no data, so they need no token.

First the files, read once and addressed by their content (`Web`), then the page with its policy
(`Document`), then the routes. `build.mjs` makes the files of their sources, in `web/`.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from html import escape
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.bootstrap.environment import Environment
from api.http.dependencies import service_of
from domain.errors import NotFoundError

BUILT = Path(__file__).parent / "built"
"""The folder of what a browser gets."""

PAGE = "index.html"

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class WebFile:
    """A file for browsers.

    Attributes:
        name: its name.
        body: its content.
    """

    name: str
    body: bytes

    @cached_property
    def compressed(self) -> bytes:
        """The content, gzipped; the same bytes for the same content."""
        return gzip.compress(self.body, mtime=0)

    @property
    def media_type(self) -> str:
        """The file's media type."""
        return _TYPES[Path(self.name).suffix]


@dataclass(frozen=True)
class Web:
    """All files of the dashboard.

    Attributes:
        page: the template of the page.
        files: the files that the page loads, by name.
    """

    page: str
    files: Mapping[str, WebFile]

    @cached_property
    def build(self) -> str:
        """A hash of the page and all files: another build has other addresses."""
        digest = hashlib.sha256(self.page.encode())
        for name, file in sorted(self.files.items()):
            digest.update(f"\0{name}\0".encode())
            digest.update(file.body)
        return digest.hexdigest()[:16]


@cache
def web() -> Web:
    """Return the files; the first call reads them."""
    files = {path.name: WebFile(path.name, path.read_bytes()) for path in BUILT.iterdir()}
    page = files.pop(PAGE).body.decode()
    return Web(page, files)


POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The page's Content-Security-Policy: nothing is inline."""


@dataclass(frozen=True)
class Document:
    """The page as it is sent.

    Attributes:
        html: its content.
        etag: a hash of its content, in quotes.
    """

    html: bytes
    etag: str


def document(web: Web, environment: Environment) -> Document:
    """Render the page.

    Its addresses are relative, so that it also works where a proxy serves it below a path.

    Args:
        web: the dashboard's files.
        environment: the service's name and colour.
    """
    html = (
        web.page.replace("{{base}}", f"dashboard/{web.build}")
        .replace("{{environment_name}}", escape(environment.name))
        .replace("{{environment_colour}}", environment.colour)
    )
    body = html.encode()
    return Document(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


router = APIRouter(include_in_schema=False)

_REVALIDATED = "no-cache"
_IMMUTABLE = "public, max-age=31536000, immutable"


@router.get("/")
async def show_dashboard(request: Request) -> Response:
    """Return the dashboard's page."""
    page = document(web(), service_of(request).settings.environment)
    headers = {"Cache-Control": _REVALIDATED, "Content-Security-Policy": POLICY, "ETag": page.etag}
    if _is_cached(request, page.etag):
        return Response(status_code=304, headers=headers)
    return Response(page.html, media_type="text/html", headers=headers)


@router.get("/dashboard/{build}/{path:path}")
async def get_file(build: str, path: str, request: Request) -> Response:
    """Return a file of the dashboard.

    Its address names the build, so browsers may cache it for ever.
    """
    dashboard = web()
    file = dashboard.files.get(path)
    if file is None or build != dashboard.build:
        message = "there is no such file of the dashboard: load / again"
        raise NotFoundError("file_not_found", message)
    headers = {"Cache-Control": _IMMUTABLE, "ETag": f'"{build}"', "Vary": "Accept-Encoding"}
    if _is_cached(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    body = file.body
    if _accepts_gzip(request):
        body = file.compressed
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=file.media_type, headers=headers)


def _is_cached(request: Request, etag: str) -> bool:
    """Return whether the browser has the response with this ETag in its cache."""
    tags = request.headers.get("If-None-Match", "").split(",")
    return etag in [tag.strip().removeprefix("W/") for tag in tags]


def _accepts_gzip(request: Request) -> bool:
    for accepted in request.headers.get("Accept-Encoding", "").split(","):
        name, _, weight = accepted.partition(";")
        is_refused = weight.replace(" ", "") in {"q=0", "q=0.0"}
        if name.strip() == "gzip" and not is_refused:
            return True
    return False
