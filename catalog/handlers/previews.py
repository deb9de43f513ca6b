"""Preview tiles: the pictures and pages that an app shows in a catalog (contract, section 9).

They come from a manifest first and then from the README's images. A tile is `{kind, title,
description, src, embedUrl, posterUrl, width, height, sortOrder, source}`, null for what the author
does not give.

First how a reference becomes an address (`References`); then the tiles (`preview_tiles`).
"""

import base64
import json
import logging
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from apphub_jobs.contract import Json
from catalog.handlers.readme_images import HEAD_BYTES, Size, find_images, rank_images, read_size
from catalog.handlers.untrusted import (
    ManifestValue,
    Tree,
    first_manifest,
    is_storable,
    one_line,
    printable,
    redact_userinfo,
)

# An author's reference to a picture or page becomes an address for any browser, or nothing.
#
# Only http: and https: lead out of a repository. A file of the repository is shown by its code
# host, where that is one of the three big ones, or else becomes part of the app's record as a
# `data:` URL.

MAX_URL = 2_000

MAX_INLINE_BYTES = 1_500_000
"""The largest image that becomes a `data:` URL (contract, section 9)."""

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")

_HOSTS = {  # By the names under which a repository may be reached.
    "github.com": "https://raw.githubusercontent.com/{repository}/{commit}/",
    "ssh.github.com": "https://raw.githubusercontent.com/{repository}/{commit}/",
    "gitlab.com": "https://gitlab.com/{repository}/-/raw/{commit}/",
    "altssh.gitlab.com": "https://gitlab.com/{repository}/-/raw/{commit}/",
    "bitbucket.org": "https://bitbucket.org/{repository}/raw/{commit}/",
    "altssh.bitbucket.org": "https://bitbucket.org/{repository}/raw/{commit}/",
}

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


class ReferenceUnusableError(ValueError):
    """The reference leads nowhere; the message says why."""


class References:
    """Resolves the references of one clone."""

    def __init__(self, tree: Tree, repo_url: str, commit_sha: str) -> None:
        self._tree = tree
        self._raw_base = raw_base(repo_url, commit_sha)

    def page(self, reference: str) -> str:
        """Return the address of a page, which must be an absolute one.

        Raises:
            ReferenceUnusableError: it is not.
        """
        return absolute_url(reference)

    def media(self, reference: str, base: str = "") -> str:
        """Return the address of an image or video.

        Args:
            reference: absolute, or relative to the repository's root or else to `base`.
            base: the directory of the file that it stands in.

        Raises:
            ReferenceUnusableError: it is neither an http(s) URL nor an existing file that can be
                shown.
        """
        if _is_external(reference):
            return absolute_url(reference)
        path = self._existing(reference, base)
        if self._raw_base is None:
            return self._inlined(path)
        return self._raw_base + quote(path)

    def size(self, reference: str) -> Size | None:
        """Return the sides of an image of the repository; None where they are unknown."""
        if _is_external(reference):
            return None
        try:
            path = self._existing(reference, "")
        except ReferenceUnusableError:
            return None
        return read_size(self._tree.head(path, HEAD_BYTES))

    def _existing(self, reference: str, base: str) -> str:
        """Return the path of the file in the repository that a reference names."""
        without_query, *_ = re.split(r"[?#]", reference, maxsplit=1)
        unquoted = unquote(without_query)
        for spelling in (unquoted, reference):
            for start in ("", base):
                path = posixpath.normpath(posixpath.join(start, spelling.lstrip("/")))
                if self._is_usable(path):
                    return path
        raise ReferenceUnusableError("no such file in the repository")

    def _is_usable(self, path: str) -> bool:
        if path.startswith("../") or not is_storable(path):
            return False
        return self._tree.inside(path) is not None

    def _inlined(self, path: str) -> str:
        content = self._tree.content(path, MAX_INLINE_BYTES)
        if content is None:
            raise ReferenceUnusableError(f"larger than {MAX_INLINE_BYTES} bytes")
        media_type = image_type(path, content)
        if media_type is None:
            raise ReferenceUnusableError("no image of a known kind")
        return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _is_external(reference: str) -> bool:
    return reference.startswith("//") or _SCHEME.match(reference) is not None


def absolute_url(reference: str) -> str:
    """Return an http(s) URL without user and password; one without a scheme gets https.

    Raises:
        ReferenceUnusableError: it is none.
    """
    url = f"https:{reference}" if reference.startswith("//") else reference
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ReferenceUnusableError("no URL") from None
    is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    if not is_web or not _is_plain(url):
        raise ReferenceUnusableError("no http: or https: URL")
    if len(url) > MAX_URL:
        raise ReferenceUnusableError(f"longer than {MAX_URL} characters")
    return redact_userinfo(url)


def _is_plain(url: str) -> bool:
    # A browser passes over spaces and control characters, and so would see another scheme.
    return url.isprintable() and " " not in url


def raw_base(repo_url: str, commit_sha: str) -> str | None:
    """Return the address below which the code host shows a commit's files.

    Returns:
        None if it is none of the big three.
    """
    try:
        parts = urlsplit(repo_url)
        usual_port = parts.scheme == "ssh" or parts.port is None
    except ValueError:
        return None
    template = _HOSTS.get((parts.hostname or "").removeprefix("www."))
    if template is None or not usual_port:
        return None
    repository = unquote(parts.path).strip("/").removesuffix(".git")
    if "/" not in repository:
        return None
    return template.format(repository=quote(repository), commit=commit_sha)


def image_type(path: str, content: bytes) -> str | None:
    """Return the media type that the content shows, None if it is no image that browsers know."""
    for signature, media_type in _SIGNATURES.items():
        if content.startswith(signature):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:12] in {b"ftypavif", b"ftypavis"}:
        return "image/avif"
    if path.lower().endswith(".svg") and _looks_like_svg(content):
        return "image/svg+xml"
    return None


def _looks_like_svg(content: bytes) -> bool:
    text = content[:4_096].decode("utf-8-sig", "replace").lstrip()
    return text.startswith("<") and "<svg" in text


MAX_TILES = 6

MAX_TOTAL_BYTES = 4_194_304
"""The size of all tiles together as JSON: two of the largest images. An attempt's whole result must
stay below eight megabytes, is kept for ever, and is sent to every client that watches."""

MAX_CANDIDATES = 100
"""How many of a manifest's entries, and of the README's images, are looked at: each may cost the
reading of a file."""

FROM_MANIFEST = "ingestion:previews-manifest"
FROM_README = "ingestion:readme"

MANIFESTS = tuple(
    f"{stem}.{ending}"
    for stem in (".apphub/previews", "apphub.previews", "previews")
    for ending in ("json", "yaml", "yml")
)

_LISTS = ("tiles", "previews", "items", "cards")
_PAGES = frozenset({"storybook", "embed"})
_KINDS = {
    "image": "image",
    "picture": "image",
    "gif": "gif",
    "video": "video",
    "storybook": "storybook",
    "embed": "embed",
    "iframe": "embed",
    "external": "embed",
}
_VIDEOS = (".mp4", ".webm", ".mov", ".m4v", ".ogv")

_NUMBER = re.compile(r"(-?\d{1,6})(?:\.\d{1,6})?(?:px)?")
_MAX_SIDE = 20_000


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an author wrote about one tile; "" where nothing. `order` sorts a manifest's tiles."""

    source: str
    base: str = ""
    kind: str = ""
    title: str = ""
    description: str = ""
    src: str = ""
    embed: str = ""
    poster: str = ""
    width: str = ""
    height: str = ""
    order: int = 0


def preview_tiles(
    tree: Tree, repo_url: str, commit_sha: str, log: logging.Logger
) -> list[dict[str, Json]]:
    """Return the app's tiles: six at most, without repeats, and within a total size.

    What is left out is a line of the log.
    """
    references = References(tree, repo_url, commit_sha)
    tiles: dict[str, dict[str, Json]] = {}
    total = 0
    for preview in (*_manifest_previews(tree, log), *_readme_previews(tree, references)):
        if len(tiles) == MAX_TILES:
            break
        try:
            tile = _tile(preview, references, log)
        except ReferenceUnusableError as error:
            log.info(
                "preview %s is left out: %s", printable(preview.embed or preview.src, 100), error
            )
            continue
        size = len(json.dumps(tile))
        address = _address(tile)
        if address in tiles:
            continue
        if total + size > MAX_TOTAL_BYTES:
            log.info(
                "preview %s is left out: all together take too much", printable(preview.src, 100)
            )
            continue
        tiles[address] = {**tile, "sortOrder": len(tiles)}
        total += size
    return list(tiles.values())


def _manifest_previews(tree: Tree, log: logging.Logger) -> Iterator[Preview]:
    """Yield what the first manifest lists, by `order` where it has one, else as listed."""
    name = next((name for name in MANIFESTS if tree.inside(name)), None)
    if name is None:
        return
    manifest = first_manifest(tree, (name,), log)
    base = posixpath.dirname(name)
    previews: list[Preview] = []
    for index, entry in enumerate(_entries(manifest)[:MAX_CANDIDATES]):
        preview = _preview_of(entry, base, index)
        if preview is not None:
            previews.append(preview)
    yield from sorted(previews, key=lambda preview: preview.order)


def _entries(content: ManifestValue) -> list[ManifestValue]:
    """Return the list that a manifest is, or has under one of the usual names."""
    if isinstance(content, list):
        return content
    if isinstance(content, dict):
        for name in _LISTS:
            part = content.get(name)
            if isinstance(part, list):
                return part
    return []


def _preview_of(entry: ManifestValue, base: str, index: int) -> Preview | None:
    """Return the preview of a manifest's entry, which is an object or an address."""
    if isinstance(entry, str):
        return Preview(source=FROM_MANIFEST, base=base, src=entry.strip(), order=index)
    if not isinstance(entry, dict):
        return None
    kind = _text_of(entry, "kind", "type").lower()
    order = _number(_text_of(entry, "sortOrder", "order"))
    return Preview(
        source=FROM_MANIFEST,
        base=base,
        kind=_KINDS.get(kind, ""),
        title=_text_of(entry, "title"),
        description=_text_of(entry, "description"),
        src=_text_of(entry, "src", "url", "href"),
        embed=_text_of(entry, "embedUrl", "embed", "iframe") or _story(entry),
        poster=_text_of(entry, "posterUrl", "poster"),
        width=_text_of(entry, "width"),
        height=_text_of(entry, "height"),
        order=index if order is None else order,
    )


def _text_of(entry: Mapping[str, ManifestValue], *names: str) -> str:
    """Return the first of these fields that is no empty text; numbers as texts."""
    for name in names:
        value = entry.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            continue
        text = str(value).strip()
        if text:
            return text
    return ""


def _story(entry: Mapping[str, ManifestValue]) -> str:
    """Return the address of one story of a storybook, as storybooks spell it."""
    book = _text_of(entry, "storybookUrl", "baseUrl")
    story = _text_of(entry, "storyId", "story")
    if not book or not story:
        return ""
    root, _, _ = book.partition("/iframe.html")
    return f"{root.rstrip('/')}/iframe.html?id={quote(story, safe='')}&viewMode=story"


def _readme_previews(tree: Tree, references: References) -> Iterator[Preview]:
    """Yield the README's images: screenshots first, badges and icons last, else as they stand."""
    readme = tree.text("README.md") or ""
    for image in rank_images(find_images(readme), references.size, MAX_CANDIDATES):
        yield Preview(
            source=FROM_README,
            title=image.alt or image.title,
            description=image.title if image.alt else "",
            src=image.src,
            width=image.width,
            height=image.height,
        )


def _tile(preview: Preview, references: References, log: logging.Logger) -> dict[str, Json]:
    """Return the tile without its `sortOrder`.

    Raises:
        ReferenceUnusableError: its reference leads nowhere.
    """
    kind = preview.kind or _kind_of(preview)
    src: str | None = None
    embed_url: str | None = None
    if kind in _PAGES:
        embed_url = references.page(preview.embed or preview.src)
        if preview.embed:
            src = _optional(preview.src, preview, references, log)
    else:
        src = references.media(preview.src, preview.base)
        if preview.embed:
            embed_url = references.page(preview.embed)
    return {
        "kind": kind,
        "title": one_line(preview.title, 200),
        "description": one_line(preview.description, 1_000),
        "src": src,
        "embedUrl": embed_url,
        "posterUrl": _optional(preview.poster, preview, references, log),
        "width": _side(preview.width),
        "height": _side(preview.height),
        "source": preview.source,
    }


def _optional(
    reference: str, preview: Preview, references: References, log: logging.Logger
) -> str | None:
    if not reference:
        return None
    try:
        return references.media(reference, preview.base)
    except ReferenceUnusableError as error:
        log.info("%s is left out of its preview: %s", printable(reference, 100), error)
        return None


def _kind_of(preview: Preview) -> str:
    if preview.embed and not preview.src:
        return "embed"
    without_query, _, _ = preview.src.partition("?")
    path, _, _ = without_query.partition("#")
    _, ending = posixpath.splitext(path.lower())
    if ending == ".gif":
        return "gif"
    if ending in _VIDEOS:
        return "video"
    return "image"


def _address(tile: Mapping[str, Json]) -> str:
    return str(tile["embedUrl"] or tile["src"])


def _side(text: str) -> int | None:
    pixels = _number(text)
    return pixels if pixels is not None and 0 < pixels <= _MAX_SIDE else None


def _number(text: str) -> int | None:
    match = _NUMBER.fullmatch(text)
    return None if match is None else int(match[1])
