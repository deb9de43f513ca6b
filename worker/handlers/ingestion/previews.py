"""Preview tiles: what an app shows of itself in a catalog (contract, section 9).

They come from a manifest first and then from the README's images. A tile is `{kind, title,
description, src, embedUrl, posterUrl, width, height, sortOrder, source}`, null where the author
says nothing.
"""

import json
import logging
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from apphub_jobs.contract import Json
from worker.handlers.ingestion.readme_images import images
from worker.handlers.ingestion.references import References, ReferenceUnusableError
from worker.handlers.untrusted.manifests import Plain, first_manifest
from worker.handlers.untrusted.texts import one_line, shown
from worker.handlers.untrusted.tree import Tree

MAX_TILES = 6

MAX_TOTAL_BYTES = 4_194_304
"""Of all tiles together as JSON: two images of the largest size. An attempt's whole result must
stay below eight megabytes, and it is kept for ever, and sent to every client that watches."""

MAX_CANDIDATES = 100
"""Of each source; each may cost the reading of a file."""

FROM_MANIFEST, FROM_README = "ingestion:previews-manifest", "ingestion:readme"

MANIFESTS = tuple(
    f"{stem}.{ending}"
    for stem in (".apphub/previews", "apphub.previews", "previews")
    for ending in ("json", "yaml", "yml")
)

_LISTS = ("tiles", "previews", "items", "cards")
_PAGES = frozenset({"storybook", "embed"})
_KINDS = {name: name for name in ("image", "gif", "video", "storybook", "embed")} | {
    "picture": "image",
    "iframe": "embed",
    "external": "embed",
}
_KIND_BY_ENDING = {".gif": "gif"} | dict.fromkeys(
    (".mp4", ".webm", ".mov", ".m4v", ".ogv"), "video"
)

_NUMBER = re.compile(r"(-?\d{1,6})(?:\.\d{1,6})?(?:px)?")
_MAX_SIDE = 20_000


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an author wrote about one tile; "" where nothing. `order` puts a manifest's tiles in line."""

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
    """Return the app's tiles, six at most, without repeats, and within a total size; the log tells what is left out."""
    references = References(tree, repo_url, commit_sha)
    tiles: dict[str, dict[str, Json]] = {}
    total = 0
    for preview in (*_of_manifest(tree, log), *_of_readme(tree)):
        if len(tiles) == MAX_TILES:
            break
        try:
            tile = _tile(preview, references, log)
        except ReferenceUnusableError as error:
            log.info("preview %s is left out: %s", shown(preview.embed or preview.src, 100), error)
            continue
        size = len(json.dumps(tile))
        if _address(tile) in tiles:
            continue
        if total + size > MAX_TOTAL_BYTES:
            log.info("preview %s is left out: all together take too much", shown(preview.src, 100))
            continue
        tiles[_address(tile)] = {**tile, "sortOrder": len(tiles)}
        total += size
    return list(tiles.values())


def _of_manifest(tree: Tree, log: logging.Logger) -> Iterator[Preview]:
    """Yield what the first manifest lists, by `order`, where given, or else as listed."""
    name = next(filter(tree.inside, MANIFESTS), "")
    content = first_manifest(tree, (name,), log) if name else None
    if isinstance(content, dict):
        content = next((part for part in map(content.get, _LISTS) if isinstance(part, list)), None)
    entries = content[:MAX_CANDIDATES] if isinstance(content, list) else []
    previews = [
        _listed(entry, posixpath.dirname(name), place) for place, entry in enumerate(entries)
    ]
    yield from sorted(
        (preview for preview in previews if preview is not None), key=lambda preview: preview.order
    )


def _listed(entry: Plain, base: str, place: int) -> Preview | None:
    """Return what a manifest's entry says: an object, or just an address."""
    if isinstance(entry, str):
        return Preview(source=FROM_MANIFEST, base=base, src=entry.strip(), order=place)
    if not isinstance(entry, dict):
        return None
    order = _number(_said(entry, "sortOrder", "order"))
    return Preview(
        source=FROM_MANIFEST,
        base=base,
        kind=_KINDS.get(_said(entry, "kind", "type").lower(), ""),
        title=_said(entry, "title"),
        description=_said(entry, "description"),
        src=_said(entry, "src", "url", "href"),
        embed=_said(entry, "embedUrl", "embed", "iframe") or _story(entry),
        poster=_said(entry, "posterUrl", "poster"),
        width=_said(entry, "width"),
        height=_said(entry, "height"),
        order=place if order is None else order,
    )


def _said(entry: Mapping[str, Plain], *names: str) -> str:
    """Return the first of these fields that says something; numbers as texts."""
    values = (entry.get(name) for name in names)
    texts = (
        str(value).strip()
        for value in values
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    )
    return next(filter(None, texts), "")


def _story(entry: Mapping[str, Plain]) -> str:
    """Return the address of one story of a storybook, as storybooks spell it."""
    book, story = _said(entry, "storybookUrl", "baseUrl"), _said(entry, "storyId", "story")
    if not book or not story:
        return ""
    return f"{book.partition('/iframe.html')[0].rstrip('/')}/iframe.html?id={quote(story, safe='')}&viewMode=story"


def _of_readme(tree: Tree) -> Iterator[Preview]:
    for image in images(tree.text("README.md") or "")[:MAX_CANDIDATES]:
        yield Preview(
            source=FROM_README,
            title=image.alt or image.title,
            description=image.title if image.alt else "",
            src=image.src,
            width=image.width,
            height=image.height,
        )


def _tile(preview: Preview, references: References, log: logging.Logger) -> dict[str, Json]:
    """Return the tile, but for its place in line.

    Raises:
        ReferenceUnusableError: what it should show leads nowhere.
    """
    kind = preview.kind or _kind_of(preview)
    src: str | None = None
    embed_url: str | None = None
    if kind in _PAGES:
        embed_url = references.page(preview.embed or preview.src)
        src = _optional(preview.src, preview, references, log) if preview.embed else None
    else:
        src = references.media(preview.src, preview.base)
        embed_url = references.page(preview.embed) if preview.embed else None
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
    try:
        return references.media(reference, preview.base) if reference else None
    except ReferenceUnusableError as error:
        log.info("%s is left out of its preview: %s", shown(reference, 100), error)
        return None


def _kind_of(preview: Preview) -> str:
    if preview.embed and not preview.src:
        return "embed"
    path = preview.src.partition("?")[0].partition("#")[0]
    return _KIND_BY_ENDING.get(posixpath.splitext(path)[1].lower(), "image")


def _address(tile: Mapping[str, Json]) -> str:
    return str(tile["embedUrl"] or tile["src"])


def _side(text: str) -> int | None:
    pixels = _number(text)
    return pixels if pixels is not None and 0 < pixels <= _MAX_SIDE else None


def _number(text: str) -> int | None:
    match = _NUMBER.fullmatch(text)
    return int(match[1]) if match else None
