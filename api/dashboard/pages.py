"""`/` and the files that it loads. They hold no data, so they need no token.

First the files, read once and named by their content (`Web`), then the document with what it may
load (`Document`), then the routes.
"""

import base64
import gzip
import hashlib
import json
import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from html import escape
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.bootstrap.environment import Environment
from api.http.dependencies import service_of
from domain.errors import NotFoundError

WEB = Path(__file__).parent / "web"
"""Where all that a browser gets lies."""

PAGE = "index.html"
MANIFEST = "vendor/manifest.json"

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class WebFile:
    """A file for browsers.

    Attributes:
        path: within the folder, with slashes.
        body: what it holds.
    """

    path: str
    body: bytes

    @cached_property
    def compressed(self) -> bytes:
        """The same, gzipped; always to the same bytes."""
        return gzip.compress(self.body, mtime=0)

    @property
    def media_type(self) -> str:
        """What kind of file it is."""
        known = _TYPES.get(Path(self.path).suffix)
        guessed, _ = mimetypes.guess_type(self.path)
        return known or guessed or "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Web:
    """All files of the dashboard.

    Attributes:
        page: the document, in which the address of this build is still left open.
        files: by path; what the document loads.
        imports: the file of each name that vendored modules are imported by.
    """

    page: str
    files: Mapping[str, WebFile]
    imports: Mapping[str, str]

    @cached_property
    def build(self) -> str:
        """A name for exactly these files, so that none of them is ever kept too long."""
        digest = hashlib.sha256(self.page.encode())
        for path, file in sorted(self.files.items()):
            digest.update(f"\0{path}\0".encode())
            digest.update(file.body)
        return digest.hexdigest()[:16]


@cache
def web() -> Web:
    """Return the files; whoever asks first reads them."""
    files = {file.path: file for file in _files()}
    page = files.pop(PAGE).body.decode()
    manifest = json.loads(files[MANIFEST].body)
    imports: dict[str, str] = {}
    for package in manifest:
        folder = package["folder"]
        for name, file in package["imports"].items():
            imports[name] = f"vendor/{folder}/{file}"
    return Web(page, files, imports)


def _files() -> Iterable[WebFile]:
    for place in sorted(WEB.rglob("*")):
        if place.is_file():
            path = place.relative_to(WEB).as_posix()
            yield WebFile(path, place.read_bytes())


_POLICY = (
    "default-src 'none'; script-src 'self' 'sha256-{import_map}'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing inline but the import map, which browsers take from nowhere else: its hash is named."""


@dataclass(frozen=True)
class Document:
    """The page, ready to be sent.

    Attributes:
        html: what it holds.
        policy: its Content-Security-Policy.
        etag: changes whenever it does.
    """

    html: bytes
    policy: str
    etag: str


def document(web: Web, environment: Environment) -> Document:
    """Return the page of these files, for a service of this name.

    Addresses in it are relative, so that it also works where a proxy puts the service below a path.
    """
    base = f"dashboard/{web.build}"
    addresses: dict[str, str] = {}
    for name, file in web.imports.items():
        addresses[name] = f"./{base}/{file}"
    import_map = json.dumps({"imports": addresses})
    html = (
        web.page.replace("{{base}}", base)
        .replace("{{import_map}}", import_map)
        .replace("{{environment_name}}", escape(environment.name))
        .replace("{{environment_colour}}", environment.colour)
    )
    body = html.encode()
    etag = hashlib.sha256(body).hexdigest()[:32]
    policy = _POLICY.format(import_map=_sha256(import_map))
    return Document(body, policy, f'"{etag}"')


def _sha256(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.b64encode(digest).decode()


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
    headers = {"Cache-Control": _KEPT_FOR_EVER, "ETag": f'"{build}"', "Vary": "Accept-Encoding"}
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
