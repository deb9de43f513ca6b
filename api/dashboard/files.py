"""The dashboard's files as they are served: read once, named by what they hold."""

import gzip
import hashlib
import json
import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

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
