"""The dashboard's page and its files. They hold no data, so they need no token.

First the files, read once and addressed by their content (`Web`), then the page with its policy
(`Document`), then the routes.
"""

import base64
import gzip
import hashlib
import json
import mimetypes
import re
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
"""The folder of the dashboard's files."""

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
        path: relative to `WEB`, with slashes.
        body: its content.
    """

    path: str
    body: bytes

    @cached_property
    def compressed(self) -> bytes:
        """The content, gzipped; the same bytes for the same content."""
        return gzip.compress(self.body, mtime=0)

    @property
    def media_type(self) -> str:
        """The file's media type."""
        guessed_type, _ = mimetypes.guess_type(self.path)
        return _TYPES.get(Path(self.path).suffix) or guessed_type or "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Web:
    """All files of the dashboard.

    Attributes:
        page: the template of the page.
        files: the files that the page loads, by path.
        imports: the file of each vendored module, by the name that it is imported by.
    """

    page: str
    files: Mapping[str, WebFile]
    imports: Mapping[str, str]

    @cached_property
    def build(self) -> str:
        """A hash of the page and all files: another build has other addresses."""
        digest = hashlib.sha256(self.page.encode())
        for path, file in sorted(self.files.items()):
            digest.update(f"\0{path}\0".encode())
            digest.update(file.body)
        return digest.hexdigest()[:16]


@cache
def web() -> Web:
    """Return the files; the first call reads them."""
    files = {file.path: file for file in _files()}
    page = files.pop(PAGE).body.decode()
    imports = {
        name: f"vendor/{package['folder']}/{file}"
        for package in json.loads(files[MANIFEST].body)
        for name, file in package["imports"].items()
    }
    return Web(page, files, imports)


def _files() -> Iterable[WebFile]:
    for path in sorted(WEB.rglob("*")):
        if path.is_file():
            name = path.relative_to(WEB).as_posix()
            body = path.read_bytes()
            is_ours = path.suffix in {".js", ".css"} and not name.startswith("vendor/")
            yield WebFile(name, without_comments(body) if is_ours else body)


_COMMENT = re.compile(
    rb"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/[ \t]*)(?=\n)", re.MULTILINE | re.DOTALL
)


def without_comments(code: bytes) -> bytes:
    """Return JavaScript or CSS without the comments that have lines of their own.

    They are a sixth of what would be sent. All lines keep their numbers.
    """
    return _COMMENT.sub(lambda comment: b"\n" * comment[0].count(b"\n"), code)


_POLICY = (
    "default-src 'none'; script-src 'self' 'sha256-{import_map}'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing is inline but the import map, which browsers accept only inline; its hash allows it."""


@dataclass(frozen=True)
class Document:
    """The page as it is sent.

    Attributes:
        html: its content.
        policy: its Content-Security-Policy.
        etag: a hash of its content, in quotes.
    """

    html: bytes
    policy: str
    etag: str


def document(web: Web, environment: Environment) -> Document:
    """Render the page.

    Its addresses are relative, so that it also works where a proxy serves it below a path.

    Args:
        web: the dashboard's files.
        environment: the service's name and colour.
    """
    base = f"dashboard/{web.build}"
    addresses = {name: f"./{base}/{file}" for name, file in web.imports.items()}
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

_REVALIDATED = "no-cache"
_IMMUTABLE = "public, max-age=31536000, immutable"


@router.get("/")
async def show_dashboard(request: Request) -> Response:
    """Return the dashboard's page."""
    page = document(web(), service_of(request).settings.environment)
    headers = {
        "Cache-Control": _REVALIDATED,
        "Content-Security-Policy": page.policy,
        "ETag": page.etag,
    }
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
